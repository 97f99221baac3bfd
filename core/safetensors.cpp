#include <gradus/core/files.h>
#include <gradus/core/memory_error.h>
#include <gradus/core/safetensors.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <unordered_set>

namespace gradus {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

using json = nlohmann::json;

constexpr std::uint64_t longest_header = 100'000'000;
constexpr std::string_view metadata_key = "__metadata__";
constexpr const char* dtype_names[] = {"F32", "F64", "I64", "U8", "BOOL"};  // in the order of Dtype

std::string named(const std::string& tensor) { return join("tensor \"", excerpt(tensor, 80), "\""); }

/// What the header says of one tensor.
struct Entry {
  std::string name, dtype_name;
  std::vector<std::int64_t> lengths;
  std::vector<std::uint64_t> offsets;  // begin, end
  bool has_dtype = false, has_shape = false, has_offsets = false;

  Dtype dtype() const {
    const auto* found = std::find(std::begin(dtype_names), std::end(dtype_names), dtype_name);
    return static_cast<Dtype>(found - dtype_names);
  }
  Shape shape() const { return {lengths.data(), static_cast<int>(lengths.size())}; }
};

/// Receives the header's JSON piece by piece: a document tree would silently keep the last of two equal keys, and grow with
/// the nesting. Each function returns false, with problem_ set, at the first thing that has no place in such a header.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  std::vector<Entry> entries;
  Metadata metadata;
  std::string problem;

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_integer(number_integer_t v) override { return refuse(join("the negative number ", v)); }
  bool number_float(number_float_t, const string_t& s) override { return refuse(join("the number ", excerpt(s))); }
  bool binary(binary_t&) override { return refuse("binary data"); }

  bool number_unsigned(number_unsigned_t v) override {
    if (place_ == Place::shape) {
      if (entries.back().lengths.size() == max_rank)
        return fail(join(where(), ": more than ", max_rank, " axes, which are the most supported"));
      if (v > std::uint64_t(1) << 62)
        return fail(join(where(), ": an axis of length ", v, " cannot be addressed"));
      entries.back().lengths.push_back(static_cast<std::int64_t>(v));
    } else if (place_ == Place::offsets) {
      if (entries.back().offsets.size() == 2) return fail(where() + ": data_offsets has more than two numbers");
      entries.back().offsets.push_back(v);
    } else {
      return refuse(join("the number ", v));
    }
    return true;
  }

  bool string(string_t& v) override {
    if (place_ == Place::metadata) {
      metadata[key_] = std::move(v);
    } else if (place_ == Place::entry && key_ == "dtype") {
      entries.back().dtype_name = std::move(v);
    } else {
      return refuse(join("the string \"", excerpt(v), "\""));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::root;
    } else if (place_ == Place::root) {
      place_ = key_ == metadata_key ? Place::metadata : Place::entry;
      if (place_ == Place::entry) entries.emplace_back().name = key_;
    } else {
      return refuse("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::entry) {
      const Entry& e = entries.back();
      const char* missing = !e.has_dtype ? "dtype" : !e.has_shape ? "shape" : !e.has_offsets ? "data_offsets" : nullptr;
      if (missing) return fail(join(where(), ": \"", missing, "\" is missing"));
    }
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::entry || (key_ != "shape" && key_ != "data_offsets")) return refuse("a list");
    place_ = key_ == "shape" ? Place::shape : Place::offsets;
    return true;
  }

  bool end_array() override {
    if (place_ == Place::offsets && entries.back().offsets.size() != 2)
      return fail(where() + ": data_offsets needs two numbers");
    place_ = Place::entry;
    return true;
  }

  bool key(string_t& k) override {
    if (place_ == Place::root) {
      if (k.find('\0') != std::string::npos) return fail(join("the name \"", excerpt(k), "\" holds a NUL"));
      if (!names_.insert(k).second) return fail(join("the name \"", excerpt(k, 80), "\" stands there twice"));
    } else if (place_ == Place::metadata) {
      if (metadata.contains(k)) return fail(join("the key \"", excerpt(k), "\" stands twice in __metadata__"));
    } else {
      Entry& e = entries.back();
      bool* has = k == "dtype" ? &e.has_dtype : k == "shape" ? &e.has_shape : k == "data_offsets" ? &e.has_offsets : nullptr;
      if (!has)
        return fail(join(where(), ": unknown field \"", excerpt(k), "\"; dtype, shape and data_offsets are the fields"));
      if (std::exchange(*has, true)) return fail(join(where(), ": \"", k, "\" stands there twice"));
    }
    key_ = std::move(k);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail(join("not valid JSON at byte ", position));
  }

