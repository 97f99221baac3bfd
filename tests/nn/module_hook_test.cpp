// What a module is asked to do besides being called: hooks, apply, freezing by name, tied parameters.
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::contains;
using testing::distance;
using testing::message_of;
using testing::same_bits;
using Tensors = std::vector<Tensor>;

namespace {

struct Two : nn::Module<Two> {
  nn::Linear first{3, 4}, second{4, 2};
  GRADUS_FIELDS(first, second)
  Tensor forward(const Tensor& x) { return second(tanh(first(x))); }
};

/// A language model whose output layer is its table.
struct Tied : nn::Module<Tied> {
  nn::Embedding table{7, 4};
  nn::Linear body{4, 4}, head{4, 7, {.bias = false}};
  GRADUS_FIELDS(table, body, head)
  Tied() { tie(head.weight, table.weight); }
  Tensor forward(const Tensor& index) { return head(tanh(body(table(index)))); }
};

struct Wrong : nn::Module<Wrong> {
  nn::Linear a{2, 3}, b{3, 2};
  GRADUS_FIELDS(a, b)
};

std::vector<std::string> names_of(nn::ModuleBase& m) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : m.named_parameters()) names.push_back(name);
  return names;
}

const Tensor words = tensor<int64_t>({5}, {0, 3, 6, 3, 1});

}  // namespace

TEST_CASE("forward hooks see inputs and outputs, in order, may replace them, and can be removed") {
  Two net;
  const Tensor x = randn({2, 3});
  const Tensor plain = net(x);
  std::vector<std::string> seen;
  auto before = net.first.register_forward_pre_hook(
      [&](nn::ModuleBase& m, const Tensors& in) { seen.push_back(join(m.type_name(), " before ", in.at(0).shape())); });
  auto after = net.second.register_forward_hook([&](nn::ModuleBase& m, const Tensors& in, const Tensors& out) {
    seen.push_back(join(m.type_name(), " after ", in.at(0).shape(), " ", out.at(0).shape()));
  });
  CHECK(same_bits(net(x).array(), plain.array()));
  CHECK(seen == std::vector<std::string>{"Linear before [2,3]", "Linear after [2,4] [2,2]"});
  before.remove(), after.remove();
  net(x);
  CHECK(seen.size() == 2);

  auto doubled = net.register_forward_hook([](nn::ModuleBase&, const Tensors&, const Tensors& out) { return out[0] * 2.0; });
  auto zero = net.register_forward_pre_hook([](nn::ModuleBase&, const Tensors& in) { return Tensors{in[0] * 0.0}; });
  CHECK(distance(net(x), net.second(tanh(net.first(zeros({2, 3})))) * 2.0) < 1e-6);
  Two copy = net;  // has no hooks
  zero.remove(), doubled.remove();
  CHECK(same_bits(copy(x).array(), plain.array()));
  CHECK(same_bits(net(x).array(), plain.array()));

  auto wrong = net.register_forward_hook([](nn::ModuleBase&, const Tensors&, const Tensors&) { return Tensors{}; });
  CHECK(contains(message_of<ModuleError>([&] { net(x); }), "a hook has returned 0 outputs in place of 1"));
}

TEST_CASE("hooks see every tensor of a forward that takes or returns several") {
  nn::LSTM lstm{3, 4};
  const Tensor x = randn({5, 2, 3});
  auto [y, state] = lstm(x);
  std::size_t inputs = 0, outputs = 0;
  auto hook = lstm.register_forward_hook([&](nn::ModuleBase&, const Tensors& in, const Tensors& out) {
    inputs = in.size(), outputs = out.size();
    return Tensors{out[0] * 2.0, out[1], out[2]};
  });
  auto [twice, next] = lstm(x);
  CHECK(inputs == 1);
  CHECK(outputs == 3);
  CHECK(distance(twice, y * 2.0) == 0);
  CHECK(distance(next.c, state.c) == 0);
}

