#include <gradus/core/io/files.h>
#include <gradus/data/image.h>
#include <gradus/data/image_folder.h>
#include <gradus/data/internal/check_item.h>

#include <algorithm>
#include <filesystem>

namespace gradus::data {
namespace {

bool is_hidden(const std::filesystem::path& path) { return path.filename().string().starts_with('.'); }

bool is_image_name(const std::filesystem::path& path) {
  std::string end = path.extension().string();
  for (char& c : end) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
  const auto known = {".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pnm"};
  return std::find(known.begin(), known.end(), end) != known.end();
}

/// The images below `folder`, at any depth, in the order of their paths.
std::vector<std::string> images_below(const std::filesystem::path& folder) {
  std::vector<std::string> found;
  const auto follow = std::filesystem::directory_options::follow_directory_symlink;
  for (std::filesystem::recursive_directory_iterator i(folder, follow), end; i != end; ++i) {
    if (is_hidden(i->path())) {
      if (i->is_directory()) i.disable_recursion_pending();
    } else if (i->is_regular_file() && is_image_name(i->path())) {
      found.push_back(i->path().string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> folders_in(const std::string& root) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(root))
    if (entry.is_directory() && !is_hidden(entry.path())) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

ImageFolder::ImageFolder(std::string root, const ImageFolderOptions& options) : root_(std::move(root)), options_(options) {
  const auto [height, width] = options.resize;
  if (height < 0 || width < 0 || (height == 0) != (width == 0) || (options.channels != 1 && options.channels != 3))
    throw DataError("ImageFolder", join("resize is ", height, " x ", width, ", channels ", options.channels,
                                        "; a size has two numbers above 0, channels are 1 or 3"));
  try {
    classes_ = folders_in(root_);
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      const std::filesystem::path folder = std::filesystem::path(root_) / classes_[c];
      const auto images = images_below(folder);
      if (images.empty()) bad_file(folder.string(), "is an empty class: it has no image (.png .jpg .jpeg .ppm .pgm .pnm)");
      for (const std::string& path : images) samples_.emplace_back(path, static_cast<std::int64_t>(c));
    }
  } catch (const std::filesystem::filesystem_error& e) {
    bad_file(root_, "its folders cannot be read: ", e.code().message());
  }
  if (classes_.empty()) bad_file(root_, "has no folder in it; there must be one for each class, with its images");
  first_ = load_image(path(0)).shape();
}

Array ImageFolder::load_image(const std::string& path) const {
  Array image = with_channels(read_image(path), options_.channels);
  if (options_.resize.height > 0) image = resize_image(image, options_.resize.height, options_.resize.width);
  return TensorDataset(image.reshape({1, image.dim(0), image.dim(1), image.dim(2)})).get(0).x;
}

Example ImageFolder::get(std::int64_t i) const {
  check_item("ImageFolder", i, size());
  const auto& [path, label] = samples_[static_cast<std::size_t>(i)];
  Array x = load_image(path);
  if (x.shape() != first_)
    throw DataError(path,
                    join("has ", x.dim(1), " x ", x.dim(2), " pixels, ", samples_[0].first, " has ", first_[1], " x ",
                         first_[2], "; all must be of one size"),
                    join("{.resize = {", first_[1], ", ", first_[2], "}}"));
  return {std::move(x), Array::full({}, label, i64)};
}

Array ImageFolder::labels() const {
  Array all({size()}, i64);
  for (std::size_t i = 0; i < samples_.size(); ++i) all.uninitialized<std::int64_t>()[i] = samples_[i].second;
  return all;
}

}  // namespace gradus::data
