// Elementwise arithmetic: formulas, with their gradients.
#include <gradus/autograd/internal/integer.h>
#include <gradus/autograd/ops/internal/formula_parts.h>
#include <gradus/autograd/ops/internal/samples.h>

namespace gradus {
namespace {

struct Add {
  static constexpr const char* name = "add";
  static constexpr unsigned reads = reads_nothing, passes = 0b11;
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V a, V b) const { return a + b; }
  template <class V> V da(V g, V, V, V) const { return g; }
  template <class V> V db(V g, V, V, V) const { return g; }
  static Samples samples() { return pairwise(operator+); }
};

struct Sub {
  static constexpr const char* name = "sub";
  static constexpr unsigned reads = reads_nothing, passes = 0b01;
  static constexpr Integers integers = Integers::exact;
  static void check_integers(const Tensor& a, const Tensor&) { throw_bools(name, a, "a ^ b, or a.to(i64)"); }
  template <class V> V f(V a, V b) const { return a - b; }
  template <class V> V da(V g, V, V, V) const { return g; }
  template <class V> V db(V g, V, V, V) const { return -g; }
  static Samples samples() { return pairwise(operator-); }
};

struct Mul {
  static constexpr const char* name = "mul";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V a, V b) const { return a * b; }
  template <class V> V da(V g, V, V b, V) const { return g * b; }
  template <class V> V db(V g, V a, V, V) const { return g * a; }
  static Samples samples() { return pairwise(operator*); }
};

struct Div {
  static constexpr const char* name = "div";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 1, "x / x: 1 / x is infinite in f32, and infinity minus infinity NaN", EdgeException::subnormal},
      {EdgeRule::digits, 2, "x / x: 1 / x is infinite in f32, and infinity minus infinity NaN", EdgeException::subnormal},
      {EdgeRule::digits, 2, "x / x: 1 / x^2 is infinite in f32, and infinity minus infinity NaN", 1e-30}};
  static constexpr unsigned reads = reads_input(1) | reads_input(2);
  static constexpr Integers integers = Integers::as_f32;
  template <class V> V f(V a, V b) const { return a / b; }
  template <class V> V da(V g, V, V b, V) const { return g / b; }
  template <class V> V db(V g, V, V b, V y) const { return -g * y / b; }
  static Samples samples() { return pairwise(operator/, 0.5, 2); }
};

/// a x + c: every combination of a tensor and a wrapped number that is linear in the tensor.
struct Affine {
  static constexpr const char* name = "affine";
  static constexpr unsigned reads = reads_nothing;
  static constexpr Integers integers = Integers::as_f32;
  double a, c;
  OpOptions options() const { return {{"scale", {a}}, {"shift", {c}}}; }
  template <class V> V f(V x) const { return a * x + c; }
  template <class V> V df(V g, V, V) const { return a * g; }
  static Samples samples() {
    return {sample("x + 3", {sample_values({3, 4})}, [](auto& x) { return x[0] + 3.0; }),
            sample("1 - x", {sample_values({2, 2})}, [](auto& x) { return 1.0 - x[0]; }),
            sample("x / 3", {sample_values({2, 2})}, [](auto& x) { return x[0] / 3.0; }),
            sample("2.5 x", {sample_values({5})}, [](auto& x) { return 2.5 * x[0]; })};
  }
};

struct AddNumber {
  static constexpr const char* name = "add_number";
  static constexpr unsigned reads = reads_nothing, passes = 0b1;
  static constexpr Integers integers = Integers::as_f32;
  double c;
  OpOptions options() const { return {{"number", {c}}}; }
  template <class V> V f(V x) const { return x + c; }
  template <class V> V df(V g, V, V) const { return g; }
  static Samples samples() {
    return {sample("x - 3", {sample_values({3, 4})}, [](auto& x) { return x[0] - 3.0; })};
  }
};

struct MulNumber {
  static constexpr const char* name = "mul_number";
  static constexpr unsigned reads = reads_nothing;
  static constexpr Integers integers = Integers::as_f32;
  double a;
  OpOptions options() const { return {{"number", {a}}}; }
  template <class V> V f(V x) const { return a * x; }
  template <class V> V df(V g, V, V) const { return a * g; }
  static Samples samples() {
    return {sample("-0.7 x", {sample_values({3, 4})}, [](auto& x) { return -0.7 * x[0]; })};
  }
};

