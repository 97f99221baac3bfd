// What event files are made of: records with checksums, fields of protocol buffers, PNG images.
#pragma once

#include <gradus/core/array.h>

#include <string>
#include <string_view>

namespace gradus::training {

/// CRC-32C (Castagnoli), and as TFRecord files have it: turned by 15 bits and moved on.
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked_crc32c(std::string_view bytes);

/// length, its checksum, the bytes, their checksum.
std::string framed(const std::string& bytes);

/// The fields of a message of protocol buffers (https://protobuf.dev/programming-guides/encoding), one behind the other.
class Message {
 public:
  Message& count(int field, std::int64_t x);
  Message& real(int field, double x);
  Message& single(int field, float x);
  Message& bytes(int field, std::string_view x);
  Message& reals(int field, const double* x, std::size_t n);  ///< packed
  const std::string& encoded() const { return s_; }

 private:
  Message& varint(std::uint64_t x);
  Message& key(int field, int wire) { return varint(static_cast<std::uint64_t>(field) << 3 | static_cast<unsigned>(wire)); }
  template <class T> Message& raw(T x);
  std::string s_;
};

/// A PNG file (ISO/IEC 15948) of u8 [H, W] or [3, H, W].
std::string png_of(const Array& pixels);

}  // namespace gradus::training
