// The part of map() that all formulas share: pieces, threads, and layouts that are not dense.
#include <gradus/core/kernels/map.h>
#include <gradus/core/kernels/strided.h>
#include <gradus/core/kernels/whole.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <vector>

namespace gradus {
namespace {

constexpr int most_inputs = 6;
constexpr int64_t worth_a_copy = 512;       // elements
constexpr std::size_t buffer_bytes = 4096;  // whole packs of any width; all inputs of a formula together stay in L1

/// True if each cache line holds elements far apart in row-major order: a copy, which moves whole lines, pays then.
bool scattered(const Array& a) {
  const StridedLoop<1> walk(a.shape(), {a.strides()});
  bool less = false;
  for (int i = 0; i + 1 < walk.rank; ++i)
    less = less || (walk.strides[0][i] != 0 && std::abs(walk.strides[0][i]) < std::abs(walk.run_stride(0)));
  return less;
}

/// Copies elements begin..end-1 of an Array in row-major order to to[0..end-begin).
template <class T> void line_up(const StridedLoop<1>& walk, const T* from, int64_t begin, int64_t end, T* to) {
  const int64_t length = walk.run(), step = walk.run_stride(0);
  int64_t skip = begin % length, left = end - begin;
  walk.each_run(begin / length, (end - 1) / length + 1, [&](const int64_t* at) {
    const T* run = from + at[0] + skip * step;
    const int64_t n = std::min(length - skip, left);
    if (step == 1 && n >= 16) std::copy_n(run, n, to);
    else if (step == 0) std::fill_n(to, n, *run);
    else
      for (int64_t i = 0; i < n; ++i) to[i] = run[i * step];
    to += n, left -= n, skip = 0;
  });
}

template <class T> void run_pieces(Array& out, const Array* const* in, int count, MapPass pass, const void* f) {
  constexpr auto chunk = static_cast<int64_t>(buffer_bytes / sizeof(T));
  T* const to = out.uninitialized<T>();
  bool dense = true;
  for (int k = 0; k < count; ++k) dense = dense && in[k]->dense();
  parallel_ranges(out.size(), grain_elements, [&](int64_t begin, int64_t end) {
    const void* from[most_inputs];
    if (dense) {
      for (int k = 0; k < count; ++k) from[k] = in[k]->data<T>() + begin;
      pass(f, to + begin, from, end - begin);
      return;
    }
    alignas(64) T buffers[most_inputs][chunk];
    for (int64_t at = begin; at < end; at += chunk) {
      const int64_t stop = std::min(at + chunk, end);
      for (int k = 0; k < count; ++k) {
        const Array& a = *in[k];
        from[k] = a.dense() ? a.data<T>() + at : buffers[k];
        if (a.dense()) continue;
        line_up(StridedLoop<1>(a.shape(), {a.strides()}), a.data<T>(), at, stop, buffers[k]);
        for (int64_t i = stop - at; i % 16 != 0; ++i) buffers[k][i] = 0;  // lanes behind the end, up to a pack of any width
      }
      pass(f, to + at, from, stop - at);
    }
  });
}

}  // namespace

void map_pieces(Array& out, const Array* const* in, int count, MapPass pass, const void* f) {
  if (out.size() == 0) return;
  const Array* from[most_inputs];
  std::vector<Array> copies;
  for (int k = 0; k < count; ++k) {
    from[k] = in[k];
    if (in[k]->dense() || out.size() < worth_a_copy || !scattered(*in[k])) continue;
    copies.reserve(most_inputs);
    from[k] = &copies.emplace_back(in[k]->copy());
  }
  switch (out.dtype()) {
    case Dtype::f32: return run_pieces<float>(out, from, count, pass, f);
    case Dtype::f64: return run_pieces<double>(out, from, count, pass, f);
    case Dtype::i64: return run_pieces<std::int64_t>(out, from, count, pass, f);
    default: return run_pieces<std::uint8_t>(out, from, count, pass, f);
  }
}

Array map_integers(const Array* const* in, int count, MapPass longs, MapPass bytes, const void* f) {
  const Dtype dtype = in[0]->dtype();
  std::vector<Array> as_bytes;
  const Array* from[most_inputs];
  as_bytes.reserve(most_inputs);
  for (int k = 0; k < count; ++k) from[k] = dtype == boolean ? &as_bytes.emplace_back(in[k]->to(u8)) : in[k];
  Array out = Array::like(*from[0]);
  map_pieces(out, from, count, dtype == i64 ? longs : bytes, f);
  return dtype == boolean ? out.to(boolean) : out;
}

}  // namespace gradus