struct DivNumber {
  static constexpr const char* name = "div_number";
  static constexpr unsigned reads = reads_nothing;
  static constexpr Integers integers = Integers::as_f32;
  double c;
  OpOptions options() const { return {{"number", {c}}}; }
  template <class V> V f(V x) const { return x / c; }
  template <class V> V df(V g, V, V) const { return g / c; }
  static Samples samples() {
    return {sample("x / 3", {sample_values({3, 4})}, [](auto& x) { return x[0] / 3.0; })};
  }
};

struct NumberDiv {
  static constexpr const char* name = "number_div";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  static constexpr Integers integers = Integers::as_f32;
  double c;
  OpOptions options() const { return {{"number", {c}}}; }
  template <class V> V f(V x) const { return c / x; }
  template <class V> V df(V g, V x, V y) const { return -g * y / x; }
  static Samples samples() {
    return {sample("2 / x", {sample_values({3, 4}, 0.5, 2)}, [](auto& x) { return 2.0 / x[0]; })};
  }
};

struct Neg {
  static constexpr const char* name = "neg";
  static constexpr unsigned reads = reads_nothing;
  static constexpr Integers integers = Integers::exact;
  static void check_integers(const Tensor& x) { throw_bools(name, x, "!x, or x.to(i64)"); }
  template <class V> V f(V x) const { return -x; }
  template <class V> V df(V g, V, V) const { return -g; }
  static Samples samples() { return elementwise(operator-, -2, 2); }
};

struct PowNumber {
  static constexpr const char* name = "pow_number";
  static constexpr unsigned reads = reads_input(0);
  static constexpr Integers integers = Integers::as_f32;
  double p;
  OpOptions options() const { return {{"exponent", {p}}}; }
  template <class V> V f(V x) const { return pow(x, V(p)); }
  template <class V> V df(V g, V x, V) const { return p == 0 ? zero_for(g) : g * (p * pow(x, V(p - 1))); }
  Tensor f(Tensor x) const { return pow(x, p); }
  Tensor df(Tensor g, Tensor x, Tensor) const { return p == 0 ? zero_for(g) : g * (p * pow(x, p - 1)); }
  static Samples samples() {
    return {sample("x^3", {sample_values({3, 4})}, [](auto& x) { return pow(x[0], 3); }),
            sample("x^-1.5", {sample_values({3, 4}, 0.5, 2)}, [](auto& x) { return pow(x[0], -1.5); }),
            sample("x^0", {sample_values({3})}, [](auto& x) { return pow(x[0], 0.0); })};
  }
};

struct Pow {
  static constexpr const char* name = "pow";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 1, "1 / a is infinite in f32", EdgeException::subnormal},
      {EdgeRule::form, 1, "1 / a is infinite, and a^(b - 1) loses what b would bring back", EdgeException::subnormal},
      {EdgeRule::digits, 1, "b - 1 rounds to -1 in f32, a power that a negative number has", 1e-8},
      {EdgeRule::form, 1, "b - 1 rounds to -1, a power that a negative number has", 1e-8},
      {EdgeRule::form, 1, "b - 1 rounds to b, which is even where it is odd", 1e8},
      {EdgeRule::digits, 2, "1 / a^2 is infinite in f32", 1e-30}};
  static constexpr unsigned reads = reads_input(0) | reads_input(1) | reads_input(2);
  static constexpr Integers integers = Integers::exact;
  static void check_integers(const Tensor& a, const Tensor& b) { check_integer_power(name, a, b); }
  template <class V> V f(V a, V b) const { return pow(a, b); }
  /// b a^(b-1), and 0 for b = 0, also where 1 / a is infinite.
  template <class V> V da(V g, V a, V b, V) const {
    return g * (b * pow(a, select((b == V(0)) & !(abs(1.0 / a) < V(infinite)), V(0), b - 1.0)));
  }
  /// a^b log a, and 0 where a^b is, or a and b are: there log a is infinite.
  template <class V> V db(V g, V a, V b, V y) const {
    return g * y * log(select((a >= V(0)) & ((y == V(0)) | ((a == V(0)) & (b == V(0)))), V(1), a));
  }
  static Samples samples() { return pairwise(pow, 0.5, 2); }
};

/// The gradient of a, where the larger of a and b gets it.
template <class V> V to_larger(V g, V a, V b) {
  return select(a > b, g, select(a == b, 0.5 * g, select(a < b, V(0), constant(a + b))));  // the last case: NaN
}

