// The functions of vmath_wide.h against long double, over the whole range that matters and at special values.
#include <gradus/core/num.h>
#include <gradus/core/vmath.h>
#include <gradus/core/vmath_wide.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace gradus;

namespace {

/// The distance of y from the exact result, in units of the last place of T.
template <class T>
long double ulps(T y, long double exact) {
  if (std::isnan(y) || std::isnan(exact)) return std::isnan(y) && std::isnan(exact) ? 0 : 1e30L;
  const T rounded = static_cast<T>(exact);
  if (std::isinf(rounded) || std::isinf(y)) return y == rounded ? 0 : 1e30L;
  const T unit = std::max(std::nextafter(std::fabs(rounded), std::numeric_limits<T>::infinity()) - std::fabs(rounded),
                          std::numeric_limits<T>::denorm_min());
  return std::fabs((static_cast<long double>(y) - exact) / static_cast<long double>(unit));
}

template <class T, class F, class G>
long double worst(F f, G exact, double low, double high, int n = 40000) {
  long double most = 0;
  std::uint64_t state = 7;
  for (int i = 0; i < n; i += pack<T>::width) {
    T lane[pack<T>::width], y[pack<T>::width];
    for (T& x : lane) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const double u = static_cast<double>(state >> 11) * 0x1p-53;
      x = static_cast<T>(i % 2 ? low + (high - low) * u
                               : std::copysign(std::exp2(40 * u - 38), low < 0 && (state >> 7 & 1) ? -1 : 1));
      x = std::clamp(x, static_cast<T>(low), static_cast<T>(high));
    }
    f(pack<T>::load(lane)).store(y);
    for (int k = 0; k < pack<T>::width; ++k) most = std::max(most, ulps(y[k], exact(static_cast<long double>(lane[k]))));
  }
  return most;
}

template <class T, class F>
T at(F f, T x) {
  return f(pack<T>(static_cast<double>(x))).r[0];
}

}  // namespace

#define BOTH(name, low, high)                                                                                               \
  {                                                                                                                         \
    INFO(#name);                                                                                                            \
    const auto exact = [](long double x) { return std::name(x); };                                                          \
    CHECK(worst<float>([](auto x) { return name(x); }, exact, low, high) <= 0.51L);                                         \
    CHECK(worst<double>([](auto x) { return name(x); }, exact, std::max<double>(low, -300), std::min<double>(high, 300)) <= \
          2.5L);                                                                                                            \
    CHECK(std::isnan(at<float>([](auto x) { return name(x); }, std::numeric_limits<float>::quiet_NaN())));                  \
  }

TEST_CASE("functions of packs are within 0.51 ULP in f32 and 2.5 ULP in f64") {
  BOTH(sin, -1e6, 1e6)
  BOTH(cos, -1e6, 1e6)
  BOTH(tan, -1e6, 1e6)
  BOTH(asin, -1, 1)
  BOTH(acos, -1, 1)
  BOTH(atan, -1e8, 1e8)
  BOTH(sinh, -88, 88)
  BOTH(cosh, -88, 88)
  BOTH(asinh, -1e8, 1e8)
  BOTH(acosh, 1, 1e8)
  BOTH(atanh, -1, 1)
  BOTH(log1p, -0.999999, 1e8)
  BOTH(expm1, -100, 88)
  BOTH(exp2, -120, 127)
  BOTH(log2, 1e-30, 1e30)
  BOTH(log10, 1e-30, 1e30)
}

TEST_CASE("the cube root is within 0.9 ULP, from the smallest number to the largest") {
  const auto exact = [](long double x) { return std::cbrt(x); };
  CHECK(worst<float>([](auto x) { return cbrt(x); }, exact, -1e8, 1e8) <= 0.9L);
  CHECK(worst<double>([](auto x) { return cbrt(x); }, exact, -1e8, 1e8) <= 0.9L);
  CHECK(worst<float>([](auto x) { return cbrt(x); }, exact, -3e38, 3e38) <= 0.9L);
  CHECK(worst<double>([](auto x) { return cbrt(x); }, exact, -1e308, 1e308) <= 0.9L);
  auto both = [&]<class T>(T) {
    using N = std::numeric_limits<T>;
    for (const T x : {N::max(), N::min(), N::denorm_min(), T(-27), N::min() / 2, T(-1e-30)}) {
      CAPTURE(x);
      CHECK(ulps(at<T>([](auto v) { return cbrt(v); }, x), exact(x)) <= 0.9L);
      CHECK(cbrt(num<T>::of(x)).v == at<T>([](auto v) { return cbrt(v); }, x));
    }
    for (const T x : {T(0), N::infinity(), -N::infinity()}) CHECK(at<T>([](auto v) { return cbrt(v); }, x) == x);
    CHECK(std::isnan(at<T>([](auto v) { return cbrt(v); }, N::quiet_NaN())));
  };
  both(1.0f), both(1.0);
}

TEST_CASE("sine and cosine at large arguments, and at what is no number") {
  for (const float x : {1.0e9f, 1073741824.0f, 3.0e10f, 1e30f, -2e15f, 16367173.0f * 4}) {
    CAPTURE(x);
    CHECK(ulps(at<float>([](auto v) { return sin(v); }, x), std::sin(static_cast<long double>(x))) <= 0.51L);
    CHECK(ulps(at<float>([](auto v) { return cos(v); }, x), std::cos(static_cast<long double>(x))) <= 0.51L);
  }
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(std::isnan(at<float>([](auto v) { return sin(v); }, inf)));
  CHECK(at<float>([](auto v) { return atan(v); }, inf) == doctest::Approx(1.5707964f));
  CHECK(at<float>([](auto v) { return atan(v); }, -inf) == doctest::Approx(-1.5707964f));
  CHECK(at<float>([](auto v) { return log1p(v); }, -1.0f) == -inf);
  CHECK(std::isnan(at<float>([](auto v) { return log1p(v); }, -1.5f)));
  CHECK(at<float>([](auto v) { return log1p(v); }, inf) == inf);
  CHECK(at<float>([](auto v) { return expm1(v); }, inf) == inf);
  CHECK(at<float>([](auto v) { return expm1(v); }, -inf) == -1);
  CHECK(std::isnan(at<float>([](auto v) { return asin(v); }, 1.5f)));
  CHECK(at<float>([](auto v) { return acos(v); }, -1.0f) == doctest::Approx(3.1415927f));
  CHECK(at<float>([](auto v) { return atanh(v); }, 1.0f) == inf);
  CHECK(at<float>([](auto v) { return exp2(v); }, 200.0f) == inf);
}

TEST_CASE("round goes to even, the other steps where their names say") {
  const double in[] = {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4}, even[] = {-2, -2, -0.0, 0, 2, 2, 2};
  for (int i = 0; i < 7; ++i) {
    CHECK(at<double>([](auto v) { return round(v); }, in[i]) == even[i]);
    CHECK(at<float>([](auto v) { return floor(v); }, static_cast<float>(in[i])) == std::floor(in[i]));
    CHECK(at<float>([](auto v) { return ceil(v); }, static_cast<float>(in[i])) == std::ceil(in[i]));
    CHECK(at<float>([](auto v) { return trunc(v); }, static_cast<float>(in[i])) == std::trunc(in[i]));
  }
}
