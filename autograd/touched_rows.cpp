#include <gradus/autograd/touched_rows.h>
#include <gradus/core/kernels/map.h>

#include <algorithm>

namespace gradus {

TouchedRows TouchedRows::only(std::int64_t rows, const Array& index) {
  TouchedRows t;
  t.all_ = false, t.total_ = rows;
  const Array dense = index.contiguous();
  const std::int64_t* begin = dense.data<std::int64_t>();
  const std::int64_t* end = begin + dense.size();
  if (rows <= 16 * dense.size()) {  // flags are faster than sorting
    std::vector<std::uint8_t> named(static_cast<std::size_t>(rows), 0);
    for (const std::int64_t* i = begin; i != end; ++i)
      if (*i >= 0) named[static_cast<std::size_t>(*i)] = 1;
    for (std::int64_t row = 0; row < rows; ++row)
      if (named[static_cast<std::size_t>(row)]) t.rows_.push_back(row);
    return t;
  }
  std::copy_if(begin, end, std::back_inserter(t.rows_), [](std::int64_t i) { return i >= 0; });
  std::sort(t.rows_.begin(), t.rows_.end());
  t.rows_.erase(std::unique(t.rows_.begin(), t.rows_.end()), t.rows_.end());
  t.rows_.shrink_to_fit();
  return t;
}

void TouchedRows::add(const TouchedRows& others) {
  if (others.all_) set_all();
  if (all_) return;
  std::vector<std::int64_t> both;
  both.reserve(rows_.size() + others.rows_.size());
  std::set_union(rows_.begin(), rows_.end(), others.rows_.begin(), others.rows_.end(), std::back_inserter(both));
  rows_ = std::move(both);
}

std::int64_t TouchedRows::index_of(std::int64_t row) const {
  const auto found = std::lower_bound(rows_.begin(), rows_.end(), row);
  return found != rows_.end() && *found == row ? found - rows_.begin() : -1;
}

bool TouchedRows::holds_element(const Shape& shape, std::int64_t element) const {
  return all_ || holds(element / (shape.size() / shape[0]));
}

std::vector<TouchedRows::Run> TouchedRows::runs(const Shape& shape) const {
  if (all_) return {{0, shape.size()}};
  std::vector<Run> found;
  const std::int64_t length = shape.size() / std::max<std::int64_t>(1, shape[0]);
  for (const std::int64_t row : rows_) {
    const std::int64_t at = row * length;
    if (!found.empty() && found.back().end == at) found.back().end += length;
    else found.push_back({at, at + length});
  }
  return found;
}

Array TouchedRows::flags() const {
  if (all_) return {};
  std::vector<std::uint8_t> flags(static_cast<std::size_t>(total_), 0);
  for (const std::int64_t row : rows_) flags[static_cast<std::size_t>(row)] = 1;
  return Array::of<std::uint8_t>({total_}, flags);
}

TouchedRows TouchedRows::from_flags(const Array& flags) {
  TouchedRows t;
  const Array dense = flags.contiguous();
  t.all_ = false, t.total_ = dense.size();
  for (std::int64_t row = 0; row < dense.size(); ++row)
    if (dense.data<std::uint8_t>()[row]) t.rows_.push_back(row);
  return t;
}

namespace {

template <class T> void add_row(T* to, const T* from, std::int64_t length) {
  for (std::int64_t j = 0; j < length; ++j) to[j] += from[j];
}

/// Adds values to an Array of the rows `to` (all: the whole), which include all of `rows`.
void add_rows(Array& sum, const TouchedRows& to, const Array& values, const TouchedRows& rows) {
  const std::int64_t length = values.shape().back();
  visit_real(values.dtype(), [&]<class T>() {
    T* out = sum.uninitialized<T>();
    const T* in = values.data<T>();
    for (const std::int64_t named : rows.list())
      add_row(out + (to.all() ? named : to.index_of(named)) * length, in, length), in += length;
  });
}

}  // namespace

Array coalesced(const Array& x, const Array& index, const TouchedRows& rows) {
  const Array from = x.contiguous(), at = index.contiguous();
  const std::int64_t length = x.shape().back();
  Array values = Array::zeros({static_cast<std::int64_t>(rows.list().size()), length}, x.dtype());
  visit_real(x.dtype(), [&]<class T>() {
    T* to = values.uninitialized<T>();
    for (std::int64_t k = 0; k < at.size(); ++k)
      if (const std::int64_t row = at.data<std::int64_t>()[k]; row >= 0)
        add_row(to + rows.index_of(row) * length, from.data<T>() + k * length, length);
  });
  return values;
}

Array dense_of(const Array& values, const TouchedRows& rows) {
  Array whole = Array::zeros({rows.total(), values.shape().back()}, values.dtype());
  add_rows(whole, {}, values, rows);
  return whole;
}

void add_gradient(Array& sum, TouchedRows& of, const Array& g, const TouchedRows& rows) {
  TouchedRows both = of;
  both.add(rows);
  if (!rows.packs(g)) {
    const auto plus = [](auto a, auto b) { return a + b; };
    sum = map(plus, of.packs(sum) ? dense_of(sum, of) : sum, g);
  } else if (of.packs(sum)) {
    Array all = Array::zeros({static_cast<std::int64_t>(both.list().size()), g.dim(1)}, g.dtype());
    add_rows(all, both, sum, of);
    add_rows(all, both, g, rows);
    sum = std::move(all);
  } else {
    if (!sum.unique() || !sum.dense()) sum = sum.copy();
    add_rows(sum, {}, g, rows);
  }
  of = std::move(both);
}

}  // namespace gradus
