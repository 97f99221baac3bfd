#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/safetensors_header.h>
#include <gradus/core/io/internal/stored_elements.h>
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

/// The format's name of a type that is read, its representation in the file, and the dtype it becomes.
struct NamedElement {
  std::string_view name;
  StoredElement element;
};
constexpr NamedElement formats[] = {
    {"F32", {'f', 4, false, f32}},  {"F64", {'f', 8, false, f64}},      {"I64", {'i', 8, false, i64}},
    {"U8", {'u', 1, false, u8}},    {"BOOL", {'b', 1, false, boolean}}, {"F16", {'f', 2, false, f32}},
    {"BF16", {'g', 2, false, f32}}, {"I8", {'i', 1, false, i64}},       {"I16", {'i', 2, false, i64}},
    {"I32", {'i', 4, false, i64}},  {"U16", {'u', 2, false, i64}},      {"U32", {'u', 4, false, i64}},
    {"U64", {'u', 8, false, i64}}};

/// The stored type of an entry; null if this reader does not know it.
const StoredElement* format_of(const TensorEntry& e) {
  for (const auto& [name, element] : formats)
    if (name == e.dtype_name) return &element;
  return nullptr;
}

std::string header_text(const InputFile& file) {
  char start[9] = {};
  const auto have = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), sizeof start));
  file.read(0, start, have);
  std::uint64_t length = 0;
  std::memcpy(&length, start, sizeof length);
  const auto first = excerpt({start, std::min<std::size_t>(have, 8)});
  if (std::string_view(start, have).starts_with("PK\3\4"))
    throw DataError(file.path(), "a zip archive, not a safetensors file",
                    "load_torch reads what torch.save() wrote, load_npz what NumPy did");
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

/// Checks that dtype, shape and offsets of each entry agree.
void check_entries(const std::string& path, const std::deque<TensorEntry>& entries) {
  for (const TensorEntry& e : entries) {
    std::uint64_t bytes = 0;
    const StoredElement* element = format_of(e);
    if (!element)
      bad_file(path, named(e.name), ": dtype \"", excerpt(e.dtype_name),
               "\" is not read; F16, BF16, F32, F64, I8 to I64, U8 to U64 and BOOL are");
    if (!byte_count(e.shape, bytes_of(element->dtype), bytes) || !byte_count(e.shape, element->bytes, bytes))
      bad_file(path, named(e.name), ": shape ", e.shape, " of ", e.dtype_name, " needs more bytes than can be addressed");
    if (e.begin > e.end) bad_file(path, named(e.name), ": data_offsets begin at ", e.begin, ", behind their end at ", e.end);
    if (e.end - e.begin != bytes)
      bad_file(path, named(e.name), ": ", e.dtype_name, e.shape, " takes ", grouped(bytes), " bytes, its data_offsets span ",
               grouped(e.end - e.begin));
  }
}

/// Checks that the entries, laid end to end, fill the rest of the file. Returns their indices in that order.
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
  const StoredElement& element = *format_of(e);
  Array a(e.shape, element.dtype);
  std::uint64_t at = data + e.begin;
  const std::int64_t done = read_elements(a, element, [&](void* to, std::size_t bytes) {
    file.read(at, to, bytes);
    at += bytes;
  });
  if (done == a.size()) return a;
  const std::uint64_t place = data + e.begin + static_cast<std::uint64_t>(done) * element.bytes;
  if (a.dtype() != boolean) bad_file(file.path(), named(e.name), ": element ", done, " is 2^63 or more, which no i64 holds");
  unsigned char value = 0;
  file.read(place, &value, 1);
  bad_file(file.path(), named(e.name), ": element ", done, " is ", value, "; a bool is 0 or 1");
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

/// The plan of a file to be written: its tensors, and the type of each in the file.
struct Layout {
  std::vector<std::string_view> dtypes;
  std::vector<std::uint64_t> begins, ends;
  std::vector<std::size_t> order;  // wide types first, so that everything is aligned
};

Layout layout_of(const NamedArrays& tensors, StoredReal reals) {
  Layout l;
  std::vector<std::size_t> widths;
  for (const auto& [name, a] : tensors) {
    const bool narrow = is_real(a.dtype()) && reals != StoredReal::full;
    l.dtypes.push_back(!narrow ? dtype_names[static_cast<int>(a.dtype())] : reals == StoredReal::f16 ? "F16" : "BF16");
    widths.push_back(narrow ? 2 : bytes_of(a.dtype()));
  }
  l.order.resize(tensors.size());
  std::iota(l.order.begin(), l.order.end(), std::size_t(0));
  std::stable_sort(l.order.begin(), l.order.end(), [&](std::size_t a, std::size_t b) { return widths[a] > widths[b]; });
  l.begins.resize(tensors.size()), l.ends.resize(tensors.size());
  std::uint64_t end = 0;
  for (const std::size_t i : l.order) {
    l.begins[i] = end;
    l.ends[i] = end += static_cast<std::uint64_t>(tensors[i].second.size()) * widths[i];
  }
  return l;
}

std::string header_of(const std::string& path, const NamedArrays& tensors, const Metadata& metadata, const Layout& l) {
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
    append_string(path, h, tensors[i].first);
    h += join(":{\"dtype\":\"", l.dtypes[i], "\",\"shape\":", tensors[i].second.shape(), ",\"data_offsets\":[", l.begins[i],
              ",", l.ends[i], "]},");
  }
  if (h.back() == ',') h.pop_back();
  h += '}';
  return h.append((8 - h.size() % 8) % 8, ' ');
}

void write_numbers(OutputFile& out, const Array& a, StoredReal reals) {
  const Array dense = a.contiguous();
  if (!is_real(a.dtype()) || reals == StoredReal::full)
    return out.write(dense.bytes(), static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype()));
  visit_real(a.dtype(), [&]<class T>() {
    std::uint16_t narrow[4096];
    for (std::int64_t i = 0; i < dense.size();) {
      std::size_t n = 0;
      for (; n < std::size(narrow) && i < dense.size(); ++n, ++i) {
        const double x = dense.data<T>()[i];
        narrow[n] = reals == StoredReal::f16 ? to_half(x) : to_bfloat16(x);
      }
      out.write(narrow, n * sizeof *narrow);
    }
  });
}

}  // namespace

void save_safetensors(const std::string& path, const NamedArrays& tensors, const Metadata& metadata,
                      const SaveOptions& options) try {
  check_savable(path, tensors);
  const Layout layout = layout_of(tensors, options.reals);
  const std::string header = header_of(path, tensors, metadata, layout);
  const std::uint64_t length = header.size();
  if (length > longest_header)
    bad_file(path, "the header would take ", grouped(length), " bytes, readers accept ", grouped(longest_header));
  const std::uint64_t bytes = sizeof length + length + (tensors.empty() ? 0 : layout.ends[layout.order.back()]);
  const std::uint64_t most = most_names(bytes);
  if (const std::uint64_t names = std::max(tensors.size(), metadata.size()); names > most)
    bad_file(path, grouped(names), " names are too many for a file of ", grouped(bytes),
             " bytes; it may hold 65,536, or one for each 512 bytes if that is more");
  write_atomically(path, [&](OutputFile& out) {
    out.write(&length, sizeof length);
    out.write(header);
    for (const std::size_t i : layout.order) write_numbers(out, tensors[i].second, options.reals);
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
