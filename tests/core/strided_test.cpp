// The copy between two layouts: every byte of it, and none beside it.
#include <gradus/core/array.h>
#include <gradus/core/kernels/strided.h>
#include <gradus/core/parallel.h>

#include <doctest/doctest.h>

#include <cstring>
#include <random>

using namespace gradus;

namespace {

const Dtype dtypes[] = {f32, f64, i64, u8, boolean};

/// Any bits: infinities, NaNs of both kinds, negative zeros.
Array random_bits(const Shape& shape, Dtype dtype) {
  Array a(shape, dtype);
  std::mt19937 draw(5);
  visit(dtype, [&]<class T>() {
    auto* out = reinterpret_cast<unsigned char*>(a.uninitialized<T>());
    for (int64_t i = 0; i < a.size() * static_cast<int64_t>(sizeof(T)); ++i)
      out[i] = static_cast<unsigned char>(dtype == boolean ? draw() & 1 : draw());
  });
  return a;
}

/// Where the i-th element in row-major order lies, in elements from the first.
int64_t place(const Array& a, int64_t i) {
  int64_t at = 0;
  for (int k = a.rank(); k-- > 0; i /= a.shape()[k]) at += i % a.shape()[k] * a.stride(k);
  return at;
}

bool same_elements(const Array& a, const Array& b) {
  const auto n = static_cast<int64_t>(bytes_of(a.dtype()));
  bool same = a.shape() == b.shape() && a.dtype() == b.dtype();
  for (int64_t i = 0; same && i < a.size(); ++i)
    same = std::memcmp(a.bytes() + place(a, i) * n, b.bytes() + place(b, i) * n, static_cast<std::size_t>(n)) == 0;
  return same;
}

/// Out of this layout, and into it; what lies between its elements stays.
void check_copies(const Array& view) {
  CAPTURE(describe(view));
  const Array dense = view.copy();
  CHECK(dense.dense());
  CHECK(same_elements(dense, view));
  Array whole = Array::zeros({200000}, view.dtype());
  int64_t low = 0, high = 0;
  for (int k = 0; k < view.rank(); ++k) (view.stride(k) < 0 ? low : high) += view.stride(k) * (view.shape()[k] - 1);
  bool repeats = false;
  for (int k = 0; k < view.rank(); ++k) repeats = repeats || (view.stride(k) == 0 && view.shape()[k] > 1);
  if (repeats || high - low >= whole.size() || view.size() == 0) return;
  Array target = whole.as_strided(view.shape(), view.strides(), -low);
  target.assign(dense, "test");
  CHECK(same_elements(target, dense));
  target.assign(Array::zeros({}, view.dtype()), "test");
  const Array untouched = Array::zeros({200000}, view.dtype());
  CHECK(same_elements(whole, untouched));
  std::memset(const_cast<char*>(whole.bytes()), 1, static_cast<std::size_t>(whole.size()) * bytes_of(whole.dtype()));
  Array expected = whole.copy();
  target.assign(dense, "test");
  for (int64_t i = 0; i < view.size(); ++i) {
    const auto n = bytes_of(view.dtype());
    std::memcpy(const_cast<char*>(expected.bytes()) + static_cast<std::size_t>(place(view, i) - low) * n,
                dense.bytes() + static_cast<std::size_t>(i) * n, n);
  }
  CHECK(std::memcmp(expected.bytes(), whole.bytes(), static_cast<std::size_t>(whole.size()) * bytes_of(whole.dtype())) == 0);
}

}  // namespace

TEST_CASE("strided: every order of the axes of every dtype, around whole squares, at 1 and 3 threads") {
  const int before = threads();
  for (const int n : {1, 3}) {
    set_threads(n);
    for (const Dtype dtype : dtypes)
      for (const Shape& shape : {Shape{16, 16, 16}, Shape{3, 33, 17}, Shape{2, 70, 131}, Shape{31, 2, 5}, Shape{1, 4, 9},
                                 Shape{1100, 5, 7}, Shape{4, 8, 1}, Shape{20, 3, 1100}}) {
        const Array a = random_bits(shape, dtype);
        for (const std::vector<int>& order : {std::vector<int>{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}})
          check_copies(a.permute(order));
      }
  }
  set_threads(before);
}

TEST_CASE("strided: parts, steps, repetitions and steps backwards") {
  for (const Dtype dtype : dtypes) {
    const Array a = random_bits({40, 9, 50}, dtype);
    for (const std::vector<int>& order : {std::vector<int>{0, 1, 2}, {0, 2, 1}, {2, 0, 1}, {2, 1, 0}}) {
      check_copies(a.slice(2, 1, 50, 2).permute(order));
      check_copies(a.slice(0, 3, 39, 3).slice(2, 5, 45).permute(order));
      check_copies(a.slice(2, 0, 1).expand({40, 9, 50}).permute(order));
      check_copies(a.slice(0, 0, 1).expand({40, 9, 50}).permute(order));
      check_copies(a.slice(1, 0, 1).expand({40, 9, 50}).permute(order));
      check_copies(a.slice(1, 0, 1).slice(2, 0, 1).expand({40, 9, 50}).permute(order));
      for (const auto& sign : {std::vector<int>{-1, -1, -1}, {1, 1, -1}, {-1, 1, 1}}) {
        int64_t steps[3], start = 0;
        for (int k = 0; k < 3; ++k) {
          steps[k] = a.stride(k) * sign[static_cast<std::size_t>(k)];
          if (steps[k] < 0) start -= steps[k] * (a.shape()[k] - 1);
        }
        check_copies(a.as_strided(a.shape(), steps, start).permute(order));
      }
    }
  }
}

TEST_CASE("strided: of two numbers for one place the last one in row-major order stays") {
  for (const int64_t n : {3, 100}) {
    Array row = Array::zeros({n}, i64);
    Array rows = row.expand({50, n});
    rows.assign(Array::arange(50 * n).reshape({50, n}), "test");
    CHECK(row.at({0}) == static_cast<double>(49 * n));
    CHECK(row.at({n - 1}) == static_cast<double>(50 * n - 1));
  }
}
