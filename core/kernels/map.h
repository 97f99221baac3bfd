// Evaluates a formula over Arrays of one dtype and one shape. Every element goes through a pack, whatever the layout, so the
// result does not depend on strides; pieces are cut by shape, so it does not depend on threads.
//
// A formula is compiled to one loop over dense elements for each dtype. map.cpp, compiled once, has pieces, threads and
// other layouts: it copies what is not dense to small buffers and passes them to that loop.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/parallel.h>
#include <gradus/core/simd/vmath.h>

#include <utility>

namespace gradus {

/// A loop over whole packs: out[0..n) = f(in[0][0..n), ...). Reads and writes may run over n to the end of a pack.
using MapPass = void (*)(const void* f, void* out, const void* const* in, int64_t n);

/// Runs `pass` over all of `out`, which is dense and not of bools, and inputs of its shape and dtype in any layout.
void map_pieces(Array& out, const Array* const* in, int count, MapPass pass, const void* f);

inline namespace GRADUS_ISA {

/// out[i] = f(in[i]...) over whole padded storage: no tail.
template <class T, class F, class... In>
GRADUS_INLINE void map_packs(F f, T* out, int64_t begin, int64_t end, const In*... in) {
  for (int64_t i = begin; i < end; i += pack<T>::width) pack<T>(f(pack<T>::load(in + i)...)).store(out + i);
}

/// The one place where a formula's loop is compiled.
template <class T, class F, class... In> [[gnu::noinline]] void map_loop(const F& f, T* out, int64_t n, const In*... in) {
  map_packs<T>(f, out, 0, n, in...);
}

template <class T, class F, int... i>
void map_pass(const void* f, void* out, const void* const* in, int64_t n, std::integer_sequence<int, i...>) {
  map_loop<T>(*static_cast<const F*>(f), static_cast<T*>(out), n, static_cast<const T*>(in[i])...);
}

/// An Array f(in...). All inputs have the first one's shape and dtype, f32 or f64. With `overwrite`
/// the result replaces a first input that is large and unique: one stream of memory less. ResourceError names `op`.
template <class F, class First, class... In>
Array map_over(const char* op, bool overwrite, F f, const First& first, const In&... in) {
  Array out = Array::like(first, op);
  visit_real(first.dtype(), [&]<class T>() {
    const bool dense = (first.dense() && ... && in.dense());
    if (dense && out.size() <= pack<T>::width) {  // one pack: a call would cost as much
      map_packs<T>(f, out.uninitialized<T>(), 0, out.size() > 0, first.template data<T>(), in.template data<T>()...);
    } else if (dense && out.size() <= grain_elements) {
      map_loop<T>(f, out.uninitialized<T>(), out.size(), first.template data<T>(), in.template data<T>()...);
    } else {
      if (overwrite && first.dense() && first.unique()) out = first;
      const Array* all[] = {&first, &in...};
      map_pieces(
          out, all, 1 + sizeof...(In),
          [](const void* g, void* to, const void* const* from, int64_t n) {
            map_pass<T, F>(g, to, from, n, std::make_integer_sequence<int, 1 + sizeof...(In)>());
          },
          &f);
    }
  });
  return out;
}

/// A new Array f(in...).
template <class F, class First, class... In> Array map(F f, const First& first, const In&... in) {
  return map_over("memory", false, f, first, in...);
}

}  // namespace GRADUS_ISA
}  // namespace gradus
