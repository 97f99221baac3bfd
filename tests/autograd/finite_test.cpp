// Planted NaN and infinities: the op that made them is named, with its module, the element and the step.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/checkpoint.h>
#include <gradus/autograd/inspect/finite.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/random.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>
#include <limits>

using namespace gradus;

namespace {

using Source = NonFinite::Source;
constexpr float inf = std::numeric_limits<float>::infinity(), not_a_number = std::numeric_limits<float>::quiet_NaN();

Tensor numbers(const std::vector<float>& v) { return Tensor(Array::of<float>({static_cast<int64_t>(v.size())}, v)); }
Tensor weights(const std::vector<float>& v, const char* name = "w") { return leaf(numbers(v).array(), name); }

struct Planted {
  const char* label;
  std::function<Tensor()> loss;
  Source source;
  const char* op;
  std::vector<int64_t> element;
  std::vector<std::string> said;
};

void expect(const Planted& p) {
  CAPTURE(p.label);
  const auto found = find_non_finite(p.loss);
  REQUIRE(found);
  CAPTURE(found->text);
  CHECK(found->source == p.source);
  CHECK(found->op == p.op);
  CHECK(found->element == p.element);
  CHECK(!std::isfinite(found->value));
  CHECK(found->count >= 1);
  CHECK(says(found->text, p.said));
}

struct Head : nn::Module<Head> {
  nn::Linear scores{3, 2};
  GRADUS_FIELDS(scores)
  Tensor forward(const Tensor& x) { return log(relu(scores(x))); }
};
struct Net : nn::Module<Net> {
  nn::Linear body{4, 3};
  Head head;
  GRADUS_FIELDS(body, head)
  Tensor forward(const Tensor& x) { return head(tanh(body(x))); }
};

}  // namespace

TEST_CASE("planted in the forward pass: the op that made the first bad number of good ones") {
  const Tensor x = weights({1, 0, -2, 4}), row = leaf(real({2, 3}).array(), "row");
  const Tensor one_zero_row = leaf(Array::of<float>({2, 2}, {3, 4, 0, 0}), "v");
  for (const Planted& p : std::vector<Planted>{
           {"log of 0",
            [=] { return sum(log(abs(x))); },
            Source::op,
            "log",
            {1},
            {"-inf at [1] (1 of 4", "0 there and in [0, 4]"}},
           {"log of a negative number",
            [=] { return sum(log(x + 1.0)); },
            Source::op,
            "log",
            {2},
            {"NaN at [2]", "-1 there"}},
           {"0 / 0 in a normalisation",
            [=] { return sum(one_zero_row / norm(one_zero_row, 2, {1}, true)); },
            Source::op,
            "div",
            {1, 0},
            {"NaN at [1,0] (2 of 4", "input 1 is 0 there"}},
           {"exp overflows", [=] { return mean(exp(x * 30.0)); }, Source::op, "exp", {3}, {"inf at [3]", "120 there"}},
           {"exp overflows, softmax by hand",
            [=] { return sum(exp(x * 30.0) / sum(exp(x * 30.0))); },
            Source::op,
            "exp",
            {3},
            {"div later made NaN of it"}},
           {"division by zero", [=] { return sum(row.sum() / x); }, Source::op, "div", {1}, {"(1 of 4"}},
           {"a number by zero", [=] { return sum(1.0 / x); }, Source::op, "number_div", {1}, {}},
           {"infinity minus infinity",
            [=] {
              const Tensor y = square(square(x * 1e10));
              return sum(y - y);
            },
            Source::op,
            "square",
            {0},
            {"sub later made NaN of it"}},
           {"0 times infinity", [=] { return sum(x * exp(x * 50.0)); }, Source::op, "exp", {3}, {}},
           {"softmax of a row that is all masked",
            [=] {
              return sum(softmax(masked_fill(row, Tensor(Array::of<bool>({2, 1}, {false, true})), -inf), 1) * row);
            },
            Source::op,
            "softmax",
            {1, 0},
            {"NaN at [1,0] (3 of 6", "-inf there"}},
           {"a power of a negative number", [=] { return sum(pow(x, 0.5)); }, Source::op, "pow_number", {2}, {}},
           {"asin outside its range", [=] { return sum(asin(x)); }, Source::op, "asin", {2}, {}},
           {"atanh at 1", [=] { return sum(atanh(clamp(x, -0.5, 1))); }, Source::op, "atanh", {0}, {}},
           {"rsqrt of 0", [=] { return sum(rsqrt(abs(x))); }, Source::op, "rsqrt", {1}, {}},
           {"variance of one number",
            [=] {
              return sum(var(x.reshape({4, 1}), {1}));
            },
            Source::op,
            "var",
            {0},
            {}},
           {"a square overflows",
            [=] { return mse_loss(x * 1e25, x); },
            Source::op,
            "mse_loss",
            {},
            {"input 0 is in [-2e+25, 4e+25]"}},
           {"a matrix product overflows",
            [=] {
              return sum(tanh(matmul(row * 1e20, row.transpose(0, 1) * 1e20))) * 0.0 +
                     sum(matmul(row * 1e20, row.transpose(0, 1) * 1e20));
            },
            Source::op,
            "matmul",
            {0, 0},
            {"input 0 is in ["}},
           {"a NaN as a plain number", [=] { return sum(x * double(not_a_number)); }, Source::op, "mul_number", {0}, {}},
       })
    expect(p);
}

