// Warnings: once each, to a handler or stderr, off by one call, and none where nothing is wrong.
#include <doctest/doctest.h>
#include <gradus/core/warning.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tests/helpers/optim.h>

#include <stdexcept>
#include <thread>

using namespace optim_testing;

namespace {

/// Catches warnings while it lives, all of which may be given.
struct Caught {
  std::vector<std::pair<Warning, std::string>> all;
  WarningHandler before;
  Caught() {
    forget_warnings();
    before = set_warning_handler([this](Warning w, const std::string& message) { all.emplace_back(w, message); });
  }
  ~Caught() {
    set_warning_handler(before);
    forget_warnings();
  }
  std::size_t count(Warning w) const {
    std::size_t n = 0;
    for (const auto& c : all) n += c.first == w;
    return n;
  }
  bool says(Warning w, const std::string& part) const {
    for (const auto& c : all)
      if (c.first == w && c.second.find(part) != std::string::npos) return true;
    for (const auto& c : all) std::fprintf(stderr, "warning was: %s\n", c.second.c_str());
    return false;
  }
};

struct Net : nn::Module<Net> {
  nn::Linear body{4, 4}, head{4, 3}, spare{4, 4};
  bool use_spare = false;
  GRADUS_FIELDS(body, head, spare)
  Tensor forward(const Tensor& x) {
    const Tensor h = tanh(body(x));
    return head(use_spare ? spare(h) : h);
  }
};

const Tensor& inputs() {
  static const Tensor x(numbers({6, 4}, 3, f32));
  return x;
}
Tensor loss_of(Net& net) { return cross_entropy(net(inputs()), Tensor(Array::of<int64_t>({6}, {0, 1, 2, 2, 1, 0}))); }

}  // namespace

TEST_CASE("a warning is given once, by whichever thread is first, and again after forget_warnings()") {
  Caught caught;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int k = 0; k < 100; ++k) warn_once(Warning::no_zero_grad, "step", "twice", "not twice");
    });
  for (auto& t : threads) t.join();
  REQUIRE(caught.all.size() == 1);
  CHECK(caught.all[0].second == "step: twice\n  try: not twice");
  CHECK_FALSE(warning_due(Warning::no_zero_grad));
  CHECK(warning_due(Warning::softmax_before_cross_entropy));
  CHECK(to_string(Warning::no_zero_grad) == "W02");
  forget_warnings();
  warn_once(Warning::no_zero_grad, "step", "again");
  CHECK(caught.all.size() == 2);
}

TEST_CASE("warnings are off by one call, and a handler may throw") {
  Caught caught;
  CHECK(set_warnings(false));
  warn_once(Warning::no_zero_grad, "step", "off");
  CHECK_FALSE(set_warnings(true));
  {
    const NoWarnings quiet;
    warn_once(Warning::no_zero_grad, "step", "off");
  }
  CHECK(caught.all.empty());
  const auto own = set_warning_handler([](Warning, const std::string& message) { throw std::runtime_error(message); });
  CHECK_THROWS_WITH_AS(warn_once(Warning::no_zero_grad, "step", "thrown"), "step: thrown", std::runtime_error);
  set_warning_handler(own);
}

TEST_CASE("W01: softmax before cross_entropy") {
  const auto labels = Tensor(Array::of<int64_t>({6}, {0, 1, 2, 2, 1, 0}));
  for (const Dtype dtype : {f32, f64}) {
    Caught caught;
    Net net;
    net.to(dtype);
    const Tensor x(inputs().array().to(dtype));
    for (int t = 0; t < 3; ++t) cross_entropy(softmax(net(x), 1), labels).backward();
    REQUIRE(caught.all.size() == 1);
    CHECK(caught.says(
        Warning::softmax_before_cross_entropy,
        "cross_entropy: all 6 rows of " + std::string(dtype == f32 ? "f32" : "f64") + "[6,3] lie in [0, 1] and sum to 1"));
    forget_warnings();
    nn::CrossEntropyLoss loss;
    loss(exp(log_softmax(net(x), 1)), labels);
    CHECK(caught.count(Warning::softmax_before_cross_entropy) == 2);
    forget_warnings();
    cross_entropy(softmax(net(x), 1).unsqueeze(2), labels.unsqueeze(1));  // pixels
    CHECK(caught.count(Warning::softmax_before_cross_entropy) == 3);
    forget_warnings();
    cross_entropy(net(x), labels);
    cross_entropy(sigmoid(net(x)), labels);
    cross_entropy(log_softmax(net(x), 1), labels);
    {
      const NoGrad evaluation;
      cross_entropy(softmax(net(x), 1), labels);
    }
    CHECK(caught.all.size() == 3);
  }
}

