// Numbers and days in words and in digits, for a network to translate.
#pragma once

#include <gradus/core/random.h>

#include <cstdio>
#include <string>
#include <vector>

namespace gradus::examples {

inline constexpr const char* small[] = {"zero",     "one",     "two",     "three",     "four",     "five",    "six",
                                        "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                                        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
inline constexpr const char* tens[] = {"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
inline constexpr const char* months[] = {"january", "february", "march",     "april",   "may",      "june",
                                         "july",    "august",   "september", "october", "november", "december"};
inline constexpr const char* ordinals[] = {"",          "first",     "second",      "third",      "fourth",
                                           "fifth",     "sixth",     "seventh",     "eighth",     "ninth",
                                           "tenth",     "eleventh",  "twelfth",     "thirteenth", "fourteenth",
                                           "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"};

inline std::string in_words(std::uint64_t n) {
  if (n < 20) return small[n];
  if (n < 100) return tens[n / 10] + (n % 10 ? " " + in_words(n % 10) : "");
  const std::uint64_t unit = n < 1000 ? 100 : 1000;
  const std::string rest = n % unit == 0 ? "" : (unit == 100 || n % unit < 100 ? " and " : " ") + in_words(n % unit);
  return in_words(n / unit) + (unit == 100 ? " hundred" : " thousand") + rest;
}

inline std::string day_in_words(std::uint64_t day) {
  if (day < 20) return ordinals[day];
  if (day % 10 == 0) return day == 20 ? "twentieth" : "thirtieth";
  return std::string(tens[day / 10]) + " " + ordinals[day % 10];
}

struct WrittenNumber {
  std::string words, digits;
};

/// A number below a million, or a day of the years 1100 to 1999 in one of two ways to say it.
inline WrittenNumber written_number(const Philox& random) {
  if (random.below(0, 2) == 0) {
    std::uint64_t range = 1000;
    for (auto n = random.below(1, 4); n > 0; --n) range *= 10;  // short ones, too
    const auto n = random.below(2, range);
    return {in_words(n), std::to_string(n)};
  }
  const auto day = 1 + random.below(3, 30), month = random.below(4, 12), year = 1100 + random.below(5, 900);
  const std::string spoken = year % 100 == 0   ? in_words(year / 100) + " hundred"
                             : year % 100 < 10 ? in_words(year / 100) + " oh " + in_words(year % 100)
                                               : in_words(year / 100) + " " + in_words(year % 100);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%04d-%02d-%02d", int(year), int(month + 1), int(day));
  const std::string name = months[month], said = random.below(6, 2) == 0 ? "the " + day_in_words(day) + " of " + name
                                                                         : name + " the " + day_in_words(day);
  return {said + " " + spoken, digits};
}

/// Every word that may occur.
inline std::vector<std::string> words_of_numbers() {
  std::vector<std::string> all = {"hundred", "thousand", "and", "the", "of", "oh", "twentieth", "thirtieth"};
  for (const auto* w : small) all.emplace_back(w);
  for (const auto* w : tens) all.emplace_back(w);  // the empty ones are no words to data::Categories
  for (const auto* w : months) all.emplace_back(w);
  for (const auto* w : ordinals) all.emplace_back(w);
  return all;
}

}  // namespace gradus::examples
