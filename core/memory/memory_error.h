// Turns std::bad_alloc into ResourceError, for functions that also allocate through the standard library.
#pragma once

#include <gradus/core/error.h>

#include <new>

namespace gradus {

/// Throws ResourceError; to be called in `catch (const std::bad_alloc&)`.
[[noreturn]] inline void no_memory_for(const std::string& op) { throw ResourceError(op, "the system has no memory"); }

}  // namespace gradus
