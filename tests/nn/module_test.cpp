#include <gradus/nn/nn.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/nn.h>

#include <array>
#include <optional>

using namespace gradus;
using testing::contains;
using testing::message_of;
using testing::same_bits;

namespace {

struct Block : nn::Module<Block> {
  nn::Linear in{4, 4}, out{4, 4, {.bias = false}};
  GRADUS_FIELDS(in, out)
  Tensor forward(const Tensor& x) { return x + out(relu(in(x))); }
};

struct Net : nn::Module<Net> {
  nn::Parameter scale{ones({4})};
  std::vector<Block> blocks = std::vector<Block>(2);
  std::optional<nn::Linear> none, head{std::in_place, 4, 3};
  std::array<nn::Linear, 2> pair{nn::Linear{1, 1}, nn::Linear{1, 1}};
  nn::Buffer table{arange(3)};
  int width = 4;
  std::string label = "plain values may be listed";
  GRADUS_FIELDS(scale, blocks, none, head, pair, table, width, label)
  Tensor forward(const Tensor& x) {
    Tensor y = x * scale;
    for (auto& b : blocks) y = b(y);
    return (*head)(y);
  }
};

std::vector<std::string> names_of(const NamedTensors& list) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : list) names.push_back(name);
  return names;
}

}  // namespace

TEST_CASE("parameters have dotted names in the order of declaration, and the leaves bear them") {
  Net net;
  CHECK(net.scale.tensor().name() == "");
  const auto list = net.named_parameters();
  CHECK(names_of(list) == std::vector<std::string>{"scale", "blocks.0.in.weight", "blocks.0.in.bias", "blocks.0.out.weight",
                                                   "blocks.1.in.weight", "blocks.1.in.bias", "blocks.1.out.weight",
                                                   "head.weight", "head.bias", "pair.0.weight", "pair.0.bias",
                                                   "pair.1.weight", "pair.1.bias"});
  for (const auto& [name, tensor] : list) CHECK(tensor.name() == name);
  CHECK(net.blocks[1].in.weight.name() == "blocks.1.in.weight");
  CHECK(names_of(net.named_buffers()) == std::vector<std::string>{"table"});
  CHECK(net.parameters().size() == 13);
  CHECK(net.parameter_count() == 4 + 2 * (16 + 4 + 16) + 15 + 4);

  const auto modules = net.named_modules();
  REQUIRE(modules.size() == 10);
  CHECK(modules[0].second == &net);
  CHECK(modules[2].first == "blocks.0.in");
  CHECK(modules[2].second == &net.blocks[0].in);
  CHECK(net.modules().size() == 10);
}

TEST_CASE("a module within keeps the leaf names of the whole, and lists its own relative ones") {
  Net net;
  net.parameters();
  CHECK(names_of(net.blocks[1].named_parameters())[0] == "in.weight");
  CHECK(net.blocks[1].in.weight.tensor().name() == "blocks.1.in.weight");
}

TEST_CASE("a handle from parameters() is the module's own parameter") {
  nn::Linear lin{2, 1};
  auto handles = lin.parameters();
  handles[0].writable().assign(Array::full({}, 3), "test");
  handles[1].writable().assign(Array::full({}, 1), "test");
  CHECK(lin(ones({1, 2})).item() == 7);
  lin(ones({1, 2})).sum().backward();
  CHECK(handles[0].grad().array().element(0) == 1);
  CHECK(lin.weight.grad().defined());
  lin.zero_grad();
  CHECK_FALSE(handles[0].grad().defined());
}

TEST_CASE("a module on its own, as a member, copied and moved can be called") {
  nn::Linear lin{4, 3};
  const Tensor x = ones({2, 4});
  CHECK(lin(x).shape() == Shape{2, 3});
  Net net;
  const Array before = net(x).array();
  Net copy = net;
  CHECK(same_bits(copy(x).array(), before));
  Net moved = std::move(net);
  CHECK(same_bits(moved(x).array(), before));
  moved.blocks.push_back(Block());  // the blocks move to a new place, one is new
  CHECK(moved(x).shape() == Shape{2, 3});
  CHECK(moved.blocks[2].in.weight.tensor().name() == "blocks.2.in.weight");
  CHECK(moved.blocks[1].in(x).shape() == Shape{2, 4});
}

TEST_CASE("a growing vector moves modules and keeps their leaves") {
  std::vector<nn::Linear> layers;
  layers.emplace_back(2, 2);
  const Node* leaf = layers[0].weight.tensor().node();
  for (int i = 0; i < 20; ++i) layers.emplace_back(2, 2);
  CHECK(layers[0].weight.tensor().node() == leaf);
}