TEST_CASE("backward hooks get the gradients of outputs and inputs, and may replace the latter") {
  Two net;
  net.to(f64);
  const Tensor x = randn({2, 3}, f64).requires_grad_();
  const Tensor seed = randn({2, 2}, f64);
  net(x).backward(seed);
  const Array expected = x.grad().array().copy();
  x.zero_grad(), net.zero_grad();

  Tensors in, out;
  auto hook = net.register_full_backward_hook(
      [&](nn::ModuleBase&, const Tensors& grad_in, const Tensors& grad_out) { in = grad_in, out = grad_out; });
  net(x).backward(seed);
  REQUIRE(in.size() == 1);
  CHECK(same_bits(in[0].array(), expected));
  CHECK(same_bits(out.at(0).array(), seed.array()));
  hook.remove();

  auto half = net.first.register_full_backward_hook(
      [](nn::ModuleBase&, const Tensors& grad_in, const Tensors&) { return Tensors{grad_in[0] * 0.5}; });
  x.zero_grad();
  net(x).backward(seed);
  CHECK(distance(x.grad() * 2.0, Tensor(expected)) < 1e-12);
  half.remove();

  out.clear();  // a first layer, whose input is data
  auto look = net.first.register_full_backward_hook(
      [&](nn::ModuleBase&, const Tensors& grad_in, const Tensors& grad_out) { in = grad_in, out = grad_out; });
  net(x.detach()).backward(seed);
  REQUIRE(out.size() == 1);
  CHECK(out[0].shape() == Shape{2, 4});
  CHECK_FALSE(in.at(0).defined());
}

TEST_CASE("apply visits the modules within before the whole, or those of one type") {
  nn::Sequential net{nn::Linear{2, 2}, nn::Sequential{nn::ReLU{}, nn::Linear{2, 1}}};
  std::vector<std::string> order;
  net.apply([&](nn::ModuleBase& m) { order.push_back(m.type_name()); });
  CHECK(order == std::vector<std::string>{"Linear", "ReLU", "Linear", "Sequential", "Sequential"});
  net.apply<nn::Linear>([](nn::Linear& l) { nn::init::zeros_(l.weight); });
  CHECK(max(abs(net.get<nn::Linear>(0).weight)).item() == 0);
}

TEST_CASE("parameters are frozen and thawed by a pattern of their names") {
  Two net;
  CHECK(net.freeze("first.*") == 2);
  CHECK_FALSE(net.first.weight.requires_grad());
  CHECK(net.second.weight.requires_grad());
  CHECK(net.freeze("*.bias") == 2);
  CHECK(net.unfreeze() == 4);
  CHECK(net.first.weight.requires_grad());
  CHECK(message_of<ModuleError>([&] { net.freeze("third.*"); }) ==
        "Two: freeze: no parameter matches \"third.*\"; the names are like \"first.weight\", \"first.bias\", "
        "\"second.weight\", \"second.bias\"");
}

TEST_CASE("tied parameters are one leaf: one gradient, known and saved once") {
  Tied net;
  CHECK(names_of(net) == std::vector<std::string>{"table.weight", "body.weight", "body.bias"});
  CHECK(net.parameter_count() == 28 + 20);
  sum(net(words)).backward();
  CHECK(same_bits(net.table.weight.grad().array(), net.head.weight.grad().array()));
  Tensor both = leaf(net.table.weight.array()), w = net.body.weight, b = net.body.bias;
  sum(linear(tanh(linear(embedding(both, words), w, b)), both)).backward();
  CHECK(distance(both.grad(), net.table.weight.grad()) < 1e-5);

  auto opt = optim::make("sgd(lr=0.1)", net.named_parameters());
  opt.step();
  CHECK(same_bits(net.table.weight.array(), net.head.weight.array()));
  CHECK(net.head.weight.name() == "head.weight");
  CHECK(net.state_dict().size() == 3);
  CHECK(net.head.named_parameters().size() == 1);  // walked alone, it has its weight
}

