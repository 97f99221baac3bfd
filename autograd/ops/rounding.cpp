// Step functions, whose gradient is zero, and remainders: formulas.
#include <gradus/autograd/internal/integer.h>
#include <gradus/autograd/ops/internal/formula_parts.h>
#include <gradus/autograd/ops/internal/samples.h>
#include <gradus/core/simd/vmath_wide.h>

namespace gradus {
namespace {

struct Step {
  static constexpr unsigned reads = reads_nothing;
  static constexpr Integers integers = Integers::exact;
  template <class V> V df(V g, V, V) const { return zero_for(g); }
};

struct Floor : Step {
  static constexpr const char* name = "floor";
  static constexpr OpKind kind = OpKind::step;
  template <class V> V f(V x) const { return floor(x); }
  static Samples samples() { return elementwise(floor); }
};

struct Ceil : Step {
  static constexpr const char* name = "ceil";
  static constexpr OpKind kind = OpKind::step;
  template <class V> V f(V x) const { return ceil(x); }
  static Samples samples() { return elementwise(ceil); }
};

struct Trunc : Step {
  static constexpr const char* name = "trunc";
  static constexpr OpKind kind = OpKind::step;
  template <class V> V f(V x) const { return trunc(x); }
  static Samples samples() { return elementwise(trunc); }
};

struct Round : Step {
  static constexpr const char* name = "round";
  static constexpr OpKind kind = OpKind::step;
  template <class V> V f(V x) const { return round(x); }
  static Samples samples() { return elementwise(round); }
};

struct Frac {
  static constexpr const char* name = "frac";
  static constexpr OpKind kind = OpKind::wave;
  static constexpr unsigned reads = reads_nothing, passes = 0b1;
  template <class V> V f(V x) const { return x - trunc(x); }
  template <class V> V df(V g, V, V) const { return g; }
  static Samples samples() { return elementwise(frac, 1.1, 1.9); }
};

/// The integer n of y = a - n b, a constant. Not the floor or trunc of a / b, which may be rounded to the next integer.
template <class V> V times(const V& a, const V& b, const V& y) {
  const V by = constant(b), n = round(constant(a) / by - constant(y) / by);
  return select(abs(constant(y)) == V(infinite), V(-1), n);  // remainder(-1, inf) is inf: n is -1
}

struct Fmod {
  static constexpr const char* name = "fmod";
  static constexpr OpKind kind = OpKind::wave;
  static constexpr unsigned reads = reads_input(0) | reads_input(1) | reads_input(2), passes = 0b01;
  static constexpr Integers integers = Integers::exact;
  static void check_integers(const Tensor& a, const Tensor& b) { check_integer_division(name, a, b); }
  template <class V> V f(V a, V b) const { return fmod(a, b); }
  template <class V> V da(V g, V, V, V) const { return g; }
  template <class V> V db(V g, V a, V b, V y) const { return -(g * times(a, b, y)); }
  static Samples samples() { return pairwise(fmod, 4.6, 5.4, 2.05, 2.25); }
};

struct Remainder {
  static constexpr const char* name = "remainder";
  static constexpr OpKind kind = OpKind::wave;
  static constexpr unsigned reads = reads_input(0) | reads_input(1) | reads_input(2), passes = 0b01;
  static constexpr Integers integers = Integers::exact;
  static void check_integers(const Tensor& a, const Tensor& b) { check_integer_division(name, a, b); }
  template <class V> V f(V a, V b) const {
    const V r = fmod(a, b);
    return select(sign(r) * sign(b) < V(0), r + b, r);  // takes the sign of the divisor
  }
  template <class V> V da(V g, V, V, V) const { return g; }
  template <class V> V db(V g, V a, V b, V y) const { return -(g * times(a, b, y)); }
  static Samples samples() { return pairwise(remainder, -5.4, -4.6, 2.05, 2.25); }
};

struct FloorDivide {
  static constexpr const char* name = "floor_divide";
  static constexpr OpKind kind = OpKind::step;
  static constexpr EdgeException exceptions[] = {{EdgeRule::finite, 0, "0 / 0 is NaN, as PyTorch's", 0}};
  static constexpr unsigned reads = reads_nothing;
  static constexpr Integers integers = Integers::exact;
  static void check_integers(const Tensor& a, const Tensor& b) { check_integer_division(name, a, b); }
  template <class V> V f(V a, V b) const {
    const V r = fmod(a, b), q = (a - r) / b;  // an integer, up to rounding
    return select(b == V(0), a / b, round(select(sign(r) * sign(b) < V(0), q - V(1), q)));
  }
  template <class T> whole<T> f(whole<T> a, whole<T> b) const { return floor_quotient(a, b); }
  template <class V> V da(V g, V, V, V) const { return zero_for(g); }
  template <class V> V db(V g, V, V, V) const { return zero_for(g); }
  static Samples samples() { return pairwise(floor_divide, 4.6, 5.4, 2.05, 2.25); }
};

}  // namespace

Tensor floor(const Tensor& x) { return formula(Floor{}, x); }
Tensor ceil(const Tensor& x) { return formula(Ceil{}, x); }
Tensor trunc(const Tensor& x) { return formula(Trunc{}, x); }
Tensor round(const Tensor& x) { return formula(Round{}, x); }
Tensor frac(const Tensor& x) { return formula(Frac{}, x); }
Tensor fmod(const Tensor& a, const Tensor& b) { return formula(Fmod{}, a, b); }
Tensor remainder(const Tensor& a, const Tensor& b) { return formula(Remainder{}, a, b); }
Tensor floor_divide(const Tensor& a, const Tensor& b) { return formula(FloorDivide{}, a, b); }

}  // namespace gradus
