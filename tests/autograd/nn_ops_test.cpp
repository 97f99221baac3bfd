// Convolution, pooling, normalisation, softmax, losses and dropout: against loops and against differences.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>

#include <gradus/tests/helpers/throws.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

using namespace gradus;

namespace {

using Tensors = std::vector<Tensor>;

/// max|a - b| / max(|a|, |b|) over the whole tensor; infinite unless all numbers are finite.
double difference(const Array& a, const Array& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0, largest = 1e-300;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.element(i), y = b.element(i);
    if (!std::isfinite(x) || !std::isfinite(y)) return INFINITY;
    worst = std::max(worst, std::fabs(x - y));
    largest = std::max({largest, std::fabs(x), std::fabs(y)});
  }
  return worst / largest;
}

/// Sum of f(inputs) . seeds; the gradients to inputs and seeds of real dtype.
struct Slope {
  std::function<Tensors(const Tensors&)> f;

  static Tensors leaves(const std::vector<Array>& values) {
    Tensors t;
    for (const Array& a : values) t.push_back(is_real(a.dtype()) ? leaf(a) : Tensor(a));
    return t;
  }
  static Tensors real(const Tensors& all) {
    Tensors t;
    for (const Tensor& x : all)
      if (x.requires_grad()) t.push_back(x);
    return t;
  }
  static Tensor dot(const Tensors& y, const Tensors& seeds) {
    Tensor total = scalar(0, f64);
    for (std::size_t k = 0; k < y.size(); ++k) total = total + sum(y[k] * seeds[k]);
    return total;
  }
  Tensor value(const Tensors& in, const Tensors& seeds) const { return dot(f(in), seeds); }
};

/// d value / d values[which] by central differences.
template <class Value> Array by_differences(Value value, std::vector<Array> values, std::size_t which, double h) {
  Array slope(values[which].shape(), f64);
  const Array at = values[which];
  for (int64_t i = 0; i < at.size(); ++i) {
    const auto moved = [&](double step) {
      values[which] = at.copy();
      values[which].template write<double>("test")[i] += step;
      return value(values);
    };
    slope.uninitialized<double>()[i] = (moved(h) - moved(-h)) / (2 * h);
  }
  return slope;
}

std::vector<Array> seeds_for(const Tensors& y, unsigned first) {
  std::vector<Array> seeds;
  for (const Tensor& t : y) seeds.push_back(sample_values(t.shape(), -2, 2, first++));
  return seeds;
}
std::vector<Array> arrays(const Tensors& t) {
  std::vector<Array> a;
  for (const Tensor& x : t) a.push_back(x.array());
  return a;
}

Tensors gradients(const Tensor& root, const Tensors& in, bool recorded_too) {
  Tensors g = grad({root}, in, {.create_graph = recorded_too, .allow_unused = true});
  for (std::size_t i = 0; i < g.size(); ++i)
    if (!g[i].defined()) g[i] = zeros(in[i].shape(), f64);
  return g;
}

/// The plain gradient against differences of the value.
double first_order(const Sample& s) {
  const Tensors in = Slope::leaves(s.inputs);
  const std::vector<Array> seeds = seeds_for(s.call(in), 50);
  const Tensors seed_tensors(seeds.begin(), seeds.end()), wanted = Slope::real(in);
  const Tensors found = gradients(Slope{s.call}.value(in, seed_tensors), wanted, false);
  const auto value = [&](const std::vector<Array>& v) {
    return Slope::dot(s.call(Tensors(v.begin(), v.end())), seed_tensors).item();
  };
  double worst = 0;
  for (std::size_t i = 0, k = 0; i < in.size(); ++i)
    if (in[i].requires_grad())
      worst = std::max(worst, difference(found[k++].array(), by_differences(value, s.inputs, i, 1e-4)));
  return worst;
}