 private:
  enum class Place { outside, root, metadata, entry, shape, offsets };

  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }
  std::string where() const {
    if (place_ >= Place::entry) return named(entries.back().name);
    return place_ == Place::metadata ? std::string(metadata_key) : join("\"", excerpt(key_, 80), "\"");
  }
  bool refuse(const std::string& what) {
    constexpr const char* expected[] = {"an object",
                                        "an object for each name",
                                        "strings only",
                                        "dtype as a string, shape and data_offsets as lists",
                                        "whole numbers from 0",
                                        "two whole numbers from 0"};
    return fail(join(where(), ": ", what, " where ", expected[static_cast<int>(place_)], " would be right"));
  }

  Place place_ = Place::outside;
  std::string key_;
  std::unordered_set<std::string> names_;
};

std::string header_text(const InputFile& file) {
  char start[9] = {};
  const auto have = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), sizeof start));
  file.read(0, start, have);
  std::uint64_t length = 0;
  std::memcpy(&length, start, sizeof length);
  const auto first = excerpt({start, std::min<std::size_t>(have, 8)});
  const std::string seen = join("not a safetensors file (starts with \"", first, "\")");
  if (have < 8) bad_file(file.path(), seen, ": it has ", have, " bytes, the length of the header alone takes 8");
  if (length > longest_header)
    bad_file(file.path(), seen, ": as a header length that is ", grouped(length), " bytes, at most ",
             grouped(longest_header), " are read");
  if (length < 2 || (have > 8 && start[8] != '{')) bad_file(file.path(), seen, ": no header that begins with { follows");
  if (length > file.size() - 8)
    bad_file(file.path(), "truncated: the header takes ", grouped(8 + length), " bytes, the file has ",
             grouped(file.size()));
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(8, text.data(), text.size());
  return text;
}

/// Dtype, shape and offsets of each entry agree.
void check_entries(const std::string& path, const std::vector<Entry>& entries) {
  for (const Entry& e : entries) {
    std::uint64_t bytes = 0;
    if (std::find(std::begin(dtype_names), std::end(dtype_names), e.dtype_name) == std::end(dtype_names))
      bad_file(path, named(e.name), ": dtype \"", excerpt(e.dtype_name), "\" is not read; F32, F64, I64, U8 and BOOL are");
    if (!byte_count(e.lengths, bytes_of(e.dtype()), bytes))
      bad_file(path, named(e.name), ": shape ", e.shape(), " of ", e.dtype_name, " needs more bytes than can be addressed");
    if (e.offsets[0] > e.offsets[1])
      bad_file(path, named(e.name), ": data_offsets begin at ", e.offsets[0], ", behind their end at ", e.offsets[1]);
    if (e.offsets[1] - e.offsets[0] != bytes)
      bad_file(path, named(e.name), ": ", e.dtype_name, e.shape(), " takes ", grouped(bytes),
               " bytes, its data_offsets span ", grouped(e.offsets[1] - e.offsets[0]));
  }
}

/// The entries, laid end to end, are the rest of the file. Returns their indices in that order.
std::vector<std::size_t> check_cover(const InputFile& file, const std::vector<Entry>& entries, std::uint64_t data) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return entries[a].offsets < entries[b].offsets; });
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    const Entry& e = entries[i];
    if (e.offsets[0] != end)
      bad_file(file.path(), named(e.name), ": its data begin at ", grouped(e.offsets[0]), ", those before end at ",
               grouped(end), e.offsets[0] < end ? ": they overlap" : ": there is a hole");
    end = e.offsets[1];
  }
  if (end > file.size() - data)
    bad_file(file.path(), "truncated: header says ", grouped(data + end), " bytes, the file has ", grouped(file.size()));
  if (end < file.size() - data)
    bad_file(file.path(), grouped(file.size() - data - end), " bytes follow the last tensor; header says ",
             grouped(data + end), " bytes in all");
  return order;
}

