#include <gradus/core/io/internal/pickle.h>
#include <gradus/core/io/internal/zip.h>
#include <gradus/core/io/torch_file.h>
#include <gradus/core/memory/memory_error.h>

#include <algorithm>
#include <map>

namespace gradus {
namespace {

std::string read_whole(const ZipReader& zip, const ZipEntry& entry) {
  std::string bytes(static_cast<std::size_t>(entry.size), '\0');
  zip.open(entry, false)(bytes.data(), bytes.size());
  return bytes;
}

/// The archive of one file, with all members in one folder: data.pkl, data/0, data/1, ..
class TorchFile {
 public:
  explicit TorchFile(const std::string& path) : file_(path), zip_(file_) {
    constexpr std::string_view pickle = "/data.pkl";
    for (const ZipEntry& e : zip_.entries()) {  // members are stored, so none is larger than it is in the file
      if (e.deflated) bad_file(path, ZipReader::named(e), " is compressed, which torch.save() never does");
      if (e.name.ends_with(pickle) && std::count(e.name.begin(), e.name.end(), '/') == 1)
        folder_ = e.name.substr(0, e.name.size() - pickle.size() + 1);
    }
    if (folder_.empty()) bad_file(path, "a zip archive without data.pkl: torch.save() has not written it");
    if (zip_.find(folder_ + "constants.pkl"))
      throw DataError(path, "a TorchScript archive, which is a program", "torch.save(model.state_dict(), path)");
  }

  std::deque<PickledTensor> tensors() const {
    const std::string text = read_whole(zip_, *zip_.find(folder_ + "data.pkl"));
    return read_pickle(file_.path(), text, file_.size());
  }

  /// The whole storage as an Array of one axis; each storage is read once.
  const Array& storage_of(const PickledTensor& t) {
    const auto [place, fresh] = storages_.try_emplace(t.storage);
    auto& [element, array] = place->second;
    if (!fresh && (element.kind != t.element.kind || element.bytes != t.element.bytes))
      bad_file(file_.path(), where(t), ": its storage \"", excerpt(t.storage), "\" is also one of another type");
    if (fresh) element = t.element, array = read_storage(t);
    return array;
  }

  static std::string where(const PickledTensor& t) { return join("tensor \"", excerpt(t.name, 80), "\""); }

 private:
  Array read_storage(const PickledTensor& t) const {
    const ZipEntry* entry = zip_.find(folder_ + "data/" + t.storage);
    if (!entry) bad_file(file_.path(), where(t), ": there is no member data/", excerpt(t.storage), " with its numbers");
    if (entry->size != t.storage_bytes || entry->size % t.element.bytes != 0)
      bad_file(file_.path(), where(t), ": its storage takes ", grouped(t.storage_bytes), " bytes, ",
               ZipReader::named(*entry), " has ", grouped(entry->size));
    StoredElement element = t.element;
    element.swapped = element.bytes > 1 && big_endian();
    Array all({static_cast<std::int64_t>(entry->size / element.bytes)}, element.dtype, "load_torch");
    // Checksums are not compared, as in PyTorch, which can be told to write none (set_crc32_options).
    if (const std::int64_t done = read_elements(all, element, zip_.open(*entry, false)); done < all.size())
      bad_file(file_.path(), where(t), ": element ", done, " of its storage is no value that ", element.dtype, " can hold");
    return all;
  }
  bool big_endian() const {
    const ZipEntry* order = zip_.find(folder_ + "byteorder");  // absent before PyTorch 2.1
    return order && order->size == 3 && read_whole(zip_, *order) == "big";
  }

  const InputFile file_;
  const ZipReader zip_;
  std::string folder_;
  std::map<std::string, std::pair<StoredElement, Array>, std::less<>> storages_;
};

/// The tensor's view of its storage. Errors: DataError if an element would lie outside.
Array view_of(const std::string& path, const Array& storage, const PickledTensor& t) {
  std::uint64_t ignored = 0;
  if (!byte_count(t.shape, bytes_of(t.element.dtype), ignored))
    bad_file(path, TorchFile::where(t), ": shape ", t.shape, " needs more bytes than can be addressed");
  std::int64_t last = t.offset;
  bool fits = last >= 0;
  for (int i = 0; i < t.shape.rank(); ++i) {
    std::int64_t span = 0;
    fits = fits && !__builtin_mul_overflow(std::max<std::int64_t>(t.shape[i] - 1, 0), t.strides[i], &span) &&
           !__builtin_add_overflow(last, span, &last);
  }
  if (t.shape.size() == 0 && fits) return storage.as_strided(t.shape, t.strides, 0);
  if (!fits || last >= storage.size())
    bad_file(path, TorchFile::where(t), ": shape ", t.shape, " from element ", t.offset,
             " on goes over the end of its storage of ", storage.size());
  return storage.as_strided(t.shape, t.strides, t.offset);
}

void refuse_older_format(const std::string& path) {
  const InputFile file(path);
  char start[2] = {};
  file.read(0, start, static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), sizeof start)));
  if (start[0] == '\x80' && start[1] >= 2 && start[1] <= 5)
    throw DataError(path, "a bare pickle, as PyTorch wrote before 1.6; this is not read",
                    "torch.save(torch.load(path, weights_only=True), path)");
}

}  // namespace

NamedArrays load_torch(const std::string& path) try {
  refuse_older_format(path);
  TorchFile file(path);
  NamedArrays all;
  std::map<std::string_view, int> names;
  const std::deque<PickledTensor> tensors = file.tensors();
  all.reserve(tensors.size());
  for (const PickledTensor& t : tensors) {
    if (++names[t.name] > 1) bad_file(path, TorchFile::where(t), ": two tensors bear this name");
    all.emplace_back(t.name, view_of(path, file.storage_of(t), t));
  }
  return all;
} catch (const std::bad_alloc&) {
  no_memory_for(path);
}

}  // namespace gradus
