#include <gradus/core/io/files.h>
#include <gradus/data/image.h>
#include <gradus/data/internal/image_decoders.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gradus::data {

Array read_image(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return decode_png(path, bytes);
  if (bytes.starts_with("\xFF\xD8\xFF")) return decode_jpeg(path, bytes);
  if (bytes.size() > 1 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7') return decode_pnm(path, bytes);
  bad_file(path, "is no image that can be read (it begins with \"", excerpt(bytes, 8), "\"); this build reads ",
           image_formats());
}

std::string image_formats() {
  return std::string("PGM, PPM") + (decodes_png() ? ", PNG" : "") + (decodes_jpeg() ? ", JPEG" : "");
}

Array image_room(const std::string& path, std::uint64_t channels, std::uint64_t height, std::uint64_t width) {
  constexpr std::uint64_t most = std::uint64_t(1) << 27;
  if (height == 0 || width == 0 || height > most || width > most || height * width > most)
    bad_file(path, "says it has ", height, " x ", width, " pixels; 1 to ", grouped(most), " are read");
  return Array({static_cast<std::int64_t>(channels), static_cast<std::int64_t>(height), static_cast<std::int64_t>(width)},
               u8);
}

void put_pixels(Array& image, std::int64_t y, const unsigned char* from, std::int64_t stride) {
  const std::int64_t plane = image.dim(1) * image.dim(2), width = image.dim(2);
  auto* to = image.uninitialized<std::uint8_t>() + y * width;
  for (std::int64_t c = 0; c < image.dim(0); ++c)
    for (std::int64_t x = 0; x < width; ++x) to[c * plane + x] = from[x * stride + c];
}

void throw_no_decoder(const std::string& path, const char* kind, const char* package) {
  throw DataError(path, join("is a ", kind, ", and this build of Gradus reads only ", image_formats()),
                  join("install ", package, " (scripts/packages --all --install), then configure with GRADUS_IMAGES=ON"));
}

Array with_channels(const Array& image, std::int64_t channels) {
  if (!image.defined() || image.dtype() != u8 || image.rank() != 3 || (image.dim(0) != 1 && image.dim(0) != 3) ||
      (channels != 1 && channels != 3))
    throw ShapeError("with_channels", join("the image is ", describe(image), ", ", channels,
                                           " channels are asked for; it must be u8 [1 or 3, H, W], and they 1 or 3"));
  if (image.dim(0) == channels) return image;
  const Array from = image.contiguous();
  Array made({channels, image.dim(1), image.dim(2)}, u8);
  const auto* in = from.data<std::uint8_t>();
  auto* to = made.uninitialized<std::uint8_t>();
  const std::int64_t plane = image.dim(1) * image.dim(2);
  if (channels == 3) {
    for (int c = 0; c < 3; ++c) std::copy(in, in + plane, to + c * plane);
  } else {
    for (std::int64_t i = 0; i < plane; ++i)  // 0.299, 0.587 and 0.114 of 2^16, rounded
      to[i] =
          static_cast<std::uint8_t>((in[i] * 19595u + in[plane + i] * 38470u + in[2 * plane + i] * 7471u + 32768u) >> 16);
  }
  return made;
}

namespace {

/// What pixel `i` of a line of `to` pixels takes of one of `from`: a triangle around its middle, as wide as the larger pixel.
struct Taps {
  std::int64_t first;
  std::vector<double> weights;
};
std::vector<Taps> taps(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to), reach = std::max(scale, 1.0);
  std::vector<Taps> all;
  for (std::int64_t i = 0; i < to; ++i) {
    const double middle = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(middle - reach + 0.5));
    const auto last = std::min(from, static_cast<std::int64_t>(middle + reach + 0.5));
    Taps t{first, {}};
    double sum = 0;
    for (std::int64_t k = first; k < last; ++k) {
      t.weights.push_back(std::max(0.0, 1 - std::abs(static_cast<double>(k) + 0.5 - middle) / reach));
      sum += t.weights.back();
    }
    for (double& w : t.weights) w /= sum;
    all.push_back(std::move(t));
  }
  return all;
}

/// One line: pixels `step` apart, in and out.
template <class In, class Out> void resample(const std::vector<Taps>& of, const In* in, std::int64_t step, Out* out) {
  for (std::size_t i = 0; i < of.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < of[i].weights.size(); ++k)
      sum += of[i].weights[k] * static_cast<double>(in[(of[i].first + static_cast<std::int64_t>(k)) * step]);
    if constexpr (sizeof(Out) == 1) sum = std::floor(sum + 0.5);
    out[static_cast<std::int64_t>(i) * step] = static_cast<Out>(sum);
  }
}

}  // namespace

Array resize_image(const Array& image, std::int64_t height, std::int64_t width) {
  if (!image.defined() || image.dtype() != u8 || image.rank() != 3 || image.size() == 0 || height < 1 || width < 1 ||
      height > 1 << 20 || width > 1 << 20)
    throw ShapeError("resize_image", join("the image is ", describe(image), ", ", height, " x ", width,
                                          " pixels are asked for; it must be u8 [C, H, W], and they at least 1 x 1"));
  const std::int64_t channels = image.dim(0), rows = image.dim(1), columns = image.dim(2);
  const Array from = image.contiguous();
  std::vector<double> narrow(static_cast<std::size_t>(rows * width));  // one channel of all rows, as wide as it will be
  Array made({channels, height, width}, u8);
  const auto across = taps(columns, width), down = taps(rows, height);
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t y = 0; y < rows; ++y)
      resample(across, from.data<std::uint8_t>() + (c * rows + y) * columns, 1, narrow.data() + y * width);
    for (std::int64_t x = 0; x < width; ++x)
      resample(down, narrow.data() + x, width, made.uninitialized<std::uint8_t>() + c * height * width + x);
  }
  return made;
}

}  // namespace gradus::data