Array read_tensor(const InputFile& file, const Entry& e, std::uint64_t data) {
  Array a(e.shape(), e.dtype());
  const auto bytes = static_cast<std::size_t>(e.offsets[1] - e.offsets[0]);
  auto* to = visit(e.dtype(), [&]<class T>() { return reinterpret_cast<char*>(a.fresh<T>()); });
  file.read(data + e.offsets[0], to, bytes);
  if (e.dtype() == boolean)
    for (std::size_t i = 0; i < bytes; ++i)
      if (static_cast<unsigned char>(to[i]) > 1)
        bad_file(file.path(), named(e.name), ": element ", i, " is ", static_cast<unsigned char>(to[i]),
                 "; a bool is 0 or 1");
  return a;
}

std::string quoted(const std::string& path, const std::string& s) {
  try {
    return json(s).dump();
  } catch (const json::type_error&) {
    bad_file(path, "\"", excerpt(s, 80), "\" is not valid UTF-8, so it cannot be saved");
  }
}

void check_savable(const std::string& path, const NamedArrays& tensors) {
  std::unordered_set<std::string> names;
  for (const auto& [name, a] : tensors) {
    if (name == metadata_key) bad_file(path, named(name), ": this name is the format's own; choose another");
    if (name.find('\0') != std::string::npos) bad_file(path, named(name), ": a name cannot hold a NUL");
    if (!names.insert(name).second) bad_file(path, named(name), ": two tensors bear this name");
    if (!a.defined()) bad_file(path, named(name), " is absent: it has no numbers to save");
  }
}

std::string header_of(const std::string& path, const NamedArrays& tensors, const Metadata& metadata,
                      const std::vector<std::uint64_t>& begins) {
  std::string h = "{";
  if (!metadata.empty()) {
    h += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) h += quoted(path, key) + ':' + quoted(path, value) + ',';
    h.back() = '}';
    h += ',';
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Array& a = tensors[i].second;
    const std::uint64_t end = begins[i] + static_cast<std::uint64_t>(a.size()) * bytes_of(a.dtype());
    h += join(quoted(path, tensors[i].first), ":{\"dtype\":\"", dtype_names[static_cast<int>(a.dtype())],
              "\",\"shape\":", a.shape(), ",\"data_offsets\":[", begins[i], ",", end, "]},");
  }
  if (h.back() == ',') h.pop_back();
  h += '}';
  return h.append((8 - h.size() % 8) % 8, ' ');
}

}  // namespace

void save_safetensors(const std::string& path, const NamedArrays& tensors, const Metadata& metadata) try {
  check_savable(path, tensors);
  std::vector<std::size_t> order(tensors.size());  // wide types first, so that everything is aligned
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return bytes_of(tensors[a].second.dtype()) > bytes_of(tensors[b].second.dtype());
  });
  std::vector<std::uint64_t> begins(tensors.size());
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    begins[i] = end;
    end += static_cast<std::uint64_t>(tensors[i].second.size()) * bytes_of(tensors[i].second.dtype());
  }
  const std::string header = header_of(path, tensors, metadata, begins);
  const std::uint64_t length = header.size();
  if (length > longest_header)
    bad_file(path, "the header would take ", grouped(length), " bytes, readers accept ", grouped(longest_header));
  write_atomically(path, [&](OutputFile& out) {
    out.write(&length, sizeof length);
    out.write(header);
    for (const std::size_t i : order) {
      const Array dense = tensors[i].second.contiguous();
      out.write(dense.bytes(), static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype()));
    }
  });
} catch (const std::bad_alloc&) {
  no_memory_for(path);
}

Safetensors load_safetensors(const std::string& path) try {
  const InputFile file(path);
  HeaderReader header;
  std::uint64_t data = 8;
  {
    const std::string text = header_text(file);
    data += text.size();
    if (!json::sax_parse(text, &header)) bad_file(path, "header of a safetensors file: ", header.problem);
  }
  check_entries(path, header.entries);
  const std::vector<std::size_t> order = check_cover(file, header.entries, data);
  Safetensors out;
  out.metadata = std::move(header.metadata);
  out.tensors.resize(header.entries.size());
  for (const std::size_t i : order) {
    Entry& e = header.entries[i];
    Array a = read_tensor(file, e, data);
    out.tensors[i] = {std::move(e.name), std::move(a)};
  }
  return out;
} catch (const std::bad_alloc&) {
  no_memory_for(path);
}

}  // namespace gradus
