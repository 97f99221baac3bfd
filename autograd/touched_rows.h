// Which rows of a leaf's gradient ops have handed something to. An embedding knows the rows that its indices named; an
// optimizer that moves only those (lazy_adam) asks here.
#pragma once

#include <gradus/core/array.h>

#include <vector>

namespace gradus {

/// Rows along the first axis of a gradient. Every row, unless each op that handed something on has named its rows.
class TouchedRows {
 public:
  /// Elements begin..end-1 of a dense gradient.
  struct Run {
    std::int64_t begin, end;
  };

  bool all() const { return rows_.empty(); }
  bool holds(std::int64_t row) const { return all() || rows_[static_cast<std::size_t>(row)] != 0; }
  /// Runs of touched rows of a gradient of this shape, neighbours joined; all of it for a shape of rank 0 or 1.
  std::vector<Run> runs(const Shape& shape) const;
  /// Whether the row of this element is touched.
  bool holds_element(const Shape& shape, std::int64_t element) const;

  void set_all() { rows_.clear(); }
  /// Those of `rows` rows that `index` (i64, each in 0..rows-1) names.
  static TouchedRows only(std::int64_t rows, const Array& index);
  /// These and others, of as many rows.
  void add(const TouchedRows& others);

  /// A flag for each row, u8[rows]; absent for all.
  Array flags() const;
  static TouchedRows from_flags(const Array& flags);

 private:
  std::vector<std::uint8_t> rows_;  // a flag for each; empty: all
};

}  // namespace gradus
