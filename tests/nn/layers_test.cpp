#include <gradus/nn/nn.h>

#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::contains;
using testing::distance;
using testing::message_of;
using testing::same_bits;

namespace {

Tensor values(const Shape& shape, std::uint64_t seed, Dtype dtype = f64) { return normal(shape, 0, 1, {seed, 0}, dtype); }

/// out[n][o][i][j] straight from the definition.
Array naive_conv(const Array& x, const nn::Conv2d& layer) {
  const nn::Conv2dOptions& o = layer.options;
  const auto length = [](int64_t in, int64_t k, int64_t s, int64_t p, int64_t d) {
    return (in + 2 * p - d * (k - 1) - 1) / s + 1;
  };
  const int64_t n = x.dim(0), per = layer.in_channels / o.groups;
  const int64_t h = length(x.dim(2), layer.kernel.h, o.stride.h, o.padding.h, o.dilation.h);
  const int64_t w = length(x.dim(3), layer.kernel.w, o.stride.w, o.padding.w, o.dilation.w);
  std::vector<double> out;
  for (int64_t b = 0; b < n; ++b)
    for (int64_t c = 0; c < layer.out_channels; ++c)
      for (int64_t i = 0; i < h; ++i)
        for (int64_t j = 0; j < w; ++j) {
          double s = layer.bias.defined() ? layer.bias.array().at({c}) : 0;
          const int64_t first = c / (layer.out_channels / o.groups) * per;
          for (int64_t k = 0; k < per; ++k)
            for (int64_t u = 0; u < layer.kernel.h; ++u)
              for (int64_t v = 0; v < layer.kernel.w; ++v) {
                const int64_t row = i * o.stride.h - o.padding.h + u * o.dilation.h;
                const int64_t column = j * o.stride.w - o.padding.w + v * o.dilation.w;
                if (row < 0 || row >= x.dim(2) || column < 0 || column >= x.dim(3)) continue;
                s += x.at({b, first + k, row, column}) * layer.weight.array().at({c, k, u, v});
              }
          out.push_back(s);
        }
  return Array::of({n, layer.out_channels, h, w}, out);
}

}  // namespace

TEST_CASE("Linear multiplies by its weight's transpose and adds its bias") {
  nn::Linear lin{3, 2};
  lin.to(f64);
  const Tensor x = values({2, 4, 3}, 1), y = lin(x);
  REQUIRE(y.shape() == Shape{2, 4, 2});
  double worst = 0;
  for (int64_t i = 0; i < 8; ++i)
    for (int64_t o = 0; o < 2; ++o) {
      double s = lin.bias.array().at({o});
      for (int64_t k = 0; k < 3; ++k) s += x.array().element(i * 3 + k) * lin.weight.array().at({o, k});
      worst = std::max(worst, std::fabs(y.array().element(i * 2 + o) - s));
    }
  CHECK(worst < 1e-14);
  CHECK(lin(values({3}, 2)).shape() == Shape{2});

  nn::Linear plain{3, 2, {.bias = false}};
  CHECK_FALSE(plain.bias.defined());
  CHECK(plain.parameters().size() == 1);
  CHECK(plain(zeros({1, 3})).array().element(0) == 0);
}

TEST_CASE("Conv2d is the sum of its definition, for every option") {
  const auto check = [](nn::Conv2d layer, const Shape& shape) {
    layer.to(f64);
    const Tensor x = values(shape, 3);
    CAPTURE(layer.description());
    CHECK(distance(layer(x).array(), naive_conv(x.array(), layer)) < 1e-12);
  };
  check({1, 4, 3}, {2, 1, 6, 5});
  check({3, 4, 3, {.padding = 1}}, {2, 3, 6, 5});
  check({2, 3, {2, 3}, {.stride = {2, 1}, .padding = {1, 0}, .bias = false}}, {1, 2, 7, 6});
  check({4, 6, 3, {.dilation = 2, .groups = 2}}, {2, 4, 8, 9});
}

