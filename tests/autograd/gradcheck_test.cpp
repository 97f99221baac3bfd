// The gradient checker is checked: every planted mistake is found, named, and put down to its cause; nothing right is
// refused.
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace gradus;

namespace {

bool says(const GradcheckReport& r, const std::string& words) { return r.message.find(words) != std::string::npos; }
Tensor values(const Shape& shape, double low = -2, double high = 2, unsigned seed = 1) {
  return Tensor(sample_values(shape, low, high, seed));
}

/// Ops whose backward pass is wrong on purpose. The name keeps them out of every_op_test.
enum class Mistake { none, factor, sign, transposed, zero, one_element, nan, off_by_one };

struct Planted {
  static constexpr const char* name = "planted matmul";
  struct Saved {
    Array a, b;
    Mistake mistake;
  };
  static void backward(BackwardContext& back, const Saved& s) {
    const Tensor a = back.input(0, s.a), b = back.input(1, s.b), &g = back.grad();
    back.accumulate(0, [&] {
      const Tensor right = matmul(g, transpose(b, 0, 1));
      switch (s.mistake) {
        case Mistake::factor: return right * 1.0001;
        case Mistake::sign: return -right;
        case Mistake::transposed: return transpose(right, 0, 1);
        case Mistake::zero: return right * 0.0;
        case Mistake::nan: return (right - right) / (right - right);
        case Mistake::one_element: {
          Array wrong = right.array().copy();
          wrong.uninitialized<double>()[5] *= 1 + 1e-6;
          return Tensor(wrong);
        }
        case Mistake::off_by_one: return cat({slice(right, 0, 1, right.dim(0)), slice(right, 0, 0, 1)});
        default: return right;
      }
    });
    back.accumulate(1, [&] { return matmul(transpose(a, 0, 1), g); });
  }
  static Samples samples() {
    return {sample("one", {sample_values({2, 2}), sample_values({2, 2})}, [](auto& x) { return x[0] + x[1]; })};
  }
};

Tensor planted(Mistake m, const Tensor& a, const Tensor& b) {
  return primitive<Planted>(
      matmul(a.detach(), b.detach()).array(),
      [&] {
        return Planted::Saved{kept(a.array()), kept(b.array()), m};
      },
      a, b);
}

/// a + row, where the row's gradient is that of the last line only, or their mean, or all of them unsummed.
enum class Sum { last, mean, none };
struct PlantedBias {
  static constexpr const char* name = "planted bias";
  struct Saved {
    Sum sum;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return b.grad(); });
    b.accumulate(1, [&] {
      return s.sum == Sum::mean ? mean(b.grad(), {0}) : s.sum == Sum::last ? select(b.grad(), 0, -1) : b.grad();
    });
  }
  static Samples samples() {
    return {sample("one", {sample_values({2})}, [](auto& x) { return x[0] + 0.0; })};
  }
};
Tensor planted_bias(const Tensor& x, const Tensor& row, Sum how) {
  return primitive<PlantedBias>((x.detach() + row.detach()).array(), [how] { return PlantedBias::Saved{how}; }, x, row);
}

/// x^3 with a backward pass that is right, and wrong when it is itself differentiated: x stands there as a constant.
struct PlantedCube {
  static constexpr const char* name = "planted cube";
  struct Saved {
    Array x;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return b.grad() * (3.0 * square(Tensor(s.x))); });
  }
  static Samples samples() {
    return {sample("one", {sample_values({2})}, [](auto& x) { return pow(x[0], 3); })};
  }
};
Tensor planted_cube(const Tensor& x) {
  return primitive<PlantedCube>(
      pow(x.detach(), 3).array(), [&] { return PlantedCube::Saved{kept(x.array())}; }, x);
}

/// A fused op whose kernel and reference differ by a factor.
struct PlantedFused {
  static constexpr const char* name = "planted fused";
  struct Saved {
    Array x;
  };
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) { return {b.input(0, s.x)}; }
  static Tensor reference(const std::vector<Tensor>& x, const Saved&) { return square(x[0]); }
  static void kernel(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return b.grad() * (2.0 * 1.000001) * Tensor(s.x); });
  }
  static Samples samples() {
    return {sample("one", {sample_values({2})}, [](auto& x) { return square(x[0]); })};
  }
};
Tensor planted_fused(const Tensor& x) {
  return fused<PlantedFused>(
      square(x.detach()).array(), [&] { return PlantedFused::Saved{kept(x.array())}; }, x);
}