/// The recorded gradient against the plain one; the gradient of (gradients . directions), to inputs and seeds, against
/// differences of plain gradients.
double second_order(const Sample& s) {
  const Tensors in = Slope::leaves(s.inputs);
  const std::vector<Array> seeds = seeds_for(s.call(in), 50);
  std::vector<Array> values = s.inputs;
  values.insert(values.end(), seeds.begin(), seeds.end());
  const std::size_t inputs = s.inputs.size();
  const auto slopes = [&](const Tensors& all, bool recorded_too) {
    const Tensors x(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(inputs)),
        c(all.begin() + static_cast<std::ptrdiff_t>(inputs), all.end());
    return gradients(Slope{s.call}.value(x, c), Slope::real(x), recorded_too);
  };
  const Tensors all = Slope::leaves(values);
  const Tensors recorded_slopes = slopes(all, true), plain = slopes(all, false);
  double worst = 0;
  for (std::size_t k = 0; k < plain.size(); ++k)
    worst = std::max(worst, 1e5 * difference(plain[k].array(), recorded_slopes[k].array()));
  const std::vector<Array> directions = seeds_for(plain, 80);
  const Tensors toward(directions.begin(), directions.end());
  const Tensor along = Slope::dot(recorded_slopes, toward);
  if (!along.requires_grad()) return worst;
  const Tensors wanted = Slope::real(all), found = gradients(along, wanted, false);
  const auto value = [&](const std::vector<Array>& v) { return Slope::dot(slopes(Slope::leaves(v), false), toward).item(); };
  for (std::size_t i = 0, k = 0; i < all.size(); ++i)
    if (all[i].requires_grad())
      worst = std::max(worst, difference(found[k++].array(), by_differences(value, values, i, 1e-4)));
  return worst;
}

const std::set<std::string> ours = {"conv2d",        "conv2d_input", "conv2d_weight", "max_pool2d",  "max_unpool2d",
                                    "avg_pool2d",    "avg_unpool2d", "softmax",       "log_softmax", "batch_norm",
                                    "cross_entropy", "mse_loss",     "dropout"};

}  // namespace

TEST_CASE("every op of networks: gradients of first and second order against differences") {
  std::set<std::string> seen;
  for (const OpInfo* op : all_ops()) {
    if (!ours.count(op->name)) continue;
    seen.insert(op->name);
    for (const Sample& s : op->samples()) {
      CAPTURE(op->name);
      CAPTURE(s.label);
      CHECK(first_order(s) < 1e-7);
      CHECK(second_order(s) < 1e-6);
    }
  }
  CHECK(seen == ours);
}

TEST_CASE("a wrong gradient would be found") {
  const Sample wrong = sample("twice sums of squares, one of them hidden", {sample_values({3})},
                              [](auto& x) { return sum(square(x[0])) + sum(square(x[0].detach())) * 0.001; });
  CHECK(first_order(wrong) > 1e-4);
}

TEST_CASE("conv2d: values against loops, with views as operands, and only the gradients that are wanted") {
  const Tensor x = real({2, 4, 6, 5}, f64), w = real({6, 2, 3, 2}, f64), bias = real({6}, f64);
  const Tensor y = conv2d(x, w, bias, {.stride = {1, 2}, .padding = {2, 1}, .dilation = {2, 1}, .groups = 2});
  REQUIRE(y.shape() == Shape{2, 6, 6, 3});
  Array want(y.shape(), f64);
  for (int64_t n = 0, i = 0; n < 2; ++n)
    for (int64_t o = 0; o < 6; ++o)
      for (int64_t r = 0; r < 6; ++r)
        for (int64_t c = 0; c < 3; ++c, ++i) {
          double s = bias.array().at({o});
          for (int64_t k = 0; k < 2; ++k)
            for (int64_t p = 0; p < 3; ++p)
              for (int64_t q = 0; q < 2; ++q) {
                const int64_t yy = r + 2 * p - 2, xx = 2 * c + q - 1;
                if (yy >= 0 && yy < 6 && xx >= 0 && xx < 5)
                  s += x.array().at({n, o / 3 * 2 + k, yy, xx}) * w.array().at({o, k, p, q});
              }
          want.uninitialized<double>()[i] = s;
        }
  CHECK(difference(y.array(), want) < 1e-14);

  const ConvOptions o{.padding = 1};
  const Tensor wide = real({2, 3, 8, 7}), k = real({4, 3, 3, 3});
  const Tensor turned = transpose(wide, 2, 3), steps = slice(wide, 2, 0, 8, 2), kt = transpose(k, 2, 3);
  CHECK(same_bits(conv2d(turned, kt, {}, o).array(),
                  conv2d(Tensor(turned.array().copy()), Tensor(kt.array().copy()), {}, o).array()));
  CHECK(same_bits(conv2d(steps, k, {}, o).array(), conv2d(Tensor(steps.array().copy()), k, {}, o).array()));

  const Tensor parameter = leaf(k.array(), "conv.weight");
  sum(conv2d(wide, parameter, {}, o)).backward();
  CHECK(parameter.grad().shape() == k.shape());
  const Tensor b = leaf(real({4}).array());
  sum(conv2d(wide, k, b, o)).backward();
  CHECK(difference(b.grad().array(), Array::full({4}, 2 * 8 * 7)) < 1e-6);
}