TEST_CASE("a copy has leaves and numbers of its own") {
  Net net;
  net.eval();
  Net copy = net;
  CHECK_FALSE(copy.training());
  CHECK_FALSE(copy.blocks[0].in.training());
  CHECK(copy.scale.tensor().node() != net.scale.tensor().node());
  CHECK_FALSE(copy.scale.array().shares_storage(net.scale.array()));
  nn::init::constant_(copy.scale, 9);
  nn::init::constant_(copy.blocks[0].in.weight, 9);
  copy.table.writable().assign(Array::full({}, 9, i64), "test");
  CHECK(net.scale.array().element(0) == 1);
  CHECK(net.blocks[0].in.weight.array().element(0) != 9);
  CHECK(net.table.array().element(1) == 1);

  copy(ones({1, 4})).sum().backward();
  CHECK(copy.scale.grad().defined());
  CHECK_FALSE(net.scale.grad().defined());
}

TEST_CASE("assignment writes into the same leaves where shapes fit") {
  nn::Linear a{3, 2}, b{3, 2}, other{5, 2, {.bias = false}};
  const Node* leaf = a.weight.tensor().node();
  a.parameters();
  const auto handle = a.parameters()[0];
  a = b;
  CHECK(a.weight.tensor().node() == leaf);
  CHECK(same_bits(handle.array(), b.weight.array()));
  CHECK_FALSE(a.weight.array().shares_storage(b.weight.array()));
  a = nn::Linear(3, 2);
  CHECK(a.weight.tensor().node() == leaf);
  a = other;
  CHECK(a.in_features == 5);
  CHECK(a.weight.shape() == Shape{2, 5});
  CHECK_FALSE(a.bias.defined());
  CHECK(a(ones({1, 5})).shape() == Shape{1, 2});
  const nn::Linear& alias = a;
  a = alias;
  CHECK(a.weight.defined());
}

TEST_CASE("train and eval reach every module and touch no gradient") {
  Net net;
  net(ones({1, 4})).sum().backward();
  net.eval();
  for (const auto* m : net.modules()) CHECK_FALSE(m->training());
  CHECK(net.scale.grad().defined());
  net.train();
  for (const auto* m : net.modules()) CHECK(m->training());
}

TEST_CASE("frozen parameters stay in the state and get no gradient") {
  Net net;
  net.requires_grad_(false);
  CHECK_FALSE(net(ones({1, 4})).requires_grad());
  CHECK(net.parameters().size() == 13);
  CHECK_FALSE(Net(net).scale.requires_grad());
  net.blocks[0].requires_grad_();
  CHECK(net.blocks[0].in.weight.tensor().name() == "blocks.0.in.weight");
  net(ones({1, 4})).sum().backward();
  CHECK(net.blocks[0].in.weight.grad().defined());
  CHECK_FALSE(net.head->weight.requires_grad());
}

TEST_CASE("to(f64) converts parameters and real buffers") {
  nn::BatchNorm1d norm{3};
  norm.to(f64);
  CHECK(norm.weight.dtype() == f64);
  CHECK(norm.weight.requires_grad());
  CHECK(norm.running_var.dtype() == f64);
  CHECK(norm.num_batches_tracked.dtype() == i64);
  CHECK(norm(arange(6, f64).reshape({2, 3})).dtype() == f64);
  CHECK(contains(message_of<DtypeError>([&] { norm.to(i64); }), "cannot become i64"));
  CHECK(norm.weight.dtype() == f64);
}

TEST_CASE("a parameter goes wherever a tensor does") {
  nn::Parameter p{ones({2})}, absent;
  const Tensor x = full({2}, 3);
  CHECK((x * p + p * 2.0 - exp(p) / p).size() == 2);
  CHECK(sum(square(p)).item() == 2);
  CHECK_FALSE(absent.defined());
  CHECK(contains(message_of<DtypeError>([] { nn::Parameter q{arange(3)}; }), "f32 and f64"));
}

namespace {

struct UnlistedModule : nn::Module<UnlistedModule> {
  nn::Linear first{2, 2}, second{2, 2};
  GRADUS_FIELDS(first)
  Tensor forward(const Tensor& x) { return second(first(x)); }
};
struct UnlistedParameter : nn::Module<UnlistedParameter> {
  nn::Linear lin{2, 2};
  nn::Parameter scale{ones({2})};
  GRADUS_FIELDS(lin)
  Tensor forward(const Tensor& x) { return lin(x) * scale; }
};
struct NoList : nn::Module<NoList> {
  nn::Buffer shift{ones({2})};
  Tensor forward(const Tensor& x) { return x + shift; }
};
struct Outer : nn::Module<Outer> {
  UnlistedModule inner;
  GRADUS_FIELDS(inner)
  Tensor forward(const Tensor& x) { return inner(x); }
};
struct LocalModule : nn::Module<LocalModule> {
  Tensor forward(const Tensor& x) {
    nn::Linear lin{2, 2};
    return lin(x);
  }
};
nn::Linear* teacher = nullptr;
struct UsesTeacher : nn::Module<UsesTeacher> {
  Tensor forward(const Tensor& x) { return (*teacher)(x); }
};

}  // namespace