GradcheckReport check_planted(Mistake m) {
  return gradcheck([m](auto& x) { return planted(m, x[0], x[1]); }, {values({3, 3}), values({3, 3}, -2, 2, 2)});
}

}  // namespace

TEST_CASE("gradcheck finds every planted mistake and names its cause") {
  const auto right = check_planted(Mistake::none);
  CHECK(right.passed);
  CHECK(right.error < 1e-12);
  CHECK(right.compared == 9 * 18);

  const auto factor = check_planted(Mistake::factor);
  CHECK_FALSE(factor.passed);
  CHECK(factor.error == doctest::Approx(1e-4).epsilon(0.01));
  CHECK(factor.input == 0);
  CHECK(factor.analytic / factor.numeric == doctest::Approx(1.0001).epsilon(1e-9));
  CHECK(says(factor, "every entry is 1.0001"));

  CHECK(says(check_planted(Mistake::sign), "wrong sign"));
  CHECK(says(check_planted(Mistake::transposed), "transposed"));
  CHECK(says(check_planted(Mistake::zero), "is the path cut"));
  CHECK(says(check_planted(Mistake::nan), "is nan"));
  CHECK(says(check_planted(Mistake::off_by_one), "off by one"));
  for (const Mistake m : {Mistake::sign, Mistake::transposed, Mistake::zero, Mistake::nan, Mistake::off_by_one})
    CHECK_FALSE(check_planted(m).passed);
}

TEST_CASE("gradcheck names the one element that is wrong by a millionth") {
  const auto r = check_planted(Mistake::one_element);
  CHECK_FALSE(r.passed);
  CHECK(r.input == 0);
  CHECK(r.element == 5);
  CHECK(says(r, "input 0[1,2]"));
  CHECK(r.error < 1e-5);
}

TEST_CASE("gradcheck finds a missing sum over a broadcast axis") {
  const std::vector<Tensor> inputs{values({4, 3}), values({3})};
  const auto last = gradcheck([](auto& x) { return square(planted_bias(x[0], x[1], Sum::last)); }, inputs);
  CHECK_FALSE(last.passed);
  CHECK(last.input == 1);
  const auto mean = gradcheck([](auto& x) { return planted_bias(x[0], x[1], Sum::mean); }, inputs);
  CHECK_FALSE(mean.passed);
  CHECK(mean.input == 1);
  CHECK(says(mean, "1/4 of what it should be: is a sum over a broadcast axis missing?"));
  const auto none = gradcheck([](auto& x) { return planted_bias(x[0], x[1], Sum::none); }, inputs);
  CHECK_FALSE(none.passed);
  CHECK(none.message ==
        "gradcheck: the gradient of input 1 is f64[4,3], the input f64[3]: is a sum over a broadcast axis missing?");
}

TEST_CASE("with many elements random directions find the same mistakes") {
  const std::vector<Tensor> inputs{values({12, 12}), values({12, 12}, -2, 2, 2)};
  for (const Mistake m :
       {Mistake::factor, Mistake::sign, Mistake::transposed, Mistake::zero, Mistake::one_element, Mistake::off_by_one}) {
    CAPTURE(static_cast<int>(m));
    const auto r = gradcheck([m](auto& x) { return planted(m, x[0], x[1]); }, inputs);
    CHECK_FALSE(r.passed);
    CHECK(r.input == 0);
    CHECK(r.element >= 0);  // measured one by one, once it was known to be wrong
    if (m == Mistake::one_element) CHECK(r.element == 5);
    CHECK(says(r, "the gradient is wrong at input 0["));
  }
  CHECK(check_planted(Mistake::off_by_one).cause == Cause::shifted);
  const auto right = gradcheck([](auto& x) { return planted(Mistake::none, x[0], x[1]); }, inputs);
  CHECK(right.passed);
  CHECK(right.draws == 16);
}

