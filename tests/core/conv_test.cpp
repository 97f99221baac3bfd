// Convolution and its gradients against loops in double, over many geometries.
#include <gradus/core/kernels/conv.h>
#include <gradus/core/parallel.h>
#include <gradus/tests/helpers/sanitized.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

using namespace gradus;

namespace {

using Size = std::int64_t;

template <class T> std::vector<T> normal(std::mt19937& random, Size n) {
  std::normal_distribution<double> d;
  std::vector<T> v(static_cast<std::size_t>(n));
  for (auto& x : v) x = static_cast<T>(d(random));
  return v;
}

// Calls f(x index, weight index, y index) for every product in the convolution.
template <class F> void for_products(const Conv2dGeometry& g, F f) {
  const Size oh = g.out_h(), ow = g.out_w(), ci = g.c_in / g.groups, co = g.c_out / g.groups;
  for (Size n = 0; n < g.n; ++n)
    for (Size o = 0; o < g.c_out; ++o)
      for (Size y = 0; y < oh; ++y)
        for (Size x = 0; x < ow; ++x)
          for (Size c = 0; c < ci; ++c)
            for (Size ky = 0; ky < g.kh; ++ky)
              for (Size kx = 0; kx < g.kw; ++kx) {
                const Size iy = y * g.stride_h + ky * g.dil_h - g.pad_h, ix = x * g.stride_w + kx * g.dil_w - g.pad_w;
                if (iy < 0 || iy >= g.h || ix < 0 || ix >= g.w) continue;
                f(static_cast<std::size_t>(((n * g.c_in + o / co * ci + c) * g.h + iy) * g.w + ix),
                  static_cast<std::size_t>(((o * ci + c) * g.kh + ky) * g.kw + kx),
                  static_cast<std::size_t>(((n * g.c_out + o) * oh + y) * ow + x));
              }
}

template <class T> double difference(const std::vector<T>& got, const std::vector<double>& want) {
  double worst = 0, largest = 1e-300;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!(std::fabs(double(got[i]) - want[i]) <= 1e300)) return INFINITY;
    worst = std::max(worst, std::fabs(double(got[i]) - want[i]));
    largest = std::max({largest, std::fabs(want[i]), std::fabs(double(got[i]))});
  }
  return worst / largest;
}

template <class T> struct Run {
  Conv2dGeometry g;
  std::vector<T> x, weight, bias, dy, y, dx, dweight, dbias;

  Run(std::mt19937& random, const Conv2dGeometry& geometry) : g(geometry) {
    const Size out = g.n * g.c_out * g.out_h() * g.out_w();
    x = normal<T>(random, g.n * g.c_in * g.h * g.w), weight = normal<T>(random, g.c_out * (g.c_in / g.groups) * g.kh * g.kw);
    bias = normal<T>(random, g.c_out), dy = normal<T>(random, out);
    y.resize(dy.size()), dx.resize(x.size()), dweight.resize(weight.size()), dbias.resize(bias.size());
  }
  void all(bool with_bias) {
    for (auto* v : {&y, &dx, &dweight, &dbias}) std::fill(v->begin(), v->end(), T(NAN));
    conv2d_forward<T>(g, x.data(), weight.data(), with_bias ? bias.data() : nullptr, y.data());
    conv2d_input_gradient<T>(g, dy.data(), weight.data(), dx.data());
    conv2d_weight_gradient<T>(g, x.data(), dy.data(), dweight.data(), dbias.data());
    std::vector<T> alone(dbias.size());
    conv2d_bias_gradient<T>(g, dy.data(), alone.data());
    CHECK(std::memcmp(alone.data(), dbias.data(), dbias.size() * sizeof(T)) == 0);
  }
  void check(bool with_bias) {
    all(with_bias);
    std::vector<double> ry(y.size()), rx(x.size()), rw(weight.size()), rb(bias.size());
    const std::size_t plane = static_cast<std::size_t>(g.out_h() * g.out_w()), o = static_cast<std::size_t>(g.c_out);
    for (std::size_t i = 0; i < dy.size(); ++i) {
      if (with_bias) ry[i] = double(bias[i / plane % o]);
      rb[i / plane % o] += double(dy[i]);
    }
    for_products(g, [&](std::size_t i, std::size_t j, std::size_t k) {
      ry[k] += double(x[i]) * double(weight[j]);
      rx[i] += double(dy[k]) * double(weight[j]);
      rw[j] += double(x[i]) * double(dy[k]);
    });
    const double tolerance = sizeof(T) == 8 ? 1e-12 : 1e-5;
    INFO("n " << g.n << " c " << g.c_in << "->" << g.c_out << " image " << g.h << "x" << g.w << " kernel " << g.kh << "x"
              << g.kw << " stride " << g.stride_h << "," << g.stride_w << " pad " << g.pad_h << "," << g.pad_w
              << " dilation " << g.dil_h << "," << g.dil_w << " groups " << g.groups << " bytes " << sizeof(T));
    CHECK(difference(y, ry) <= tolerance);
    CHECK(difference(dx, rx) <= tolerance);
    CHECK(difference(dweight, rw) <= tolerance);
    CHECK(difference(dbias, rb) <= tolerance);
  }
};

