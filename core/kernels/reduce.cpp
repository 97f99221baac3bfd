#include <gradus/core/kernels/map.h>
#include <gradus/core/kernels/reduce.h>
#include <gradus/core/kernels/strided.h>
#include <gradus/core/simd/lanes.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

constexpr int64_t block = 4096;  // elements summed sequentially; longer runs are halved and summed pairwise
constexpr int64_t rows_block = 256;

/// Loads lanes i.. of a run with stride 1 or 0 (a repeated element); lanes behind `valid` are zero.
template <class T> inline pack<T> load_lanes(const T* p, int64_t stride, int64_t i, int valid) {
  if (stride == 1) return valid == pack<T>::width ? pack<T>::load(p + i) : pack<T>::load_first(p + i, valid);
  pack<T> a(typename pack<T>::R{});
  for (int k = 0; k < valid; ++k) a.r[k] = *p;
  return a;
}

/// Adds x to a sum of sums, of which there may be many, with the error of the addition before (Kahan). Of two sums the bits
/// are those of a + b.
template <class V> GRADUS_INLINE void add_to_total(V& total, V& lost, V x) {
  const auto number = [](auto is, auto a) {
    if constexpr (std::is_same_v<decltype(is), bool>) return is ? a : 0;
    else return select(is, a, V(0));
  };
  const V all = x + number(lost == lost, lost), next = total + all, took = next - total;  // lost is NaN beside infinities
  lost = (total - (next - took)) + (all - took);
  total = next;
}

/// The sum of n elements at stride 1 or 0.
template <class T> T sum_run(const T* p, int64_t n, int64_t stride) {
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
  return fold_sum((a + b) + (c + d));
}

template <class T> constexpr int strip = 4 * pack<T>::width;  // neighbouring runs summed together

/// lane[r][c] += row r of each of `times` groups of 4 * width rows, in this order. A row has `packs`, the last of `last`
/// lanes.
template <int times, class T> void add_groups(pack<T>* lane, const T* p, int64_t stride, int packs, int last) {
  constexpr int w = pack<T>::width, lanes = 4 * w;
  const int64_t ahead = stride * 8 * static_cast<int64_t>(sizeof(T)) > 4096 ? 8 * stride : 0;  // jumps no machine foresees
  for (int r = 0; r < lanes; ++r, p += stride)
    for (int c = 0; c < packs; ++c, ++lane) {
      pack<T> sum = *lane;
      for (int k = 0; k < times; ++k) {
        const T* at = p + k * lanes * stride + c * w;
        if (ahead) __builtin_prefetch(at + ahead);
        sum += c + 1 < packs ? pack<T>::load(at) : load_lanes(at, 1, 0, last);
      }
      *lane = sum;
    }
}

/// out[c] = the sum of n elements from p + c at any stride, in the order of sum_run, for `columns` (at most strip) runs.
template <class T> void sum_across(const T* p, int64_t n, int64_t stride, int columns, T* out) {
  if (n > block) {
    const int64_t half = (n / 2 + block - 1) / block * block;
    T more[strip<T>];
    sum_across(p, half, stride, columns, out);
    sum_across(p + half * stride, n - half, stride, columns, more);
    for (int c = 0; c < columns; ++c) out[c] += more[c];
    return;
  }
  constexpr int w = pack<T>::width, lanes = 4 * w;
  const int packs = (columns + w - 1) / w, last = columns - (packs - 1) * w;
  pack<T> lane[lanes * (strip<T> / w)];
  const int step = w * packs;
  std::fill_n(lane, n < lanes ? step : 4 * step, pack<T>(0));
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) add_groups<4>(lane, p + i * stride, stride, packs, last);
  for (; i + lanes <= n; i += lanes) add_groups<1>(lane, p + i * stride, stride, packs, last);
  for (int r = 0; i < n; ++i, r = (r + 1) % w)
    for (int c = 0; c < packs; ++c)
      lane[r * packs + c] += load_lanes(p + i * stride + c * w, 1, 0, c + 1 < packs ? w : last);
  if (n >= lanes)
    for (int k = 0; k < step; ++k) lane[k] = (lane[k] + lane[k + step]) + (lane[k + 2 * step] + lane[k + 3 * step]);
  for (int half = step / 2; half >= packs; half /= 2)
    for (int k = 0; k < half; ++k) lane[k] += lane[k + half];
  for (int c = 0; c < packs; ++c) lane[c].store_first(out + c * w, c + 1 < packs ? w : last);
}