TEST_CASE("planted from outside: a parameter by its name, the data by what read it") {
  const Tensor w = weights({1, not_a_number, inf}, "fc.weight"), v = weights({1, 2, 3});
  const Tensor batch(Array::of<float>({2, 3}, {1, 2, 3, 4, not_a_number, 6}));
  expect({"a NaN in a parameter",
          [=] { return sum(w * v); },
          Source::parameter,
          "mul",
          {1},
          {"\"fc.weight\"", "NaN at [1] (2 of 3 elements are not finite)"}});
  expect({"a NaN in the data",
          [=] { return sum(v * batch); },
          Source::constant,
          "mul",
          {1, 1},
          {"input 1", "outside the step"}});
  expect({"made of data, not recorded",
          [=] { return sum(v * log(relu(batch - 3.0))); },
          Source::constant,
          "add_number",
          {1, 1},
          {}});
  expect({"an unrecorded op", [=] { return sum(v * log(numbers({1, 0, 2}))); }, Source::op, "log", {1}, {"0 there"}});
  expect({"under NoGrad",
          [=] {
            Tensor t;
            {
              NoGrad guard;
              t = log(v - 1.0);
            }
            return sum(v * t);
          },
          Source::op,
          "log",
          {0},
          {}});
  const Tensor before = log(v - 1.0);
  expect({"an op before the step", [=] { return sum(v * before); }, Source::constant, "mul", {0}, {"outside the step"}});
  expect({"the loss itself", [=] { return scalar(not_a_number); }, Source::constant, "loss", {}, {}});
  expect({"an embedding",
          [table = leaf(Array::of<float>({2, 2}, {1, 2, not_a_number, 4}), "table")] {
            return sum(embedding(table, Tensor(Array::of<int64_t>({2}, {0, 1}))));
          },
          Source::parameter,
          "embedding",
          {1, 0},
          {"\"table\""}});
  const auto found = find_non_finite([=] { return sum(w * v); });
  REQUIRE(found);
  CHECK(found->parameter == "fc.weight");
  CHECK(says(to_string(*found), {"mul: its input 0, f32[3], \"fc.weight\", is NaN at [1]"}));
}

TEST_CASE("planted in the backward pass: the op whose gradient is the first bad one") {
  const Tensor x = weights({4, 0, 1}, "x");
  for (const Planted& p : std::vector<Planted>{
           {"sqrt at 0",
            [=] { return sum(sqrt(x)); },
            Source::backward,
            "sqrt",
            {1},
            {"the gradient it gives its input 0", "inf at [1] (1 of 3", "the one it got is 1", "0 there and in [0, 4]",
             "\"x\" gets it"}},
           {"further below", [=] { return sum(sqrt(square(x * 2.0))); }, Source::backward, "sqrt", {1}, {}},
           {"masked, but the gradient is not",
            [=] { return sum(where(x > 0.0, log(x), 0.0)); },
            Source::backward,
            "log",
            {1},
            {"NaN at [1]"}},
           {"a power below 1 at 0", [=] { return sum(pow(x, 0.25)); }, Source::backward, "pow_number", {1}, {}},
           {"overflow",
            [=] { return sum(square(square(x * 1e-15)) * 1e35 * 1e20); },
            Source::backward,
            "mul_number",
            {0},
            {}},
           {"in a checkpoint",
            [=] { return sum(checkpoint([](const std::vector<Tensor>& in) { return sqrt(in[0]); }, {x})); },
            Source::backward,
            "checkpoint",
            {1},
            {}},
           {"one result of several", [=] { return sum(sqrt(split(x, 2, 0)[0])); }, Source::backward, "sqrt", {1}, {}},
       })
    expect(p);
  CHECK(!x.grad().defined());
}

TEST_CASE("nothing is found where nothing is wrong, also with infinities that do no harm") {
  const Tensor x = leaf(real({2, 3}).array());
  const Tensor mask(Array::of<bool>({1, 3}, {false, true, false}));
  CHECK(!find_non_finite([=] { return sum(x); }));
  CHECK(!find_non_finite([=] { return sum(square(softmax(masked_fill(x, mask, -inf), 1))); }));
  CHECK(!find_non_finite([=] { return sum(max(x + numbers({-inf, -inf, 0}), 1)); }));
  CHECK(!find_non_finite([=] { return scalar(3); }));
  // a harmless mask, and a fault elsewhere
  const auto found = find_non_finite([=] {
    const Tensor p = softmax(masked_fill(x, mask, -inf), 1);
    return sum(p * log(p));
  });
  REQUIRE(found);
  CHECK(found->op == "log");
}

