// Trigonometric and hyperbolic functions, and their inverses: formulas.
#include <gradus/autograd/ops/internal/formula_parts.h>
#include <gradus/autograd/ops/internal/samples.h>
#include <gradus/core/simd/vmath_wide.h>

namespace gradus {
namespace {

/// 1 + x^2 = square / shrink^2 without overflow for any number x: shrink = min(1, 1 / |x|), square in [1, 2].
template <class V> struct OnePlusSquare {
  V shrink, square;
  explicit OnePlusSquare(V x) {
    const V z = abs(x), near = min(V(1), z);
    shrink = 1.0 / max(V(1), z);
    square = near * near + shrink * shrink;
  }
};

/// A point divided by its larger coordinate, so that no square is infinite or 0; (0, 0) stays as it is, with square 1. An
/// infinite coordinate becomes 1 and a finite one beside it 0. The scale is a constant: no result depends on it.
template <class V> struct Scaled {
  V scale, a, b, square;
  Scaled(V x, V y) {
    const V larger = constant(max(abs(x), abs(y)));
    const auto far = larger == V(infinite), none = larger == V(0);
    scale = select(none, V(1), larger);
    const V by = select(far, V(1), scale);
    a = select(far, infinite_part(x), select(none, V(0), x)) / by;
    b = select(far, infinite_part(y), select(none, V(0), y)) / by;
    square = select(none, V(1), a * a + b * b);
  }
  static V infinite_part(V x) { return select(abs(x) == V(infinite), sign(x), V(0)); }
};

struct Sin {
  static constexpr const char* name = "sin";
  static constexpr OpKind kind = OpKind::wave;
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return sin(x); }
  template <class V> V df(V g, V x, V) const { return g * cos(x); }
  static Samples samples() { return elementwise(sin); }
};

struct Cos {
  static constexpr const char* name = "cos";
  static constexpr OpKind kind = OpKind::wave;
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return cos(x); }
  template <class V> V df(V g, V x, V) const { return -(g * sin(x)); }
  static Samples samples() { return elementwise(cos); }
};

struct Tan {
  static constexpr const char* name = "tan";
  static constexpr OpKind kind = OpKind::wave;
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return tan(x); }
  template <class V> V df(V g, V, V y) const { return g * (1.0 + y * y); }
  static Samples samples() { return elementwise(tan, -1, 1); }
};

struct Asin {
  static constexpr const char* name = "asin";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return asin(x); }
  template <class V> V df(V g, V x, V) const { return g / sqrt(one_minus_square(x)); }
  static Samples samples() { return elementwise(asin, -0.8, 0.8); }
};

struct Acos {
  static constexpr const char* name = "acos";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return acos(x); }
  template <class V> V df(V g, V x, V) const { return -(g / sqrt(one_minus_square(x))); }
  static Samples samples() { return elementwise(acos, -0.8, 0.8); }
};

struct Atan {
  static constexpr const char* name = "atan";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return atan(x); }
  template <class V> V df(V g, V x, V) const {
    const OnePlusSquare<V> n(x);
    return g * n.shrink * n.shrink / n.square;
  }
  static Samples samples() { return elementwise(atan); }
};

struct Sinh {
  static constexpr const char* name = "sinh";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return sinh(x); }
  template <class V> V df(V g, V x, V) const { return g * cosh(x); }
  static Samples samples() { return elementwise(sinh); }
};

struct Cosh {
  static constexpr const char* name = "cosh";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return cosh(x); }
  template <class V> V df(V g, V x, V) const { return g * sinh(x); }
  static Samples samples() { return elementwise(cosh); }
};

struct Asinh {
  static constexpr const char* name = "asinh";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return asinh(x); }
  template <class V> V df(V g, V x, V) const {
    const OnePlusSquare<V> n(x);
    return g * n.shrink / sqrt(n.square);
  }
  static Samples samples() { return elementwise(asinh); }
};

struct Acosh {
  static constexpr const char* name = "acosh";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return acosh(x); }
  template <class V> V df(V g, V x, V) const { return g / sqrt(x - 1.0) / sqrt(x + 1.0); }
  static Samples samples() { return elementwise(acosh, 1.5, 4); }
};

struct Atanh {
  static constexpr const char* name = "atanh";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return atanh(x); }
  template <class V> V df(V g, V x, V) const { return g / one_minus_square(x); }
  static Samples samples() { return elementwise(atanh, -0.8, 0.8); }
};

struct Atan2 {
  static constexpr const char* name = "atan2";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V a, V b) const { return atan2(a, b); }
  template <class V> V da(V g, V a, V b, V) const {
    const Scaled<V> p(a, b);
    return g * (p.b / p.square / p.scale);
  }
  template <class V> V db(V g, V a, V b, V) const {
    const Scaled<V> p(a, b);
    return -(g * (p.a / p.square / p.scale));
  }
  static Samples samples() {
    Samples all = pairwise(atan2, 0.5, 2, -2, 2);
    all.push_back(sample("lower half plane", {sample_values({9}, -2, -0.5), sample_values({9}, -2, 2, 2)},
                         [](auto& x) { return atan2(x[0], x[1]); }));
    return all;
  }
};

struct Hypot {
  static constexpr const char* name = "hypot";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V a, V b) const { return hypot(a, b); }
  template <class V> V da(V g, V a, V b, V) const {
    const Scaled<V> p(a, b);
    return g * (p.a / sqrt(p.square));
  }
  template <class V> V db(V g, V a, V b, V) const {
    const Scaled<V> p(a, b);
    return g * (p.b / sqrt(p.square));
  }
  static Samples samples() { return pairwise(hypot, 0.5, 2, -2, 2); }
};

}  // namespace

Tensor sin(const Tensor& x) { return formula(Sin{}, x); }
Tensor cos(const Tensor& x) { return formula(Cos{}, x); }
Tensor tan(const Tensor& x) { return formula(Tan{}, x); }
Tensor asin(const Tensor& x) { return formula(Asin{}, x); }
Tensor acos(const Tensor& x) { return formula(Acos{}, x); }
Tensor atan(const Tensor& x) { return formula(Atan{}, x); }
Tensor sinh(const Tensor& x) { return formula(Sinh{}, x); }
Tensor cosh(const Tensor& x) { return formula(Cosh{}, x); }
Tensor asinh(const Tensor& x) { return formula(Asinh{}, x); }
Tensor acosh(const Tensor& x) { return formula(Acosh{}, x); }
Tensor atanh(const Tensor& x) { return formula(Atanh{}, x); }
Tensor atan2(const Tensor& y, const Tensor& x) { return formula(Atan2{}, y, x); }
Tensor hypot(const Tensor& a, const Tensor& b) { return formula(Hypot{}, a, b); }

}  // namespace gradus