/// The larger of two. Equal elements share the gradient; of a NaN and a number neither gets any.
struct Max {
  static constexpr const char* name = "maximum";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V a, V b) const { return max(a, b); }
  template <class V> V da(V g, V a, V b, V) const { return to_larger(g, a, b); }
  template <class V> V db(V g, V a, V b, V) const { return to_larger(g, b, a); }
  static Samples samples() { return pairwise(max); }
};

struct Min {
  static constexpr const char* name = "minimum";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V a, V b) const { return min(a, b); }
  template <class V> V da(V g, V a, V b, V) const { return to_larger(g, b, a); }
  template <class V> V db(V g, V a, V b, V) const { return to_larger(g, a, b); }
  static Samples samples() { return pairwise(min); }
};

struct Abs {
  static constexpr const char* name = "abs";
  static constexpr unsigned reads = reads_input(0);
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V x) const { return abs(x); }
  template <class V> V df(V g, V x, V) const { return g * sign(x); }
  static Samples samples() { return elementwise(abs, 0.1, 2); }
};

struct Sign {
  static constexpr const char* name = "sign";
  static constexpr OpKind kind = OpKind::step;
  static constexpr unsigned reads = reads_nothing;
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V x) const { return sign(x); }
  template <class V> V df(V g, V, V) const { return zero_for(g); }
  static Samples samples() { return elementwise(sign, 0.1, 2); }
};

struct Square {
  static constexpr const char* name = "square";
  static constexpr unsigned reads = reads_input(0);
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V x) const { return x * x; }
  template <class V> V df(V g, V x, V) const { return g * (2.0 * x); }
  static Samples samples() { return elementwise(square, -2, 2); }
};

struct Sqrt {
  static constexpr const char* name = "sqrt";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return sqrt(x); }
  template <class V> V df(V g, V, V y) const { return g / (2.0 * y); }
  static Samples samples() { return elementwise(sqrt, 0.5, 2); }
};

struct Cbrt {
  static constexpr const char* name = "cbrt";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return cbrt(x); }
  template <class V> V df(V g, V, V y) const { return g / (3.0 * y * y); }
  Tensor df(Tensor g, Tensor, Tensor y) const { return g / (3.0 * y) / y; }
  static Samples samples() { return elementwise(cbrt, -2, -0.5); }
};

struct Exp {
  static constexpr const char* name = "exp";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return exp(x); }
  template <class V> V df(V g, V, V y) const { return g * y; }
  static Samples samples() { return elementwise(exp, -2, 2); }
};

struct Log {
  static constexpr const char* name = "log";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return log(x); }
  template <class V> V df(V g, V x, V) const { return g / x; }
  static Samples samples() { return elementwise(log, 0.5, 2); }
};

struct Clamp {
  static constexpr const char* name = "clamp";
  static constexpr unsigned reads = reads_input(0);
  static constexpr Integers integers = Integers::as_f32;
  double low, high;
  OpOptions options() const { return {{"low", {low}}, {"high", {high}}}; }
  template <class V> V f(V x) const { return max(V(low), min(V(high), x)); }
  template <class V> V df(V g, V x, V) const { return unless_nan(x, select((x >= V(low)) & (x <= V(high)), g, V(0))); }
  static Samples samples() {
    const auto call = [](auto& x) { return clamp(x[0], -0.77, 1.13); };
    return {sample("both sides", {sample_values({4, 5})}, call), sample("0-d", {Array::full({}, 0.3, f64)}, call)};
  }
};

/// The choice by a condition, which is given as numbers, 1 where it holds.
struct Where {
  static constexpr const char* name = "where";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::nan, 0, "the samples compare, and NaN is above nothing: the other number is taken"}};
  static constexpr unsigned reads = reads_input(0);
  static constexpr Integers integers = Integers::exact;
  template <class V> V f(V c, V a, V b) const { return select(c != V(0), a, b); }
  template <class V> V da(V g, V, V, V, V) const { return zero_for(g); }
  template <class V> V db(V g, V c, V, V, V) const { return select(c != V(0), g, V(0)); }
  template <class V> V dc(V g, V c, V, V, V) const { return select(c != V(0), V(0), g); }
  static Samples samples() {
    auto call = [](auto& x) { return where(x[0] > x[1], x[0] * x[1], x[1] + 1.0); };
    return {sample("two branches", {sample_values({3, 4}, -2, 2, 1), sample_values({3, 4}, -2, 2, 2)}, call),
            sample("broadcast", {sample_values({3, 4}, -2, 2, 1), sample_values({4}, -2, 2, 2)}, call)};
  }
};

