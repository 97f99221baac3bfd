#include <gradus/core/io/internal/npy_format.h>
#include <gradus/core/io/internal/zip.h>
#include <gradus/core/io/npz.h>
#include <gradus/core/memory/memory_error.h>

#include <unordered_set>

namespace gradus {
namespace {

constexpr std::string_view npy_ending = ".npy";

/// Checks the number of members, since every array takes some memory, even an empty one.
void check_member_count(const std::string& path, std::uint64_t count, std::uint64_t bytes) {
  if (const std::uint64_t most = std::max<std::uint64_t>(4096, bytes / 256); count > most)
    bad_file(path, grouped(count), " members in ", grouped(bytes), " bytes; it may hold 4,096, or one for each 256 bytes");
}

Array read_member(const InputFile& file, const ZipReader& zip, const ZipEntry& entry) try {
  return read_npy(file.path(), entry.size, zip.open(entry, true));
} catch (const DataError& e) {
  const std::string where = ZipReader::named(entry);
  if (e.problem().starts_with(where)) throw;
  bad_file(file.path(), where, ": ", e.problem());
}

}  // namespace

NamedArrays load_npz(const std::string& path) try {
  const InputFile file(path);
  const ZipReader zip(file);
  check_member_count(path, zip.entries().size(), file.size());
  NamedArrays arrays;
  for (const ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(npy_ending)) bad_file(path, ZipReader::named(entry), ": its name does not end with .npy");
    const std::string_view name = entry.name.substr(0, entry.name.size() - npy_ending.size());
    arrays.emplace_back(std::string(name), read_member(file, zip, entry));
  }
  return arrays;
} catch (const std::bad_alloc&) {
  no_memory_for(path);
}

void save_npz(const std::string& path, const NamedArrays& arrays) try {
  constexpr std::size_t longest_name = 65'000;
  std::unordered_set<std::string> names;
  for (const auto& [name, a] : arrays) {
    if (!names.insert(name).second) bad_file(path, "two arrays bear the name \"", excerpt(name), "\"");
    if (name.find('\0') != std::string::npos || name.size() > longest_name)
      bad_file(path, "the name \"", excerpt(name), "\" holds a NUL or has more than ", grouped(longest_name), " bytes");
    if (!a.defined()) bad_file(path, "\"", excerpt(name), "\" is absent: it has no numbers to save");
  }
  write_atomically(path, [&](OutputFile& out) {
    ZipWriter zip([&](std::string_view bytes) { out.write(bytes); });
    for (const auto& [name, a] : arrays) {
      const Array dense = a.contiguous();
      const auto bytes = static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype());
      zip.add(name + std::string(npy_ending), npy_preamble(path, a), {dense.bytes(), bytes});
    }
    zip.finish();
  });
} catch (const std::bad_alloc&) {
  no_memory_for(path);
}

}  // namespace gradus