TEST_CASE("the message: op, module, element, ranges, step") {
  manual_seed(3);
  Net net;
  FiniteWatch watch(net.parameters());
  const Tensor good = real({2, 4});
  net.head.scores.weight.writable().assign(Array::full({2, 3}, 0), "test");
  net.head.scores.bias.writable().assign(Array::of<float>({2}, {1, 2}), "test");
  CHECK(std::isfinite(watch.backward([&] { return sum(net(good)); }).item()));
  CHECK(net.body.weight.grad().defined());
  net.zero_grad();
  net.head.scores.bias.writable().assign(Array::of<float>({2}, {1, -2}), "test");
  const std::string message = thrown<NonFiniteError>([&] { watch.backward([&] { return sum(net(good)); }); });
  CHECK(message ==
        "log: step 2: the loss is -inf; its result f32[2,2] is -inf at [0,1] (2 of 4 elements are not finite); input 0 is 0 "
        "there and "
        "in [0, 1] [in module \"head\"]");
  CHECK(message.size() <= 800);
  CHECK(!net.body.weight.grad().defined());
  try {
    watch.backward([&] { return sum(net(good)); });
  } catch (const NonFiniteError& e) {
    CHECK(e.step == 3);
    CHECK(e.module() == "head");
    CHECK(e.found.module == "head");
    CHECK(e.found.sequence > 0);
    CHECK(e.op() == "log");
  }
  net.body.weight.writable().assign(Array::full({3, 4}, not_a_number), "test");
  CHECK(says(thrown<NonFiniteError>([&] { watch.backward([&] { return sum(net(good)); }); }),
             {"linear: step 4: the loss is NaN", "\"body.weight\"", "NaN at [0,0] (12 of 12", "[in module \"body\"]"}));
}

TEST_CASE("a gradient that is not finite under a finite loss is found, if it is looked at") {
  const Tensor x = weights({0, 1}, "x"), y = weights({1, 1}, "y");
  FiniteWatch watch({x, y}), loss_only;
  const auto step = [&] { return sum(sqrt(x) * y); };
  const std::string message = thrown<NonFiniteError>([&] { watch.backward(step); });
  CHECK(says(message,
             {"backward of sqrt: step 1: the loss is 1, but a gradient is not finite", "inf at [0]", "\"x\" gets it"}));
  CHECK(std::isinf(x.grad().array().element(0)));
  CHECK_NOTHROW(loss_only.backward(step));
  // the gradient was so before
  CHECK(says(thrown<NonFiniteError>([&] { watch.backward([&] { return sum(x); }); }),
             {"FiniteWatch: step 2", "before the step"}));
}

TEST_CASE("the second run draws the same random numbers, and leaves the generator where the first did") {
  const Tensor x = leaf(Array::ones({1000}));
  nn::Dropout half(0.5);
  FiniteWatch watch({x});
  manual_seed(11);
  const Tensor dropped = half(x);
  const Philox after = default_generator().state();
  int64_t first = 0;
  while (dropped.array().element(first) != 0) ++first;
  for (int i = 0; i < 3; ++i) {
    manual_seed(11);
    try {
      watch.backward([&] { return sum(log(half(x))); });
      FAIL("nothing was found");
    } catch (const NonFiniteError& e) {
      CHECK(e.found.op == "log");
      CHECK(e.found.element == std::vector<int64_t>{first});
    }
    CHECK(default_generator().state().stream == after.stream);
  }
  int calls = 0;
  const auto fickle = [&] { return ++calls == 1 ? sum(log(x - 1.0)) : sum(x); };
  CHECK(says(thrown<NonFiniteError>([&] { watch.backward(fickle); }),
             {"FiniteWatch", "does not give the same numbers twice"}));
}

TEST_CASE("too large a step: the op that overflows, with the weights in its ranges") {
  manual_seed(5);
  nn::Sequential net(nn::Linear(4, 8), nn::ReLU(), nn::Linear(8, 1));
  auto optimizer = optim::make("sgd(lr=1e12)", net.named_parameters());
  FiniteWatch watch(net.parameters());
  const Tensor x = real({16, 4}), y = ones({16, 1});
  const std::string message = thrown<NonFiniteError>([&] {
    for (int step = 0; step < 20; ++step) {
      optimizer.zero_grad();
      watch.backward([&] { return mse_loss(net(x), y); });
      optimizer.step();
    }
  });
  CHECK(says(message, {"mse_loss: step 2: the loss is inf", "input 0 is in ["}));
}

TEST_CASE("all_finite looks at every element, in any layout") {
  for (const Dtype t : {f32, f64}) {
    Array a = sample_values({5, 7}).to(t);
    CHECK(all_finite(a));
    CHECK(all_finite(a.transpose(0, 1)));
    for (const double bad : {double(not_a_number), double(inf), -double(inf)})
      for (int64_t i : {0, 17, 34}) {
        Array b = sample_values({35}).to(t);
        b.slice(0, i, i + 1).assign(Array::full({1}, bad, t), "test");
        CHECK(!all_finite(b.reshape({5, 7})));
        CHECK(!all_finite(b.reshape({5, 7}).transpose(0, 1)));
      }
  }
  CHECK(all_finite(Array::full({3}, std::numeric_limits<float>::max())));
}