/// The sum of one long run at stride 1 or 0, in parallel.
template <class T> T sum_long(const T* p, int64_t n, int64_t stride) {
  constexpr int64_t piece = 16 * block;
  if (n <= piece) return sum_run(p, n, stride);
  std::vector<T> parts(static_cast<std::size_t>((n + piece - 1) / piece));
  parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t i) {
    parts[static_cast<std::size_t>(i)] = sum_run(p + i * piece * stride, std::min(piece, n - i * piece), stride);
  });
  return sum_run(parts.data(), static_cast<int64_t>(parts.size()), 1);
}

/// The axes of a layout split into kept and summed ones. Each part is traversed together with that of a row-major Array,
/// which fixes the order of addition for every layout.
struct Split {
  Shape kept, gone;
  int64_t kept_strides[2][max_rank] = {}, gone_strides[2][max_rank] = {};
  Split(const Shape& shape, const int64_t* strides, std::uint32_t axes) {
    int64_t row_major[max_rank] = {}, step = 1;
    for (int i = shape.rank(); i-- > 0; step *= shape[i]) row_major[i] = step;
    for (int i = 0; i < shape.rank(); ++i) {
      const bool is_gone = axes >> i & 1;
      Shape& part = is_gone ? gone : kept;
      auto& steps = is_gone ? gone_strides : kept_strides;
      steps[0][part.rank()] = strides ? strides[i] : row_major[i];
      steps[1][part.rank()] = row_major[i];
      part.push_back(shape[i]);
    }
  }
  StridedLoop<2> outer() const { return StridedLoop<2>(kept, {kept_strides[0], kept_strides[1]}); }
  StridedLoop<2> inner() const { return StridedLoop<2>(gone, {gone_strides[0], gone_strides[1]}); }
  /// True if the last kept axis is contiguous, and something is summed.
  bool by_columns() const { return gone.rank() > 0 && outer().run_stride(0) == 1 && outer().run() > 1; }
};

/// Loads v[i] = element i of `width` runs at stride 1, which start `step` apart.
template <class T> GRADUS_INLINE void load_transposed(const T* p, int64_t step, pack<T>* v) {
#pragma GCC unroll 16
  for (int i = 0; i < pack<T>::width; ++i) v[i] = pack<T>::load(p + i * step);
  transpose<T>(v);
}

/// As load_transposed, for `runs` runs of n elements each; zeros elsewhere.
template <class T> void load_transposed_part(const T* p, int64_t step, int runs, int n, pack<T>* v) {
  const Lanes<T> lanes(n);
#pragma GCC unroll 16
  for (int i = 0; i < pack<T>::width; ++i) v[i] = i < runs ? lanes.load(p + i * step) : pack<T>(0);
  transpose<T>(v);
}

/// True if this layout has a row-major traversal with contiguous (or repeated) elements innermost; else it is made dense.
bool follows(const Split& s, const Split& row_major) {
  const StridedLoop<2> outer = s.outer(), inner = s.inner();
  if (inner.run() != row_major.inner().run()) return false;
  if (!row_major.by_columns()) return inner.run_stride(0) == 1 || inner.run_stride(0) == 0 || s.by_columns();
  return outer.run() == row_major.outer().run() && (outer.run_stride(0) == 1 || inner.run_stride(0) == 1);
}

/// Sums runs, each with its own output and possibly of many axes.
template <class T> void sum_rows(const Array& a, const Split& s, T* out) {
  const StridedLoop<2> outer = s.outer(), inner = s.inner();
  const int64_t length = outer.run(), work = std::max<int64_t>(1, s.gone.size());
  parallel_ranges(outer.runs() * length, std::max<int64_t>(1, grain_elements / work), [&](int64_t begin, int64_t end) {
    const T* from = a.data<T>();
    for (int64_t o = begin; o < end; ++o)
      outer.each_run(o / length, o / length + 1, [&](const int64_t* at) {
        const T* p = from + at[0] + o % length * outer.run_stride(0);
        T total = 0, lost = 0;
        inner.each_run(0, inner.runs(), [&](const int64_t* in) {
          add_to_total(total, lost, sum_run(p + in[0], inner.run(), inner.run_stride(0)));
        });
        out[o] = total;
      });
  });
}

