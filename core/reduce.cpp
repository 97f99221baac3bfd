#include <gradus/core/map.h>
#include <gradus/core/reduce.h>
#include <gradus/core/strided.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

constexpr int64_t block = 4096;   // elements summed straight; above, halves are summed pairwise
constexpr int64_t rows_block = 256;

/// Lanes i.. of a run with stride 1, or 0 (one number again and again); lanes behind `valid` are zero.
template <class T>
inline pack<T> load_lanes(const T* p, int64_t stride, int64_t i, int valid) {
  if (stride == 1) return valid == pack<T>::width ? pack<T>::load(p + i) : pack<T>::load_first(p + i, valid);
  pack<T> a(typename pack<T>::R{});
  for (int k = 0; k < valid; ++k) a.r[k] = *p;
  return a;
}

/// Halves added to halves.
template <class T>
T lanes_sum(pack<T> a) {
  if constexpr (pack<T>::width == 16) {
    typedef T Half __attribute__((vector_size(32)));
    typedef T Quarter __attribute__((vector_size(16)));
    const Half* h = reinterpret_cast<const Half*>(&a.r);
    const Half eight = h[0] + h[1];
    const Quarter* q = reinterpret_cast<const Quarter*>(&eight);
    const Quarter four = q[0] + q[1];
    return (four[0] + four[2]) + (four[1] + four[3]);
  } else {
    T lane[pack<T>::width];
    a.store(lane);
    for (int n = pack<T>::width / 2; n > 0; n /= 2)
      for (int i = 0; i < n; ++i) lane[i] += lane[i + n];
    return lane[0];
  }
}

/// Sum of n elements at stride 1 or 0.
template <class T>
T sum_run(const T* p, int64_t n, int64_t stride) {
  if (n > block) {
    const int64_t half = (n / 2 + block - 1) / block * block;
    return sum_run(p, half, stride) + sum_run(p + half * stride, n - half, stride);
  }
  constexpr int w = pack<T>::width;
  pack<T> a(0), b(0), c(0), d(0);
  int64_t i = 0;
  if (stride == 1) {
    for (; i + 4 * w <= n; i += 4 * w) {
      a += pack<T>::load(p + i);
      b += pack<T>::load(p + i + w);
      c += pack<T>::load(p + i + 2 * w);
      d += pack<T>::load(p + i + 3 * w);
    }
  } else {  // the same order
    for (const pack<T> one(typename pack<T>::R{} + *p); i + 4 * w <= n; i += 4 * w) a += one, b += one, c += one, d += one;
  }
  for (; i < n; i += w) a += load_lanes(p, stride, i, static_cast<int>(std::min<int64_t>(w, n - i)));
  return lanes_sum((a + b) + (c + d));
}

/// Neighbouring runs at any stride, one a lane, each in the order of sum_run.
template <class T>
pack<T> sum_across(const T* p, int64_t n, int64_t stride, int valid) {
  if (n > block) {
    const int64_t half = (n / 2 + block - 1) / block * block;
    return sum_across(p, half, stride, valid) + sum_across(p + half * stride, n - half, stride, valid);
  }
  constexpr int w = pack<T>::width;
  pack<T> lane[4 * w];
  std::fill_n(lane, 4 * w, pack<T>(0));
  const int64_t whole = n / (4 * w) * (4 * w);
  for (int64_t i = 0; i < n; ++i)
    lane[i < whole ? i % (4 * w) : (i - whole) % w] += load_lanes(p + i * stride, 1, 0, valid);
  for (int i = 0; i < w; ++i) lane[i] = (lane[i] + lane[i + w]) + (lane[i + 2 * w] + lane[i + 3 * w]);
  for (int half = w / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

/// One long run at stride 1 or 0, in parallel.
template <class T>
T sum_long(const T* p, int64_t n, int64_t stride) {
  constexpr int64_t piece = 16 * block;
  if (n <= piece) return sum_run(p, n, stride);
  std::vector<T> parts(static_cast<std::size_t>((n + piece - 1) / piece));
  parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t i) {
    parts[static_cast<std::size_t>(i)] = sum_run(p + i * piece * stride, std::min(piece, n - i * piece), stride);
  });
  return sum_run(parts.data(), static_cast<int64_t>(parts.size()), 1);
}

/// The axes of `a` split into those that stay and those that are summed, as two layouts.
struct Split {
  Shape kept, gone;
  int64_t kept_strides[max_rank] = {}, gone_strides[max_rank] = {};
  Split(const Shape& shape, const int64_t* strides, std::uint32_t axes) {
    for (int i = 0; i < shape.rank(); ++i) {
      const bool is_gone = axes >> i & 1;
      (is_gone ? gone_strides[gone.rank()] : kept_strides[kept.rank()]) = strides[i];
      (is_gone ? gone : kept).push_back(shape[i]);
    }
  }
  Walk<1> outer() const { return Walk<1>(kept, {kept_strides}); }
  Walk<1> inner() const { return Walk<1>(gone, {gone_strides}); }
  /// The last kept axis is contiguous, and something is summed.
  bool by_columns() const { return gone.rank() > 0 && outer().run_stride(0) == 1 && outer().run() > 1; }
};

