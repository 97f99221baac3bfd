// Windows with extreme options: strides wider than the image, windows in the padding, kernels in as much padding,
// output_padding.
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/ops.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>
#include <limits>

using namespace gradus;

namespace {

constexpr int64_t largest = std::numeric_limits<std::int32_t>::max();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> values(const Tensor& t) {
  std::vector<double> v;
  for (int64_t i = 0; i < t.size(); ++i) v.push_back(t.array().element(i));
  return v;
}
using Values = std::vector<double>;

/// Of f's result, seeded with 1, 2, 3, ...
template <class F> Values gradient(const Tensor& x, F f) {
  const Tensor y = f(x);
  return values(grad({y}, {x}, {}, {Tensor(Array::arange(y.size(), f64).to(x.dtype()).reshape(y.shape())) + 1.0})[0]);
}

Tensor image(const Shape& shape, Dtype dtype) { return leaf(Array::arange(shape.size(), f64).reshape(shape).to(dtype)); }

}  // namespace

TEST_CASE("a stride wider than the image: one window, at once") {
  for (const Dtype t : {f32, f64})
    for (const int64_t stride : {int64_t(7), int64_t(10'000'000), largest}) {
      CAPTURE(stride);
      const Tensor x = image({1, 1, 4, 4}, t);
      const auto largest_of = [&](const Tensor& in) { return max_pool2d(in, 2, {.stride = stride}); };
      const auto mean_of = [&](const Tensor& in) { return avg_pool2d(in, 2, {.stride = stride}); };
      CHECK(values(largest_of(x)) == Values{5});
      CHECK(gradient(x, largest_of) == Values{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
      CHECK(values(mean_of(x)) == Values{2.5});
      CHECK(gradient(x, mean_of) == Values{.25, .25, 0, 0, .25, .25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
      const Tensor w = leaf(Array::ones({1, 1, 2, 2}, t));
      CHECK(values(conv2d(x, w, {}, {.stride = stride})) == Values{10});
      CHECK(gradient(w, [&](const Tensor& k) { return conv2d(x, k, {}, {.stride = stride}); }) == Values{0, 1, 4, 5});
      CHECK(gradient(x, [&](const Tensor& in) { return conv2d(in, w, {}, {.stride = stride}); }) ==
            Values{1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
      CHECK(values(conv1d(image({1, 1, 4}, t), Tensor(Array::ones({1, 1, 2}, t)), {}, {.stride = stride})) == Values{1});
      CHECK(values(conv_transpose2d(Tensor(Array::ones({1, 1, 1, 1}, t)), w, {}, {.stride = stride})) == Values{1, 1, 1, 1});
    }
  const Tensor tall = image({1, 2, 9, 3}, f32);  // strides 4 and 3 with kernels 2 and 1: more than one window
  CHECK(values(max_pool2d(tall, {2, 1}, {.stride = {4, 2}})) == Values{3, 5, 15, 17, 30, 32, 42, 44});
}

TEST_CASE("a window that lies wholly in the padding: minus infinity, and no gradient goes anywhere") {
  for (const Dtype t : {f32, f64}) {
    const Tensor row = image({1, 1, 1, 3}, t);
    const auto pooled = [](const Tensor& x) { return max_pool2d(x, 2, {.stride = 1, .padding = 1, .dilation = 2}); };
    CHECK(values(pooled(row)) == Values{-infinity, -infinity, -infinity});  // rows -1 and 1 of an image of one
    CHECK(gradient(row, pooled) == Values{0, 0, 0});
    const Tensor cross = image({1, 1, 3, 1}, t);
    CHECK(gradient(cross, pooled) == Values{0, 0, 0});
    // columns -1 and 2, 0 and 3, 1 and 4: only the middle row and what they see of it
    const auto wide = [](const Tensor& x) {
      return max_pool2d(x, {3, 2}, {.stride = {1, 3}, .padding = {1, 1}, .dilation = {1, 3}});
    };
    const Tensor x = image({1, 2, 1, 3}, t);
    CHECK(values(wide(x)) == Values{2, 5});
    CHECK(gradient(x, wide) == Values{0, 0, 1, 0, 0, 2});
    const Tensor big = image({1, 1, 1, 300}, t);  // positions that no byte holds
    const auto long_window = [](const Tensor& in) {
      return max_pool2d(in, {2, 257}, {.stride = 1, .padding = {1, 0}, .dilation = {2, 1}});
    };
    CHECK(values(long_window(big)) == Values(44, -infinity));
    CHECK(gradient(big, long_window) == Values(300, 0.0));
    // the second derivative of what is nowhere is zero, too
    const Tensor y = pooled(row), seed = leaf(Array::ones(y.shape(), t));
    const Tensor g = grad({y}, {row}, {.create_graph = true}, {seed})[0];
    CHECK(values(grad({sum(g * row)}, {seed})[0]) == Values{0, 0, 0});
  }
  // all minus infinity inside the image: the first element, as before
  const Tensor low = leaf(Array::full({1, 1, 2, 2}, -infinity));
  CHECK(gradient(low, [](const Tensor& x) { return max_pool2d(x, 2); }) == Values{1, 0, 0, 0});
}

TEST_CASE("a kernel as large as its padding costs what it sees of the image") {
  for (const Dtype t : {f32, f64}) {
    const Tensor x = image({1, 1, 2, 3}, t);
    for (const int64_t k : {int64_t(1001), int64_t(1) << 20, largest}) {
      CAPTURE(k);
      const int64_t pad = (k - 1) / 2;
      const auto largest_of = [&](const Tensor& in) { return max_pool2d(in, k, {.stride = 1, .padding = pad}); };
      const Tensor y = largest_of(x);
      CHECK(y.shape() == (k % 2 ? Shape{1, 1, 2, 3} : Shape{1, 1, 1, 2}));
      CHECK(values(y) == Values(static_cast<std::size_t>(y.size()), 5));
      const double n = static_cast<double>(y.size());
      CHECK(gradient(x, largest_of) == Values{0, 0, 0, 0, 0, n * (n + 1) / 2});
      const double share = 15.0 / (static_cast<double>(k) * static_cast<double>(k));
      const Tensor mean_of = avg_pool2d(x, k, {.stride = 1, .padding = pad});
      for (const double v : values(mean_of)) CHECK(v == doctest::Approx(share).epsilon(1e-6));
    }
    const Tensor thin = avg_pool2d(x, {1, largest}, {.stride = {1, 1}, .padding = {0, largest / 2}});
    CHECK(values(thin)[3] == doctest::Approx(12.0 / static_cast<double>(largest)).epsilon(1e-6));
  }
}

TEST_CASE("dilations and paddings far beyond the image") {
  for (const Dtype t : {f32, f64})
    for (const int64_t d : {int64_t(64), int64_t(1) << 20, int64_t(1) << 30}) {
      CAPTURE(d);
      const Tensor x = image({1, 1, 3, 3}, t), w = leaf(Array::of<double>({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}).to(t));
      const auto conv = [&](const Tensor& in, const Tensor& k) { return conv2d(in, k, {}, {.padding = d, .dilation = d}); };
      Values five;
      for (int i = 0; i < 9; ++i) five.push_back(5.0 * i);  // only the middle of the kernel meets the image
      CHECK(values(conv(x, w)) == five);
      CHECK(gradient(w, [&](const Tensor& k) { return conv(x, k); }) == Values{0, 0, 0, 0, 240, 0, 0, 0, 0});
      CHECK(gradient(x, [&](const Tensor& in) { return conv(in, w); }) == Values{5, 10, 15, 20, 25, 30, 35, 40, 45});
      CHECK(values(conv_transpose2d(x, w, {}, {.padding = d, .dilation = d})) == five);
      const Tensor line = image({1, 1, 4}, t), edge = leaf(Array::of<double>({1, 1, 2}, {2, 3}).to(t));
      CHECK(values(conv1d(line, edge, {}, {.padding = d / 2, .dilation = d})) == Values{0, 0, 0, 0});
      CHECK(values(max_pool2d(x, 3, {.stride = 1, .padding = 1, .dilation = 1})) == Values{4, 5, 5, 7, 8, 8, 7, 8, 8});
    }
  const Tensor x = image({1, 1, 1, 1}, f32), w = leaf(Array::of<float>({1, 1, 1, 1}, {3}));
  CHECK(values(conv2d(x + 1.0, w, {}, {.stride = largest, .padding = largest})) == Values{0, 0, 0, 0, 3, 0, 0, 0, 0});
  CHECK(gradient(w, [&](const Tensor& k) { return conv2d(x + 1.0, k, {}, {.stride = largest, .padding = largest - 1}); }) ==
        Values{0});
  CHECK(gradient(w, [&](const Tensor& k) { return conv2d(x + 1.0, k, {}, {.stride = largest, .padding = largest}); }) ==
        Values{5});
}

TEST_CASE("output_padding of a stride and more, where the dilation allows it") {
  // PyTorch's figures: conv_transpose1d([1, 2], [1, 10], output_padding=2, dilation=3) and so on
  const auto line = [](std::vector<double> v, Dtype t) {
    return leaf(Array::of<double>({1, 1, static_cast<int64_t>(v.size())}, v).to(t));
  };
  for (const Dtype t : {f32, f64}) {
    const Tensor x = line({1, 2}, t), w = line({1, 10}, t), bias = leaf(Array::full({1}, 0.5, t));
    const auto call = [&](const Tensor& in, ConvTranspose1dOptions o) { return conv_transpose1d(in, w, {}, o); };
    CHECK(values(call(x, {.output_padding = 1, .dilation = 3})) == Values{1, 2, 0, 10, 20, 0});
    CHECK(values(call(x, {.output_padding = 2, .dilation = 3})) == Values{1, 2, 0, 10, 20, 0, 0});
    CHECK(values(call(x, {.padding = 2, .output_padding = 2, .dilation = 3})) ==
          Values{0, 10, 20});  // shows what padding cut off
    CHECK(values(call(x, {.stride = 2, .output_padding = 3, .dilation = 4})) == Values{1, 0, 2, 0, 10, 0, 20, 0, 0, 0});
    CHECK(values(conv_transpose1d(x, w, bias, {.output_padding = 2, .dilation = 3})) ==
          Values{1.5, 2.5, .5, 10.5, 20.5, .5, .5});
    CHECK(gradient(x, [&](const Tensor& in) { return call(in, {.output_padding = 2, .dilation = 3}); }) == Values{41, 52});
    CHECK(gradient(w, [&](const Tensor& k) { return conv_transpose1d(x, k, {}, {.output_padding = 2, .dilation = 3}); }) ==
          Values{5, 14});
  }
  const Tensor x = leaf(sample_values({2, 2, 2, 3})), w = leaf(sample_values({2, 3, 3, 2}, -2, 2, 2));
  const ConvTransposeOptions o{.stride = {1, 2}, .padding = {1, 2}, .output_padding = {2, 3}, .dilation = {3, 4}};
  const Tensor y = conv_transpose2d(x, w, {}, o);
  CHECK(y.shape() == Shape{2, 3, 8, 8});
  // the same without padding, cut: rows 1 .. 8, columns 2 .. 9
  const Tensor whole = pad(conv_transpose2d(x, w, {}, {.stride = {1, 2}, .dilation = {3, 4}}), {0, 5, 0, 3});
  CHECK(max(abs(y - slice(slice(whole, 2, 1, 9), 3, 2, 10)).flatten(), 0).item() < 1e-12);
  const auto report =
      gradcheck([&](const std::vector<Tensor>& in) { return conv_transpose2d(in[0], in[1], {}, o); }, {x, w});
  CHECK(report.passed);
}

TEST_CASE("options that 64 bits, or memory, cannot hold are refused by name") {
  const Tensor x = real({1, 1, 4, 4}), line = real({1, 1, 4}), w = real({1, 1, 2, 2}), edge = real({1, 1, 2});
  constexpr int64_t huge = int64_t(1) << 62, most = std::numeric_limits<int64_t>::max();
  const auto refused = [](auto f, const std::string& what) { return says(thrown<ShapeError>(f), {what}); };
  for (const int64_t n : {largest + 1, huge, most}) {
    CAPTURE(n);
    CHECK(refused([&] { max_pool2d(x, 2, {.dilation = n}); }, "max_pool2d: the dilation must be at most 2147483647, got "));
    CHECK(refused(
        [&] {
          max_pool2d(x, 2, {.stride = {1, n}});
        },
        "max_pool2d: the stride must be at most 2147483647, got {1, "));
    CHECK(refused([&] { avg_pool2d(x, n, {.padding = 1}); }, "avg_pool2d: the kernel must be at most"));
    CHECK(refused([&] { max_pool2d(x, 2, {.padding = n}); }, "max_pool2d: the padding is"));
    CHECK(refused([&] { conv1d(line, edge, {}, {.dilation = n}); }, "conv1d: the dilation must be at most"));
    CHECK(refused([&] { conv1d(line, edge, {}, {.padding = n}); }, "conv1d: the padding must be at most"));
    CHECK(refused([&] { conv2d(x, w, {}, {.groups = n}); }, "conv2d: the number of groups must be at most"));
    CHECK(refused([&] { conv_transpose1d(line, edge, {}, {.stride = n}); }, "conv_transpose1d: the stride must be at most"));
    CHECK(refused([&] { conv_transpose2d(x, w, {}, {.padding = n}); }, "conv_transpose2d: the padding must be at most"));
    CHECK(refused([&] { conv_transpose2d(x, w, {}, {.output_padding = n}); },
                  "conv_transpose2d: the output_padding must be at most"));
  }
  CHECK(refused([&] { conv_transpose1d(line, edge, {}, {.padding = largest}); }, "would give -4294967289"));
  CHECK(refused([&] { max_pool2d(x, 2, {.dilation = 4}); }, "window of 2 by 2 (dilation 4 by 4) is larger than the input"));
  CHECK_THROWS_AS(conv_transpose1d(line, edge, {}, {.stride = largest}), ResourceError);
}
