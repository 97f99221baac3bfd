#include <gradus/core/array.h>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

using namespace gradus;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::string floats(const std::vector<float>& v) { return to_string(Array::of({static_cast<int64_t>(v.size())}, v)); }

}  // namespace

TEST_CASE("print: 0-d, absent and empty") {
  CHECK(to_string(Array::full({}, 3.14159265)) == "3.142  f32[]");
  CHECK(to_string(Array::full({}, 7, i64)) == "7  i64[]");
  CHECK(to_string(Array::full({}, 1, boolean)) == "true  bool[]");
  CHECK(to_string(Array()) == "absent");
  CHECK(to_string(Array({0})) == "[]  f32[0]");
  CHECK(to_string(Array({2, 0, 3}, f64)) == "[]  f64[2,0,3]");
}

TEST_CASE("print: 1-d, wrapped at 80 columns, and cut above 1000 elements") {
  CHECK(to_string(Array::arange(5)) == "[0, 1, 2, 3, 4]  i64[5]");
  CHECK(to_string(Array::arange(30)) ==
        "[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,\n"
        " 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]  i64[30]");
  CHECK(to_string(Array::arange(2000)) == "[   0,    1,    2, ..., 1997, 1998, 1999]  i64[2000]");
  CHECK(to_string(Array::arange(1001, f32)) == "[   0,    1,    2, ...,  998,  999, 1000]  f32[1001]");
  CHECK(to_string(Array::arange(1000)).find("...") == std::string::npos);
}

TEST_CASE("print: corners of a matrix; a short axis is never cut") {
  CHECK(to_string(Array::arange(4000).reshape({40, 100})) ==
        "[[   0,    1,    2, ...,   97,   98,   99],\n"
        " [ 100,  101,  102, ...,  197,  198,  199],\n"
        " [ 200,  201,  202, ...,  297,  298,  299],\n"
        " ...,\n"
        " [3700, 3701, 3702, ..., 3797, 3798, 3799],\n"
        " [3800, 3801, 3802, ..., 3897, 3898, 3899],\n"
        " [3900, 3901, 3902, ..., 3997, 3998, 3999]]  i64[40,100]");
  CHECK(to_string(Array::arange(1200).reshape({600, 2})) ==
        "[[   0,    1],\n [   2,    3],\n [   4,    5],\n ...,\n [1194, 1195],\n [1196, 1197],\n [1198, 1199]]  i64[600,2]");
}

TEST_CASE("print: as many decimals as the numbers need, four significant digits") {
  CHECK(floats({1, 2, -3}) == "[ 1,  2, -3]  f32[3]");
  CHECK(floats({0.1f, 0.25f, -1}) == "[ 0.10,  0.25, -1.00]  f32[3]");
  CHECK(floats({0.0123456f}) == "[0.01235]  f32[1]");
  CHECK(floats({9.99999f}) == "[10]  f32[1]");
  CHECK(floats({-0.71663f, 12.5f}) == "[-0.7166, 12.5000]  f32[2]");
}

TEST_CASE("print: mixed magnitudes") {
  CHECK(floats({1, 1000.25f, 0.001f, -20}) == "[   1.000, 1000.250,    0.001,  -20.000]  f32[4]");
  CHECK(floats({1234567.89f, 0.5f}) == "[1234567.9,       0.5]  f32[2]");
  CHECK(floats({1e-6f, 1, 1e6f}) == "[1e-06, 1e+00, 1e+06]  f32[3]");
  CHECK(floats({123456789.f, 0.5f}) == "[1.235e+08, 5.000e-01]  f32[2]");
  CHECK(floats({1, 0.00004f}) == "[1e+00, 4e-05]  f32[2]");  // 0.0000 would hide a number
  CHECK(floats({0.00001f}) == "[1e-05]  f32[1]");
  CHECK(to_string(Array::of<double>({4}, {1e-300, 1e300, -1.5, 0})) == "[1.0e-300, 1.0e+300, -1.5e+00,        0]  f64[4]");
  CHECK(to_string(Array::full({}, 5e-324, f64)) == "4.941e-324  f64[]");
}

TEST_CASE("print: NaN, infinities and negative zero") {
  CHECK(floats({1, 2.5f, nan, -inf}) == "[ 1.0,  2.5,  nan, -inf]  f32[4]");
  CHECK(to_string(Array::of<float>({2, 2}, {nan, -nan, inf, -inf})) == "[[ nan,  nan],\n [ inf, -inf]]  f32[2,2]");
  CHECK(floats({0.f, -0.f}) == "[ 0, -0]  f32[2]");
  CHECK(floats({-0.f, 0.5f}) == "[-0.0,  0.5]  f32[2]");
  CHECK(floats({-0.f, 1e-9f}) == "[   -0, 1e-09]  f32[2]");
}

TEST_CASE("print: bool, u8 and i64") {
  CHECK(to_string(Array::of<bool>({2, 2}, {true, false, false, true})) == "[[ true, false],\n [false,  true]]  bool[2,2]");
  CHECK(to_string(Array::of<std::uint8_t>({2, 3}, {0, 255, 7, 8, 9, 10})) ==
        "[[  0, 255,   7],\n [  8,   9,  10]]  u8[2,3]");
  CHECK(to_string(Array::of<int64_t>({2}, {INT64_MIN, INT64_MAX})) ==
        "[-9223372036854775808,  9223372036854775807]  i64[2]");
}

TEST_CASE("print: 4-d, one line end more for each axis outside") {
  CHECK(to_string(Array::arange(16).reshape({2, 2, 2, 2})) ==
        "[[[[ 0,  1],\n   [ 2,  3]],\n\n  [[ 4,  5],\n   [ 6,  7]]],\n\n\n"
        " [[[ 8,  9],\n   [10, 11]],\n\n  [[12, 13],\n   [14, 15]]]]  i64[2,2,2,2]");
}

TEST_CASE("print: views are read through their strides") {
  const Array x = Array::arange(12, f32).reshape({3, 4});
  CHECK(to_string(x.transpose(0, 1)) == "[[ 0,  4,  8],\n [ 1,  5,  9],\n [ 2,  6, 10],\n [ 3,  7, 11]]  f32[4,3]");
  CHECK(to_string(x.slice(1, 1, 4, 2)) == "[[ 1,  3],\n [ 5,  7],\n [ 9, 11]]  f32[3,2]");
  CHECK(to_string(x.select(0, -1)) == "[ 8,  9, 10, 11]  f32[4]");
  CHECK(to_string(Array::full({1}, 2).expand({2, 3})) == "[[2, 2, 2],\n [2, 2, 2]]  f32[2,3]");
  CHECK(to_string(Array::full({1}, 2).expand({1, 3000})) == "[[2, 2, 2, ..., 2, 2, 2]]  f32[1,3000]");
}
