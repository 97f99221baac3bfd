// Image files: PGM and PPM always; PNG and JPEG where libpng and libjpeg were there when the library was built.
#pragma once

#include <gradus/core/array.h>

#include <string>

namespace gradus::data {

/// u8 [C, H, W], C = 1 of a grey image, 3 (red, green, blue) of one in colours; transparency is left out, 16 bits become 8.
/// What kind of file it is its first bytes say, not its name. Errors: DataError naming the file: one of another kind, cut
/// short, damaged, or of more than 2^27 pixels; a PNG or JPEG where this build reads none, with the package to install.
Array read_image(const std::string& path);

/// "PGM, PPM, PNG, JPEG", or as many of these as this build reads.
std::string image_formats();

/// The image with `channels` of them: a grey one three times, or the luma of a colour one (0.299 R + 0.587 G + 0.114 B, ITU-R
/// BT.601). Errors: ShapeError unless image is u8 [1 or 3, H, W], and channels 1 or 3.
Array with_channels(const Array& image, std::int64_t channels);

/// Bilinear, with all pixels of a larger image taking part (antialias), as torchvision's Resize. Errors: ShapeError unless
/// image is u8 [C, H, W] with at least one pixel, and height and width are at least 1.
Array resize_image(const Array& image, std::int64_t height, std::int64_t width);

}  // namespace gradus::data
