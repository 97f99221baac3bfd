// Pooling against its definition.
#include <gradus/core/kernels/window.h>
#include <gradus/core/parallel.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace gradus;

namespace {

using Size = std::int64_t;
std::size_t at(Size i) { return static_cast<std::size_t>(i); }

// Calls f(output index, input index or -1 in the padding) for every position of every window.
template <class F> void for_positions(const PoolGeometry& g, F f) {
  const Size oh = g.out_h(), ow = g.out_w();
  for (Size p = 0; p < g.planes; ++p)
    for (Size y = 0; y < oh; ++y)
      for (Size x = 0; x < ow; ++x)
        for (Size r = 0; r < g.kh; ++r)
          for (Size c = 0; c < g.kw; ++c) {
            const Size iy = y * g.stride_h - g.pad_h + r * g.dil_h, ix = x * g.stride_w - g.pad_w + c * g.dil_w;
            const bool outside = iy < 0 || iy >= g.h || ix < 0 || ix >= g.w;
            f((p * oh + y) * ow + x, outside ? -1 : (p * g.h + iy) * g.w + ix);
          }
}

template <class T> std::vector<T> numbers(std::mt19937& random, Size n, bool few_values) {
  std::vector<T> v(at(n));
  std::normal_distribution<double> d;
  for (auto& x : v) x = few_values ? static_cast<T>(static_cast<int>(random() % 3)) : static_cast<T>(d(random));
  return v;
}

template <class T, class Position = std::uint8_t>
void check_max(const PoolGeometry& g, std::vector<T> x, std::mt19937& random) {
  const Size out = g.planes * g.out_h() * g.out_w(), plane = g.h * g.w;
  std::vector<T> want(at(out), -std::numeric_limits<T>::infinity()), got(at(out)), alone(at(out));
  std::vector<Size> place(at(out), -1), chosen(at(out));
  std::vector<Position> where(at(out));
  for_positions(g, [&](Size o, Size i) {
    if (i < 0) return;
    if (place[at(o)] < 0) place[at(o)] = i % plane;
    if (x[at(i)] > want[at(o)] || std::isnan(x[at(i)])) want[at(o)] = x[at(i)], place[at(o)] = i % plane;
  });
  max_pool2d_forward<T>(g, x.data(), got.data(), where.data());
  max_pool2d_forward<T, Position>(g, x.data(), alone.data(), nullptr);
  max_pool2d_places(g, where.data(), chosen.data());
  INFO("image " << g.h << "x" << g.w << " window " << g.kh << "x" << g.kw << " stride " << g.stride_h << "," << g.stride_w
                << " pad " << g.pad_h << "," << g.pad_w << " dilation " << g.dil_h << "," << g.dil_w);
  CHECK(chosen == place);
  bool equal = true;
  for (std::size_t i = 0; i < want.size(); ++i) {
    equal &= std::isnan(want[i]) ? std::isnan(got[i]) : want[i] == got[i];
    equal &= std::isnan(want[i]) ? std::isnan(alone[i]) : want[i] == alone[i];
  }
  CHECK(equal);

  const auto dy = numbers<T>(random, out, false);
  std::vector<T> dx(x.size(), T(NAN));
  std::vector<double> expected(x.size());
  for (Size o = 0; o < out; ++o)
    if (place[at(o)] >= 0) expected[at(o / (g.out_h() * g.out_w()) * plane + place[at(o)])] += double(dy[at(o)]);
  max_pool2d_backward<T>(g, dy.data(), where.data(), dx.data());
  double worst = 0;
  for (std::size_t i = 0; i < dx.size(); ++i)
    worst = std::max(worst, std::isnan(dx[i]) ? 1e9 : std::fabs(double(dx[i]) - expected[i]));
  CHECK(worst <= (sizeof(T) == 8 ? 1e-12 : 1e-5));
}

PoolGeometry random_geometry(std::mt19937& random, bool dilated) {
  auto pick = [&](Size low, Size high) { return std::uniform_int_distribution<Size>(low, high)(random); };
  for (;;) {
    PoolGeometry g{pick(1, 6), pick(1, 40), pick(1, 70), pick(1, 4), pick(1, 4)};
    if (pick(1, 4) == 1) g.h = pick(1, 4), g.w = pick(1, 4);
    g.stride_h = pick(1, 3), g.stride_w = pick(1, 3), g.pad_h = pick(0, g.kh / 2), g.pad_w = pick(0, g.kw / 2);
    if (dilated) g.dil_h = pick(1, 2), g.dil_w = pick(1, 2);
    if (g.h + 2 * g.pad_h > g.dil_h * (g.kh - 1) && g.w + 2 * g.pad_w > g.dil_w * (g.kw - 1)) return g;
  }
}

PoolGeometry halving(Size planes, Size h, Size w) { return {planes, h, w, 2, 2, 2, 2}; }

struct Threads {
  explicit Threads(int n) : before(threads()) { set_threads(n); }
  ~Threads() { set_threads(before); }
  int before;
};

}  // namespace