TEST_CASE("gradgradcheck finds a gradient that is right but not differentiable again") {
  const auto cube = [](auto& x) { return planted_cube(x[0]); };
  CHECK(gradcheck(cube, {values({5})}));
  const auto r = gradgradcheck(cube, {values({5})});
  CHECK_FALSE(r.passed);
  CHECK(r.input == 0);
  CHECK(r.bound == 1e-6);
  CHECK(gradgradcheck([](auto& x) { return pow(x[0], 3); }, {values({5})}));
}

TEST_CASE("gradgradcheck finds a fused kernel that is not its reference") {
  const auto r = gradgradcheck([](auto& x) { return planted_fused(x[0]); }, {values({5})});
  CHECK_FALSE(r.passed);
  CHECK(says(r, "a fused op's kernel and its reference definition disagree"));
}

TEST_CASE("a kink is called not differentiable, and a kink nearby disturbs nothing") {
  const auto at_zero = gradcheck([](auto& x) { return relu(x[0]); }, {Tensor(Array::of<double>({3}, {1, 0, -1}))});
  CHECK_FALSE(at_zero.passed);
  CHECK(at_zero.not_differentiable);
  CHECK(at_zero.input == 0);
  CHECK(at_zero.element == 1);
  CHECK(says(at_zero, "the slope is 0 from the left and 1 from the right"));
  const auto abs_at_zero = gradcheck([](auto& x) { return abs(x[0]); }, {Tensor(Array::of<double>({2}, {0, 1}))});
  CHECK(abs_at_zero.not_differentiable);  // though the central difference, 0, is what abs answers there
  for (const double x : {0.02, -0.02, 1e-3, 1e-4, -1e-5}) {
    CAPTURE(x);
    const auto near = gradcheck([](auto& t) { return relu(t[0]); }, {Tensor(Array::of<double>({2}, {x, 1}))});
    CHECK(near.passed);
  }
}

TEST_CASE("a draw too coarse is drawn again beside the point and counted") {
  const auto f = [](auto& x) { return relu(x[0] - 0.7) + 5.0; };  // 5: so that steps that small are drowned by rounding
  const auto r = gradcheck(f, {Tensor(Array::of<double>({2}, {0.7 + 2e-6, 2}))});
  CHECK(r.passed);
  CHECK(r.inconclusive == 1);
  CHECK(r.draws == 3);
  const auto never = gradcheck(f, {Tensor(Array::of<double>({2}, {0.7 + 2e-6, 2}))}, {.redraws = 0});
  CHECK_FALSE(never.passed);
  CHECK(says(never, "inconclusive"));
}

TEST_CASE("what is zero both ways does not pass: it shows nothing") {
  const Tensor negative = values({4}, -3, -1);
  const auto dead = gradcheck([](auto& x) { return relu(x[0]); }, {negative});
  CHECK_FALSE(dead.passed);
  CHECK(dead.all_zero);
  CHECK_FALSE(dead.constant);
  CHECK(says(dead, "nothing was shown"));
  const auto half_dead = gradcheck([](auto& x) { return relu(x[0]) + x[1]; }, {negative, values({4})});
  CHECK_FALSE(half_dead.passed);
  CHECK(half_dead.input == 0);
  const auto constant = gradcheck([](auto& x) { return x[0] - x[0]; }, {negative});
  CHECK_FALSE(constant.passed);
  CHECK(constant.constant);
  CHECK(gradcheck([](auto& x) { return sign(x[0]); }, {negative}, {.may_be_zero = true}));
  CHECK(gradcheck([](auto& x) { return x[1] * 2.0; }, {negative, values({4})}));  // does not depend on x[0]: zero is right
  const auto nothing = gradcheck([](auto& x) { return x[0]; }, {values({0, 3})});
  CHECK_FALSE(nothing.passed);
  CHECK(says(nothing, "nothing to compare"));
}

TEST_CASE("a gradient that is zero but for rounding passes beside others that are not") {
  // A bias before a normalisation: its gradient is 1e-17 where the others' are 1.
  const auto r = gradcheck(
      [](auto& x) {
        const Tensor y = x[0] + x[1];
        const Tensor centred = y - mean(y, {0}, true);
        return centred / sqrt(mean(square(centred), {0}, true) + 1e-5);
      },
      {values({6, 3}), values({3})});
  INFO(r.message);
  CHECK(r.passed);
}

