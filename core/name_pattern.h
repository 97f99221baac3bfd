// Patterns of names: "layers.*.bias".
#pragma once

namespace gradus {

/// True if the name matches; `*` matches any characters, dots among them, `?` one.
bool matches_pattern(const char* pattern, const char* name);

}  // namespace gradus