TEST_CASE_TEMPLATE("max pooling agrees with its definition", T, float, double) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const auto g = random_geometry(random, trial % 3 == 0);
    auto x = numbers<T>(random, g.planes * g.h * g.w, trial % 2);
    if (trial % 5 == 0)
      for (auto& v : x)
        if (random() % 20 == 0) v = T(NAN);
    if (trial % 7 == 0)
      for (auto& v : x)
        if (random() % 3 == 0) v = -std::numeric_limits<T>::infinity();
    check_max(g, x, random);
    check_max<T, Size>(g, x, random);
  }
}

TEST_CASE_TEMPLATE("max pooling by two", T, float, double) {
  std::mt19937 random(2);
  for (const Size h : {2, 3, 14, 28})
    for (const Size w : {2, 3, 5, 14, 16, 28, 31, 32, 33, 64, 66, 127}) {
      check_max(halving(5, h, w), numbers<T>(random, 5 * h * w, false), random);
      auto x = numbers<T>(random, 5 * h * w, true);
      for (auto& v : x)
        if (random() % 9 == 0) v = T(NAN);
      check_max(halving(5, h, w), x, random);
      for (auto& v : x) v = random() % 2 ? -std::numeric_limits<T>::infinity() : v;
      check_max(halving(5, h, w), x, random);
    }
}

TEST_CASE_TEMPLATE("average pooling agrees with its definition", T, float, double) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 150; ++trial) {
    const bool count_padding = trial % 2;
    auto g = random_geometry(random, false);
    if (trial % 6 == 0) g = halving(3, std::max<Size>(2, g.h), std::max<Size>(2, g.w));
    const Size out = g.planes * g.out_h() * g.out_w();
    const auto x = numbers<T>(random, g.planes * g.h * g.w, false), dy = numbers<T>(random, out, false);
    std::vector<double> y(at(out)), dx(x.size()), count(at(out));
    for_positions(g, [&](Size o, Size i) {
      count[at(o)] += i >= 0 || count_padding ? 1 : 0;
      if (i >= 0) y[at(o)] += double(x[at(i)]);
    });
    for_positions(g, [&](Size o, Size i) {
      if (i >= 0) dx[at(i)] += double(dy[at(o)]) / count[at(o)];
    });
    std::vector<T> got_y(y.size(), T(NAN)), got_dx(dx.size(), T(NAN));
    avg_pool2d_forward<T>(g, count_padding, x.data(), got_y.data());
    avg_pool2d_backward<T>(g, count_padding, dy.data(), got_dx.data());
    const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-5;
    double worst = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      worst = std::max(worst, std::isnan(got_y[i]) ? 1e9 : std::fabs(double(got_y[i]) - y[i] / count[i]));
    for (std::size_t i = 0; i < dx.size(); ++i)
      worst = std::max(worst, std::isnan(got_dx[i]) ? 1e9 : std::fabs(double(got_dx[i]) - dx[i]));
    CHECK(worst <= tolerance);
  }
}

TEST_CASE("pooling gives the same bits for any number of threads") {
  std::mt19937 random(4);
  const PoolGeometry g{64 * 16, 28, 28, 3, 3, 2, 2, 1, 1};
  const Size out = g.planes * g.out_h() * g.out_w();
  const auto x = numbers<float>(random, g.planes * g.h * g.w, false), dy = numbers<float>(random, out, false);
  std::vector<float> first;
  for (const int n : {1, 2, 3, 7}) {
    Threads set(n);
    std::vector<float> y(at(out)), dx(x.size()), mean(at(out));
    std::vector<std::uint8_t> where(at(out));
    max_pool2d_forward<float>(g, x.data(), y.data(), where.data());
    max_pool2d_backward<float>(g, dy.data(), where.data(), dx.data());
    avg_pool2d_forward<float>(g, true, x.data(), mean.data());
    y.insert(y.end(), dx.begin(), dx.end());
    y.insert(y.end(), mean.begin(), mean.end());
    if (n == 1) first = y;
    CHECK(std::memcmp(first.data(), y.data(), y.size() * sizeof(float)) == 0);
  }
}