/// The split of a row-major Array of this shape: it decides the order in which everything is added, for every layout.
Split row_major_split(const Shape& shape, std::uint32_t axes) {
  int64_t strides[max_rank] = {}, step = 1;
  for (int i = shape.rank(); i-- > 0; step *= shape[i]) strides[i] = step;
  return Split(shape, strides, axes);
}

/// Can this layout be walked in that order, with contiguous (or repeated) numbers innermost? If not, it is made dense first.
bool follows(const Split& s, const Split& row_major) {
  const Walk<1> inner = s.inner(), wanted = row_major.inner();
  if (inner.runs() != wanted.runs() || inner.run() != wanted.run()) return false;
  if (!row_major.by_columns()) return inner.run_stride(0) == 1 || inner.run_stride(0) == 0 || s.by_columns();
  return s.outer().run_stride(0) == 1 && s.outer().run() == row_major.outer().run();
}

/// Each output is the sum of a (possibly many-axed) run of its own.
template <class T>
void sum_rows(const Array& a, const Split& s, T* out) {
  const Walk<1> outer = s.outer(), inner = s.inner();
  const int64_t length = outer.run(), work = std::max<int64_t>(1, s.gone.size());
  parallel_ranges(outer.runs() * length, std::max<int64_t>(1, grain_elements / work), [&](int64_t begin, int64_t end) {
    const T* from = a.data<T>();
    for (int64_t o = begin; o < end; ++o)
      outer.each_run(o / length, o / length + 1, [&](const int64_t* at) {
        const T* p = from + at[0] + o % length * outer.run_stride(0);
        T total = 0;
        inner.each_run(0, inner.runs(), [&](const int64_t* in) { total += sum_run(p + in[0], inner.run(), inner.run_stride(0)); });
        out[o] = total;
      });
  });
}

/// Sums of rows where not the rows but their neighbours are contiguous: a transposed matrix.
template <class T>
void sum_rows_across(const Array& a, const Split& s, T* out) {
  const Walk<1> outer = s.outer(), inner = s.inner();
  constexpr int64_t w = pack<T>::width;
  const int64_t columns = outer.run(), strips = (columns + w - 1) / w;
  parallel_ranges(outer.runs() * strips, std::max<int64_t>(1, grain_elements / (w * std::max<int64_t>(1, s.gone.size()))),
                  [&](int64_t begin, int64_t end) {
    T lanes[w];
    for (int64_t job = begin; job < end; ++job) {
      const int64_t first = job % strips * w, n = std::min(w, columns - first);
      outer.each_run(job / strips, job / strips + 1, [&](const int64_t* at) {
        pack<T> total(0);
        inner.each_run(0, inner.runs(), [&](const int64_t* in) {
          total += sum_across(a.data<T>() + at[0] + first + in[0], inner.run(), inner.run_stride(0), static_cast<int>(n));
        });
        total.store(lanes);
        std::copy_n(lanes, n, out + job / strips * columns + first);
      });
    }
  });
}

/// The last kept axis is contiguous: rows are added to rows, in blocks so that long columns keep their digits.
template <class T>
void sum_columns(const Array& a, const Split& s, T* out) {
  const Walk<1> outer = s.outer(), inner = s.inner();
  const int64_t columns = outer.run(), runs = outer.runs(), steps = inner.run(), step = inner.run_stride(0);
  constexpr int64_t w = pack<T>::width, strip = 32 * w;
  const int64_t strips = (columns + strip - 1) / strip;
  const T* from = a.data<T>();
  parallel_ranges(runs * strips, std::max<int64_t>(1, grain_elements / (strip * std::max<int64_t>(1, s.gone.size()))),
                  [&](int64_t begin, int64_t end) {
    alignas(64) T total[strip], part[strip];
    for (int64_t job = begin; job < end; ++job) {
      const int64_t first = job % strips * strip, n = std::min(strip, columns - first);
      outer.each_run(job / strips, job / strips + 1, [&](const int64_t* at) {
        std::fill_n(total, strip, T(0));
        inner.each_run(0, inner.runs(), [&](const int64_t* in) {
          const T* p = from + at[0] + in[0] + first;
          for (int64_t r0 = 0; r0 < steps; r0 += rows_block) {
            std::fill_n(part, strip, T(0));
            for (int64_t r = r0; r < std::min(steps, r0 + rows_block); ++r) {
              const T* row = p + r * step;
              int64_t i = 0;
              for (; i + w <= n; i += w) (pack<T>::load(part + i) + pack<T>::load(row + i)).store(part + i);
              for (; i < n; ++i) part[i] += row[i];
            }
            for (int64_t i = 0; i < n; ++i) total[i] += part[i];
          }
        });
        std::copy_n(total, n, out + job / strips * columns + first);
      });
    }
  });
}

