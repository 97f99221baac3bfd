// PNG, by libpng's own simplified reader, which checks and converts whatever there is.
#include <gradus/core/io/files.h>
#include <gradus/data/internal/image_decoders.h>

#ifdef GRADUS_PNG
#include <png.h>

#include <vector>
#endif

namespace gradus::data {

#ifdef GRADUS_PNG
bool decodes_png() { return true; }

Array decode_png(const std::string& path, const std::string& bytes) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  struct Free {
    png_image* image;
    ~Free() { png_image_free(image); }
  } const free{&png};
  const auto check = [&](int done) {
    if (!done || PNG_IMAGE_FAILED(png)) bad_file(path, "is a damaged PNG: ", excerpt(png.message, 80));
  };
  check(png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()));
  const bool colours = png.format & PNG_FORMAT_FLAG_COLOR;
  Array image = image_room(path, colours ? 3 : 1, png.height, png.width);
  png.format = colours ? PNG_FORMAT_RGBA : PNG_FORMAT_GA;  // with transparency: without it a background would be mixed in
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  std::vector<unsigned char> pixels(PNG_IMAGE_SIZE(png));
  check(png_image_finish_read(&png, nullptr, pixels.data(), 0, nullptr));
  const std::int64_t stride = colours ? 4 : 2, row = stride * image.dim(2);
  for (std::int64_t y = 0; y < image.dim(1); ++y) put_pixels(image, y, pixels.data() + y * row, stride);
  return image;
}
#else
bool decodes_png() { return false; }
Array decode_png(const std::string& path, const std::string&) { throw_no_decoder(path, "PNG", "libpng-dev"); }
#endif

}  // namespace gradus::data
