// For functions that keep more than Arrays: where the standard library finds no memory, the error has our type, too.
#pragma once

#include <gradus/core/error.h>

#include <new>

namespace gradus {

/// To be called in `catch (const std::bad_alloc&)`.
[[noreturn]] inline void no_memory_for(const std::string& op) { throw ResourceError(op, "the system has no memory"); }

}  // namespace gradus
