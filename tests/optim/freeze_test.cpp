// Freezing, thawing, converting, assigning and swapping parameters that an optimizer knows; against PyTorch
// (tests/vectors/make_freeze_vectors.py) where PyTorch does it.
#include <doctest/doctest.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/averaged.h>
#include <gradus/tests/helpers/optim.h>

#include <map>
#include <optional>
#include <utility>

using namespace optim_testing;

namespace {

struct Net : nn::Module<Net> {
  nn::Linear first{3, 4}, second{4, 2};
  GRADUS_FIELDS(first, second)
  Tensor forward(const Tensor& x) { return second(tanh(first(x))); }
};

Tensor loss_of(Net& net, unsigned seed) {
  const Tensor x(numbers({5, 3}, seed, net.first.weight.dtype())), y(numbers({5, 2}, seed + 99, net.first.weight.dtype()));
  return mse_loss(net(x), y);
}

void train(Net& net, Optimizer& opt, unsigned seed) {
  opt.zero_grad();
  loss_of(net, seed).backward();
  opt.step();
}

const std::vector<std::string> specs{"sgd(lr=0.1, momentum=0.9)",
                                     "adamw(lr=0.01, weight_decay=0.1)",
                                     "lamb(lr=0.01)",
                                     "shampoo(lr=0.01)",
                                     "prodigy(lr=1)",
                                     "lookahead(adam(lr=0.01), k=2)",
                                     "novograd(lr=0.01)",
                                     "adafactor(lr=0.01)",
                                     "accumulate(2) | sgd(lr=0.1)",
                                     "clip_norm(1) | lion(lr=1e-2)",
                                     "schedule_free_adamw(lr=0.01)"};

}  // namespace

// ---- against PyTorch --------------------------------------------------------------------------------------------------

namespace {

struct Three : nn::Module<Three> {
  nn::Parameter a, b, c;
  GRADUS_FIELDS(a, b, c)
  Tensor forward(const Tensor& x) { return x; }
};

}  // namespace

TEST_CASE("frozen, thawed and converted at random steps, thirteen optimizers follow PyTorch's") {
  std::map<std::string, Array> v;
  for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/freeze.safetensors").tensors) v[name] = a;
  const Array events = v.at("events");
  const std::vector<std::string> names{"a", "b", "c"};
  int cases = 0;
  for (const auto& item : v) {
    const std::string& key = item.first;
    const auto bar = key.find("|a");
    if (bar == key.npos) continue;
    ++cases;
    const std::string spec = key.substr(0, bar);
    const bool with_f32 = key.ends_with("|f32");
    Three net;
    net.a = nn::Parameter(v.at("start/a")), net.b = nn::Parameter(v.at("start/b")), net.c = nn::Parameter(v.at("start/c"));
    nn::Parameter* parameters[] = {&net.a, &net.b, &net.c};
    auto opt = optim::make(spec, net.named_parameters());
    double worst = 0;
    for (int64_t t = 0; t < events.dim(0); ++t) {
      for (int64_t k = 0; k < 3; ++k) parameters[k]->requires_grad_(events.at({t, k}) == 0);
      const double event = events.at({t, 3});
      if (event == 1) net.to(f32), net.to(f64);
      if (event == 2 && with_f32) net.to(f32);
      if (event == 3 && with_f32) net.to(f64);
      opt.zero_grad();
      Tensor loss;
      for (std::size_t k = 0; k < 3; ++k) {
        const Tensor& w = *parameters[k];
        const Tensor h(v.at("h/" + names[k]).to(w.dtype())), g(v.at("g/" + names[k]).select(0, t).to(w.dtype()));
        const Tensor part = sum(w * w * h * 0.5 + w * g);
        loss = loss.defined() ? loss + part : part;
      }
      loss.backward();
      opt.step();
      if (t % 5 != 4) continue;
      for (std::size_t k = 0; k < 3; ++k) {
        const Array expected = v.at(spec + "|" + names[k] + (with_f32 ? "|f32" : "")).select(0, t / 5);
        worst = std::max(worst, error(parameters[k]->array().to(f64), expected));
      }
    }
    CHECK_MESSAGE(worst <= (with_f32 ? 1e-5 : 1e-11), key, " error ", worst);
  }
  CHECK(cases == 26);
}

