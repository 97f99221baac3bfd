#include <gradus/core/parallel.h>
#include <gradus/data/digit_shapes.h>
#include <gradus/data/digits.h>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

using namespace gradus;
using namespace gradus::data;

namespace {

/// FNV-1a of the bytes.
std::uint64_t hash(const Array& a) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (std::int64_t i = 0; i < a.size(); ++i) h = (h ^ a.data<std::uint8_t>()[i]) * 0x100000001b3;
  return h;
}

const std::uint8_t* image(const ImageSet& set, std::int64_t i) { return set.images.data<std::uint8_t>() + i * 784; }

}  // namespace

TEST_CASE("generate_digits: the bytes of a seed never change") {
  const ImageSet set = generate_digits(500, 1);
  CHECK(describe(set.images) == "u8[500,28,28]");
  CHECK(describe(set.labels) == "u8[500]");
  CHECK(hash(set.images) == 15444306941336160429u);
  CHECK(hash(set.labels) == 15700910838666178989u);
}

TEST_CASE("generate_digits: same bytes with 1, 2, 3 and 7 threads, and for any count") {
  const int before = threads();
  set_threads(1);
  const ImageSet one = generate_digits(300, 5);
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    const ImageSet many = generate_digits(300, 5);
    CHECK(hash(many.images) == hash(one.images));
    CHECK(hash(many.labels) == hash(one.labels));
  }
  set_threads(before);
  const ImageSet longer = generate_digits(333, 5);
  CHECK(std::memcmp(image(longer, 0), image(one, 0), 300 * 784) == 0);
}

TEST_CASE("generate_digits: another seed, the test set and another index are other images") {
  const ImageSet a = generate_digits(50, 5), b = generate_digits(50, 6), test = generate_digits(50, 5, false);
  int equal = 0;
  for (std::int64_t i = 0; i < 50; ++i)
    for (std::int64_t j = 0; j < 50; ++j) {
      equal += std::memcmp(image(a, i), image(b, j), 784) == 0;
      equal += std::memcmp(image(a, i), image(test, j), 784) == 0;
      equal += i != j && std::memcmp(image(a, i), image(a, j), 784) == 0;
    }
  CHECK(equal == 0);
}

TEST_CASE("generate_digits: labels are even, ink is in the middle, grey levels vary") {
  const ImageSet set = generate_digits(5000, 3);
  int counts[10] = {};
  for (std::int64_t i = 0; i < 5000; ++i) {
    REQUIRE(set.labels.data<std::uint8_t>()[i] < 10);
    ++counts[set.labels.data<std::uint8_t>()[i]];
  }
  for (const int c : counts) CHECK(std::abs(c - 500) < 100);
  double border = 0, middle = 0;
  for (std::int64_t i = 0; i < 5000; ++i)
    for (int p = 0; p < 784; ++p) {
      const int y = p / 28, x = p % 28;
      const bool inner = x >= 4 && x < 24 && y >= 4 && y < 24;
      (inner ? middle : border) += image(set, i)[p];
    }
  CHECK(middle > 4 * border);
  const double mean = (middle + border) / (5000.0 * 784 * 255);
  CHECK(mean > 0.08);
  CHECK(mean < 0.16);
}

TEST_CASE("every digit has at least three ways to be written, and each begins with the pen coming down") {
  for (int digit = 0; digit < 10; ++digit) {
    CHECK(shapes_of(digit).size() >= 3);
    for (const auto& path : shapes_of(digit)) {
      CHECK(path.front().pen == Pen::down);
      for (const Knot& k : path) CHECK((std::fabs(k.x) < 0.8f && std::fabs(k.y) <= 1.0f));
    }
  }
}

TEST_CASE("generate_digits: none is fine, a negative count is refused") {
  CHECK(generate_digits(0, 1).images.size() == 0);
  CHECK_THROWS_AS(generate_digits(-1, 1), DataError);
}
