// ImageFolder: images in folders, one for each class.
#pragma once

#include <gradus/data/dataset.h>

#include <string>
#include <utility>
#include <vector>

namespace gradus::data {

struct ImageSize {
  std::int64_t height = 0, width = 0;
};

struct ImageFolderOptions {
  ImageSize resize = {};      ///< every image to this size (resize_image()); 0 x 0: they must be of one size
  std::int64_t channels = 3;  ///< 3: grey ones become three alike; 1: colours become grey
};

/// root/cats/1.png, root/dogs/a/2.jpg, ...: the class of an image is the folder of root that it lies in, at any depth; classes
/// and images are in the order of their names, as in torchvision's ImageFolder. Item i is x f32 [channels, H, W] in [0, 1] and
/// y i64 []. Images are the files named .png .jpg .jpeg .ppm .pgm .pnm; others, and names that begin with a dot, are passed
/// over. An image is read when it is asked for: CachedDataset keeps them, several workers read at once.
class ImageFolder {
 public:
  /// Errors: DataError naming the folder: not there, without a class, a class without an image; options out of range; the
  /// first image cannot be read.
  explicit ImageFolder(std::string root, const ImageFolderOptions& options = {});

  std::int64_t size() const { return static_cast<std::int64_t>(samples_.size()); }
  /// Errors: as read_image(); IndexError; DataError naming both files if it is not of the size of the first one, and sizes
  /// are not made equal by `resize`.
  Example get(std::int64_t i) const;

  const std::vector<std::string>& classes() const { return classes_; }
  const std::string& path(std::int64_t i) const { return samples_[static_cast<std::size_t>(i)].first; }
  Array labels() const;  ///< i64 [N], for train_test_split() and stratified_sampler()
  Array load_image(
      const std::string& path) const;  ///< the x of any image file, as get() makes it: what a model is asked later

 private:
  std::string root_;
  ImageFolderOptions options_;
  std::vector<std::string> classes_;
  std::vector<std::pair<std::string, std::int64_t>> samples_;  // path and class
  Shape first_;
};

}  // namespace gradus::data