TEST_CASE("values of every size are checked: the step follows them") {
  for (const double scale : {1e-4, 1e-2, 1.0, 1e3, 1e6}) {
    CAPTURE(scale);
    CHECK(gradcheck([](auto& x) { return sum(log(x[0])); }, {values({5}, scale, 2 * scale)}));
    CHECK(gradcheck([scale](auto& x) { return sum(tanh(x[0] / scale)); }, {values({5}, scale / 2, scale)}));
  }
}

TEST_CASE("a function of several tensors and outputs; integers are handed over") {
  const Tensor index(Array::of<int64_t>({2}, {2, 0}));
  const auto r = gradcheck(
      [](const std::vector<Tensor>& x) {
        return std::vector<Tensor>{matmul(x[0], x[1]), embedding(x[1], x[2]), argmax(x[0], 1), tanh(x[1])};
      },
      {values({2, 3}), values({3, 4}, -2, 2, 2), index});
  INFO(r.message);
  CHECK(r.passed);
  CHECK(r.compared == 18 * (8 + 8 + 12));
}

TEST_CASE("a module: a callable and the leaves it uses, changed in place and put back") {
  Tensor w = leaf(sample_values({3, 4}), "fc.weight"), b = leaf(sample_values({3}), "fc.bias"),
         x = leaf(sample_values({2, 4}));
  const auto forward = [&] { return tanh(linear(x, w, b)); };
  const Array before = w.array().copy();
  CHECK(gradcheck(forward, {w, b, x}));
  CHECK(gradgradcheck(forward, {w, b, x}));
  CHECK(std::equal(before.data<double>(), before.data<double>() + 12, w.array().data<double>()));
  CHECK_FALSE(w.grad().defined());
  const auto wrong = gradcheck([&] { return tanh(linear(x, w.detach() * 1.0, b)) + linear(x, w) * 1e-3; }, {w, b, x});
  CHECK_FALSE(wrong.passed);
  CHECK(says(wrong, "\"fc.weight\""));
}

TEST_CASE("a hand-written gradient that knows nothing of tensors") {
  const auto rosenbrock = [](std::span<const double> x) {
    double s = 0;
    for (std::size_t i = 0; i + 1 < x.size(); ++i) s += 100 * std::pow(x[i + 1] - x[i] * x[i], 2) + std::pow(1 - x[i], 2);
    return s;
  };
  double factor = 1;
  std::size_t forgotten = 1000;
  const auto gradient = [&](std::span<const double> x, std::span<double> g) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i == forgotten) continue;
      g[i] = 0;
      if (i + 1 < x.size()) g[i] += -400 * x[i] * (x[i + 1] - x[i] * x[i]) - 2 * (1 - x[i]);
      if (i > 0) g[i] += factor * 200 * (x[i] - x[i - 1] * x[i - 1]);
    }
  };
  for (const int n : {2, 10, 100}) {
    CAPTURE(n);
    std::vector<double> x;
    for (int i = 0; i < n; ++i) x.push_back(std::sin(1 + i));
    factor = 1, forgotten = 1000;
    const auto right = gradcheck(rosenbrock, gradient, x);
    INFO(right.message);
    CHECK(right.passed);
    factor = 1.0001;
    CHECK_FALSE(gradcheck(rosenbrock, gradient, x).passed);
    factor = 1, forgotten = 1;
    CHECK(says(gradcheck(rosenbrock, gradient, x), "the gradient of x[1] is nan"));
  }
}

