// Files of tests/vectors/files (make_file_vectors.py), and named arrays compared bit by bit.
#pragma once

#include <gradus/core/io/safetensors.h>

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <string>

namespace gradus::testing {

inline std::string vector_file(const std::string& name) {
  return std::string(GRADUS_SOURCE_DIR "/tests/vectors/files/") + name;
}

/// What expected.safetensors has under "CASE|", without that.
inline NamedArrays expected_of(const std::string& name) {
  NamedArrays found;
  for (const auto& [key, a] : load_safetensors(vector_file("expected.safetensors")).tensors)
    if (key.starts_with(name + "|")) found.emplace_back(key.substr(name.size() + 1), a);
  REQUIRE_FALSE(found.empty());
  return found;
}

inline bool same_array(const Array& a, const Array& b) {
  if (!a.defined() || !b.defined() || describe(a) != describe(b)) return false;
  const Array x = a.contiguous(), y = b.contiguous();
  return std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.size()) * bytes_of(x.dtype())) == 0;
}

/// The same names, in any order, with the same bits.
inline bool same_arrays(const NamedArrays& a, const NamedArrays& b) {
  const std::map<std::string, Array> x(a.begin(), a.end()), y(b.begin(), b.end());
  bool same = a.size() == b.size() && x.size() == y.size() && x.size() == a.size();
  for (const auto& [name, array] : x) {
    const auto other = y.find(name);
    if (other != y.end() && same_array(array, other->second)) continue;
    MESSAGE(name << ": " << describe(array)
                 << (other == y.end() ? std::string(", which is missing") : " and " + describe(other->second)));
    same = false;
  }
  return same;
}

}  // namespace gradus::testing
