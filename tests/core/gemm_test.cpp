// The matrix product against a plain sum in double, and its promise of the same bits everywhere.
#include <gradus/core/kernels/gemm.h>
#include <gradus/core/parallel.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

using namespace gradus;

namespace {

std::int64_t pick(std::mt19937& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

template <class T> std::vector<T> normal(std::mt19937& random, std::int64_t n) {
  std::normal_distribution<double> d;
  std::vector<T> v(static_cast<std::size_t>(n));
  for (auto& x : v) x = static_cast<T>(d(random));
  return v;
}

// Strides of a rows x columns matrix: plain, transposed, or spread out in both directions.
struct Layout {
  std::int64_t row, column, size;
  Layout(int kind, std::int64_t rows, std::int64_t columns)
      : row(kind == 0   ? columns + 2
            : kind == 1 ? 1
                        : 3 * columns + 1),
        column(kind == 0   ? 1
               : kind == 1 ? rows + 3
                           : 3),
        size(std::max<std::int64_t>(1, rows * row + columns * column)) {}
};

template <class T> struct Case {
  std::int64_t m, n, k, c_row;
  Layout la, lb;
  std::vector<T> a, b, c, row_bias, column_bias;
  GemmExtras<T> extras;

  Case(std::mt19937& random, std::int64_t m_, std::int64_t n_, std::int64_t k_, int kind_a, int kind_b, int extra)
      : m(m_),
        n(n_),
        k(k_),
        c_row(n_ + 1),
        la(kind_a, m_, k_),
        lb(kind_b, k_, n_),
        a(normal<T>(random, la.size)),
        b(normal<T>(random, lb.size)),
        c(normal<T>(random, m_ * c_row + 1)),
        row_bias(normal<T>(random, m_)),
        column_bias(normal<T>(random, n_)) {
    extras.accumulate = extra & 1;
    extras.row_bias = extra & 2 ? row_bias.data() : nullptr;
    extras.column_bias = extra & 4 ? column_bias.data() : nullptr;
  }
  std::vector<T> run() const {
    std::vector<T> result = c;
    gemm<T>(m, n, k, {a.data(), la.row, la.column}, {b.data(), lb.row, lb.column}, result.data(), c_row, extras);
    return result;
  }
  // Largest difference over largest element; anything written outside C counts as infinite.
  double error() const {
    const auto got = run();
    double worst = 0, largest = 1e-300;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < c_row; ++j) {
        const auto at = static_cast<std::size_t>(i * c_row + j);
        if (j >= n) {
          if (got[at] != c[at]) return INFINITY;
          continue;
        }
        double want = extras.accumulate ? double(c[at]) : 0;
        if (extras.row_bias) want += extras.row_bias[i];
        if (extras.column_bias) want += extras.column_bias[j];
        for (std::int64_t p = 0; p < k; ++p)
          want += double(a[static_cast<std::size_t>(i * la.row + p * la.column)]) *
                  double(b[static_cast<std::size_t>(p * lb.row + j * lb.column)]);
        worst = std::max(worst, std::fabs(want - double(got[at])));
        largest = std::max({largest, std::fabs(want), std::fabs(double(got[at]))});
      }
    return worst / largest;
  }
};

template <class T> bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

struct Threads {
  explicit Threads(int n) : before(threads()) { set_threads(n); }
  ~Threads() { set_threads(before); }
  int before;
};

}  // namespace

TEST_CASE_TEMPLATE("gemm agrees with a plain sum", T, float, double) {
  std::mt19937 random(7);
  const double tolerance = sizeof(T) == 8 ? 1e-12 : 1e-5;
  for (int trial = 0; trial < 300; ++trial) {
    const std::int64_t limit = trial % 3 == 0 ? 150 : trial % 3 == 1 ? 40 : 8;
    const std::int64_t m = pick(random, 1, limit), n = pick(random, 1, limit);
    const std::int64_t k = trial % 10 == 0 ? pick(random, 250, 800) : pick(random, 1, limit);
    const int kind_a = static_cast<int>(pick(random, 0, 2)), kind_b = static_cast<int>(pick(random, 0, 2));
    const int extra = static_cast<int>(pick(random, 0, 7));
    const Case<T> one(random, m, n, k, kind_a, kind_b, extra);
    INFO("m " << m << " n " << n << " k " << k << " layouts " << kind_a << kind_b << " extras " << extra);
    CHECK(one.error() <= tolerance);
  }
}