TEST_CASE("W02: a forgotten zero_grad") {
  Caught caught;
  Net net;
  auto opt = optim::make("adam(lr=0.01)", net.named_parameters());
  for (int t = 0; t < 5; ++t) {
    loss_of(net).backward();
    opt.step();
    CHECK(caught.count(Warning::no_zero_grad) == (t >= 1));
  }
  CHECK(caught.says(Warning::no_zero_grad, "the gradient of \"body.weight\" still holds what the last step was made with"));
  CHECK(caught.says(Warning::no_zero_grad, "\"accumulate(n) | adam\""));

  forget_warnings();  // also where the gradients are clipped between, or are not those of the first parameter
  net.zero_grad();
  auto clipped = optim::make("sgd(lr=0.01)", net.named_parameters());
  for (int t = 0; t < 3; ++t) {
    loss_of(net).backward();
    optim::clip_grad_norm(net.named_parameters(), 1e-3);
    clipped.step();
    net.body.zero_grad();
  }
  CHECK(caught.count(Warning::no_zero_grad) == 2);
  CHECK(caught.says(Warning::no_zero_grad, "the gradient of \"head.weight\""));
}

TEST_CASE("W02 is not given for gradients that are gathered on purpose") {
  Caught caught;
  Net net;
  net.use_spare = true;
  auto opt = optim::make("sgd(lr=0.01)", net.named_parameters());
  for (int t = 0; t < 4; ++t) {  // several backward(), then a step
    opt.zero_grad();
    for (int k = 0; k <= t; ++k) loss_of(net).backward();
    opt.step();
  }
  net.zero_grad();
  for (int t = 0; t < 4; ++t) {  // zero_grad() after the step
    loss_of(net).backward();
    opt.step();
    net.zero_grad();
  }
  for (int t = 0; t < 4; ++t) {  // given by hand
    for (const Tensor& p : net.parameters()) p.set_grad(Array::ones(p.shape()));
    loss_of(net).backward();
    opt.step();
  }
  opt.step();  // twice with the same gradients
  opt.zero_grad();
  auto gather = optim::make("accumulate(2) | sgd(lr=0.01)", net.named_parameters());
  for (int t = 0; t < 4; ++t) {
    gather.zero_grad();
    loss_of(net).backward();
    gather.step();
  }
  for (int t = 0; t < 4; ++t) opt.step([&] { return loss_of(net); });
  Net other;  // two optimizers, each clears its own
  other.use_spare = true;
  auto second = optim::make("sgd(lr=0.01)", other.named_parameters());
  for (int t = 0; t < 4; ++t) {
    opt.zero_grad();
    (loss_of(net) + loss_of(other)).backward();
    opt.step();
    second.zero_grad();
    (loss_of(net) + loss_of(other)).backward();
    second.step();
  }
  for (const auto& c : caught.all) FAIL_CHECK(c.second);
}

