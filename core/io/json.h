// JSON: a value, its text, and the scanner that readers of JSON share.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gradus {

/// A JSON value.
class JsonValue {
 public:
  using List = std::vector<JsonValue>;
  using Object = std::map<std::string, JsonValue, std::less<>>;

  JsonValue() = default;  ///< null
  JsonValue(bool x) : value_(x) {}
  JsonValue(double x) : value_(x) {}
  JsonValue(std::int64_t x) : value_(static_cast<double>(x)) {}
  JsonValue(std::string x) : value_(std::move(x)) {}
  JsonValue(const char* x) : value_(std::string(x)) {}
  JsonValue(List x) : value_(std::move(x)) {}
  JsonValue(Object x) : value_(std::move(x)) {}

  /// The value as a T; null if this is another kind of value.
  template <class T> const T* get_if() const { return std::get_if<T>(&value_); }
  /// The member `name`; null if there is none, or if this is no object.
  const JsonValue* find(std::string_view name) const;
  /// The member `name`, made if there is none; a value that is no object becomes an empty one first.
  JsonValue& operator[](std::string_view name);
  void push_back(JsonValue x);  ///< a value that is no list becomes an empty one first

 private:
  std::variant<std::monostate, bool, double, std::string, List, Object> value_;
};

/// The text of a value, without spaces. Numbers read back as the same bits; those that are not finite are null.
/// Errors: DataError for a string that is not UTF-8.
std::string to_string(const JsonValue& value);
/// Parses JSON text. Errors: DataError, "WHO: not valid JSON: ...".
JsonValue parse_json(const std::string& text, const std::string& who);

/// Appends `s` as a JSON string; false if it is not UTF-8.
bool append_json(std::string& to, std::string_view s);

/// Reads JSON text from front to end; strings are decoded in place.
class JsonScanner {
 public:
  explicit JsonScanner(std::string& text) : text_(text) {}
  virtual ~JsonScanner() = default;

 protected:
  /// Throws an exception that says what is wrong with the text.
  virtual void throw_error(const std::string& problem) const = 0;
  [[noreturn]] void fail(const std::string& problem) const;
  [[noreturn]] void fail_expecting(const char* what) const;

  /// Calls f(key) at each value of an object whose brace has been read.
  template <class F> void members(F&& f) {
    if (take('}')) return;
    do {
      if (!take('"')) fail_expecting("a name in quotes");
      const std::string_view key = string();
      if (!take(':')) fail_expecting("':'");
      f(key);
    } while (take(','));
    if (!take('}')) fail_expecting("',' or '}'");
  }
  /// Calls f() at each element of a list whose bracket has been read.
  template <class F> void elements(F&& f) {
    if (take(']')) return;
    do f();
    while (take(','));
    if (!take(']')) fail_expecting("',' or ']'");
  }
  /// The rest of a string whose quote has been read, decoded in place, where it never grows.
  std::string_view string();
  /// The characters of the number at the current position; may be empty.
  std::string_view digits() const;
  void skip_spaces();
  bool take(char c);  ///< reads `c` if it is next, after spaces
  void end();         ///< throws unless the text ends here

  std::string& text_;
  std::size_t at_ = 0;

 private:
  std::uint32_t escape();
  std::uint32_t unit();
};

}  // namespace gradus