/// Sums rows where neighbouring rows, not the elements of one, are contiguous: a transposed matrix.
template <class T> void sum_rows_across(const Array& a, const Split& s, T* out) {
  const StridedLoop<2> outer = s.outer(), inner = s.inner();
  const int64_t columns = outer.run(), strips = (columns + strip<T> - 1) / strip<T>;
  const int64_t work = strip<T> * std::max<int64_t>(1, s.gone.size());
  parallel_ranges(outer.runs() * strips, std::max<int64_t>(1, grain_elements / work), [&](int64_t begin, int64_t end) {
    T part[strip<T>], lost[strip<T>];
    for (int64_t job = begin; job < end; ++job) {
      const int64_t first = job % strips * strip<T>, n = std::min<int64_t>(strip<T>, columns - first);
      T* total = out + job / strips * columns + first;
      std::fill_n(total, n, T(0));
      std::fill_n(lost, n, T(0));
      outer.each_run(job / strips, job / strips + 1, [&](const int64_t* at) {
        inner.each_run(0, inner.runs(), [&](const int64_t* in) {
          sum_across(a.data<T>() + at[0] + first + in[0], inner.run(), inner.run_stride(0), static_cast<int>(n), part);
          for (int64_t c = 0; c < n; ++c) add_to_total(total[c], lost[c], part[c]);
        });
      });
    }
  });
}

/// part[0 .. n) += `count` rows, in order. Four at a time, so that a sum is loaded and stored once for them.
template <class T> void add_rows(T* part, const T* row, int64_t count, int64_t step, int64_t n) {
  constexpr int64_t w = pack<T>::width;
  using P = pack<T>;
  int64_t r = 0;
  for (; r + 4 <= count; r += 4, row += 4 * step) {
    const T *a = row, *b = a + step, *c = b + step, *d = c + step;
    int64_t i = 0;
    for (; i + w <= n; i += w)
      ((((P::load(part + i) + P::load(a + i)) + P::load(b + i)) + P::load(c + i)) + P::load(d + i)).store(part + i);
    for (; i < n; ++i) part[i] = (((part[i] + a[i]) + b[i]) + c[i]) + d[i];
  }
  for (; r < count; ++r, row += step) {
    int64_t i = 0;
    for (; i + w <= n; i += w) (P::load(part + i) + P::load(row + i)).store(part + i);
    for (; i < n; ++i) part[i] += row[i];
  }
}

/// Sums with a contiguous last kept axis: rows are added to rows, in blocks so that long columns keep their digits.
template <class T> void sum_columns(const Array& a, const Split& s, T* out) {
  const StridedLoop<2> outer = s.outer(), inner = s.inner();
  const int64_t columns = outer.run(), runs = outer.runs(), steps = inner.run(), step = inner.run_stride(0);
  constexpr int64_t wide = 64 * pack<T>::width;
  const int64_t strips = (columns + wide - 1) / wide;
  const T* from = a.data<T>();
  parallel_ranges(runs * strips, std::max<int64_t>(1, grain_elements / (wide * std::max<int64_t>(1, s.gone.size()))),
                  [&](int64_t begin, int64_t end) {
                    alignas(64) T total[wide], lost[wide], part[wide];
                    for (int64_t job = begin; job < end; ++job) {
                      const int64_t first = job % strips * wide, n = std::min(wide, columns - first);
                      outer.each_run(job / strips, job / strips + 1, [&](const int64_t* at) {
                        std::fill_n(total, wide, T(0));
                        std::fill_n(lost, wide, T(0));
                        inner.each_run(0, inner.runs(), [&](const int64_t* in) {
                          const T* p = from + at[0] + in[0] + first;
                          for (int64_t r0 = 0; r0 < steps; r0 += rows_block) {
                            std::fill_n(part, wide, T(0));
                            add_rows(part, p + r0 * step, std::min(rows_block, steps - r0), step, n);
                            for (int64_t i = 0; i < n; ++i) add_to_total(total[i], lost[i], part[i]);
                          }
                        });
                        std::copy_n(total, n, out + job / strips * columns + first);
                      });
                    }
                  });
}