TEST_CASE("pooling: values, the first of equals, views, and refusals") {
  const Tensor x = tensor<float>({1, 1, 3, 4}, {1, 5, 2, 2, 3, 4, 9, 9, 0, -1, 9, 7});
  CHECK(difference(max_pool2d(x, 2).array(), Array::of<float>({1, 1, 1, 2}, {5, 9})) == 0);
  CHECK(difference(max_pool2d(x, {2, 3}, {.stride = 1}).array(), Array::of<float>({1, 1, 2, 2}, {9, 9, 9, 9})) == 0);
  CHECK(difference(avg_pool2d(x, 2).array(), Array::of<float>({1, 1, 1, 2}, {3.25f, 5.5f})) == 0);
  CHECK(difference(avg_pool2d(x, 2, {.stride = 3, .padding = 1}).array(), Array::of<float>({1, 1, 2, 2}, {0.25f, 1, 0, 4})) <
        1e-6);
  const Tensor p = leaf(x.array());
  sum(max_pool2d(p, {3, 2}, {.stride = 1})).backward();
  CHECK(difference(p.grad().array(), Array::of<float>({1, 1, 3, 4}, {0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0})) == 0);
  const Tensor wide = real({2, 3, 8, 6}), turned = transpose(wide, 2, 3), dense(turned.array().copy());
  CHECK(same_bits(max_pool2d(turned, 2).array(), max_pool2d(dense, 2).array()));
  CHECK(same_bits(avg_pool2d(turned, 3, {.padding = 1}).array(), avg_pool2d(dense, 3, {.padding = 1}).array()));
  const Tensor kept = leaf(wide.array());
  CHECK(same_bits(max_pool2d(kept, 2).array(), max_pool2d(wide, 2).array()));  // with places and without

  CHECK(says(thrown<ShapeError>([&] {
               max_pool2d(real({3, 8, 8}), 2);
             }),
             {"max_pool2d: ", "[N,C,H,W]", "f32[3,8,8]", "try: x.reshape({1, 3, 8, 8})"}));
  CHECK(says(thrown<ShapeError>([&] { max_pool2d(wide, 3, {.padding = 2}); }),
             {"padding is 2 by 2", "half the kernel, 1 by 1"}));
  CHECK(says(thrown<ShapeError>([&] { avg_pool2d(wide, 9); }), {"avg_pool2d: ", "window of 9 by 9", "f32[2,3,8,6]"}));
  CHECK(says(thrown<ShapeError>([&] { avg_pool2d(wide, 2, {.dilation = 2}); }), {"only max_pool2d"}));
  CHECK(says(thrown<ShapeError>([&] { max_pool2d(wide, 0); }), {"the kernel must be at least 1, got 0"}));
  CHECK(says(thrown<DtypeError>([&] { max_pool2d(zeros({1, 1, 4, 4}, u8), 2); }), {"try: x.to(f32) / 255"}));
}

TEST_CASE("softmax and log_softmax: values along any axis, of views, far from zero, and at infinities") {
  for (const Shape& shape : {Shape{5, 10}, Shape{3, 33}, Shape{2, 7, 19}, Shape{4, 1}})
    for (int axis = 0; axis < shape.rank(); ++axis)
      for (const Dtype t : {f32, f64}) {
        CAPTURE(shape.size());
        CAPTURE(axis);
        const Tensor x = real(shape, t);
        const Tensor e = exp(x.to(f64)), want = e / sum(e, {axis}, true);
        CHECK(difference(softmax(x, axis).array().to(f64), want.array()) < (t == f32 ? 1e-6 : 1e-14));
        CHECK(difference(log_softmax(x, axis).array().to(f64), log(want).array()) < (t == f32 ? 1e-6 : 1e-14));
        const Tensor turned = transpose(x, 0, -1), dense(turned.array().copy());
        CHECK(same_bits(softmax(turned, axis).array(), softmax(dense, axis).array()));
        CHECK(same_bits(log_softmax(turned, axis).array(), log_softmax(dense, axis).array()));
      }
  const float inf = INFINITY;
  const Tensor far = tensor<float>({3, 3}, {1000, 1000, 1000, -2000, -2000, -inf, 0, 900, 0});
  CHECK(difference(softmax(far).array(), Array::of<float>({3, 3}, {1 / 3.f, 1 / 3.f, 1 / 3.f, .5f, .5f, 0, 0, 1, 0})) <
        1e-6);
  CHECK(log_softmax(far).array().at({2, 0}) == doctest::Approx(-900));
  CHECK(std::isnan(softmax(tensor<float>({1, 2}, {inf, 0})).array().at({0, 0})));
  CHECK(says(thrown<DtypeError>([&] { softmax(zeros({2, 2}, i64)); }), {"softmax: ", "i64[2,2]"}));
  CHECK(says(thrown<IndexError>([&] { log_softmax(real({2, 2}), 2); }), {"log_softmax: "}));
}

