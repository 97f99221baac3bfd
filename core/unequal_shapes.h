// The error that a loss throws for two tensors whose shapes must be equal and are not.
#pragma once

#include <gradus/core/shape.h>

namespace gradus {

/// Throws a ShapeError: what `first` and `second` ("target") would broadcast to, and the axis that the second has to gain or
/// lose. `both` describes them.
[[noreturn]] void throw_unequal_shapes(const char* op, const std::string& both, const Shape& first, const Shape& second,
                                       const char* second_name);

}  // namespace gradus
