#include <gradus/nn/nn.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/nn.h>
#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using testing::contains;
using testing::message_of;
using testing::same_bits;

namespace {

struct Small : nn::Module<Small> {
  nn::Conv2d conv1{1, 2, 3};
  nn::BatchNorm2d norm{2};
  nn::Linear head{8, 3};
  GRADUS_FIELDS(conv1, norm, head)
  Tensor forward(const Tensor& x) { return head(flatten(relu(norm(conv1(x))), 1)); }
};

NamedArrays renamed(NamedArrays state, const std::string& from, const std::string& to) {
  for (auto& [name, array] : state)
    if (name == from) name = to;
  return state;
}

Array& at(NamedArrays& state, const std::string& wanted) {
  for (auto& [name, array] : state)
    if (name == wanted) return array;
  throw std::out_of_range(wanted);
}

bool same(const NamedArrays& a, const NamedArrays& b) {
  bool equal = a.size() == b.size();
  for (std::size_t i = 0; equal && i < a.size(); ++i)
    equal = a[i].first == b[i].first && same_bits(a[i].second, b[i].second);
  return equal;
}

const Tensor images = arange(2 * 16, f32).reshape({2, 1, 4, 4}) / 10.0;

}  // namespace

TEST_CASE("state_dict names parameters and buffers as PyTorch does") {
  Small net;
  std::vector<std::string> names;
  for (const auto& [name, array] : net.state_dict()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"conv1.weight", "conv1.bias", "norm.weight", "norm.bias", "norm.running_mean",
                                          "norm.running_var", "norm.num_batches_tracked", "head.weight", "head.bias"});
}

TEST_CASE("a state is a snapshot; loading it gives the same outputs in the same leaves") {
  Small a, b;
  a(images);  // moves the running statistics
  const NamedArrays state = a.state_dict();
  const Array copied = state[0].second.copy();
  nn::init::zeros_(a.conv1.weight);
  CHECK(same_bits(state[0].second, copied));

  const Node* leaf = b.head.weight.tensor().node();
  const nn::LoadResult result = b.load_state_dict(state);
  CHECK(result.missing.empty());
  CHECK(result.unexpected.empty());
  CHECK(same(b.state_dict(), state));
  CHECK(b.head.weight.tensor().node() == leaf);
  CHECK(b.norm.num_batches_tracked.item() == 1);
  a.load_state_dict(state);
  a.eval(), b.eval();
  CHECK(same_bits(a(images).array(), b(images).array()));
}

TEST_CASE("save and load through a file") {
  const testing::TempDir dir;
  Small a, b;
  a(images);
  a.save(dir / "net.safetensors");
  b.load(dir / "net.safetensors");
  CHECK(same(a.state_dict(), b.state_dict()));
  CHECK(dir.files() == 1);

  nn::Linear other{2, 2};
  const Array before = other.weight.array().copy();
  const std::string m = message_of<ModuleError>([&] { other.load(dir / "net.safetensors"); });
  CHECK(contains(m, "net.safetensors\" does not fit, nothing was loaded"));
  CHECK(contains(m, "missing: \"weight\", \"bias\""));
  CHECK(same_bits(other.weight.array(), before));
  CHECK_THROWS_AS(other.load(dir / "absent.safetensors"), DataError);
  CHECK_THROWS_AS(other.load(dir.put("notes.txt", "hello world")), DataError);
}

TEST_CASE("what is missing, unexpected and of another shape is listed, and nothing is loaded") {
  Small net;
  const NamedArrays before = net.state_dict();
  NamedArrays state = renamed(Small().state_dict(), "conv1.weight", "conv1.weigth");
  at(state, "head.weight") = Array::zeros({3, 9});
  at(state, "norm.num_batches_tracked") = Array::zeros({}, f32);
  state.emplace_back("zebra", Array::zeros({1}));
  const std::string m = message_of<ModuleError>([&] { net.load_state_dict(state); });
  CHECK(m ==
        "Small: the state does not fit, nothing was loaded\n"
        "  missing: \"conv1.weight\"\n"
        "  unexpected: \"conv1.weigth\" (did you mean \"conv1.weight\"?), \"zebra\"\n"
        "  another shape or type: \"norm.num_batches_tracked\" is f32[], here i64[], "
        "\"head.weight\" is f32[3,9], here f32[3,8]");
  CHECK(same(net.state_dict(), before));
}

TEST_CASE("strict = false lets names pass, never shapes") {
  Small net;
  NamedArrays state = renamed(Small().state_dict(), "conv1.weight", "else");
  const Array mine = net.conv1.weight.array().copy();
  const nn::LoadResult result = net.load_state_dict(state, false);
  CHECK(result.missing == std::vector<std::string>{"conv1.weight"});
  CHECK(result.unexpected == std::vector<std::string>{"else"});
  CHECK(same_bits(net.conv1.weight.array(), mine));
  CHECK(same_bits(net.head.weight.array(), at(state, "head.weight")));
  at(state, "head.bias") = Array::zeros({4});
  const std::string m = message_of<ModuleError>([&] { net.load_state_dict(state, false); });
  CHECK(contains(m, "\"head.bias\" is f32[4], here f32[3]"));
}

TEST_CASE("real types convert, a name given twice and an absent array are refused, long lists are cut") {
  Small net;
  NamedArrays state = Small().state_dict();
  at(state, "head.bias") = Array::full({3}, 0.5, f64);
  net.load_state_dict(state);
  CHECK(net.head.bias.dtype() == f32);
  CHECK(net.head.bias.array().element(2) == 0.5);

  state.push_back(state.front());
  CHECK(contains(message_of<ModuleError>([&] { net.load_state_dict(state); }), "given twice: \"conv1.weight\""));
  state.pop_back();
  at(state, "head.bias") = Array();
  CHECK(contains(message_of<ModuleError>([&] { net.load_state_dict(state); }), "\"head.bias\" is absent, here f32[3]"));

  NamedArrays many = Small().state_dict();
  for (int i = 0; i < 30; ++i) many.emplace_back(join("extra", i), Array::zeros({1}));
  CHECK(contains(message_of<ModuleError>([&] { net.load_state_dict(many); }), " and 18 more"));
}

TEST_CASE("a state loads into its own module, and writes are noticed by backward") {
  nn::Linear lin{2, 1};
  const Tensor x = full({1, 2}, 1).requires_grad_();
  const Tensor y = lin(x);
  lin.load_state_dict(lin.state_dict());
  CHECK(contains(message_of<GraphError>([&] { y.sum().backward(); }), "load_state_dict"));
}