TEST_CASE_TEMPLATE("gemm of the products training is made of", T, float, double) {
  std::mt19937 random(8);
  const std::int64_t shapes[][5] = {{64, 256, 784, 0, 1}, {256, 784, 64, 1, 0}, {64, 10, 128, 0, 1},  {10, 128, 64, 1, 0},
                                    {1, 300, 700, 0, 1},  {300, 1, 700, 0, 0},  {700, 1, 300, 1, 0},  {5, 200, 600, 0, 0},
                                    {384, 65, 513, 1, 0}, {3, 3, 9216, 0, 1},   {200, 3, 1000, 0, 1}, {513, 17, 300, 1, 1}};
  for (const auto& s : shapes)
    for (int extra = 0; extra < 8; extra += 7) {
      const Case<T> one(random, s[0], s[1], s[2], static_cast<int>(s[3]), static_cast<int>(s[4]), extra);
      INFO("m " << s[0] << " n " << s[1] << " k " << s[2]);
      CHECK(one.error() <= (sizeof(T) == 8 ? 1e-12 : 1e-5));
    }
}

TEST_CASE_TEMPLATE("gemm of empty matrices", T, float, double) {
  std::mt19937 random(9);
  for (int extra = 0; extra < 8; ++extra) {
    CHECK(Case<T>(random, 3, 4, 0, 0, 0, extra).error() <= 1e-6);
    CHECK(Case<T>(random, 0, 4, 3, 0, 0, extra).error() == 0);
    CHECK(Case<T>(random, 3, 0, 4, 0, 0, extra).error() == 0);
  }
  T c = 5;
  gemm<T>(1, 1, 0, {nullptr, 0, 1}, {nullptr, 0, 1}, &c, 1);
  CHECK(c == 0);
}

TEST_CASE_TEMPLATE("gemm gives the same bits for any number of threads", T, float, double) {
  std::mt19937 random(10);
  const std::int64_t shapes[][5] = {
      {64, 256, 784, 0, 1}, {256, 784, 64, 1, 0}, {300, 300, 300, 0, 0}, {2048, 33, 128, 0, 1}, {384, 128, 700, 1, 0}};
  for (const auto& s : shapes) {
    const Case<T> one(random, s[0], s[1], s[2], static_cast<int>(s[3]), static_cast<int>(s[4]), 7);
    std::vector<T> first;
    for (int n : {1, 2, 3, 7}) {
      Threads set(n);
      const auto got = one.run();
      if (n == 1) first = got;
      INFO("m " << s[0] << " n " << s[1] << " k " << s[2] << " threads " << n);
      CHECK(same(first, got));
    }
  }
}

TEST_CASE_TEMPLATE("gemm does not depend on addresses", T, float, double) {
  std::mt19937 random(11);
  for (const std::int64_t n : {10, 64, 77}) {
    const std::int64_t m = 37, k = 300;
    const auto a = normal<T>(random, m * k), b = normal<T>(random, k * n);
    std::vector<T> first;
    for (std::size_t shift = 0; shift < 16; ++shift) {
      std::vector<T> sa(a.size() + 16), sb(b.size() + 16), sc(static_cast<std::size_t>(m * n) + 16);
      std::copy(a.begin(), a.end(), sa.begin() + static_cast<std::ptrdiff_t>(shift));
      std::copy(b.begin(), b.end(), sb.begin() + static_cast<std::ptrdiff_t>(shift * 7 % 16));
      T* c = sc.data() + shift * 3 % 16;
      gemm<T>(m, n, k, {sa.data() + shift, k, 1}, {sb.data() + shift * 7 % 16, n, 1}, c, n);
      const std::vector<T> got(c, c + m * n);
      if (shift == 0) first = got;
      CHECK(same(first, got));
    }
  }
}

TEST_CASE_TEMPLATE("batched gemm is gemm for each matrix, with repeats", T, float, double) {
  std::mt19937 random(12);
  for (int trial = 0; trial < 30; ++trial) {
    const std::int64_t m = pick(random, 1, 90), n = pick(random, 1, 90), k = pick(random, 1, 90), count = pick(random, 0, 9);
    const bool repeat_a = trial % 3 == 1, repeat_b = trial % 3 == 2;
    const auto a = normal<T>(random, 10 * m * k), b = normal<T>(random, 10 * k * n);
    std::vector<T> got(static_cast<std::size_t>(10 * m * n)), want = got;
    const GemmBatch batch{count, repeat_a ? 0 : m * k, repeat_b ? 0 : k * n, m * n};
    Threads set(trial % 2 + 1);
    batched_gemm<T>(batch, m, n, k, {a.data(), 1, m}, {b.data(), n, 1}, got.data(), n);
    for (std::int64_t i = 0; i < count; ++i)
      gemm<T>(m, n, k, {a.data() + i * batch.a_stride, 1, m}, {b.data() + i * batch.b_stride, n, 1}, want.data() + i * m * n,
              n);
    CHECK(same(got, want));
  }
}

TEST_CASE("the BLAS underneath is known, and safe or left alone") {
  const BlasInfo& info = blas_info();
  CHECK(!info.build.empty());
  if (info.threading == BlasInfo::Threading::serial) CHECK(!info.safe);
  if (info.threading == BlasInfo::Threading::pthreads) CHECK(info.safe);
}