TEST_CASE("W03: zero_grad between backward and step; at the first step it is an error") {
  Caught caught;
  Net net;
  net.use_spare = true;
  auto opt = optim::make("sgd(lr=0.01)", net.named_parameters());
  loss_of(net).backward();
  opt.zero_grad();
  CHECK(refuses<OptimError>([&] { opt.step(); }, "zero_grad() ran after backward()"));
  loss_of(net).backward();
  opt.step();
  opt.zero_grad();
  opt.step();  // no backward() at all: a batch that did not go through this model
  CHECK(caught.all.empty());
  for (int t = 0; t < 3; ++t) {
    loss_of(net).backward();
    net.zero_grad();
    opt.step();
  }
  REQUIRE(caught.all.size() == 1);
  CHECK(caught.says(Warning::zero_grad_before_step, "none of the 6 parameters has a gradient"));
  CHECK(caught.says(Warning::zero_grad_before_step, "zero_grad(), backward(), step(), in this order"));
}

TEST_CASE("W04: parameters that no loss ever reaches") {
  Caught caught;
  Net net;
  auto opt = optim::make("adam(lr=0.01)", net.named_parameters());
  for (int t = 0; t < 4; ++t) {
    opt.zero_grad();
    loss_of(net).backward();
    opt.step();
  }
  REQUIRE(caught.all.size() == 1);
  CHECK(caught.says(Warning::parameter_without_gradient,
                    "2 of 6 parameters never got a gradient: \"spare.weight\", \"spare.bias\""));

  forget_warnings();
  net.spare.requires_grad_(false);  // on purpose
  auto frozen = optim::make("adam(lr=0.01)", net.named_parameters());
  Net turns;  // every other batch
  auto both = optim::make("adam(lr=0.01)", turns.named_parameters());
  for (int t = 0; t < 4; ++t) {
    frozen.zero_grad();
    loss_of(net).backward();
    frozen.step();
    turns.use_spare = t % 2;
    both.zero_grad();
    loss_of(turns).backward();
    both.step();
  }
  CHECK(caught.all.size() == 1);
}

TEST_CASE("W06: the first gradient that is not finite, by name") {
  for (const Dtype dtype : {f32, f64}) {
    Caught caught;
    Net net;
    net.use_spare = true;
    net.to(dtype);
    const Tensor x(inputs().array().to(dtype));
    auto opt = optim::make("adam(lr=0.01)", net.named_parameters());
    for (int t = 1; t <= 30; ++t) {
      opt.zero_grad();
      const Tensor y = sum(net(x));
      (t < 23 ? y : sqrt(y * 0.0 - 1.0)).backward();
      opt.step();
    }
    REQUIRE(caught.all.size() == 1);
    CHECK(caught.says(Warning::non_finite_gradient, "at step 23 the gradient of \"body.weight\""));
    CHECK(caught.says(Warning::non_finite_gradient, "FiniteWatch"));
  }
  {
    Caught caught;  // a NaN loss whose gradients are finite
    Net net;
    net.use_spare = true;
    auto opt = optim::make("adam(lr=0.01)", net.named_parameters());
    for (int t = 1; t <= 4; ++t) {
      opt.zero_grad();
      log(sum(net(inputs())) * 0.0 - (t < 3 ? -1.0 : 1.0)).backward();
      opt.step();
    }
    CHECK(caught.says(Warning::non_finite_gradient, "at step 3 the loss of the last backward() was NaN"));
  }
  Caught caught;  // one number of one parameter, at the first step
  Net net;
  auto opt = optim::make("clip_norm(1) | adam(lr=0.01)", net.named_parameters());
  for (const Tensor& p : net.parameters()) p.set_grad(Array::ones(p.shape()));
  Array g = Array::ones({3, 4});
  g.write<float>("test")[7] = INFINITY;
  net.head.weight.set_grad(g);
  opt.step();
  CHECK(caught.says(Warning::non_finite_gradient, "at step 1 the gradient of \"head.weight\" (f32[3,4]) is not finite"));

  forget_warnings();
  auto guarded = optim::make("skip_nonfinite | adam(lr=0.01)", net.named_parameters());
  guarded.step();
  CHECK(guarded.skipped().count == 1);
  CHECK(caught.all.size() == 1);
}
