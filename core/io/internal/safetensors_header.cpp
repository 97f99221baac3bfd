#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/safetensors_header.h>
#include <gradus/core/io/json.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace gradus {
namespace {

/// Reads the header from front to end. The format nests to a fixed depth, and so does the reader.
class HeaderReader final : public JsonScanner {
 public:
  HeaderReader(const std::string& path, SafetensorsHeader& h, std::uint64_t most)
      : JsonScanner(h.text), path_(path), h_(h), most_(most) {}

  void operator()() {
    bool metadata_seen = false;
    begin('{', "the header", "an object");
    members([&](std::string_view name) {
      if (name == metadata_key) {
        if (std::exchange(metadata_seen, true)) twice(name);
        return metadata();
      }
      if (name.find('\0') != name.npos) fail(join("the name \"", excerpt(name), "\" holds a NUL"));
      if (h_.entries.size() == most_) too_many("tensors");
      tensor(name);
    });
    end();
    throw_twins();
  }

 private:
  // ---- the format ----
  void tensor(std::string_view name) {
    constexpr std::string_view fields[] = {"dtype", "shape", "data_offsets"};
    bool seen[3] = {};
    begin('{', join("\"", excerpt(name, 80), "\""), "an object for each name");
    TensorEntry& e = h_.entries.emplace_back();
    e.name = name;
    const std::string where = named(name);
    members([&](std::string_view field) {
      const auto which = static_cast<std::size_t>(std::find(fields, fields + 3, field) - fields);
      if (which == 3)
        fail(join(where, ": unknown field \"", excerpt(field), "\"; dtype, shape and data_offsets are the fields"));
      if (std::exchange(seen[which], true)) fail(join(where, ": \"", field, "\" stands there twice"));
      constexpr const char* right = "dtype as a string, shape and data_offsets as lists";
      if (which == 0) {
        begin('"', where, right);
        e.dtype_name = string();
      } else {
        begin('[', where, right);
        which == 1 ? shape(where, e.shape) : offsets(where, e);
      }
    });
    for (std::size_t i = 0; i < 3; ++i)
      if (!seen[i]) fail(join(where, ": \"", fields[i], "\" is missing"));
  }

  void shape(const std::string& where, Shape& shape) {
    elements([&] {
      const std::uint64_t n = number(where, "whole numbers from 0");
      if (shape.rank() == max_rank) fail(join(where, ": more than ", max_rank, " axes, which are the most supported"));
      if (n > std::uint64_t(1) << 62) fail(join(where, ": an axis of length ", n, " cannot be addressed"));
      shape.push_back(static_cast<std::int64_t>(n));
    });
  }

  void offsets(const std::string& where, TensorEntry& e) {
    int count = 0;
    elements([&] {
      const std::uint64_t n = number(where, "two whole numbers from 0");
      if (count == 2) fail(join(where, ": data_offsets has more than two numbers"));
      (count++ == 0 ? e.begin : e.end) = n;
    });
    if (count != 2) fail(join(where, ": data_offsets needs two numbers"));
  }

  void metadata() {
    begin('{', join("\"", metadata_key, "\""), "an object");
    members([&](std::string_view key) {
      if (h_.metadata.size() == most_) too_many("keys in __metadata__");
      const auto [place, fresh] = h_.metadata.try_emplace(std::string(key));
      if (!fresh) fail(join("the key \"", excerpt(key), "\" stands twice in __metadata__"));
      begin('"', std::string(metadata_key), "strings only");
      place->second = string();
    });
  }

  void throw_twins() const {
    std::vector<std::uint32_t> order(h_.entries.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    const auto name = [&](std::uint32_t i) { return h_.entries[i].name; };
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return name(a) < name(b); });
    const auto twin = std::adjacent_find(order.begin(), order.end(), [&](auto a, auto b) { return name(a) == name(b); });
    if (twin != order.end()) twice(name(*twin));
  }

  // ---- values ----
  /// Skips to a value's first character. Errors: DataError, "WHERE: null where RIGHT would be right", for another value.
  void begin(char first, const std::string& where, const char* right) {
    if (!take(first)) throw_value(where, right);
  }

  std::uint64_t number(const std::string& where, const char* right) {
    skip_spaces();
    const std::string_view all = digits();
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), n);
    const bool whole = error == std::errc() && end == all.data() + all.size();
    if (!whole || (all[0] == '0' && all.size() > 1)) throw_value(where, right);
    at_ += all.size();
    return n;
  }

  // ---- messages ----
  void throw_error(const std::string& problem) const override { bad_file(path_, "header of a safetensors file: ", problem); }
  [[noreturn]] void twice(std::string_view name) const {
    fail(join("the name \"", excerpt(name, 80), "\" stands there twice"));
  }
  [[noreturn]] void too_many(const char* what) const {
    fail(join("more than ", grouped(most_), " ", what,
              "; a file may hold 65,536, or one for each 512 bytes if that is more"));
  }
  [[noreturn]] void throw_value(const std::string& where, const char* right) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    std::string found;
    if (c == '{') found = "an object";
    else if (c == '[') found = "a list";
    else if (c == 't' || c == 'f') found = "a boolean";
    else if (c == 'n') found = "null";
    else if (c == '"') ++at_, found = join("the string \"", excerpt(string()), "\"");
    else if (c == '-') found = join("the negative number ", excerpt(digits()));
    else if (c >= '0' && c <= '9') found = join("the number ", excerpt(digits()));
    else fail_expecting("a value");
    fail(join(where, ": ", found, " where ", right, " would be right"));
  }

  const std::string& path_;
  SafetensorsHeader& h_;
  const std::uint64_t most_;
};

}  // namespace

void read_header(const std::string& path, SafetensorsHeader& h, std::uint64_t most) { HeaderReader(path, h, most)(); }

std::string named(std::string_view tensor) { return join("tensor \"", excerpt(tensor, 80), "\""); }

}  // namespace gradus