TEST_CASE("cross_entropy: values, its meaning, images, and the labels of the call") {
  const Tensor x = real({7, 33}), labels = tensor<int64_t>({7}, {0, 32, 5, 5, 16, 15, 31});
  const Tensor chosen = -squeeze(gather(log_softmax(x.to(f64)), 1, labels.unsqueeze(1)), 1);
  CHECK(difference(cross_entropy(x, labels, Reduction::none).array().to(f64), chosen.array()) < 1e-6);
  CHECK(cross_entropy(x, labels).item() == doctest::Approx(mean(chosen).item()).epsilon(1e-6));
  CHECK(cross_entropy(x, labels, Reduction::sum).item() == doctest::Approx(sum(chosen).item()).epsilon(1e-6));
  CHECK(cross_entropy(tensor<float>({1, 2}, {1e4f, 1e4f - 3}), tensor<std::uint8_t>({1}, {1})).item() ==
        doctest::Approx(3.0485873516));
  const Tensor pixels = real({2, 3, 4, 5}), classes(Array::arange(40).to(u8).reshape({2, 4, 5}));
  const Tensor three(map([](auto v) { return v; }, Array::zeros({1})).to(i64).expand({2, 4, 5}));
  CHECK(cross_entropy(pixels, three).item() == doctest::Approx(-mean(select(log_softmax(pixels, 1), 1, 0)).item()));
  CHECK(says(thrown<IndexError>([&] { cross_entropy(pixels, classes); }), {"label 3 at sample 3"}));

  const Tensor logits = leaf(x.array());
  Tensor mine(labels.array().copy());
  const Tensor loss = cross_entropy(logits, mine);
  mine.writable().write<int64_t>("test")[0] = 7;  // a loader may reuse its batch
  loss.backward();
  const Array before = logits.grad().array().copy();
  logits.set_grad({});
  cross_entropy(logits, labels).backward();
  CHECK(same_bits(before, logits.grad().array()));
}

TEST_CASE("mse_loss: values, and shapes that would broadcast are refused") {
  const Tensor p = tensor<float>({2, 2}, {1, 2, 3, 4}), t = tensor<float>({2, 2}, {0, 4, 3, 1});
  CHECK(mse_loss(p, t).item() == doctest::Approx(3.5));
  CHECK(mse_loss(p, t, Reduction::sum).item() == doctest::Approx(14));
  CHECK(difference(mse_loss(p, t, Reduction::none).array(), Array::of<float>({2, 2}, {1, 4, 0, 9})) == 0);
  CHECK(says(thrown<ShapeError>([&] {
               mse_loss(real({4, 1}), real({4}));
             }),
             {"mse_loss: prediction f32[4,1] and target f32[4] would broadcast to [4,4]", "try: target.unsqueeze(1)"}));
  CHECK(says(thrown<ShapeError>([&] { mse_loss(real({4}), real({4, 1})); }), {"try: target.squeeze(1)"}));
  CHECK(says(thrown<ShapeError>([&] { mse_loss(real({4}), real({3})); }), {"differ in shape", "f32[4]", "f32[3]"}));
  CHECK(says(thrown<DtypeError>([&] { mse_loss(real({4}), real({4}, f64)); }), {"try: target.to(f32)"}));
}