TEST_CASE("a member that was not listed throws at first use, by type, owner and list") {
  const Tensor x = ones({1, 2});
  UnlistedModule module;
  std::string m = message_of<ModuleError>([&] { module(x); });
  CHECK(contains(m, "UnlistedModule: a member is used but not listed: Linear(2 -> 2); GRADUS_FIELDS(first) must name it"));

  UnlistedParameter parameter;
  m = message_of<ModuleError>([&] { parameter(x); });
  CHECK(contains(m, "UnlistedParameter: a member is used but not listed: Parameter f32[2]; GRADUS_FIELDS(lin) must name"));

  NoList none;
  m = message_of<ModuleError>([&] { none(x); });
  CHECK(contains(m, "NoList: a member is used but not listed: Buffer f32[2]; GRADUS_FIELDS() must name it too"));

  Outer outer;
  m = message_of<ModuleError>([&] { outer(x); });
  CHECK(contains(m, "UnlistedModule: a member is used but not listed: Linear(2 -> 2); GRADUS_FIELDS(first)"));
  CHECK(contains(m, "[in module \"inner\"]"));

  LocalModule local;
  m = message_of<ModuleError>([&] { local(x); });
  CHECK(contains(m, "LocalModule: its forward uses what no module lists: Linear(2 -> 2)"));
}

TEST_CASE("walking an unlisted member by itself does not hide that it is not listed") {
  UnlistedModule module;
  module.second.eval();
  CHECK(contains(message_of<ModuleError>([&] { module(ones({1, 2})); }), "not listed: Linear(2 -> 2)"));
}

TEST_CASE("a copy of an unlisted member does not count as listed either, after an error everything works again") {
  UnlistedModule a;
  message_of<ModuleError>([&] { a(ones({1, 2})); });
  UnlistedModule b = a;
  CHECK(contains(message_of<ModuleError>([&] { b(ones({1, 2})); }), "not listed"));
  CHECK_FALSE(InModule::inside());
  nn::Linear lin{2, 2};
  CHECK(lin(ones({1, 2})).shape() == Shape{1, 2});
}

TEST_CASE("a module of its own that was used before may be called by another") {
  nn::Linear lin{2, 3};
  lin.eval();
  teacher = &lin;
  UsesTeacher uses;
  CHECK(uses(ones({1, 2})).shape() == Shape{1, 3});
  CHECK(uses.parameters().empty());
}

namespace {

struct Wide : nn::Module<Wide> {
  std::pair<Tensor, Tensor> forward(const Tensor& a, const Tensor& b) { return {a + b, a - b}; }
};
struct Counts : nn::Module<Counts> {
  int calls = 0;
  void forward() { ++calls; }
};

}  // namespace

TEST_CASE("forward may take and return anything") {
  Wide wide;
  const auto [sum_, difference] = wide(ones({2}), full({2}, 3));
  CHECK(sum_.array().element(0) == 4);
  CHECK(difference.array().element(1) == -2);
  CHECK(contains(message_of<ModuleError>([&] { wide.call(ones({2})); }), "Wide: its forward does not take one Tensor"));
  Counts counts;
  counts();
  CHECK(counts.calls == 1);
}

TEST_CASE("an error names the path to where it arose, wherever the call came from") {
  Net net;
  const Tensor x = ones({2, 5});
  // Nobody has called the whole yet.
  CHECK(contains(message_of<ShapeError>([&] { net.blocks[1](x); }), "[in module \"in\"]"));
  net.parameters();
  CHECK(contains(message_of<ShapeError>([&] { net.blocks[1](x); }), "[in module \"blocks.1.in\"]"));
  CHECK(contains(message_of<ShapeError>([&] { net.blocks[1].in(x); }), "[in module \"blocks.1.in\"]"));
  net.head.emplace(9, 3);
  const std::string m = message_of<ShapeError>([&] { net(ones({2, 4})); });
  CHECK(contains(m, "Linear(9 -> 3): the last axis of the input must be 9, got 4"));
  CHECK(contains(m, "[in module \"head\"]"));
  CHECK_FALSE(contains(message_of<ShapeError>([&] { nn::Linear(9, 3)(x); }), "in module"));
}

namespace {

struct Log : nn::ForwardObserver {
  std::vector<std::string> lines;
  void after(nn::ModuleBase& m, const std::vector<Tensor>& y) override {
    lines.push_back(join(m.type_name(), " ", y.at(0).shape()));
  }
};

}  // namespace

TEST_CASE("an observer sees every forward while it lives") {
  Block block;
  Log outer;
  {
    Log log;
    block(ones({1, 4}));
    CHECK(log.lines == std::vector<std::string>{"Linear [1,4]", "Linear [1,4]", "Block [1,4]"});
  }
  block(ones({1, 4}));
  CHECK(outer.lines.size() == 6);
}