TEST_CASE("tied parameters stay tied in copies, conversions, assignments and files; PyTorch's second name is accepted") {
  Tied net;
  Tied copy = net;
  const Tensor y = copy(words);
  CHECK(distance(y, net(words)) == 0);
  CHECK(names_of(copy).size() == 3);
  copy.table.weight.writable().assign(Array::ones({7, 4}), "test");
  CHECK(same_bits(copy.head.weight.array(), Array::ones({7, 4})));
  CHECK(distance(net.head.weight.tensor(), ones({7, 4})) > 0);

  auto opt = optim::make("adam(lr=0.1)", copy.named_parameters());
  copy.to(f64);
  CHECK(copy.head.weight.dtype() == f64);
  sum(square(copy(words))).backward();
  opt.step();
  CHECK(same_bits(copy.head.weight.array(), copy.table.weight.array()));

  net = copy;  // converts, too
  CHECK(same_bits(net.head.weight.array(), copy.table.weight.array()));
  CHECK(same_bits(net.table.weight.array(), copy.table.weight.array()));
  CHECK(distance(net(words), copy(words)) == 0);
  const auto cloned = copy.clone();
  CHECK(cloned->state_dict().size() == 3);
  const nn::Sequential of_two{Tied{}, Tied{}};
  nn::Sequential two = of_two;
  CHECK(names_of(two).size() == 6);  // each tied within itself

  NamedArrays state = copy.state_dict();
  state.emplace_back("head.weight", state[0].second);
  Tied loaded;
  loaded.load_state_dict(state);
  CHECK(distance(loaded.head.weight.tensor(), copy.table.weight.tensor().to(f32)) == 0);
  NamedArrays of_two_tables = state;
  of_two_tables.back().second = zeros({7, 4}, f64).array();
  CHECK(contains(message_of<ModuleError>([&] { loaded.load_state_dict(of_two_tables, false); }),
                 "tied here, different there: \"table.weight\" and \"head.weight\""));
  state.erase(state.begin());
  loaded.load_state_dict(state);

  Wrong wrong;
  CHECK(contains(message_of<ModuleError>([&] { wrong.tie(wrong.a.weight, wrong.b.weight); }),
                 "tied parameters must be alike: \"a.weight\" is f32[3,2]"));
  nn::Linear outside{3, 2};
  CHECK(contains(message_of<ModuleError>([&] { wrong.tie(wrong.a.weight, outside.weight); }), "listed in it or within"));
}

TEST_CASE("Residual adds what its modules make; ModuleDict has modules by name") {
  nn::Residual block{nn::Linear{3, 3}, nn::Tanh{}};
  const Tensor x = randn({2, 3});
  CHECK(distance(block(x), x + tanh(block[0].call(x))) < 1e-6);
  CHECK(names_of(block) == std::vector<std::string>{"0.weight", "0.bias"});
  nn::Residual wide{nn::Linear{3, 4}};
  CHECK(contains(message_of<ShapeError>([&] { wide(x); }),
                 "must return the input's shape: input f32[2,3], they return f32[2,4]"));

  nn::ModuleDict choices;
  choices.add("linear", nn::Linear{3, 2});
  choices.add("tanh", nn::Tanh{});
  CHECK(choices.contains("tanh"));
  CHECK(choices.keys() == std::vector<std::string>{"linear", "tanh"});
  CHECK(names_of(choices) == std::vector<std::string>{"linear.weight", "linear.bias"});
  CHECK(choices["linear"].call(x).shape() == Shape{2, 2});
  nn::ModuleDict copy = choices;
  CHECK(distance(copy.get<nn::Linear>("linear")(x), choices["linear"].call(x)) == 0);
  CHECK(contains(message_of<ModuleError>([&] { choices["liner"]; }),
                 "there is no module \"liner\" among its 2\n  try: \"linear\""));
  CHECK(contains(message_of<ModuleError>([&] { choices.get<nn::ReLU>("tanh"); }), "is Tanh, another type was asked for"));
  CHECK(contains(message_of<ModuleError>([&] { choices.add("a.b", nn::Tanh{}); }), "hold a dot, got \"a.b\""));
  CHECK(contains(message_of<ModuleError>([&] { choices.add("tanh", nn::Tanh{}); }), "already"));
}