// ---- freezing ---------------------------------------------------------------------------------------------------------

TEST_CASE("a frozen part neither moves nor loses its state, whatever the rule, and trains on once thawed") {
  for (const std::string& spec : specs)
    for (const Dtype dtype : {f32, f64}) {
      Net net;
      net.to(dtype);
      auto opt = optim::make(spec, net.named_parameters());
      for (unsigned t = 0; t < 4; ++t) train(net, opt, t);
      const Node* leaf = net.first.weight.tensor().node();
      const Array before = net.first.weight.array().copy(), other = net.second.weight.array().copy();
      const auto steps = opt.steps("first.weight");
      loss_of(net, 9).backward();  // a gradient from before the freeze moves nothing
      net.first.requires_grad_(false);
      CHECK(net.first.weight.tensor().node() == leaf);
      CHECK_FALSE(net.first.weight.grad().defined());
      for (unsigned t = 4; t < 8; ++t) train(net, opt, t);
      CHECK_MESSAGE(gradus::same_bits(net.first.weight.array(), before), spec);
      CHECK_FALSE(gradus::same_bits(net.second.weight.array(), other));
      CHECK(opt.steps("first.weight") == steps);
      CHECK_FALSE(net.first.weight.grad().defined());
      net.first.requires_grad_();
      opt.step();  // nothing has come to it since
      CHECK(gradus::same_bits(net.first.weight.array(), before));
      for (unsigned t = 8; t < 10; ++t) train(net, opt, t);
      CHECK_MESSAGE(!gradus::same_bits(net.first.weight.array(), before), spec);
      CHECK(opt.steps("first.weight") > steps);
    }
}

TEST_CASE("copies of a leaf are frozen together; a tape recorded before gives it nothing") {
  Tensor w = leaf(numbers({3}, 1), "w");
  const Tensor same = w;
  auto opt = optim::make("sgd(lr=0.1)", NamedTensors{{"w", w}});
  const Tensor loss = sum(w * w), other = sum(same * 2.0);
  w.requires_grad_(false);
  CHECK_FALSE(same.requires_grad());
  CHECK(same.is_leaf());
  CHECK_FALSE((same * 2.0).requires_grad());
  loss.backward();
  CHECK_FALSE(w.grad().defined());
  CHECK(refuses<GraphError>([&] { w.set_grad(Array::ones({3}, f64)); }, "is frozen"));
  w.requires_grad_();
  other.backward();
  CHECK(w.grad().array().element(0) == 2);
  opt.step();
  CHECK(opt.steps("w") == 1);
  CHECK(refuses<OptimError>(
      [&] {
        w.requires_grad_(false);
        optim::make("sgd(lr=0.1)", NamedTensors{{"w", w}});
      },
      "all of the 1 parameters (\"w\", ...) are frozen"));
}

TEST_CASE("an optimizer may be given frozen parameters, for later") {
  Net net;
  net.first.requires_grad_(false);
  auto opt = optim::make("adam(lr=0.01)", net.named_parameters());
  const Array before = net.first.bias.array().copy();
  for (unsigned t = 0; t < 3; ++t) train(net, opt, t);
  CHECK(gradus::same_bits(net.first.bias.array(), before));
  net.requires_grad_();
  train(net, opt, 3);
  CHECK_FALSE(gradus::same_bits(net.first.bias.array(), before));
  CHECK(opt.steps("first.bias") == 1);
  CHECK(opt.steps("second.bias") == 4);
}

TEST_CASE("rules that run the loss themselves leave a frozen part where it is") {
  for (const std::string spec : {"lbfgs(max_iter=3)", "lbfgs(max_iter=3, line_search_fn=strong_wolfe)", "sam(sgd(lr=0.1))",
                                 "asam(sgd(lr=0.1))", "adahessian(lr=0.01)", "sophia_h(lr=0.01, interval=1)", "polyak"}) {
    Net net;
    net.to(f64);
    auto opt = optim::make(spec, net.named_parameters());
    opt.step([&] { return loss_of(net, 1); });
    net.first.requires_grad_(false);
    const Array before = net.first.weight.array().copy(), other = net.second.weight.array().copy();
    for (unsigned t = 2; t < 5; ++t) opt.step([&] { return loss_of(net, t); });
    CHECK_MESSAGE(gradus::same_bits(net.first.weight.array(), before), spec);
    CHECK_FALSE(gradus::same_bits(net.second.weight.array(), other));
    net.first.requires_grad_();
    opt.step([&] { return loss_of(net, 5); });
    CHECK_MESSAGE(!gradus::same_bits(net.first.weight.array(), before), spec);
  }
}

