// The way back from numbers to a text, which every way of encoding shares.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/error.h>

#include <string>

namespace gradus::data {

/// piece(s), a char or text, of each s in symbols, one behind the other. Errors: IndexError by `who` for a number that is no
/// place below `size`, ShapeError unless symbols are [N].
template <class Piece>
std::string decode_symbols(const char* who, const Array& symbols, std::int64_t size, const Piece& piece) {
  if (!symbols.defined() || symbols.rank() != 1) throw ShapeError(who, "symbols must be [N], got " + describe(symbols));
  std::string text;
  for (std::int64_t i = 0; i < symbols.size(); ++i) {
    const double s = symbols.element(i);
    if (!(s >= 0 && s < static_cast<double>(size)))
      throw IndexError(who, join("symbol ", gradus::text(s), " at ", i, " is outside 0 .. ", size - 1));
    text += piece(static_cast<std::size_t>(s));
  }
  return text;
}

}  // namespace gradus::data
