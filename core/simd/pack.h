// pack<T>: a SIMD register that behaves like one number. Everything whose code depends on the instruction set lives in an
// inline namespace named after it, so translation units compiled for different ones never share a function.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define GRADUS_ISA avx512
#define GRADUS_VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define GRADUS_ISA avx2
#define GRADUS_VECTOR_BYTES 32
#else
#define GRADUS_ISA sse2
#define GRADUS_VECTOR_BYTES 16
#endif

/// A pack function that is not inlined costs ten times as much and escapes its namespace's flags.
#define GRADUS_INLINE [[gnu::always_inline]] inline

namespace gradus {
inline namespace GRADUS_ISA {

template <class T> struct Register;
template <> struct Register<float> {
  typedef float type __attribute__((vector_size(GRADUS_VECTOR_BYTES)));
  typedef std::int32_t bits __attribute__((vector_size(GRADUS_VECTOR_BYTES)));
};
template <> struct Register<double> {
  typedef double type __attribute__((vector_size(GRADUS_VECTOR_BYTES)));
  typedef std::int64_t bits __attribute__((vector_size(GRADUS_VECTOR_BYTES)));
};

/// Result of comparing two packs: all bits of a lane set, or none.
template <class T> struct mask {
  typename Register<T>::bits bits;
  explicit operator bool() const = delete;  // a formula cannot branch on values: write select(condition, a, b)
  GRADUS_INLINE friend mask operator&(mask a, mask b) { return {a.bits & b.bits}; }
  GRADUS_INLINE friend mask operator|(mask a, mask b) { return {a.bits | b.bits}; }
  GRADUS_INLINE friend mask operator!(mask a) { return {~a.bits}; }
};

template <class T> struct pack {
  using value_type = T;
  using R = typename Register<T>::type;
  using Bits = typename Register<T>::bits;
  static constexpr int width = GRADUS_VECTOR_BYTES / static_cast<int>(sizeof(T));
  R r;

  pack() = default;
  GRADUS_INLINE pack(double x) : r(R{} + static_cast<T>(x)) {}  // numbers stay double until here, then round once
  GRADUS_INLINE pack(R x) : r(x) {}

  GRADUS_INLINE static pack load(const T* p) {
    pack a;
    std::memcpy(&a.r, p, sizeof(R));
    return a;
  }
  GRADUS_INLINE void store(T* p) const { std::memcpy(p, &r, sizeof(R)); }

  /// Loads the first n lanes (0 <= n <= width); the others are zero, and memory behind the n is not touched.
  GRADUS_INLINE static pack load_first(const T* p, int n) {
#if GRADUS_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) return R(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p));
    else return R(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1), p));
#else
    pack a(R{});
    for (int i = 0; i < n; ++i) a.r[i] = p[i];
    return a;
#endif
  }
  GRADUS_INLINE void store_first(T* p, int n) const {
#if GRADUS_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), r);
    else _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1), r);
#else
    for (int i = 0; i < n; ++i) p[i] = r[i];