TEST_CASE("pooling layers take the largest and the mean of each window") {
  const Tensor x = arange(16, f32).reshape({1, 1, 4, 4});
  CHECK(same_bits(nn::MaxPool2d(2)(x).array(), Array::of<float>({1, 1, 2, 2}, {5, 7, 13, 15})));
  CHECK(same_bits(nn::AvgPool2d(2)(x).array(), Array::of<float>({1, 1, 2, 2}, {2.5, 4.5, 10.5, 12.5})));
  nn::MaxPool2d wide{{1, 3}, {.stride = 1}};
  CHECK(wide(x).shape() == Shape{1, 1, 4, 2});
  CHECK(wide.description() == "MaxPool2d(1x3, stride 1)");
  CHECK(nn::AvgPool2d(3, {.stride = 2, .padding = 1}).description() == "AvgPool2d(3x3, stride 2, padding 1)");
  CHECK(nn::AvgPool2d(3, {.stride = 2, .padding = 1})(x).array().element(0) == doctest::Approx((0 + 1 + 4 + 5) / 9.0));
}

TEST_CASE("Embedding takes rows of its table") {
  nn::Embedding tok{10, 4};
  const Tensor y = tok(tensor<int64_t>({2, 1}, {3, 9}));
  REQUIRE(y.shape() == Shape{2, 1, 4});
  CHECK(same_bits(y.array().select(0, 1).select(0, 0), tok.weight.array().select(0, 9)));
  CHECK(tok(tensor<std::uint8_t>({2}, {0, 1})).shape() == Shape{2, 4});

  const Tensor above = tensor<int64_t>({1}, {10}), below = tensor<int64_t>({2, 3}, {0, 1, 2, 3, -1, 5});
  CHECK(message_of<IndexError>([&] { tok(above); }) == "Embedding(10, 4): index 10 at [0]; rows run 0..9");
  CHECK(contains(message_of<IndexError>([&] { tok(below); }), "index -1 at [1,1]; rows run 0..9"));
  CHECK(contains(message_of<DtypeError>([&] { tok(ones({2})); }), "try: x.to(i64)"));
}

TEST_CASE("activations are their formulas") {
  const double xs[] = {-3, -0.5, 0, 0.25, 4};
  const auto check = [&](auto layer, auto formula) {
    CAPTURE(layer.description());
    for (const double x : xs) CHECK(layer(scalar(x, f64)).item() == doctest::Approx(formula(x)).epsilon(1e-12));
  };
  const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
  check(nn::ReLU(), [](double x) { return x > 0 ? x : 0; });
  check(nn::Tanh(), [](double x) { return std::tanh(x); });
  check(nn::Sigmoid(), sigma);
  check(nn::GELU(), [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; });
  check(nn::SiLU(), [&](double x) { return x * sigma(x); });
  check(nn::Softplus(), [](double x) { return std::log1p(std::exp(x)); });
  check(nn::LeakyReLU(0.2), [](double x) { return x > 0 ? x : 0.2 * x; });
  check(nn::ELU(1.5), [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); });
}

TEST_CASE("Softmax, LogSoftmax and Flatten follow their axis") {
  const Tensor x = values({2, 3, 4}, 5);
  CHECK(distance(nn::Softmax(1)(x).sum({1}), ones({2, 4}, f64)) < 1e-14);
  CHECK(distance(nn::Softmax()(x), exp(nn::LogSoftmax(2)(x))) < 1e-14);
  CHECK(nn::Flatten()(x).shape() == Shape{2, 12});
  CHECK(nn::Flatten(0)(x).shape() == Shape{24});
  CHECK(nn::Flatten(2)(x).shape() == Shape{2, 3, 4});
}

