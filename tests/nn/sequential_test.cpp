#include <gradus/nn/nn.h>

#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::contains;
using testing::message_of;
using testing::same_bits;

namespace {

struct Scale : nn::Module<Scale> {
  nn::Parameter factor{ones({})};
  GRADUS_FIELDS(factor)
  Tensor forward(const Tensor& x) { return x * factor; }
};
struct TwoInputs : nn::Module<TwoInputs> {
  Tensor forward(const Tensor& a, const Tensor& b) { return a + b; }
};
struct Holder : nn::Module<Holder> {
  nn::Sequential layers{nn::Linear{2, 3}, nn::Sequential{nn::Tanh{}, Scale{}}};
  GRADUS_FIELDS(layers)
  Tensor forward(const Tensor& x) { return layers(x); }
};

}  // namespace

TEST_CASE("Sequential applies one after the other, names them by number, holds users' modules too") {
  Holder h;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : h.named_parameters()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"layers.0.weight", "layers.0.bias", "layers.1.1.factor"});
  nn::Linear& lin = h.layers.get<nn::Linear>(0);
  const Tensor x = ones({4, 2});
  CHECK(same_bits(h(x).array(), tanh(lin(x)).array()));
  CHECK(h.layers.size() == 2);
  CHECK(h.layers[1].type_name() == "Sequential");
  CHECK(contains(message_of<ModuleError>([&] { h.layers.get<Scale>(0); }), "module 0 is Linear(2 -> 3)"));
  CHECK(contains(message_of<IndexError>([&] { h.layers[2]; }), "module 2 was asked for; there are 2"));
}

TEST_CASE("an empty Sequential returns its input, and grows") {
  nn::Sequential net;
  const Tensor x = ones({1, 2});
  CHECK(net(x).array().shares_storage(x.array()));
  net.push_back(nn::Linear{2, 5});
  net.push_back(nn::ReLU{});
  CHECK(net(x).shape() == Shape{1, 5});
  CHECK(net.parameters()[0].name() == "0.weight");
}

TEST_CASE("copying a Sequential copies what it holds; one in another stays one module") {
  nn::Sequential a{nn::Linear{2, 2}, Scale{}};
  nn::Sequential b = a, nested{a, nn::ReLU{}};
  CHECK(nested.size() == 2);
  nn::init::constant_(b.get<Scale>(1).factor, 5);
  CHECK(a.get<Scale>(1).factor.item() == 1);
  CHECK(a.parameters()[0].node() != b.parameters()[0].node());
  CHECK_FALSE(a.parameters()[0].array().shares_storage(b.parameters()[0].array()));

  const Node* leaf = a.parameters()[2].node();
  a = b;
  CHECK(a.get<Scale>(1).factor.item() == 5);
  CHECK(a.parameters()[2].node() == leaf);
  a = nn::Sequential{nn::ReLU{}};
  CHECK(a.size() == 1);
  CHECK(a.parameters().empty());
  nn::Sequential moved = std::move(b);
  CHECK(moved(ones({1, 2})).shape() == Shape{1, 2});
}

TEST_CASE("a module that takes two tensors is refused when it is called as a part, with its place") {
  nn::Sequential net{nn::ReLU{}, TwoInputs{}};
  const std::string m = message_of<ModuleError>([&] { net(ones({2})); });
  CHECK(contains(m, "TwoInputs: its forward does not take one Tensor and return one"));
}

TEST_CASE("train and eval reach what a Sequential holds") {
  nn::Sequential net{nn::Dropout{0.5}};
  net.eval();
  const Tensor x = ones({100});
  CHECK(same_bits(net(x).array(), x.array()));
  net.train();
  CHECK_FALSE(same_bits(net(x).array(), x.array()));
}
