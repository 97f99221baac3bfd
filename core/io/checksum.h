// A checksum of an array, to tell whether it has changed by accident since it was saved.
#pragma once

#include <gradus/core/array.h>

namespace gradus {

/// The checksum of the bits, dtype and shape, whatever the layout. It finds damage; it is no defence against a forger.
std::int64_t checksum(const Array& a);

}  // namespace gradus
