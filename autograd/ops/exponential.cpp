// Exponentials, logarithms and reciprocals beyond exp, log and sqrt: formulas.
#include <gradus/autograd/ops/internal/formula_parts.h>
#include <gradus/autograd/ops/internal/samples.h>
#include <gradus/core/simd/vmath_wide.h>

namespace gradus {
namespace {

constexpr double ln2 = 0.69314718055994531, log2_e = 1.4426950408889634, log10_e = 0.43429448190325183;
struct Log1p {
  static constexpr const char* name = "log1p";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return log1p(x); }
  template <class V> V df(V g, V x, V) const { return g / (x + 1.0); }
  static Samples samples() { return elementwise(log1p, -0.5, 2); }
};

struct Expm1 {
  static constexpr const char* name = "expm1";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return expm1(x); }
  template <class V> V df(V g, V x, V) const { return g * exp(x); }  // f + 1 would lose all digits where f is near -1
  static Samples samples() { return elementwise(expm1); }
};

struct Exp2 {
  static constexpr const char* name = "exp2";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return exp2(x); }
  template <class V> V df(V g, V, V y) const { return g * (ln2 * y); }
  static Samples samples() { return elementwise(exp2); }
};

struct Log2 {
  static constexpr const char* name = "log2";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return log2(x); }
  template <class V> V df(V g, V x, V) const { return log2_e * g / x; }
  static Samples samples() { return elementwise(log2, 0.5, 4); }
};

struct Log10 {
  static constexpr const char* name = "log10";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return log10(x); }
  template <class V> V df(V g, V x, V) const { return log10_e * g / x; }
  static Samples samples() { return elementwise(log10, 0.5, 4); }
};

struct Rsqrt {
  static constexpr const char* name = "rsqrt";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return 1.0 / sqrt(x); }
  template <class V> V df(V g, V, V y) const { return g * y * (-0.5 * (y * y)); }
  static Samples samples() { return elementwise(rsqrt, 0.5, 2); }
};

struct Reciprocal {
  static constexpr const char* name = "reciprocal";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return 1.0 / x; }
  template <class V> V df(V g, V, V y) const { return -(g * y * y); }
  static Samples samples() { return elementwise(reciprocal, -2, -0.5); }
};

/// 1 - erf(x), accurate where erf is near 1.
struct Erfc {
  static constexpr const char* name = "erfc";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return erfc(x); }
  template <class V> V df(V g, V x, V) const { return g * (-1.1283791670955126 * exp_square(x, -1)); }  // -2 / sqrt(pi)
  static Samples samples() { return elementwise(erfc, -1.5, 1.5); }
};

/// a - b, but 0 for equal infinities.
template <class V> V difference(V a, V b) { return select((a == b) & (abs(a) == V(infinite)), V(0), a - b); }

/// log(e^a + e^b), without overflow.
struct LogAddExp {
  static constexpr const char* name = "logaddexp";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V a, V b) const { return select(a == b, a + ln2, max(a, b) + log1p(exp(-abs(a - b)))); }
  template <class V> V da(V g, V a, V b, V) const { return g * sigmoid(difference(a, b)); }
  template <class V> V db(V g, V a, V b, V) const { return g * sigmoid(difference(b, a)); }
  static Samples samples() {
    Samples all = pairwise(logaddexp);
    all.push_back(sample("far apart", {sample_values({4}, 30, 40), sample_values({4}, 34, 36, 2)},
                         [](auto& x) { return logaddexp(x[0], x[1]); }));
    return all;
  }
};

/// a log b, and 0 where a is 0, whatever number b is. The unused branch is kept finite: its gradient is 0 times a slope.
struct Xlogy {
  static constexpr const char* name = "xlogy";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V a, V b) const { return a * log(select((a == V(0)) & (b == b), V(1), b)); }
  template <class V> V da(V g, V a, V b, V) const { return g * log(select((a == V(0)) & (b <= V(0)), V(1), b)); }
  template <class V> V db(V g, V a, V b, V) const { return g * (a / select((a == V(0)) & (b == V(0)), V(1), b)); }
  static Samples samples() { return pairwise(xlogy, 0.5, 2, 0.5, 2); }
};

}  // namespace

Tensor log1p(const Tensor& x) { return formula(Log1p{}, x); }
Tensor expm1(const Tensor& x) { return formula(Expm1{}, x); }
Tensor exp2(const Tensor& x) { return formula(Exp2{}, x); }
Tensor log2(const Tensor& x) { return formula(Log2{}, x); }
Tensor log10(const Tensor& x) { return formula(Log10{}, x); }
Tensor rsqrt(const Tensor& x) { return formula(Rsqrt{}, x); }
Tensor reciprocal(const Tensor& x) { return formula(Reciprocal{}, x); }
Tensor erfc(const Tensor& x) { return formula(Erfc{}, x); }
Tensor logaddexp(const Tensor& a, const Tensor& b) { return formula(LogAddExp{}, a, b); }
Tensor xlogy(const Tensor& a, const Tensor& b) { return formula(Xlogy{}, a, b); }

}  // namespace gradus