TEST_CASE("batch_norm: values, statistics in spite of a large mean, and refusals") {
  for (const Shape& shape : {Shape{6, 37}, Shape{3, 5, 7, 7}, Shape{2, 3, 64}, Shape{300, 2, 1, 1}}) {
    const int64_t c = shape[1];
    const Tensor x = real(shape) * 3.0 + 1000.0, w = real({c}), b = real({c});
    const BatchNormResult r = batch_norm(x, w, b, 1e-3);
    std::vector<int> axes{0};
    Shape wide{1, c};
    for (int i = 2; i < shape.rank(); ++i) axes.push_back(i), wide.push_back(1);
    const Tensor exact = x.to(f64), m = mean(exact, axes, true), v = var(exact, axes, 0, true);
    const Tensor want = (exact - m) / sqrt(v + 1e-3) * reshape(w.to(f64), wide) + reshape(b.to(f64), wide);
    CHECK(difference(r.y.array().to(f64), want.array()) < 2e-4);  // x itself is only good to 3e-5
    CHECK(difference(r.mean.to(f64), reshape(m, {c}).array()) < 1e-6);
    CHECK(difference(r.variance.to(f64), var(exact, axes, 1).array()) < 1e-5);
  }
  const Tensor w = real({4}), b = real({4});
  CHECK(says(thrown<ShapeError>([&] {
               batch_norm(real({1, 4}), w, b);
             }),
             {"batch_norm: ", "more than one value for each channel", "f32[1,4]", "drop_last", "model.eval()"}));
  CHECK(says(thrown<ShapeError>([&] {
               batch_norm(real({2, 3, 5, 5}), w, b);
             }),
             {"3 channels (axis 1)", "weight is f32[4]", "f32[2,3,5,5]"}));
  CHECK(says(thrown<ShapeError>([&] { batch_norm(real({4}), w, b); }), {"[N,C]"}));
  CHECK(says(thrown<DtypeError>([&] { batch_norm(zeros({2, 4}, u8), w, b); }), {"u8[2,4]"}));
  CHECK(says(thrown<DtypeError>([&] { batch_norm(real({2, 4}, f64), w, b); }), {"f64[2,4]", "try: x.to(f32)"}));
}

TEST_CASE("dropout: the mask is a function of seed and element, about p of it zero") {
  const Tensor x = ones({100, 100});
  const Array y = dropout(x, 0.3, 11).array();
  int64_t zeros_found = 0;
  for (int64_t i = 0; i < y.size(); ++i) {
    const double v = y.element(i);
    CHECK_UNARY(v == 0 || v == doctest::Approx(1 / 0.7));
    zeros_found += v == 0;
  }
  CHECK(std::abs(static_cast<double>(zeros_found) - 3000) < 5 * std::sqrt(10000 * 0.3 * 0.7));
  CHECK(same_bits(y, dropout(x, 0.3, 11).array()));
  CHECK_FALSE(same_bits(y, dropout(x, 0.3, 12).array()));
  CHECK(same_bits(y.slice(0, 0, 50), dropout(ones({50, 100}), 0.3, 11).array()));
  CHECK(same_bits(dropout(transpose(x, 0, 1), 0.3, 11).array(), y));
  CHECK(dropout(tensor<float>({1}, {INFINITY}), 1 - 1e-12, 1).item() == 0);
  CHECK(dropout(x, 0, 5).array().shares_storage(x.array()));
  CHECK(sum(abs(dropout(x, 1, 5))).item() == 0);
  CHECK(says(thrown<Error>([&] { dropout(x, 1.5, 5); }), {"dropout: ", "[0, 1]", "got 1.5"}));
  CHECK(says(thrown<Error>([&] { dropout(x, NAN, 5); }), {"got nan"}));
  CHECK(says(thrown<DtypeError>([&] { dropout(zeros({3}, i64), 0.5, 5); }), {"i64[3]"}));
}

TEST_CASE("the same bits at any number of threads") {
  struct Restore {
    int before = threads();
    ~Restore() { set_threads(before); }
  } restore;
  const auto results = [] {
    const Tensor x = leaf(real({40, 6, 24, 20}).array()), w = leaf(real({8, 6, 3, 3}).array()), b = leaf(real({8}).array());
    const Tensor weight = leaf(real({8}).array()), rows = leaf(real({3000, 37}).array()),
                 columns = leaf(real({9, 50, 333}).array());
    const Tensor y = batch_norm(conv2d(x, w, b, {.padding = 1}), weight, b).y,
                 flat = batch_norm(rows, real({37}), real({37})).y;
    const Tensor pooled = max_pool2d(y, 2) + avg_pool2d(y, 2), labels(Array::zeros({3000}, i64));
    const Tensor loss = mean(square(dropout(pooled, 0.2, 3))) + cross_entropy(flat, labels) +
                        mse_loss(softmax(rows), log_softmax(rows)) + sum(square(softmax(columns, 1))) +
                        sum(square(log_softmax(columns, 1)));
    loss.backward();
    return arrays({y, flat, pooled, loss, x.grad(), w.grad(), b.grad(), weight.grad(), rows.grad(), columns.grad()});
  };
  set_threads(1);
  const auto one = results();
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    const auto many = results();
    for (std::size_t i = 0; i < one.size(); ++i) {
      CAPTURE(n);
      CAPTURE(i);
      CHECK(same_bits(one[i], many[i]));
    }
  }
}
