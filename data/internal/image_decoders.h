// One function for each kind of image file; each takes the bytes of a whole file, whose path is for messages.
#pragma once

#include <gradus/core/array.h>

#include <cstdint>
#include <string>

namespace gradus::data {

Array decode_pnm(const std::string& path, const std::string& bytes);
Array decode_png(const std::string& path, const std::string& bytes);
Array decode_jpeg(const std::string& path, const std::string& bytes);
bool decodes_png();
bool decodes_jpeg();

/// Room for an image, u8 [channels, height, width]. Errors: DataError for no pixel, or too many.
Array image_room(const std::string& path, std::uint64_t channels, std::uint64_t height, std::uint64_t width);

/// Row y of `image`, whose pixels lie side by side in `from`: every `stride` bytes begins one, its channels first.
void put_pixels(Array& image, std::int64_t y, const unsigned char* from, std::int64_t stride);

/// DataError: this build does not read such files; `package` is Debian's name of what is missing.
[[noreturn]] void throw_no_decoder(const std::string& path, const char* kind, const char* package);

}  // namespace gradus::data