TEST_CASE("gathered gradients of a part that is frozen before the step do not move it") {
  Net net;
  auto opt = optim::make("accumulate(2) | sgd(lr=0.1)", net.named_parameters());
  train(net, opt, 1);
  net.first.requires_grad_(false);
  const Array before = net.first.weight.array().copy();
  train(net, opt, 2);
  CHECK(opt.steps() == 1);
  CHECK(gradus::same_bits(net.first.weight.array(), before));
}

// ---- converting -------------------------------------------------------------------------------------------------------

TEST_CASE("after net.to(f64) an optimizer goes on with its state converted") {
  for (const std::string& spec : specs) {
    Net net;
    auto opt = optim::make(spec, net.named_parameters());
    auto average = optim::Averaged::exponential(net.named_parameters(), 0.5);
    for (unsigned t = 0; t < 4; ++t) train(net, opt, t), average.update();
    const Node* leaf = net.first.weight.tensor().node();
    loss_of(net, 9).backward();
    net.to(f64);
    CHECK(net.first.weight.tensor().node() == leaf);
    CHECK(net.first.weight.grad().dtype() == f64);
    CHECK(opt.parameters()[0].second.dtype() == f64);

    Net fresh;  // an optimizer that was made after it, with this state
    fresh.to(f64);
    auto copy = optim::make(spec, fresh.named_parameters());
    copy.load_state_dict(opt.state_dict());
    fresh = net;
    for (unsigned t = 4; t < 8; ++t) train(net, opt, t), train(fresh, copy, t), average.update();
    CHECK_MESSAGE(gradus::same_bits(net.first.weight.array(), fresh.first.weight.array()), spec);
    CHECK_MESSAGE(same_bits(opt.state_dict(), copy.state_dict()), spec);
    CHECK(average.averages()[0].second.dtype() == f64);
    CHECK_NOTHROW(opt.eval());
    net.to(f32);
    CHECK_NOTHROW(opt.train());
    train(net, opt, 8);
    CHECK(net.first.weight.dtype() == f32);
  }
}

TEST_CASE("a gradient of the dtype before the conversion is refused, and the parameter named") {
  Net net;
  auto opt = optim::make("adam", net.named_parameters());
  train(net, opt, 1);
  opt.zero_grad();
  const Tensor loss = loss_of(net, 2);
  net.to(f64);
  loss.backward();
  CHECK(refuses<OptimError>([&] { opt.step(); }, "parameter \"first.weight\" is f64[4,3], its gradient f32[4,3]"));
}

TEST_CASE("a tensor taken before sees the old numbers until refresh()") {
  Net net;
  Tensor w = net.first.weight;
  net.to(f64);
  CHECK(w.dtype() == f32);
  CHECK(w.refresh());
  CHECK(w.dtype() == f64);
  CHECK(w.array().shares_storage(net.first.weight.array()));
  CHECK_FALSE(w.refresh());
}

// ---- assigning and swapping -------------------------------------------------------------------------------------------

namespace {

struct Head : nn::Module<Head> {
  nn::Linear body{3, 4}, head{4, 2};
  GRADUS_FIELDS(body, head)
  Tensor forward(const Tensor& x) { return head(tanh(body(x))); }
};

struct Two : nn::Module<Two> {
  nn::Parameter a{Tensor(numbers({3}, 1))}, b{Tensor(numbers({3}, 2))};
  GRADUS_FIELDS(a, b)
  Tensor forward(const Tensor& x) { return a * x + square(b) * x; }
};

struct Optional : nn::Module<Optional> {
  nn::Linear body{3, 3};
  std::optional<nn::Linear> head{std::in_place, 3, 3};
  GRADUS_FIELDS(body, head)
  Tensor forward(const Tensor& x) { return head ? (*head)(body(x)) : body(x); }
};

}  // namespace