#endif
  }

  GRADUS_INLINE friend pack operator+(pack a, pack b) { return a.r + b.r; }
  GRADUS_INLINE friend pack operator-(pack a, pack b) { return a.r - b.r; }
  GRADUS_INLINE friend pack operator*(pack a, pack b) { return a.r * b.r; }
  GRADUS_INLINE friend pack operator/(pack a, pack b) { return a.r / b.r; }
  GRADUS_INLINE friend pack operator-(pack a) { return -a.r; }
  GRADUS_INLINE pack& operator+=(pack b) {
    r += b.r;
    return *this;
  }
  GRADUS_INLINE pack& operator-=(pack b) {
    r -= b.r;
    return *this;
  }
  GRADUS_INLINE pack& operator*=(pack b) {
    r *= b.r;
    return *this;
  }
  GRADUS_INLINE pack& operator/=(pack b) {
    r /= b.r;
    return *this;
  }

  GRADUS_INLINE friend mask<T> operator<(pack a, pack b) { return {a.r < b.r}; }
  GRADUS_INLINE friend mask<T> operator>(pack a, pack b) { return {a.r > b.r}; }
  GRADUS_INLINE friend mask<T> operator<=(pack a, pack b) { return {a.r <= b.r}; }
  GRADUS_INLINE friend mask<T> operator>=(pack a, pack b) { return {a.r >= b.r}; }
  GRADUS_INLINE friend mask<T> operator==(pack a, pack b) { return {a.r == b.r}; }
  GRADUS_INLINE friend mask<T> operator!=(pack a, pack b) { return {a.r != b.r}; }
  GRADUS_INLINE friend pack select(mask<T> c, pack a, pack b) { return c.bits ? a.r : b.r; }

  GRADUS_INLINE friend pack abs(pack a) { return reinterpret_cast<R>(reinterpret_cast<Bits>(a.r) & ~sign_bits()); }
  GRADUS_INLINE friend pack copysign(pack a, pack s) {
    return reinterpret_cast<R>((reinterpret_cast<Bits>(a.r) & ~sign_bits()) | (reinterpret_cast<Bits>(s.r) & sign_bits()));
  }
  GRADUS_INLINE friend pack sign(pack a) { return select(a > pack(0), pack(1), select(a < pack(0), pack(-1), abs(a))); }

  /// The maximum, NaN if either is. With a constant as first argument it is one instruction.
  GRADUS_INLINE friend pack max(pack a, pack b) { return select(a == a, max_or_second(a, b), a); }
  GRADUS_INLINE friend pack min(pack a, pack b) { return select(a == a, min_or_second(a, b), a); }

// The maskz forms, since g++ 12 warns of an uninitialised value inside its own _mm512_sqrt_ps; the instruction is the same.
#if GRADUS_VECTOR_BYTES == 64
#define GRADUS_MM(name, ...)                                                                    \
  if constexpr (sizeof(T) == 4) return R(_mm512_maskz_##name##_ps(__mmask16(-1), __VA_ARGS__)); \
  else return R(_mm512_maskz_##name##_pd(__mmask8(-1), __VA_ARGS__))
#elif GRADUS_VECTOR_BYTES == 32
#define GRADUS_MM(name, ...)                                               \
  if constexpr (sizeof(T) == 4) return R(_mm256_##name##_ps(__VA_ARGS__)); \
  else return R(_mm256_##name##_pd(__VA_ARGS__))
#else
#define GRADUS_MM(name, ...)                                            \
  if constexpr (sizeof(T) == 4) return R(_mm_##name##_ps(__VA_ARGS__)); \
  else return R(_mm_##name##_pd(__VA_ARGS__))
#endif
  GRADUS_INLINE friend pack sqrt(pack a) { GRADUS_MM(sqrt, a.r); }
  /// The plain instruction, for kernels that check NaN themselves: the second if either is NaN.
  GRADUS_INLINE friend pack max_or_second(pack a, pack b) { GRADUS_MM(max, a.r, b.r); }
  GRADUS_INLINE friend pack min_or_second(pack a, pack b) { GRADUS_MM(min, a.r, b.r); }
#if defined(__FMA__)
  GRADUS_INLINE friend pack fma(pack a, pack b, pack c) { GRADUS_MM(fmadd, a.r, b.r, c.r); }
#else
  friend pack fma(pack a, pack b, pack c) {  // one rounding, as the instruction, so that the bits agree
    for (int i = 0; i < width; ++i) c.r[i] = std::fma(a.r[i], b.r[i], c.r[i]);
    return c;
  }
#endif
#undef GRADUS_MM

 private:
  GRADUS_INLINE static Bits sign_bits() { return reinterpret_cast<Bits>(-R{}); }
};

}  // namespace GRADUS_ISA
}  // namespace gradus
