// A sheet of images, for looking at what a model has made.
#pragma once

#include <gradus/autograd/tensor.h>

#include <string>

namespace gradus::examples {

/// Writes images [N, 1 or 3, H, W] with numbers in [0, 1] (what is outside is cut off) row by row, `columns` in a row, as a
/// binary PGM or PPM file. Errors: ShapeError; DataError if it cannot be written.
void save_sheet(const std::string& path, const Tensor& images, std::int64_t columns);

}  // namespace gradus::examples
