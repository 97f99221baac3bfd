#include <gradus/core/kernels/compare.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

using namespace gradus;

namespace {

struct Threads {
  explicit Threads(int n) : before(threads()) { set_threads(n); }
  ~Threads() { set_threads(before); }
  int before;
};

}  // namespace

TEST_CASE("Philox4x32-10 gives the known answers of its authors") {
  using Block = Philox::Block;
  CHECK(Philox{0, 0}.block(0) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint64_t ones = ~std::uint64_t(0);
  CHECK(Philox{ones, ones}.block(ones) == Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  const Philox pi{0x299f31d0a4093822, 0x0370734413198a2e};
  CHECK(pi.block(0x85a308d3243f6a88) == Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Philox: bulk words are the single words, wherever they begin") {
  const Philox p{42, 3};
  for (const std::uint64_t first : {0u, 1u, 2u, 3u, 63u}) {
    for (const int n : {0, 1, 3, 5, 64, 67, 200}) {
      std::vector<std::uint32_t> out(static_cast<std::size_t>(n) + 1, 7);
      p.words(first, n, out.data());
      bool equal = true;
      for (int k = 0; k < n; ++k)
        equal = equal && out[static_cast<std::size_t>(k)] == p.word(first + static_cast<std::uint64_t>(k));
      CHECK(equal);
      CHECK(out.back() == 7);
    }
  }
}

TEST_CASE("Philox: uniform numbers fill [0, 1) evenly, and the float is the double cut short") {
  const Philox p{1, 2};
  int bins[16] = {};
  bool inside = true, cut = true;
  const int n = 160000;
  for (int i = 0; i < n; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    const double u = p.uniform(at);
    const float f = p.uniform<float>(at);
    inside = inside && u >= 0 && u < 1 && f >= 0 && f < 1;
    cut = cut && static_cast<double>(f) <= u && u - static_cast<double>(f) < 0x1p-24;
    ++bins[static_cast<int>(u * 16)];
  }
  CHECK(inside);
  CHECK(cut);
  double chi2 = 0;
  for (const int b : bins) chi2 += (b - n / 16) * (b - n / 16) / (n / 16.0);
  CHECK(chi2 < 37.7);  // 15 degrees of freedom, p = 0.001
}

TEST_CASE("Philox: normal numbers have the moments of a normal distribution") {
  const Philox p{5, 0};
  const int n = 200000;
  double m[5] = {}, product = 0;
  for (int i = 0; i < n; ++i) {
    const double z = p.normal(static_cast<std::uint64_t>(i));
    for (int k = 1; k < 5; ++k) m[k] += std::pow(z, k) / n;
    product += z * p.normal(static_cast<std::uint64_t>(i ^ 1)) / n;
  }
  CHECK(std::fabs(m[1]) < 0.01);
  CHECK(std::fabs(m[2] - 1) < 0.02);
  CHECK(std::fabs(m[3]) < 0.05);
  CHECK(std::fabs(m[4] - 3) < 0.1);
  CHECK(std::fabs(product) < 0.01);  // the two of one block are independent
}

TEST_CASE("Philox: below(i, n) is in range and unbiased, also where most of 2^64 must be refused") {
  const Philox p{9, 9};
  int counts[6] = {};
  for (std::uint64_t i = 0; i < 60000; ++i) ++counts[p.below(i, 6)];
  for (const int c : counts) CHECK(std::abs(c - 10000) < 400);
  CHECK(p.below(3, 1) == 0);
  const std::uint64_t n = (std::uint64_t(1) << 63) + (std::uint64_t(1) << 62);  // a plain product would favour every third
  int low = 0, third = 0;
  bool below = true;
  for (std::uint64_t i = 0; i < 30000; ++i) {
    const std::uint64_t k = p.below(i, n);
    below = below && k < n;
    low += k < n / 2;
    third += k % 3 == 0;
  }
  CHECK(below);
  CHECK(std::abs(low - 15000) < 400);
  CHECK(std::abs(third - 10000) < 400);
}

TEST_CASE("uniform and normal fill the same bits with 1, 2, 3 and 7 threads") {
  for (const Dtype t : {f32, f64}) {
    Array u, z;
    {
      Threads one(1);
      u = uniform({101, 999}, -2, 3, {4, 1}, t);
      z = normal({101, 999}, 1, 0.5, {4, 2}, t);
    }
    for (const int n : {2, 3, 7}) {
      Threads several(n);
      CHECK(same_bits(u, uniform({101, 999}, -2, 3, {4, 1}, t)));
      CHECK(same_bits(z, normal({101, 999}, 1, 0.5, {4, 2}, t)));
    }
    CHECK_FALSE(same_bits(u, uniform({101, 999}, -2, 3, {4, 2}, t)));
    const std::int64_t last = u.size() - 1;
    CHECK(z.element(last) == doctest::Approx(1 + 0.5 * Philox{4, 2}.normal(static_cast<std::uint64_t>(last))));
    CHECK(u.element(12345) == doctest::Approx(-2 + 5 * Philox{4, 1}.uniform(12345)));
  }
}

TEST_CASE("uniform stays below hi after rounding, and accepts empty and 0-d shapes") {
  const Array a = uniform({100000}, 0, 1e-45, {1, 1});  // one subnormal step: 0 is the only number below
  for (std::int64_t i = 0; i < a.size(); i += 997) CHECK(a.element(i) < 1e-45);
  const Array b = uniform({100000}, 16777215, 16777216, {1, 1});
  for (std::int64_t i = 0; i < b.size(); i += 97) REQUIRE(b.element(i) == 16777215);
  CHECK(uniform({0, 3}, 0, 1, {}).size() == 0);
  CHECK(normal({}, 0, 1, {}, f64).item() == Philox{}.normal(0));
  CHECK_THROWS_AS(uniform({2}, 0, 1, {}, i64), DtypeError);
  CHECK_THROWS_AS(normal({2}, 0, 1, {}, u8), DtypeError);
  CHECK_THROWS_AS(uniform({2}, 1, 1, {}), ShapeError);
}

TEST_CASE("permutation holds every index once and depends on seed and stream") {
  const auto p = permutation(1000, 7, 0);
  CHECK(std::set<std::int64_t>(p.begin(), p.end()).size() == 1000);
  CHECK(*std::max_element(p.begin(), p.end()) == 999);
  CHECK(p == permutation(1000, 7, 0));
  CHECK(p != permutation(1000, 8, 0));
  CHECK(p != permutation(1000, 7, 1));
  CHECK(permutation(0, 7).empty());
  CHECK(permutation(1, 7) == std::vector<std::int64_t>{0});
  int orders[6] = {};
  for (std::uint64_t s = 0; s < 6000; ++s) {
    const auto q = permutation(3, 1, s);
    ++orders[q[0] * 2 + (q[1] > q[2])];
  }
  for (const int c : orders) CHECK(std::abs(c - 1000) < 150);
}

TEST_CASE("a Generator hands out fresh streams and can be set back") {
  Generator g(3);
  const Philox a = g.next_stream(), b = g.next_stream();
  CHECK((a.seed == 3 && b.seed == 3));
  CHECK(a.stream != b.stream);
  const Philox saved = g.state();
  const Philox c = g.next_stream();
  g.restore(saved);
  CHECK(g.next_stream().stream == c.stream);

  const Philox before = default_generator().state();
  manual_seed(11);
  const double first = default_generator().next_stream().uniform(0);
  manual_seed(11);
  CHECK(default_generator().next_stream().uniform(0) == first);
  CHECK(default_generator().next_stream().uniform(0) != first);
  default_generator().restore(before);
}