/// As sum_columns where columns, not rows, are contiguous: a transposed matrix, whose squares are transposed in registers.
template <class T> void sum_columns_across(const Array& a, const Split& s, T* out) {
  const StridedLoop<2> outer = s.outer(), inner = s.inner();
  constexpr int w = pack<T>::width;
  const int64_t columns = outer.run(), step = outer.run_stride(0), steps = inner.run(), strips = (columns + w - 1) / w;
  parallel_ranges(outer.runs() * strips, std::max<int64_t>(1, grain_elements / (w * std::max<int64_t>(1, s.gone.size()))),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t job = begin; job < end; ++job) {
                      const int64_t first = job % strips * w;
                      const int n = static_cast<int>(std::min<int64_t>(w, columns - first));
                      outer.each_run(job / strips, job / strips + 1, [&](const int64_t* at) {
                        pack<T> total(0), lost(0), v[w];
                        inner.each_run(0, inner.runs(), [&](const int64_t* in) {
                          const T* p = a.data<T>() + at[0] + in[0] + first * step;
                          for (int64_t r0 = 0; r0 < steps; r0 += rows_block) {
                            pack<T> part(0);
                            for (int64_t r = r0; r < std::min(steps, r0 + rows_block); r += w) {
                              const int rows = static_cast<int>(std::min<int64_t>(w, steps - r));
                              if (n == w && rows == w) load_transposed(p + r, step, v);
                              else load_transposed_part(p + r, step, n, rows, v);
#pragma GCC unroll 16
                              for (int i = 0; i < w; ++i)
                                if (i < rows) part += v[i];
                            }
                            add_to_total(total, lost, part);
                          }
                        });
                        total.store_first(out + job / strips * columns + first, n);
                      });
                    }
                  });
}

}  // namespace

std::uint32_t axes_mask(const char* op, const std::vector<int>& axes, const Shape& shape) {
  const int rank = shape.rank();
  if (axes.empty()) return (1u << rank) - 1;
  std::uint32_t mask = 0;
  for (const int axis : axes) {
    const std::uint32_t bit = 1u << (rank > 0 ? normal_axis(op, axis, shape) : normal_axis(op, axis, 1));
    if (mask & bit) throw ShapeError(op, join("axis ", axis, " is named twice"));
    mask |= bit;
  }
  return rank > 0 ? mask : 0;  // axis 0 (or -1) of a 0-d tensor, as in PyTorch: nothing to reduce
}

Shape reduced_shape(const Shape& shape, std::uint32_t axes, bool keep) {
  Shape s;
  for (int i = 0; i < shape.rank(); ++i)
    if (!(axes >> i & 1)) s.push_back(shape[i]);
    else if (keep) s.push_back(1);
  return s;
}

Array sum_axes(const Array& a, std::uint32_t axes) {
  if (!is_real(a.dtype())) return sum_integers(a, axes);
  Array out(reduced_shape(a.shape(), axes, true), a.dtype());
  if (out.size() == 0) return out;
  if (a.size() == 0) return Array::zeros(out.shape(), a.dtype());
  const Split order(a.shape(), nullptr, axes);
  Split s(a.shape(), a.strides(), axes);
  Array from = a;
  if (!follows(s, order)) from = a.copy(), s = order;
  visit_real(a.dtype(), [&]<class T>() {
    if (out.size() == 1 && order.inner().runs() == 1)
      *out.uninitialized<T>() = sum_long(from.data<T>(), from.size(), s.inner().run_stride(0));
    else if (order.by_columns())
      (s.outer().run_stride(0) == 1 ? sum_columns<T> : sum_columns_across<T>)(from, s, out.uninitialized<T>());
    else if (s.by_columns() && s.inner().run_stride(0) > 1) sum_rows_across(from, s, out.uninitialized<T>());
    else sum_rows(from, s, out.uninitialized<T>());
  });
  return out;
}

Array sum_all(const Array& a) {
  if (!a.dense()) return sum_axes(a, (1u << a.rank()) - 1).reshape({});
  Array out(Shape{}, a.dtype());
  visit_real(a.dtype(), [&]<class T>() { *out.uninitialized<T>() = sum_long(a.data<T>(), a.size(), 1); });
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

}  // namespace gradus
