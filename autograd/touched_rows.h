// TouchedRows: the rows of a leaf's gradient to which ops accumulated something. An embedding records the rows of its
// indices; an optimizer that moves only those (lazy_adam) reads them, and a sparse gradient has values for these rows only.
#pragma once

#include <gradus/core/array.h>

#include <vector>

namespace gradus {

/// Rows along the first axis of a gradient: all of them, unless each op that accumulated named its rows.
class TouchedRows {
 public:
  /// The elements begin..end-1 of a dense gradient.
  struct Run {
    std::int64_t begin, end;
  };

  bool all() const { return all_; }
  bool holds(std::int64_t row) const { return all_ || index_of(row) >= 0; }
  /// The rows, ascending, unless all are touched; total() is how many the whole gradient has.
  const std::vector<std::int64_t>& list() const { return rows_; }
  std::int64_t total() const { return total_; }
  /// True if `numbers` has the touched rows only. False where every row is touched: then they are the whole.
  bool packs(const Array& numbers) const {
    const auto touched = static_cast<std::int64_t>(rows_.size());
    return !all_ && touched < total_ && numbers.dim(0) == touched;
  }
  /// The index of a row in the list; -1 if it is not there.
  std::int64_t index_of(std::int64_t row) const;
  /// Runs of touched rows of a gradient of this shape, neighbours joined; all of it for a shape of rank 0 or 1.
  std::vector<Run> runs(const Shape& shape) const;
  /// True if the row of this element is touched.
  bool holds_element(const Shape& shape, std::int64_t element) const;

  void set_all() { all_ = true, rows_.clear(); }
  /// The rows at `index` (i64, each below `rows`) out of `rows` rows; a negative index is skipped.
  static TouchedRows only(std::int64_t rows, const Array& index);
  /// Adds other rows, of the same number in all.
  void add(const TouchedRows& others);

  /// A flag for each row, u8[rows]; absent if all are touched.
  Array flags() const;
  static TouchedRows from_flags(const Array& flags);

 private:
  bool all_ = true;
  std::vector<std::int64_t> rows_;
  std::int64_t total_ = 0;
};

// ---- values of touched rows only: values[i] belongs to row rows.list()[i], every other row is zero -----------------------

/// The values [touched rows, D] of x[S..., D], with all elements of one index summed, in the order of `index`.
Array coalesced(const Array& x, const Array& index, const TouchedRows& rows);
/// The whole gradient, [total, D].
Array dense_of(const Array& values, const TouchedRows& rows);
/// Adds a gradient g to `sum`; either may be whole or have touched rows only, and `of` gets the rows of both. A shared Array
/// is not written. g has sum's dtype and, where both are whole, its shape.
void add_gradient(Array& sum, TouchedRows& of, const Array& g, const TouchedRows& rows);

}  // namespace gradus