/// Comparisons are formulas whose results are constants: nothing to differentiate. Integers are compared by their order.
template <class Compare> Tensor compare(const char* name, Compare c, const Tensor& a, const Tensor& b) {
  Tensor operands[2] = {a.is_wrapped_number() ? a : a.detach(), b.is_wrapped_number() ? b : b.detach()};
  if (!is_real(a.dtype()) || !is_real(b.dtype())) put_order(name, operands);
  fit(name, operands, 2);
  return Tensor(map([c](auto x, auto y) { return select(c(x, y), decltype(x)(1), decltype(x)(0)); }, operands[0].array(),
                    operands[1].array())
                    .to(boolean));
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) { return formula(Add{}, a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return formula(Sub{}, a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return formula(Mul{}, a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return formula(Div{}, a, b); }
Tensor operator+(const Tensor& a, double b) { return formula(AddNumber{b}, a); }
Tensor operator+(double a, const Tensor& b) { return formula(AddNumber{a}, b); }
Tensor operator-(const Tensor& a, double b) { return formula(AddNumber{-b}, a); }
Tensor operator-(double a, const Tensor& b) { return formula(Affine{-1, a}, b); }
Tensor operator*(const Tensor& a, double b) { return formula(MulNumber{b}, a); }
Tensor operator*(double a, const Tensor& b) { return formula(MulNumber{a}, b); }
Tensor operator/(const Tensor& a, double b) { return formula(DivNumber{b}, a); }
Tensor operator/(double a, const Tensor& b) { return formula(NumberDiv{a}, b); }
Tensor operator-(const Tensor& a) { return formula(Neg{}, a); }
Tensor pow(const Tensor& a, double exponent) { return formula(PowNumber{exponent}, a); }
Tensor pow(const Tensor& a, const Tensor& exponent) { return formula(Pow{}, a, exponent); }
Tensor max(const Tensor& a, const Tensor& b) { return formula(Max{}, a, b); }
Tensor min(const Tensor& a, const Tensor& b) { return formula(Min{}, a, b); }
Tensor abs(const Tensor& x) { return formula(Abs{}, x); }
Tensor sign(const Tensor& x) { return formula(Sign{}, x); }
Tensor square(const Tensor& x) { return formula(Square{}, x); }
Tensor sqrt(const Tensor& x) { return formula(Sqrt{}, x); }
Tensor cbrt(const Tensor& x) { return formula(Cbrt{}, x); }
Tensor exp(const Tensor& x) { return formula(Exp{}, x); }
Tensor log(const Tensor& x) { return formula(Log{}, x); }

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) throw IndexError("clamp", join("low ", text(low), " must not exceed high ", text(high)));
  return formula(Clamp{low, high}, x);
}

Tensor operator<(const Tensor& a, const Tensor& b) {
  return compare(
      "<", [](auto x, auto y) { return x < y; }, a, b);
}
Tensor operator>(const Tensor& a, const Tensor& b) {
  return compare(
      ">", [](auto x, auto y) { return x > y; }, a, b);
}
Tensor operator<=(const Tensor& a, const Tensor& b) {
  return compare(
      "<=", [](auto x, auto y) { return x <= y; }, a, b);
}
Tensor operator>=(const Tensor& a, const Tensor& b) {
  return compare(
      ">=", [](auto x, auto y) { return x >= y; }, a, b);
}
Tensor operator==(const Tensor& a, const Tensor& b) {
  return compare(
      "==", [](auto x, auto y) { return x == y; }, a, b);
}
Tensor operator!=(const Tensor& a, const Tensor& b) {
  return compare(
      "!=", [](auto x, auto y) { return x != y; }, a, b);
}
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  if (condition.dtype() != boolean)
    throw DtypeError("where", join("the condition must be bool, got ", describe(condition)), "compare it, e.g. x > 0");
  if (!is_real(a.dtype()) || !is_real(b.dtype())) {
    Tensor both[2] = {a, b};
    fit("where", both, 2, Integers::exact);
    return formula(Where{}, Tensor(condition.array().to(both[0].dtype())), both[0], both[1]);
  }
  const Dtype dtype = a.is_wrapped_number() ? b.dtype() : a.dtype();
  return formula(Where{}, Tensor(condition.array().to(dtype)), a, b);
}

}  // namespace gradus
