// A checksum of an array: what has changed by accident is told from what was saved.
#pragma once

#include <gradus/core/array.h>

namespace gradus {

/// Of the bits, dtype and shape, whatever the layout. It finds damage; it is no defence against a forger.
std::int64_t checksum(const Array& a);

}  // namespace gradus
