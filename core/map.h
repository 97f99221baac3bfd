// Reads a formula over Arrays of one dtype and one shape. Every element goes through a pack, whatever the layout, so the
// result does not depend on strides; pieces are cut by shape, so it does not depend on threads.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/parallel.h>
#include <gradus/core/strided.h>
#include <gradus/core/vmath.h>

#include <tuple>

namespace gradus {
inline namespace GRADUS_ISA {

/// out[i] = f(in[i]...) over whole padded storage: no tail.
template <class T, class F, class... In>
GRADUS_INLINE void map_packs(F f, T* out, int64_t begin, int64_t end, const In*... in) {
  for (int64_t i = begin; i < end; i += pack<T>::width) pack<T>(f(pack<T>::load(in + i)...)).store(out + i);
}

/// Lanes i.. of a run with any stride; lanes behind `valid` are zero.
template <class T>
inline pack<T> load_lanes(const T* p, int64_t stride, int64_t i, int valid) {
  if (stride == 0) return pack<T>(typename pack<T>::R{} + *p);
  if (stride == 1) return valid == pack<T>::width ? pack<T>::load(p + i) : pack<T>::load_first(p + i, valid);
  pack<T> a(typename pack<T>::R{});
  for (int k = 0; k < valid; ++k) a.r[k] = p[(i + k) * stride];
  return a;
}

template <class T, class F, class... In>
void map_strided(F f, Array& out, const In&... in) {
  constexpr int n = sizeof...(In);
  const Walk<n + 1> walk(out.shape(), {in.strides()..., out.strides()});
  const int64_t length = walk.run(), grain = (grain_elements + length - 1) / length;
  T* to = out.fresh<T>();
  parallel_ranges(walk.runs(), grain, [&](int64_t begin, int64_t end) {
    walk.each_run(begin, end, [&](const int64_t* at) {
      T* row = to + at[n];
      for (int64_t i = 0; i < length; i += pack<T>::width) {
        const int valid = static_cast<int>(length - i < pack<T>::width ? length - i : pack<T>::width);
        int k = -1;
        auto lanes = [&](const Array& a) { ++k; return load_lanes(a.data<T>() + at[k], walk.run_stride(k), i, valid); };
        // Braces: the lanes are read in the order of the arguments.
        const pack<T> y = std::apply(f, std::tuple<decltype(pack<T>(lanes(in)))...>{lanes(in)...});
        y.store_first(row + i, valid);
      }
    });
  });
}

/// A fresh Array f(in...). All inputs have the first one's shape and dtype, f32 or f64.
template <class F, class First, class... In>
Array map(F f, const First& first, const In&... in) {
  Array out = Array::like(first);
  visit_real(first.dtype(), [&]<class T>() {
    if ((first.dense() && ... && in.dense())) [[likely]] {
      T* to = out.fresh<T>();
      if (out.size() <= grain_elements) [[likely]] map_packs<T>(f, to, 0, out.size(), first.template data<T>(), in.template data<T>()...);
      else
        parallel_ranges(out.size(), grain_elements, [&](int64_t begin, int64_t end) {
          map_packs<T>(f, to, begin, end, first.template data<T>(), in.template data<T>()...);
        });
    } else if (out.size() > 0) {
      map_strided<T>(f, out, first, in...);
    }
  });
  return out;
}

}  // namespace GRADUS_ISA
}  // namespace gradus
