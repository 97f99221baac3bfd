// The largest or smallest element along an axis, and its first index. Nothing is rounded, so many are compared at once.
#include <gradus/core/kernels/reduce.h>
#include <gradus/core/kernels/strided.h>
#include <gradus/core/parallel.h>

#include <algorithm>

namespace gradus {
namespace {

constexpr int strip_width = 64;

/// True if x replaces best. NaN wins over every number; of equals the first stays.
template <bool largest, class T> inline bool better(T x, T best) {
  return (largest ? x > best : x < best) | ((x != x) & (best == best));
}

template <class T> struct Best {
  using Row = std::conditional_t<sizeof(T) == 8, int64_t, std::int32_t>;
  T value[strip_width];
  Row row[strip_width];
};

/// Updates the best of neighbouring columns row by row; the first row is in `best` already.
template <bool largest, class T>
void go_down(const T* __restrict p, int64_t rows, int64_t stride, int columns, Best<T>& best) {
  using Row = typename Best<T>::Row;
  for (int64_t r = 1; r < rows; ++r) {
    p += stride;
    const auto row = static_cast<Row>(r);
    for (int c = 0; c < columns; ++c) {
      const T x = p[c], old = best.value[c];
      const bool take = better<largest>(x, old);
      best.value[c] = take ? x : old;
      best.row[c] = take ? row : best.row[c];
    }
  }
}

/// Writes the best of `columns` neighbouring columns and their rows; pieces are so short that a row index fits a lane.
template <bool largest, class T>
void of_columns(const T* p, int64_t rows, int64_t stride, int columns, T* value, int64_t* index) {
  constexpr int64_t piece = int64_t(1) << 30;
  for (int64_t from = 0; from < rows; from += piece) {
    Best<T> best;
    std::copy_n(p + from * stride, columns, best.value);
    std::fill_n(best.row, columns, 0);
    const int64_t n = std::min(piece, rows - from);
    columns == strip_width ? go_down<largest>(p + from * stride, n, stride, strip_width, best)
                           : go_down<largest>(p + from * stride, n, stride, columns, best);
    for (int c = 0; c < columns; ++c)
      if (from == 0 || better<largest>(best.value[c], value[c])) value[c] = best.value[c], index[c] = from + best.row[c];
  }
}

/// The best of n contiguous elements, seen as rows of a matrix.
template <bool largest, class T> void of_run(const T* p, int64_t n, T& value, int64_t& index) {
  value = p[0], index = 0;
  int64_t i = 1;
  if (n >= 4 * strip_width) {
    T values[strip_width];
    int64_t rows[strip_width];
    of_columns<largest>(p, n / strip_width, strip_width, strip_width, values, rows);
    for (int c = 0; c < strip_width; ++c) {
      const int64_t at = rows[c] * strip_width + c;
      const bool equal = values[c] == value || (values[c] != values[c] && value != value);
      if (better<largest>(values[c], value) || (equal && at < index)) value = values[c], index = at;
    }
    i = n / strip_width * strip_width;
  }
  for (; i < n; ++i)
    if (better<largest>(p[i], value)) value = p[i], index = i;
}

template <bool largest, class T> Extreme extreme_of(Array a, int axis) {
  const Shape shape = reduced_shape(a.shape(), 1u << axis, true);
  Extreme e{Array(shape, a.dtype()), Array(shape, i64)};
  T* value = e.value.uninitialized<T>();
  int64_t* index = e.index.uninitialized<int64_t>();
  const auto kept = [&] { return StridedLoop<1>(shape, {a.strides()}); };
  if (a.stride(axis) != 1 && (kept().run_stride(0) != 1 || kept().run() == 1)) a = a.contiguous();
  const T* from = a.data<T>();
  const StridedLoop<1> walk = kept();
  const int64_t n = a.shape()[axis], stride = a.stride(axis), columns = walk.run(), step = walk.run_stride(0);
  if (stride == 1 || columns == 1) {
    parallel_ranges(walk.runs(), std::max<int64_t>(1, grain_elements / (n * columns)), [&](int64_t begin, int64_t end) {
      int64_t o = begin * columns;
      walk.each_run(begin, end, [&](const int64_t* at) {
        for (int64_t c = 0; c < columns; ++c, ++o) of_run<largest>(from + at[0] + c * step, n, value[o], index[o]);
      });
    });
    return e;
  }
  const int64_t strips = (columns + strip_width - 1) / strip_width;
  parallel_ranges(walk.runs() * strips, std::max<int64_t>(1, grain_elements / (n * std::min<int64_t>(strip_width, columns))),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t job = begin; job < end; ++job) {
                      const int64_t first = job % strips * strip_width, to = job / strips * columns + first;
                      walk.each_run(job / strips, job / strips + 1, [&](const int64_t* at) {
                        of_columns<largest>(from + at[0] + first, n, stride,
                                            static_cast<int>(std::min<int64_t>(strip_width, columns - first)), value + to,
                                            index + to);
                      });
                    }
                  });
  return e;
}

}  // namespace

Extreme extreme_axis(const char* op, const Array& a, Axis along, bool largest) {
  const int axis = normal_axis(op, along, a.shape());
  if (a.shape()[axis] == 0) throw ShapeError(op, join("axis ", axis, " of ", describe(a), " is empty; it has no extreme"));
  if (a.dtype() == boolean) {  // false before true
    const Extreme e = extreme_axis(op, a.to(u8), axis, largest);
    return {e.value.to(boolean), e.index};
  }
  if (a.size() == 0) {
    const Shape shape = reduced_shape(a.shape(), 1u << axis, true);
    return {Array(shape, a.dtype()), Array(shape, i64)};
  }
  const auto of = [&]<class T>() { return (largest ? extreme_of<true, T> : extreme_of<false, T>)(a, axis); };
  switch (a.dtype()) {
    case Dtype::f32: return of.operator()<float>();
    case Dtype::f64: return of.operator()<double>();
    case Dtype::i64: return of.operator()<int64_t>();
    default: return of.operator()<std::uint8_t>();
  }
}

}  // namespace gradus
