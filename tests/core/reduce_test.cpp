// Sums and extremes: the same bits in every layout, and the right ones where a number is seen again and again.
#include <gradus/core/kernels/reduce.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace gradus;

namespace {

void check_same(const Array& view, std::uint32_t axes) {
  const Array a = sum_axes(view, axes), b = sum_axes(view.copy(), axes);
  REQUIRE(a.shape() == b.shape());
  CHECK(std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype())) == 0);
}

/// Against a plain loop: the first NaN, or else the first of the largest (smallest); the index, and the sign of a zero.
void check_extremes(const Array& a) {
  for (int axis = 0; axis < a.rank(); ++axis)
    for (const bool largest : {true, false}) {
      const Extreme e = extreme_axis("max", a, axis, largest);
      const Array lines = a.transpose(axis, -1), value = e.value.transpose(axis, -1), index = e.index.transpose(axis, -1);
      const int64_t n = a.shape()[axis];
      int64_t wrong = 0;
      for (int64_t o = 0; o < value.size(); ++o) {
        int64_t at = 0;
        double best = lines.element(o * n);
        for (int64_t i = 1; i < n && !std::isnan(best); ++i)
          if (const double x = lines.element(o * n + i); std::isnan(x) || (largest ? x > best : x < best)) best = x, at = i;
        const double got = value.element(o);
        const bool same = std::isnan(best) ? std::isnan(got) : got == best && std::signbit(got) == std::signbit(best);
        wrong += !same || index.element(o) != static_cast<double>(at);
      }
      CHECK_MESSAGE(wrong == 0, describe(a), " axis ", axis);
    }
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

TEST_CASE("sums of images and of long thin matrices have the same bits in every layout, at 1 and 3 threads") {
  const int before = threads();
  for (const Dtype dtype : {f32, f64}) {
    const Array images = uniform({5, 35, 9, 31}, -1, 1, Philox{1, 2}, dtype);
    const Array matrix = uniform({1, 70, 4500}, -1, 1, Philox{1, 2}, dtype);
    for (const int n : {1, 3}) {
      set_threads(n);
      for (const std::vector<int>& order :
           {std::vector<int>{0, 2, 3, 1}, {0, 3, 1, 2}, {3, 2, 1, 0}, {1, 0, 2, 3}, {2, 3, 0, 1}})
        for (std::uint32_t axes = 1; axes < 16; ++axes) check_same(images.permute(order), axes);
      for (std::uint32_t axes = 1; axes < 8; ++axes) {
        check_same(matrix.transpose(1, 2), axes);
        check_same(matrix.permute({2, 0, 1}), axes);
        check_same(matrix.transpose(1, 2).slice(1, 3, 4500), axes);
      }
    }
  }
  set_threads(before);
}

TEST_CASE("extremes: the first of equals, NaN before all, in every layout of every dtype") {
  for (const Dtype dtype : {f32, f64, i64, u8})
    for (const Shape& shape : {Shape{3, 4, 5}, Shape{300, 2, 70}, Shape{2, 70, 300}, Shape{1, 64, 257}, Shape{7, 1, 1}}) {
      Array a = uniform(shape, 0, 9, Philox{1, 2}).to(i64).to(dtype);  // many equals
      for (const bool special : {false, true}) {
        if (special && is_real(dtype))
          visit_real(dtype, [&]<class T>() {
            T* x = a.write<T>("test");
            for (int64_t i = 0; i < a.size(); ++i)
              x[i] = i % 97 == 13 ? std::numeric_limits<T>::quiet_NaN() : x[i] > 4 ? T(0) : -T(0);
          });
        check_extremes(a);
        check_extremes(a.permute({2, 1, 0}));
        check_extremes(a.permute({1, 0, 2}));
        check_extremes(a.slice(0, shape[0] > 1, shape[0]).slice(2, 0, shape[2], 2));
        check_extremes(a.slice(2, 0, 1).expand(shape));
      }
    }
}
