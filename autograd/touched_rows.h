// Which rows of a leaf's gradient ops have handed something to. An embedding knows the rows that its indices named; an
// optimizer that moves only those (lazy_adam) asks here, and a sparse gradient has numbers for these rows only.
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

  bool all() const { return all_; }
  bool holds(std::int64_t row) const { return all_ || place_of(row) >= 0; }
  /// Unless it is all of them: the rows, ascending, and how many the whole gradient has.
  const std::vector<std::int64_t>& list() const { return rows_; }
  std::int64_t total() const { return total_; }
  /// Whether numbers are those of some rows only. False where every row is touched: then they are the whole.
  bool packs(const Array& numbers) const {
    const auto touched = static_cast<std::int64_t>(rows_.size());
    return !all_ && touched < total_ && numbers.dim(0) == touched;
  }
  /// Place of a row in the list; -1 if it is not there.
  std::int64_t place_of(std::int64_t row) const;
  /// Runs of touched rows of a gradient of this shape, neighbours joined; all of it for a shape of rank 0 or 1.
  std::vector<Run> runs(const Shape& shape) const;
  /// Whether the row of this element is touched.
  bool holds_element(const Shape& shape, std::int64_t element) const;

  void set_all() { all_ = true, rows_.clear(); }
  /// Those of `rows` rows that `index` (i64, each below `rows`) names; a negative index names none.
  static TouchedRows only(std::int64_t rows, const Array& index);
  /// These and others, of as many rows.
  void add(const TouchedRows& others);

  /// A flag for each row, u8[rows]; absent for all.
  Array flags() const;
  static TouchedRows from_flags(const Array& flags);

 private:
  bool all_ = true;
  std::vector<std::int64_t> rows_;
  std::int64_t total_ = 0;
};

// ---- numbers of touched rows only: values[i] belongs to row rows.list()[i], every other row is zero -----------------------

/// values [touched rows, D]: x[S..., D] with all that one index names summed, in the order of `index`.
Array coalesced(const Array& x, const Array& index, const TouchedRows& rows);
/// The whole: [total, D].
Array dense_of(const Array& values, const TouchedRows& rows);
/// Adds a gradient g to `sum`; either may be whole or hold touched rows only, and `of` gets the rows of both. An Array that
/// somebody else sees is not written. g is of sum's dtype and, where both are whole, of its shape.
void add_gradient(Array& sum, TouchedRows& of, const Array& g, const TouchedRows& rows);

}  // namespace gradus
