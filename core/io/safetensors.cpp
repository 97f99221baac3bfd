#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/safetensors_header.h>
#include <gradus/core/io/json.h>
#include <gradus/core/memory/memory_error.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <tuple>
#include <unordered_set>

namespace gradus {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

constexpr std::string_view dtype_names[] = {"F32", "F64", "I64", "U8", "BOOL"};  // in the order of Dtype

Dtype dtype_of(const TensorEntry& e) {
  return static_cast<Dtype>(std::find(std::begin(dtype_names), std::end(dtype_names), e.dtype_name) - dtype_names);
}

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
void check_entries(const std::string& path, const std::deque<TensorEntry>& entries) {
  for (const TensorEntry& e : entries) {
    std::uint64_t bytes = 0;
    if (std::find(std::begin(dtype_names), std::end(dtype_names), e.dtype_name) == std::end(dtype_names))
      bad_file(path, named(e.name), ": dtype \"", excerpt(e.dtype_name), "\" is not read; F32, F64, I64, U8 and BOOL are");
    if (!byte_count(e.shape, bytes_of(dtype_of(e)), bytes))
      bad_file(path, named(e.name), ": shape ", e.shape, " of ", e.dtype_name, " needs more bytes than can be addressed");
    if (e.begin > e.end) bad_file(path, named(e.name), ": data_offsets begin at ", e.begin, ", behind their end at ", e.end);
    if (e.end - e.begin != bytes)
      bad_file(path, named(e.name), ": ", e.dtype_name, e.shape, " takes ", grouped(bytes), " bytes, its data_offsets span ",
               grouped(e.end - e.begin));
  }
}

/// The entries, laid end to end, are the rest of the file. Returns their indices in that order.
std::vector<std::size_t> check_cover(const InputFile& file, const std::deque<TensorEntry>& entries, std::uint64_t data) {
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const TensorEntry &x = entries[a], &y = entries[b];
    return std::tie(x.begin, x.end, a) < std::tie(y.begin, y.end, b);
  });
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    const TensorEntry& e = entries[i];
    if (e.begin != end)
      bad_file(file.path(), named(e.name), ": its data begin at ", grouped(e.begin), ", those before end at ", grouped(end),
               e.begin < end ? ": they overlap" : ": there is a hole");
    end = e.end;
  }
  if (end > file.size() - data)
    bad_file(file.path(), "truncated: header says ", grouped(data + end), " bytes, the file has ", grouped(file.size()));
  if (end < file.size() - data)
    bad_file(file.path(), grouped(file.size() - data - end), " bytes follow the last tensor; header says ",
             grouped(data + end), " bytes in all");
  return order;
}

Array read_tensor(const InputFile& file, const TensorEntry& e, std::uint64_t data) {
  Array a(e.shape, dtype_of(e));
  const auto bytes = static_cast<std::size_t>(e.end - e.begin);
  auto* to = visit(a.dtype(), [&]<class T>() { return reinterpret_cast<char*>(a.uninitialized<T>()); });
  file.read(data + e.begin, to, bytes);
  if (a.dtype() == boolean)
    for (std::size_t i = 0; i < bytes; ++i)
      if (static_cast<unsigned char>(to[i]) > 1)
        bad_file(file.path(), named(e.name), ": element ", i, " is ", static_cast<unsigned char>(to[i]),
                 "; a bool is 0 or 1");
  return a;
}

void append_string(const std::string& path, std::string& to, const std::string& s) {
  if (!append_json(to, s)) bad_file(path, "\"", excerpt(s, 80), "\" is not valid UTF-8, so it cannot be saved");
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
    for (const auto& [key, value] : metadata) {
      append_string(path, h, key);
      h += ':';
      append_string(path, h, value);
      h += ',';
    }
    h.back() = '}';
    h += ',';
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Array& a = tensors[i].second;
    const std::uint64_t end = begins[i] + static_cast<std::uint64_t>(a.size()) * bytes_of(a.dtype());
    append_string(path, h, tensors[i].first);
    h += join(":{\"dtype\":\"", dtype_names[static_cast<int>(a.dtype())], "\",\"shape\":", a.shape(), ",\"data_offsets\":[",
              begins[i], ",", end, "]},");
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
  const std::uint64_t most = most_names(sizeof length + length + end);
  if (const std::uint64_t names = std::max(tensors.size(), metadata.size()); names > most)
    bad_file(path, grouped(names), " names are too many for a file of ", grouped(sizeof length + length + end),
             " bytes; it may hold 65,536, or one for each 512 bytes if that is more");
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
  SafetensorsHeader header;
  header.text = header_text(file);
  read_header(path, header, most_names(file.size()));
  const std::uint64_t data = 8 + header.text.size();
  check_entries(path, header.entries);
  const std::vector<std::size_t> order = check_cover(file, header.entries, data);
  Safetensors out;
  out.metadata = std::move(header.metadata);
  out.tensors.resize(header.entries.size());
  for (const std::size_t i : order) {
    const TensorEntry& e = header.entries[i];
    out.tensors[i] = {std::string(e.name), read_tensor(file, e, data)};
  }
  return out;
} catch (const std::bad_alloc&) {
  no_memory_for(path);
}

}  // namespace gradus