struct Threads {
  explicit Threads(int n) : before(threads()) { set_threads(n); }
  ~Threads() { set_threads(before); }
  int before;
};

}  // namespace

TEST_CASE_TEMPLATE("conv2d agrees with its definition", T, float, double) {
  std::mt19937 random(3);
  auto pick = [&](Size low, Size high) { return std::uniform_int_distribution<Size>(low, high)(random); };
  int done = 0;
  while (done < 250 / testing::sampled_every) {
    Conv2dGeometry g{pick(1, 5), 0, pick(1, 20), pick(1, 20), 0, pick(1, 5), pick(1, 5)};
    if (done % 2) g.kh = g.kw = 2 * pick(0, 2) + 1;
    if (done % 3 == 0) g.stride_h = pick(1, 3), g.stride_w = pick(1, 3);
    if (done % 5 < 2) g.dil_h = pick(1, 3), g.dil_w = pick(1, 3);
    g.pad_h = pick(0, 4), g.pad_w = pick(0, 4);
    g.groups = done % 4 == 0 ? pick(1, 3) : 1;
    g.c_in = g.groups * pick(1, done % 7 == 0 ? 40 : 6), g.c_out = g.groups * pick(1, done % 7 == 1 ? 40 : 6);
    if (g.h + 2 * g.pad_h < g.dil_h * (g.kh - 1) + 1 || g.w + 2 * g.pad_w < g.dil_w * (g.kw - 1) + 1) continue;
    Run<T>(random, g).check(done % 2 == 0);
    ++done;
  }
}

TEST_CASE_TEMPLATE("conv2d as small networks use it", T, float, double) {
  std::mt19937 random(4);
  int done = 0;
  for (const Size k : {1, 3, 5})
    for (const auto& [c, o] : {std::pair<Size, Size>{1, 16}, {3, 16}, {16, 32}, {6, 16}, {32, 32}, {16, 5}, {64, 20}})
      for (const auto& [h, w] : {std::pair<Size, Size>{28, 28}, {14, 14}, {7, 9}, {8, 8}, {3, 33}, {5, 70}}) {
        Conv2dGeometry g{3, c, h, w, o, k, k};
        g.pad_h = g.pad_w = k / 2;
        if (h * w < 100) g.n = 9;
        if (done++ % testing::sampled_every > 0) g.n = 1;
        Run<T>(random, g).check(true);
      }
}

TEST_CASE_TEMPLATE("conv2d of nothing", T, float, double) {
  std::mt19937 random(5);
  Conv2dGeometry g{0, 3, 8, 8, 4, 3, 3};
  Run<T> run(random, g);
  run.all(true);
  for (const T v : run.dweight) CHECK(v == 0);
  for (const T v : run.dbias) CHECK(v == 0);
}

TEST_CASE_TEMPLATE("conv2d gives the same bits for any number of threads", T, float, double) {
  std::mt19937 random(6);
  Conv2dGeometry shapes[] = {
      {20, 1, 28, 28, 16, 3, 3}, {17, 16, 14, 14, 32, 3, 3}, {9, 8, 15, 12, 12, 3, 5}, {33, 3, 9, 9, 7, 1, 1}};
  shapes[0].pad_h = shapes[0].pad_w = shapes[1].pad_h = shapes[1].pad_w = 1;
  shapes[2].stride_h = 2, shapes[2].groups = 4;
  for (const auto& g : shapes) {
    Run<T> run(random, g);
    std::vector<T> first;
    for (const int n : {1, 2, 3, 7}) {
      Threads set(n);
      run.all(true);
      std::vector<T> now = run.y;
      for (auto* v : {&run.dx, &run.dweight, &run.dbias}) now.insert(now.end(), v->begin(), v->end());
      if (n == 1) first = now;
      CHECK(std::memcmp(first.data(), now.data(), now.size() * sizeof(T)) == 0);
    }
  }
}
