#include <gradus/core/io/files.h>
#include <gradus/data/cifar.h>

#include <cstring>
#include <filesystem>
#include <vector>

namespace gradus::data {
namespace {

constexpr std::uint64_t cifar_pixels = 3 * 32 * 32, record_bytes = 1 + cifar_pixels;

}  // namespace

ImageSet read_cifar10(const std::string& path) {
  const InputFile file(path);
  if (file.size() == 0 || file.size() % record_bytes != 0)
    bad_file(path, "has ", file.size(), " bytes; CIFAR-10 files are records of ", record_bytes,
             " (a label, then 3 x 32 x 32 pixels), and ", file.size() % record_bytes, " are left over");
  const auto n = static_cast<std::int64_t>(file.size() / record_bytes);
  ImageSet set{Array({n, 3, 32, 32}, u8), Array({n}, u8)};
  auto *image = set.images.uninitialized<std::uint8_t>(), *label = set.labels.uninitialized<std::uint8_t>();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::uint64_t>(i) * record_bytes;
    file.read(at, label + i, 1);
    file.read(at + 1, image + static_cast<std::uint64_t>(i) * cifar_pixels, cifar_pixels);
    if (label[i] > 9) bad_file(path, "label ", int(label[i]), " of image ", i, "; labels must be 0 to 9");
  }
  return set;
}

ImageSet load_cifar10(const std::string& folder, bool train) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  for (int k = 1; train && k <= 5; ++k)
    if (const auto p = fs::path(folder) / join("data_batch_", k, ".bin"); fs::exists(p)) paths.push_back(p.string());
  if (!train) paths.push_back((fs::path(folder) / "test_batch.bin").string());
  if (paths.empty()) bad_file(folder, "has none of data_batch_1.bin to data_batch_5.bin");
  std::vector<ImageSet> parts;
  std::int64_t n = 0;
  for (const auto& p : paths) parts.push_back(read_cifar10(p)), n += parts.back().labels.size();
  if (parts.size() == 1) return parts[0];
  ImageSet all{Array({n, 3, 32, 32}, u8), Array({n}, u8)};
  auto *image = all.images.uninitialized<std::uint8_t>(), *label = all.labels.uninitialized<std::uint8_t>();
  for (const ImageSet& part : parts) {
    const auto count = static_cast<std::uint64_t>(part.labels.size());
    std::memcpy(image, part.images.bytes(), count * cifar_pixels);
    std::memcpy(label, part.labels.bytes(), count);
    image += count * cifar_pixels, label += count;
  }
  return all;
}

}  // namespace gradus::data