TEST_CASE("Dropout drops its share while training, scales the rest, and is nothing in eval mode") {
  manual_seed(3);
  nn::Dropout drop{0.3};
  const Tensor x = ones({100, 100});
  const Tensor y = drop(x);
  int64_t zero = 0, scaled = 0;
  for (int64_t i = 0; i < y.size(); ++i) {
    zero += y.array().element(i) == 0;
    scaled += y.array().element(i) == doctest::Approx(1 / 0.7);
  }
  CHECK(zero + scaled == 10000);
  CHECK(std::abs(zero - 3000) < 200);  // 4.4 standard deviations
  CHECK_FALSE(same_bits(drop(x).array(), y.array()));
  manual_seed(3);
  CHECK(same_bits(drop(x).array(), y.array()));
  drop.eval();
  const Philox before = default_generator().state();
  CHECK(drop(x).array().shares_storage(x.array()));
  CHECK(default_generator().state().stream == before.stream);
  CHECK_THROWS_AS(nn::Dropout(1.1), Error);
  CHECK_THROWS_AS(nn::Dropout(-0.1), Error);
  CHECK_THROWS_AS(nn::Dropout(std::nan("")), Error);
}

TEST_CASE("losses reduce as asked") {
  const Tensor logits = values({4, 3}, 6), labels = tensor<int64_t>({4}, {0, 2, 1, 1});
  double total = 0;
  for (int64_t i = 0; i < 4; ++i) {
    double sum = 0;
    for (int64_t c = 0; c < 3; ++c) sum += std::exp(logits.array().at({i, c}));
    total += std::log(sum) - logits.array().at({i, static_cast<int64_t>(labels.array().element(i))});
  }
  CHECK(nn::CrossEntropyLoss()(logits, labels).item() == doctest::Approx(total / 4).epsilon(1e-12));
  CHECK(nn::CrossEntropyLoss(Reduction::sum)(logits, labels).item() == doctest::Approx(total).epsilon(1e-12));
  CHECK(nn::CrossEntropyLoss(Reduction::none)(logits, labels).shape() == Shape{4});
  CHECK(nn::CrossEntropyLoss()(logits, labels.to(u8)).item() == doctest::Approx(total / 4).epsilon(1e-12));
  nn::MSELoss mse;
  CHECK(mse(tensor<float>({2}, {1, 5}), tensor<float>({2}, {3, 2})).item() == 6.5);
  mse.reduction = Reduction::sum;
  CHECK(mse(tensor<float>({2}, {1, 5}), tensor<float>({2}, {3, 2})).item() == 13);
  CHECK_THROWS_AS(mse(ones({4, 1}), ones({4})), ShapeError);
}

TEST_CASE("a Linear says what it wants, what it got and a line that works") {
  nn::Linear fc{784, 10};
  std::string m = message_of<ShapeError>([&] { fc(ones({32, 28, 28})); });
  CHECK(m ==
        "Linear(784 -> 10): the last axis of the input must be 784, got 28: input f32[32,28,28], weight f32[10,784]\n"
        "  try: x.flatten(1)");
  CHECK(fc(ones({32, 28, 28}).flatten(1)).shape() == Shape{32, 10});
  CHECK(contains(message_of<ShapeError>([&] { fc(ones({2, 3, 28, 28})); }), "try: x.flatten(2)"));
  CHECK(contains(message_of<ShapeError>([&] { fc(ones({2, 100})); }), "try: Linear(100, 10)"));
  CHECK_FALSE(contains(message_of<ShapeError>([&] { fc(ones({2, 3, 100})); }), "try"));
  CHECK_FALSE(contains(message_of<ShapeError>([&] { fc(ones({2, 0})); }), "try"));
  CHECK(contains(message_of<ShapeError>([&] { fc(ones({})); }), "got one number"));
  m = message_of<ShapeError>([] { nn::Linear(3, 2, {.bias = false})(ones({4})); });
  CHECK(contains(m, "Linear(3 -> 2, no bias): "));
  CHECK(contains(m, "try: Linear(4, 2, {.bias = false})"));
  CHECK_THROWS_AS(nn::Linear(0, 2), ShapeError);
  CHECK_THROWS_AS(nn::Linear(2, -1), ShapeError);
}

