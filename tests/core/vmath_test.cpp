// The functions of vmath_wide.h against long double, over the whole range that matters and at special values.
#include <gradus/core/simd/num.h>
#include <gradus/core/simd/vmath.h>
#include <gradus/core/simd/vmath_wide.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace gradus;

namespace {

/// The distance of y from the exact result, in units of the last place of T.
template <class T> long double ulps(T y, long double exact) {
  if (std::isnan(y) || std::isnan(exact)) return std::isnan(y) && std::isnan(exact) ? 0 : 1e30L;
  const T rounded = static_cast<T>(exact);
  if (std::isinf(rounded) || std::isinf(y)) return y == rounded ? 0 : 1e30L;
  const T unit = std::max(std::nextafter(std::fabs(rounded), std::numeric_limits<T>::infinity()) - std::fabs(rounded),
                          std::numeric_limits<T>::denorm_min());
  return std::fabs((static_cast<long double>(y) - exact) / static_cast<long double>(unit));
}

template <class T, class F, class G> long double worst(F f, G exact, double low, double high, int n = 40000) {
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

template <class T, class F> T at(F f, T x) { return f(pack<T>(static_cast<double>(x))).r[0]; }

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

TEST_CASE("functions of packs are within 0.51 ULP in f32 and 2.5 ULP in f64"){
    BOTH(sin, -1e6, 1e6) BOTH(cos, -1e6, 1e6) BOTH(tan, -1e6, 1e6) BOTH(asin, -1, 1) BOTH(acos, -1, 1) BOTH(atan, -1e8, 1e8)
        BOTH(sinh, -88, 88) BOTH(cosh, -88, 88) BOTH(asinh, -1e8, 1e8) BOTH(acosh, 1, 1e8) BOTH(atanh, -1, 1)
            BOTH(log1p, -0.999999, 1e8) BOTH(expm1, -100, 88) BOTH(exp2, -120, 127) BOTH(log2, 1e-30, 1e30)
                BOTH(log10, 1e-30, 1e30)}

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

TEST_CASE("forms that keep their digits near 0 and far out") {
  const auto tail = [](long double x) { return std::erfc(x / std::sqrt(2.0L)) / 2; };
  const auto shrunk = [](long double x) {  // the continued fraction of tanh; no term cancels another
    long double w = 0;
    for (int k = 61; k >= 3; k -= 2) w = x * x / (static_cast<long double>(k) + w);
    return x * w / (1 + w);
  };
  auto both = [&]<class T>(T, long double allowed) {
    const double far = sizeof(T) == 4 ? 12.5 : 36;
    CHECK(worst<T>([](auto x) { return expm1_below_0(-x); }, [](long double x) { return std::expm1(-x); }, 0, 100) <= 1.1L);
    CHECK(worst<T>([](auto x) { return log1p_within_1(x); }, [](long double x) { return std::log1p(x); }, 0, 1) <= 1.4L);
    CHECK(worst<T>([](auto x) { return exp_square(x, -1); }, [](long double x) { return std::exp(-x * x); }, -9, 9) <= 2);
    CHECK(worst<T>([](auto x) { return normal_tail(x, decltype(x)(1)); }, tail, 0, far) <= 5);
    CHECK(worst<T>([](auto x) { return tanhshrink(x); }, shrunk, -3, 3) <= allowed);
    const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    CHECK(at<T>([](auto x) { return expm1_below_0(x); }, -inf) == -1);
    CHECK(at<T>([](auto x) { return exp_square(x, -1); }, inf) == 0);
    CHECK(at<T>([](auto x) { return normal_tail(x, decltype(x)(1)); }, inf) == 0);
    CHECK(at<T>([](auto x) { return tanhshrink(x); }, -inf) == -inf);
    CHECK(std::isnan(at<T>([](auto x) { return expm1_below_0(x); }, nan)));
    CHECK(std::isnan(at<T>([](auto x) { return log1p_within_1(x); }, nan)));
    CHECK(std::isnan(at<T>([](auto x) { return exp_square(x, -1); }, nan)));
    CHECK(std::isnan(at<T>([](auto x) { return normal_tail(x, decltype(x)(1)); }, nan)));
    CHECK(std::isnan(at<T>([](auto x) { return tanhshrink(x); }, nan)));
  };
  both(1.0f, 0.51L), both(1.0, 4);
}

TEST_CASE("max, min and sign of packs and numbers keep a NaN on either side") {
  auto both = [&]<class T>(T) {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (const T x : {T(-1), T(0), T(2), std::numeric_limits<T>::infinity(), nan}) {
      CHECK(std::isnan(at<T>([x](auto v) { return max(v, decltype(v)(x)); }, nan)));
      CHECK(std::isnan(at<T>([x](auto v) { return min(v, decltype(v)(x)); }, nan)));
      CHECK(std::isnan(at<T>([nan](auto v) { return max(v, decltype(v)(nan)); }, x)));
      CHECK(std::isnan(at<T>([nan](auto v) { return min(v, decltype(v)(nan)); }, x)));
      CHECK(std::isnan(max(num<T>::of(nan), num<T>::of(x)).v));
      CHECK(std::isnan(min(num<T>::of(nan), num<T>::of(x)).v));
      CHECK(std::isnan(max(num<T>::of(x), num<T>::of(nan)).v));
      CHECK(std::isnan(min(num<T>::of(x), num<T>::of(nan)).v));
    }
    CHECK(std::isnan(at<T>([](auto v) { return sign(v); }, nan)));
    CHECK(std::isnan(sign(num<T>::of(nan)).v));
    CHECK(at<T>([](auto v) { return max(v, decltype(v)(1)); }, T(2)) == 2);
    CHECK(at<T>([](auto v) { return min(v, decltype(v)(1)); }, T(2)) == 1);
    CHECK_FALSE(std::signbit(at<T>([](auto v) { return sign(v); }, T(-0.0))));
  };
  both(1.0f), both(1.0);
}