TEST_CASE("what is assigned to a module goes on under the optimizer that knows it") {
  Net net, other;
  auto opt = optim::make("adam(lr=0.01)", net.named_parameters());
  train(net, opt, 1);
  const Node* leaf = net.first.weight.tensor().node();
  other.first.requires_grad_(false);
  net = other;
  CHECK(net.first.weight.tensor().node() == leaf);
  CHECK_FALSE(net.first.weight.requires_grad());
  net = Net();  // from a temporary
  CHECK(net.first.weight.tensor().node() == leaf);
  CHECK(net.first.weight.requires_grad());
  Net wide;
  wide.to(f64);
  net = wide;
  CHECK(net.first.weight.dtype() == f64);
  const Array before = net.first.weight.array().copy();
  train(net, opt, 2);
  CHECK_FALSE(gradus::same_bits(net.first.weight.array(), before));
  CHECK(opt.steps("first.weight") == 2);
}

TEST_CASE("a parameter replaced by one of another shape is named at the next step, unless it has no state yet") {
  Head net;
  auto opt = optim::make("adam(lr=0.01)", net.named_parameters());
  const auto step = [&] {
    opt.zero_grad();
    sum(net(Tensor(numbers({5, 3}, 1, f32)))).backward();
    opt.step();
  };
  net.head = nn::Linear(4, 6);  // before the first step there is nothing that would not fit
  CHECK_NOTHROW(step());
  CHECK(opt.steps("head.weight") == 1);
  net.head = nn::Linear(4, 3);
  CHECK(refuses<OptimError>(step, "parameter \"head.weight\" was f32[6,4] and is f32[3,4] now"));
  CHECK(refuses<OptimError>([&] { opt.state_dict(); }, "make a new optimizer"));
}

TEST_CASE("std::swap exchanges two parameters, and each goes on with its own state") {
  Two net;
  auto opt = optim::make("sgd(lr=0.1, momentum=0.9)", net.named_parameters());
  const auto step = [&] {
    opt.zero_grad();
    sum(net(ones({3}, f64))).backward();
    opt.step();
  };
  step();
  const Node *a = net.a.tensor().node(), *b = net.b.tensor().node();
  const Array of_a = net.a.array().copy();
  std::swap(net.a, net.b);
  CHECK(net.a.tensor().node() == b);
  CHECK(net.b.tensor().node() == a);
  CHECK(gradus::same_bits(net.b.array(), of_a));
  step();
  CHECK(opt.steps("a") == 2);
  CHECK(opt.steps("b") == 2);
  CHECK_FALSE(gradus::same_bits(net.b.array(), of_a));
}

TEST_CASE("a parameter that its module has dropped is named at the next step") {
  Optional net;
  auto opt = optim::make("sgd(lr=0.1)", net.named_parameters());
  const auto step = [&] {
    opt.zero_grad();
    sum(net(ones({2, 3}))).backward();
    opt.step();
  };
  step();
  net.head.emplace(3, 3);
  CHECK(refuses<OptimError>(step, "parameter \"head.weight\" (f32[3,3]) is no part of a module any longer"));
  net.body.bias = nn::Parameter();
  CHECK(refuses<OptimError>(step, "no part of a module"));
}

TEST_CASE("an optimizer that was moved from says so") {
  Tensor w = leaf(numbers({2}, 1));
  auto opt = optim::make("sgd(lr=0.1)", std::vector<Tensor>{w});
  const Optimizer other = std::move(opt);
  CHECK(other.lr() == 0.1);
  CHECK(refuses<OptimError>([&] { opt.step(); }, "moved from"));
  CHECK(refuses<OptimError>([&] { opt.lr(); }, "moved from"));
  CHECK(refuses<OptimError>([&] { opt.set_lr(1); }, "moved from"));
  CHECK(refuses<OptimError>([&] { opt.spec(); }, "moved from"));
  CHECK(refuses<OptimError>([&] { opt.state_dict(); }, "moved from"));
  CHECK(refuses<OptimError>([&] { opt.group("*", "lr=1"); }, "moved from"));
  CHECK(refuses<OptimError>([&] { opt.schedule("lr", "cosine(1, total=9)"); }, "moved from"));
  CHECK(refuses<OptimError>([&] { opt.clip_norm(1); }, "moved from"));
}