TEST_CASE("the wrong flatten size inside a network shows how the shapes came about") {
  nn::Sequential net{nn::Conv2d{1, 8, 3}, nn::ReLU{}, nn::Flatten{}, nn::Linear{100, 10}};
  try {
    net(ones({4, 1, 28, 28}));
    FAIL("nothing was thrown");
  } catch (const ShapeError& e) {
    CHECK(e.op() == "Linear(100 -> 10)");
    CHECK(e.module() == "3");
    CHECK(e.hint() == "Linear(5408, 10)");
    CHECK(contains(e.what(),
                   "got 5408: input f32[4,5408], weight f32[10,100]; the input came through "
                   "Conv2d [4,8,26,26] -> ReLU [4,8,26,26] -> Flatten [4,5408] [in module \"3\"]"));
  }
}

TEST_CASE("a Conv2d says what it wants, what it got and a line that works") {
  nn::Conv2d conv{3, 8, 3, {.padding = 1}};
  std::string m = message_of<ShapeError>([&] { conv(ones({4, 1, 28, 28})); });
  CHECK(contains(m, "Conv2d(3 -> 8, 3x3, padding 1): the input has 1 channel (axis 1)"));
  CHECK(contains(m, "try: Conv2d(1, 8, 3, {.padding = 1})"));
  CHECK(contains(message_of<ShapeError>([&] { conv(ones({4, 28, 28, 3})); }), "try: x.permute({0, 3, 1, 2})"));
  CHECK(contains(message_of<ShapeError>([] { nn::Conv2d(1, 8, 3)(ones({28, 28})); }), "try: x.reshape({1, 1, 28, 28})"));
  CHECK_FALSE(contains(message_of<ShapeError>([&] { nn::Conv2d(4, 8, 3, {.groups = 2})(ones({1, 3, 9, 9})); }), "try"));
  CHECK_FALSE(contains(message_of<ShapeError>([&] { nn::Conv2d(4, 8, 5)(ones({1, 3, 3, 3})); }), "try"));
  CHECK(contains(message_of<ShapeError>([&] { nn::Conv2d(1, 8, 5)(ones({1, 1, 3, 3})); }), "larger than the padded input"));
  nn::Conv2d odd{1, 8, {3, 2}, {.stride = 2, .dilation = {1, 2}, .bias = false}};
  m = message_of<ShapeError>([&] { odd(ones({1, 2, 9, 9})); });
  CHECK(contains(m, "Conv2d(1 -> 8, 3x2, stride 2, dilation {1, 2}, no bias): "));
  CHECK(contains(m, "try: Conv2d(2, 8, {3, 2}, {.stride = 2, .dilation = {1, 2}, .bias = false})"));
  CHECK(contains(message_of<ShapeError>([] { nn::Conv2d(3, 8, 3, {.groups = 2}); }), "do not divide into 2 groups"));
  CHECK_THROWS_AS(nn::Conv2d(1, 8, 0), ShapeError);
  CHECK_THROWS_AS(nn::Conv2d(1, 8, 3, {.groups = 0}), ShapeError);
  nn::Sequential net{nn::MaxPool2d{4}};
  m = message_of<ShapeError>([&] { net(ones({1, 1, 3, 3})); });
  CHECK(contains(m, "MaxPool2d(4x4): "));
  CHECK(contains(m, "[in module \"0\"]"));
}

TEST_CASE("pixels and other types are refused with the fix") {
  nn::Linear fc{4, 2};
  const Tensor pixels = zeros({1, 4}, u8);
  const std::string m = message_of<DtypeError>([&] { fc(pixels); });
  CHECK(m == "Linear(4 -> 2): the input is u8[1,4]; this layer computes in f32\n  try: x.to(f32) / 255");
  CHECK(fc(pixels.to(f32) / 255).shape() == Shape{1, 2});
  CHECK(contains(message_of<DtypeError>([&] { nn::Conv2d(1, 1, 1)(zeros({1, 1, 2, 2}, u8)); }), "try: x.to(f32) / 255"));
  CHECK(contains(message_of<DtypeError>([&] { fc(zeros({1, 4}, f64)); }), "the layer's numbers are f32; they must agree"));
  CHECK(contains(message_of<DtypeError>([&] { fc(zeros({1, 4}, i64)); }), "try: x.to(f32)"));
  fc.to(f64);
  CHECK(contains(message_of<DtypeError>([&] { fc(zeros({1, 4})); }), "try: x.to(f64)"));
}