TEST_CASE("chosen inputs are checked, the others are left alone") {
  const std::vector<Tensor> inputs{values({3, 3}), values({3, 3}, -2, 2, 2)};
  const auto f = [](auto& x) { return planted(Mistake::sign, x[0], x[1]); };
  CHECK_FALSE(gradcheck(f, inputs).passed);
  const auto second = gradcheck(f, inputs, {.inputs = {1}});
  CHECK(second.passed);
  CHECK(second.compared == 9 * 9);
  CHECK_FALSE(gradcheck(f, inputs, {.inputs = {0}}).passed);
  CHECK(gradcheck([](auto& x) { return x[0].to(f64) * x[1]; }, {Tensor(Array::ones({3})), values({3})}, {.inputs = {1}}));
  Tensor w = leaf(sample_values({2, 2}), "w"), frozen = leaf(Array::ones({2, 2}), "frozen");
  CHECK(gradcheck([&] { return matmul(w, frozen.to(f64)); }, {w, frozen}, {.inputs = {0}}));
  CHECK_THROWS_WITH_AS(gradcheck(f, inputs, {.inputs = {2}}), "gradcheck: inputs names 2, but there are 2, counted from 0",
                       ShapeError);
}

TEST_CASE("f32: the gradient against differences of the same function in f64, or in f32 where it takes no f64") {
  const GradcheckOptions f32_too{.allow_f32 = true};
  const Tensor a = values({3, 4}).to(f32), b = values({4, 3}, -2, 2, 2).to(f32);
  const auto right = gradcheck([](auto& x) { return softmax(matmul(tanh(x[0]), x[1])); }, {a, b}, f32_too);
  INFO(right.message);
  CHECK(right.passed);
  CHECK(right.bound == 1e-4);
  CHECK(right.error > 1e-9);  // the gradient is really computed in f32
  CHECK(right.error < 1e-6);
  const auto wrong =
      gradcheck([](auto& x) { return planted_bias(x[0], x[1], Sum::mean); }, {a, values({4}).to(f32)}, f32_too);
  CHECK_FALSE(wrong.passed);
  CHECK(wrong.cause == Cause::missing_sum);
  CHECK(gradcheck([](auto& x) { return mse_loss(x[0], x[1]); }, {values({30, 40}).to(f32), values({30, 40}).to(f32) * 0.5},
                  f32_too));

  Tensor w = leaf(sample_values({3, 4}).to(f32), "w");  // a module's own parameters: nobody can make them f64
  const auto module = gradcheck([&] { return tanh(linear(a, w)); }, {w}, f32_too);
  INFO(module.message);
  CHECK(module.passed);
  CHECK(module.bound == 1e-3);
  const auto half = gradcheck([&] { return tanh(linear(a, w.detach())) + linear(a, w) * 0.1; }, {w}, f32_too);
  CHECK_FALSE(half.passed);
  const auto times = gradcheck([&] { return tanh(w) * 0.99 + tanh(w.detach()) * 0.01; }, {w}, f32_too);
  INFO(times.message);
  CHECK_FALSE(times.passed);
  CHECK(times.cause == Cause::factor);
  CHECK_THROWS_AS(gradgradcheck([](auto& x) { return tanh(x[0]); }, {a}, f32_too), DtypeError);
}

TEST_CASE("refusals name what is wrong and what would be right") {
  const auto f = [](auto& x) { return x[0] * 2.0; };
  CHECK_THROWS_WITH_AS(gradcheck(f, {Tensor(Array::ones({3}))}),
                       "gradcheck: input 0 is f32[3]; differences need f64\n  try: x.to(f64)", DtypeError);
  CHECK_THROWS_WITH_AS(gradcheck([](auto& x) { return x[0].to(f32); }, {values({3})}),
                       "gradcheck: output 0 is f32[3]; differences need f64\n  try: compute in f64", DtypeError);
  CHECK_THROWS_WITH_AS(gradgradcheck(f, {Tensor(Array::arange(3))}),
                       "gradgradcheck: none of the 1 inputs is f64: nothing to differentiate", DtypeError);
  Tensor w = leaf(sample_values({3}), "w");
  const Tensor y = w * 2.0;
  CHECK_THROWS_WITH_AS(gradcheck([&] { return y * 2.0; }, {y}),
                       "gradcheck: leaf 0, f64[3], is not a leaf\n  try: leaf(x.array())", GraphError);
  int calls = 0;
  CHECK_THROWS_AS(gradcheck([&](auto& x) { return slice(x[0], 0, 0, ++calls % 2 + 1); }, {values({3})}), ShapeError);
  const auto outside = gradcheck([](auto& x) { return log(x[0]); }, {values({3}, -2, -1)});
  CHECK_FALSE(outside.passed);
  CHECK(says(outside, "not finite"));
}