template <class T>
Extreme extreme_of(const Array& a, int axis, bool largest) {
  const Shape shape = reduced_shape(a.shape(), 1u << axis, true);
  Extreme e{Array(shape, a.dtype()), Array(shape, i64)};
  const int64_t n = a.shape()[axis], stride = a.stride(axis);
  Array kept = a.slice(axis, 0, 1);
  const Walk<1> walk(kept.shape(), {kept.strides()});
  T* value = e.value.fresh<T>();
  int64_t* index = e.index.fresh<int64_t>();
  parallel_ranges(walk.runs(), std::max<int64_t>(1, grain_elements / (n * walk.run())), [&](int64_t begin, int64_t end) {
    int64_t o = begin * walk.run();
    walk.each_run(begin, end, [&](const int64_t* at) {
      for (int64_t j = 0; j < walk.run(); ++j, ++o) {
        const T* p = a.data<T>() + at[0] + j * walk.run_stride(0);
        T best = p[0];
        int64_t where = 0;
        for (int64_t i = 1; i < n && best == best; ++i) {
          const T x = p[i * stride];
          if ((largest ? x > best : x < best) || x != x) best = x, where = i;
        }
        value[o] = best, index[o] = where;
      }
    });
  });
  return e;
}

}  // namespace

std::uint32_t axes_mask(const char* op, const std::vector<int>& axes, int rank) {
  if (axes.empty()) return (1u << rank) - 1;
  std::uint32_t mask = 0;
  for (const int axis : axes) {
    const std::uint32_t bit = 1u << normal_axis(op, axis, rank);
    if (mask & bit) throw ShapeError(op, join("axis ", axis, " is named twice"));
    mask |= bit;
  }
  return mask;
}

Shape reduced_shape(const Shape& shape, std::uint32_t axes, bool keep) {
  Shape s;
  for (int i = 0; i < shape.rank(); ++i)
    if (!(axes >> i & 1)) s.push_back(shape[i]);
    else if (keep) s.push_back(1);
  return s;
}

Array sum_axes(const Array& a, std::uint32_t axes) {
  if (!is_real(a.dtype())) {
    const Array whole = a.to(i64);
    Array out = Array::zeros(reduced_shape(a.shape(), axes, true), i64);
    const Array spread = out.expand(a.shape());
    const Walk<2> walk(a.shape(), {whole.strides(), spread.strides()});
    if (a.size() > 0)
      walk.each_run(0, walk.runs(), [&](const int64_t* at) {
        for (int64_t i = 0; i < walk.run(); ++i)
          out.fresh<int64_t>()[at[1] + i * walk.run_stride(1)] += whole.data<int64_t>()[at[0] + i * walk.run_stride(0)];
      });
    return out;
  }
  Array out(reduced_shape(a.shape(), axes, true), a.dtype());
  if (out.size() == 0) return out;
  if (a.size() == 0) return Array::zeros(out.shape(), a.dtype());
  const Split order = row_major_split(a.shape(), axes);
  Split s(a.shape(), a.strides(), axes);
  Array from = a;
  if (!follows(s, order)) from = a.copy(), s = order;
  visit_real(a.dtype(), [&]<class T>() {
    if (out.size() == 1 && order.inner().runs() == 1)
      *out.fresh<T>() = sum_long(from.data<T>(), from.size(), s.inner().run_stride(0));
    else if (order.by_columns()) sum_columns(from, s, out.fresh<T>());
    else if (s.by_columns() && s.inner().run_stride(0) > 1) sum_rows_across(from, s, out.fresh<T>());
    else sum_rows(from, s, out.fresh<T>());
  });
  return out;
}

Array sum_all(const Array& a) {
  if (!a.dense()) return sum_axes(a, (1u << a.rank()) - 1).reshape({});
  Array out(Shape{}, a.dtype());
  visit_real(a.dtype(), [&]<class T>() { *out.fresh<T>() = sum_long(a.data<T>(), a.size(), 1); });
  return out;
}

Array sum_to(const Array& a, const Shape& shape) {
  if (a.shape() == shape) return a;
  const int shift = a.rank() - shape.rank();
  std::uint32_t axes = 0;
  for (int i = 0; i < a.rank(); ++i)
    if (i < shift || (shape[i - shift] == 1 && a.shape()[i] != 1)) axes |= 1u << i;
  return sum_axes(a, axes).reshape(shape);
}

Extreme extreme_axis(const char* op, const Array& a, int axis, bool largest) {
  axis = normal_axis(op, axis, a.rank());
  if (a.shape()[axis] == 0) throw ShapeError(op, join("axis ", axis, " of ", describe(a), " is empty; it has no extreme"));
  if (a.dtype() == boolean) throw DtypeError(op, join(describe(a), " has no order"));
  if (a.size() == 0) {
    const Shape shape = reduced_shape(a.shape(), 1u << axis, true);
    return {Array(shape, a.dtype()), Array(shape, i64)};
  }
  switch (a.dtype()) {
    case Dtype::f32: return extreme_of<float>(a, axis, largest);
    case Dtype::f64: return extreme_of<double>(a, axis, largest);
    case Dtype::i64: return extreme_of<int64_t>(a, axis, largest);
    default: return extreme_of<std::uint8_t>(a, axis, largest);
  }
}

}  // namespace gradus
