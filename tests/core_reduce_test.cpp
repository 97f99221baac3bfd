// Sums: the same bits in every layout, and the right ones where a number is seen again and again.
#include <gradus/core/random.h>
#include <gradus/core/reduce.h>

#include <doctest/doctest.h>

#include <cstring>

using namespace gradus;

namespace {

void check_same(const Array& view, std::uint32_t axes) {
  const Array a = sum_axes(view, axes), b = sum_axes(view.copy(), axes);
  REQUIRE(a.shape() == b.shape());
  CHECK(std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype())) == 0);
}

}  // namespace

TEST_CASE("the sum of an expanded Array counts every repetition once") {
  const Array column = Array::of<float>({3, 1}, {1, 2, 3});
  CHECK(sum_all(column.expand({3, 4})).item() == 24);
  CHECK(sum_axes(column.expand({3, 4}), 2).at({2, 0}) == 12);
  CHECK(sum_all(Array::full({}, 1, f64).expand({5})).item() == 5);
  CHECK(sum_all(Array::full({}, 1, f64).expand({3, 100001})).item() == 300003);
}

TEST_CASE("sums have the same bits in every layout") {
  for (const Dtype dtype : {f32, f64})
    for (const Shape& shape : {Shape{3, 4, 5}, Shape{2, 3, 70000}, Shape{513, 7, 33}, Shape{40, 1, 300}}) {
      const Array a = uniform(shape, -1, 1, Philox{1, 2}, dtype);
      for (std::uint32_t axes = 1; axes < 8; ++axes) {
        check_same(a.permute({2, 1, 0}), axes);
        check_same(a.permute({1, 0, 2}), axes);
        check_same(a.slice(2, 1, shape[2], 2), axes);
        check_same(a.slice(0, 1, shape[0]), axes);
        check_same(a.slice(1, 0, 1).expand(shape), axes);
        check_same(a.slice(2, 0, 1).expand(shape), axes);
        check_same(a.slice(0, 0, 1).expand(shape), axes);
      }
    }
}
