#include <gradus/core/error.h>
#include <gradus/train/internal/event_format.h>

#include <zlib.h>

#include <array>
#include <cstring>

namespace gradus::training {
namespace {

constexpr std::array<std::uint32_t, 256> castagnoli = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
  return table;
}();

std::string word_of(std::uint64_t x, int bytes, bool big_endian = false) {
  std::string s;
  for (int i = 0; i < bytes; ++i) s += static_cast<char>(x >> 8 * (big_endian ? bytes - 1 - i : i) & 255);
  return s;
}

std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string all = type + data;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(all.data()), static_cast<uInt>(all.size()));
  return word_of(data.size(), 4, true) + all + word_of(sum, 4, true);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t c = ~0u;
  for (const char b : bytes) c = castagnoli[(c ^ static_cast<unsigned char>(b)) & 255] ^ c >> 8;
  return ~c;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t c = crc32c(bytes);
  return (c >> 15 | c << 17) + 0xA282EAD8u;
}

std::string framed(const std::string& bytes) {
  const std::string length = word_of(bytes.size(), 8);
  return length + word_of(masked_crc32c(length), 4) + bytes + word_of(masked_crc32c(bytes), 4);
}

Message& Message::varint(std::uint64_t x) {
  for (; x >= 128; x >>= 7) s_ += static_cast<char>((x & 127) | 128);
  s_ += static_cast<char>(x);
  return *this;
}
template <class T> Message& Message::raw(T x) {
  s_.append(reinterpret_cast<const char*>(&x), sizeof x);
  return *this;
}
Message& Message::count(int field, std::int64_t x) { return key(field, 0).varint(static_cast<std::uint64_t>(x)); }
Message& Message::real(int field, double x) { return key(field, 1).raw(x); }
Message& Message::single(int field, float x) { return key(field, 5).raw(x); }
Message& Message::bytes(int field, std::string_view x) {
  key(field, 2).varint(x.size());
  s_ += x;
  return *this;
}
Message& Message::reals(int field, const double* x, std::size_t n) {
  return bytes(field, {reinterpret_cast<const char*>(x), n * sizeof *x});
}

std::string png_of(const Array& pixels) {
  if (!pixels.defined() || pixels.dtype() != u8) throw DtypeError("image", "pixels must be u8, got " + describe(pixels));
  const bool grey = pixels.rank() == 2;
  if (!grey && !(pixels.rank() == 3 && pixels.dim(0) == 3))
    throw ShapeError("image", "pixels must be [H, W] or [3, H, W], got " + describe(pixels));
  const std::int64_t height = pixels.dim(-2), width = pixels.dim(-1), planes = grey ? 1 : 3;
  if (height < 1 || width < 1) throw ShapeError("image", "there is no pixel in " + describe(pixels));
  const Array dense = pixels.contiguous();
  const auto* p = dense.data<std::uint8_t>();
  std::string rows;
  for (std::int64_t y = 0; y < height; ++y) {
    rows += '\0';  // the row is as it is
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t c = 0; c < planes; ++c) rows += static_cast<char>(p[(c * height + y) * width + x]);
  }
  uLongf bytes = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(bytes, '\0');
  if (compress(reinterpret_cast<Bytef*>(packed.data()), &bytes, reinterpret_cast<const Bytef*>(rows.data()),
               static_cast<uLong>(rows.size())) != Z_OK)
    throw ResourceError("image", "no memory to pack " + describe(pixels));
  packed.resize(bytes);
  const std::string head = word_of(static_cast<std::uint64_t>(width), 4, true) +
                           word_of(static_cast<std::uint64_t>(height), 4, true) +
                           std::string{8, grey ? '\0' : '\2', 0, 0, 0};
  return "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", head) + png_chunk("IDAT", packed) + png_chunk("IEND", "");
}

}  // namespace gradus::training
