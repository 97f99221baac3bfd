// What the tokenizer of GPT-2 has laid down: its words, the order of its bytes, and how its files print them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gradus::data {

/// The word with which `text`, not empty, begins, by the pattern
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// where every byte beyond ASCII is a letter.
std::string_view first_word(std::string_view text);

/// All 256 bytes: those that print by themselves (33 to 126, 161 to 172, 174 to 255), then the others.
const std::string& byte_order();

/// A token as files print it, in UTF-8: a byte that prints is the character of that number, the others, in their order,
/// those from U+0100 on; so a space is U+0120.
std::string printed(std::string_view token);
/// The token that is printed so; false if a character is none of those, or `print` is empty.
bool read_printed(std::string_view print, std::string& token);

}  // namespace gradus::data
