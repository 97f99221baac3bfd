// JPEG, by libjpeg (libjpeg-turbo).
#include <gradus/core/io/files.h>
#include <gradus/data/internal/image_decoders.h>

#ifdef GRADUS_JPEG
#include <csetjmp>
#include <cstdio>
#include <memory>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>
#endif

namespace gradus::data {

#ifdef GRADUS_JPEG
namespace {

/// libjpeg leaves its functions by longjmp when something is wrong: nothing with a destructor may stand between.
struct JpegDecoder {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf failed{};
  char message[JMSG_LENGTH_MAX] = "";

  explicit JpegDecoder(const std::string& bytes) {
    jpeg.err = jpeg_std_error(&errors);
    jpeg.client_data = this;
    errors.error_exit = [](j_common_ptr j) { of(j).fail(); };
    errors.emit_message = [](j_common_ptr j, int level) {
      const int code = j->err->msg_code;
      if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) of(j).fail();  // the rest would be grey
    };
    if (setjmp(failed)) return;
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&jpeg); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  bool read_header() {
    if (message[0] || setjmp(failed)) return false;
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = jpeg.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    return true;
  }
  bool start() {
    if (setjmp(failed)) return false;
    return jpeg_start_decompress(&jpeg);
  }
  bool read_row(unsigned char* row) {
    if (setjmp(failed)) return false;
    return jpeg_read_scanlines(&jpeg, &row, 1) == 1;
  }

 private:
  static JpegDecoder& of(j_common_ptr j) { return *static_cast<JpegDecoder*>(j->client_data); }
  [[noreturn]] void fail() {
    errors.format_message(reinterpret_cast<j_common_ptr>(&jpeg), message);
    std::longjmp(failed, 1);
  }
};

}  // namespace

bool decodes_jpeg() { return true; }

Array decode_jpeg(const std::string& path, const std::string& bytes) {
  const auto decoder = std::make_unique<JpegDecoder>(bytes);
  const auto check = [&](bool done) {
    if (!done) bad_file(path, "is a damaged JPEG: ", excerpt(decoder->message, 120));
  };
  check(decoder->read_header());
  const bool colours = decoder->jpeg.out_color_space == JCS_RGB;
  Array image = image_room(path, colours ? 3 : 1, decoder->jpeg.image_height, decoder->jpeg.image_width);
  check(decoder->start());
  std::vector<unsigned char> row(static_cast<std::size_t>(image.dim(0) * image.dim(2)));
  for (std::int64_t y = 0; y < image.dim(1); ++y) {
    check(decoder->read_row(row.data()));
    put_pixels(image, y, row.data(), image.dim(0));
  }
  return image;
}
#else
bool decodes_jpeg() { return false; }
Array decode_jpeg(const std::string& path, const std::string&) { throw_no_decoder(path, "JPEG", "libjpeg-dev"); }
#endif

}  // namespace gradus::data
