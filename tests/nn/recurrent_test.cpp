// LSTM, GRU, RNN and their cells: names, gradients to second order, the same bits with any number of threads, padding that
// does not matter.
#include <gradus/autograd/check/check_grad.h>
#include <gradus/autograd/sample.h>
#include <gradus/core/parallel.h>
#include <gradus/nn/nn.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

#include <limits>
#include <map>

using namespace gradus;
using gradus::testing::contains;
using gradus::testing::distance;
using gradus::testing::message_of;
using gradus::testing::same_bits;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Tensor values_of(const Shape& shape, unsigned seed, Dtype dtype = f64) {
  return Tensor(sample_values(shape, -1, 1, seed).to(dtype));
}
Tensor lengths_of(const std::vector<int64_t>& lengths) {
  return Tensor(Array::of<int64_t>({static_cast<int64_t>(lengths.size())}, lengths));
}

/// Results and all gradients of a call.
template <class Module> std::vector<Array> outcome(Module& module, const Tensor& x, const nn::SequenceCall& how) {
  module.zero_grad();
  const Tensor in = leaf(x.array());
  const auto result = [&] {
    if constexpr (std::is_same_v<Module, nn::LSTM>) {
      const auto [y, state] = module(in, how);
      return std::vector<Tensor>{y, state.h, state.c};
    } else {
      const auto [y, h] = module(in, how);
      return std::vector<Tensor>{y, h};
    }
  }();
  Tensor loss;
  unsigned seed = 3;
  std::vector<Array> all;
  for (const Tensor& y : result) {
    const Tensor term = sum(y * values_of(y.shape(), seed++, y.dtype()));
    loss = loss.defined() ? loss + term : term;
    all.push_back(y.array());
  }
  loss.backward();
  all.push_back(in.grad().array());
  for (const Tensor& p : module.parameters()) all.push_back(p.grad().array());
  return all;
}

bool all_same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  bool same = a.size() == b.size();
  for (std::size_t k = 0; same && k < a.size(); ++k) same = same_bits(a[k], b[k]);
  return same;
}

template <class Module> void check_same_bits(Module module, Dtype dtype) {
  module.to(dtype);
  const int before = threads();
  const Tensor x = values_of({9, 67, 5}, 1, dtype);
  std::vector<int64_t> lengths(67);
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = 1 + static_cast<int64_t>(i * 5 % 9);
  for (const nn::SequenceCall& how : {nn::SequenceCall{}, nn::SequenceCall{lengths_of(lengths)}}) {
    set_threads(1);
    const auto one = outcome(module, x, how);
    for (const int n : {2, 3, 7}) {
      set_threads(n);
      CHECK(all_same_bits(outcome(module, x, how), one));
    }
  }
  set_threads(before);
}

/// First and second order over every parameter, and the inputs that are leaves.
template <class Module, class Call> void check_gradients(Module module, std::vector<Tensor> inputs, Call call) {
  module.to(f64);
  for (const bool training : {true, false}) {
    module.train(training);
    std::vector<Tensor> leaves = inputs;
    for (const Tensor& p : module.parameters()) leaves.push_back(p);
    const auto f = [&] { return call(module, inputs); };
    const auto first = gradcheck(f, leaves);
    CHECK_MESSAGE(first.passed, first.message);
    const auto second = gradgradcheck(f, leaves);
    CHECK_MESSAGE(second.passed, second.message);
  }
}

struct Reader : nn::Module<Reader> {
  nn::LSTM encoder{2, 3, {.num_layers = 2, .dropout = 0.5, .batch_first = true}};
  nn::Linear head{3, 1};
  GRADUS_FIELDS(encoder, head)
  Tensor forward(const Tensor& x) {
    const auto [y, state] = encoder(x);
    return head(select(y, 1, -1));
  }
};

}  // namespace

TEST_CASE("parameters have PyTorch's names and order, and start in U(-1 / sqrt(H), 1 / sqrt(H))") {
  nn::LSTM lstm{3, 16, {.num_layers = 2, .bidirectional = true, .proj_size = 2}};
  std::string names;
  for (const auto& [name, p] : lstm.named_parameters()) {
    names += name + " " + to_string(p.shape()) + "\n";
    for (int64_t i = 0; i < p.size(); ++i) REQUIRE(std::fabs(p.array().element(i)) <= 0.25);
  }
  CHECK(names ==
        "weight_ih_l0 [64,3]\nweight_hh_l0 [64,2]\nbias_ih_l0 [64]\nbias_hh_l0 [64]\nweight_hr_l0 [2,16]\n"
        "weight_ih_l0_reverse [64,3]\nweight_hh_l0_reverse [64,2]\nbias_ih_l0_reverse [64]\nbias_hh_l0_reverse [64]\n"
        "weight_hr_l0_reverse [2,16]\n"
        "weight_ih_l1 [64,4]\nweight_hh_l1 [64,2]\nbias_ih_l1 [64]\nbias_hh_l1 [64]\nweight_hr_l1 [2,16]\n"
        "weight_ih_l1_reverse [64,4]\nweight_hh_l1_reverse [64,2]\nbias_ih_l1_reverse [64]\nbias_hh_l1_reverse [64]\n"
        "weight_hr_l1_reverse [2,16]\n");
  CHECK(lstm.description() == "LSTM(3 -> 16 -> 2, 2 layers, bidirectional)");
  CHECK(nn::GRU(3, 4, {.bias = false, .batch_first = true}).description() == "GRU(3 -> 4, batch first, no bias)");
  CHECK(nn::RNN(3, 4, {.nonlinearity = "relu"}).description() == "RNN(3 -> 4, relu)");
  CHECK(nn::RNNCell(3, 4).description() == "RNNCell(3 -> 4)");
  const auto cell = nn::GRUCell(3, 4).state_dict();
  CHECK((cell.size() == 4 && cell[0].first == "weight_ih" && cell[3].first == "bias_hh"));
}

TEST_CASE("a layer as a member: paths of names, copies with numbers of their own, loading, freezing, f64") {
  Reader net;
  const Tensor x = values_of({4, 5, 2}, 1, f32);
  net.eval();
  const Array before = net(x).array();
  CHECK(net.named_parameters()[4].first == "encoder.weight_ih_l1");
  Reader copy = net;
  net.encoder.weights[0].weight_ih.writable().assign(Array::zeros({12, 2}), "test");
  CHECK(same_bits(copy(x).array(), before));
  CHECK_FALSE(same_bits(net(x).array(), before));
  net.load_state_dict(copy.state_dict());
  CHECK(same_bits(net(x).array(), before));
  net.encoder.requires_grad_(false);
  sum(net(x)).backward();
  CHECK_FALSE(net.encoder.weights[0].weight_ih.grad().defined());
  CHECK(net.head.weight.grad().defined());
  net.to(f64);
  CHECK(net(x.to(f64)).dtype() == f64);
  net.train();
  CHECK_FALSE(same_bits(net(x.to(f64)).array(), net(x.to(f64)).array()));  // dropout between the layers
}

TEST_CASE("gradients of the layers, first and second order, in train and eval mode") {
  const Tensor x = leaf(sample_values({3, 2, 2}, -1, 1, 1)), h = leaf(sample_values({2, 2, 3}, -1, 1, 2)),
               c = leaf(sample_values({2, 2, 3}, -1, 1, 3)), lengths = lengths_of({2, 3});
  check_gradients(nn::LSTM(2, 3, {.bidirectional = true}), {x, h, c}, [&](nn::LSTM& m, const std::vector<Tensor>& in) {
    const auto [y, state] = m(in[0], {in[1], in[2]}, {.lengths = lengths});
    return std::vector<Tensor>{y, state.h, state.c};
  });
  check_gradients(nn::LSTM(2, 3, {.proj_size = 2}), {x},
                  [](nn::LSTM& m, const std::vector<Tensor>& in) { return m(in[0]).y; });
  check_gradients(nn::GRU(2, 3, {.num_layers = 2}), {x, h}, [&](nn::GRU& m, const std::vector<Tensor>& in) {
    const auto [y, state] = m(in[0], in[1], {.lengths = lengths});
    return std::vector<Tensor>{y, state};
  });
  check_gradients(nn::RNN(2, 3, {.bidirectional = true, .batch_first = true}), {x},
                  [](nn::RNN& m, const std::vector<Tensor>& in) { return m(in[0]).y; });
  const Tensor row = leaf(sample_values({2, 2}, -1, 1, 1)), before = leaf(sample_values({2, 3}, -1, 1, 2));
  check_gradients(nn::LSTMCell(2, 3), {row, before}, [](nn::LSTMCell& m, const std::vector<Tensor>& in) {
    const LstmState s = m(in[0], {in[1], {}});
    return std::vector<Tensor>{s.h, s.c};
  });
  check_gradients(nn::GRUCell(2, 3), {row, before},
                  [](nn::GRUCell& m, const std::vector<Tensor>& in) { return m(in[0], in[1]); });
  check_gradients(nn::RNNCell(2, 3), {row}, [](nn::RNNCell& m, const std::vector<Tensor>& in) { return m(in[0]); });
}

TEST_CASE("recurrent layers give the same bits with 1, 2, 3 and 7 threads, forward and backward") {
  for (const Dtype dtype : {f32, f64}) {
    check_same_bits(nn::LSTM(5, 37, {.num_layers = 2, .bidirectional = true}), dtype);
    check_same_bits(nn::LSTM(5, 37, {.proj_size = 9}), dtype);
    check_same_bits(nn::GRU(5, 37, {.bidirectional = true}), dtype);
    check_same_bits(nn::RNN(5, 64, {.nonlinearity = "relu"}), dtype);
  }
}

TEST_CASE("a sequence in a padded batch has the numbers that it has alone; NaN in the padding reaches nothing") {
  const auto check = [](auto module) {
    module.to(f64);
    const std::vector<int64_t> lengths{3, 6, 1, 4};
    Array x = sample_values({6, 4, 2}, -1, 1, 7);
    for (int64_t t = 0; t < 6; ++t)
      for (int64_t n = 0; n < 4; ++n)
        if (t >= lengths[static_cast<std::size_t>(n)])
          for (int64_t k = 0; k < 2; ++k) x.uninitialized<double>()[(t * 4 + n) * 2 + k] = not_a_number;
    const Tensor all = leaf(x);
    const auto part = [](const Tensor& t, int64_t n, int64_t from, int64_t to) {
      return t.array().slice(1, n, n + 1).slice(0, from, to);
    };
    const auto result = module(all, {.lengths = lengths_of(lengths)});
    sum(square(result.y)).backward();
    std::map<std::string, Array> batched;
    for (const auto& [name, p] : module.named_parameters()) batched[name] = p.grad().array().copy();
    module.zero_grad();
    for (int64_t n = 0; n < 4; ++n) {
      const int64_t length = lengths[static_cast<std::size_t>(n)];
      const Tensor one = leaf(x.slice(1, n, n + 1).slice(0, 0, length).copy());
      const auto alone = module(one);
      sum(square(alone.y)).backward();
      CHECK(distance(alone.y.array(), part(result.y, n, 0, length)) < 1e-14);
      CHECK(distance(one.grad().array(), part(all.grad(), n, 0, length)) < 1e-13);
      const Array behind = part(result.y, n, length, 6), dx = part(all.grad(), n, length, 6);
      for (int64_t i = 0; i < behind.size(); ++i) CHECK(behind.element(i) == 0);
      for (int64_t i = 0; i < dx.size(); ++i) CHECK(dx.element(i) == 0);
    }
    for (const auto& [name, p] : module.named_parameters()) CHECK(distance(p.grad().array(), batched[name]) < 1e-12);
  };
  check(nn::LSTM(2, 5, {.num_layers = 2, .bidirectional = true}));
  check(nn::LSTM(2, 5, {.bidirectional = true, .proj_size = 3}));
  check(nn::GRU(2, 5, {.num_layers = 2, .bidirectional = true}));
  check(nn::RNN(2, 5, {.bidirectional = true}));
}

TEST_CASE("lengths of u8 do as well; NaN that counts comes out") {
  nn::GRU gru{2, 3};
  const Tensor x = values_of({4, 2, 2}, 1, f32);
  const Tensor bytes(Array::of<std::uint8_t>({2}, {2, 4}));
  const auto a = gru(x, {.lengths = lengths_of({2, 4})}), b = gru(x, {}, {.lengths = bytes});
  CHECK(same_bits(a.y.array(), b.y.array()));
  Array bad = x.array().copy();
  bad.uninitialized<float>()[0] = static_cast<float>(not_a_number);
  const auto [y, h] = gru(Tensor(bad));
  CHECK(std::isnan(y.array().at({3, 0, 0})));
  CHECK_FALSE(std::isnan(y.array().at({3, 1, 0})));
}

TEST_CASE("a state is handed on: two halves give what the whole gives; one node of the tape a layer") {
  nn::LSTM lstm{3, 4};
  const Tensor x = values_of({6, 2, 3}, 1, f32);
  const auto [y, state] = lstm(x);
  const auto first = lstm(slice(x, 0, 0, 3)), second = lstm(slice(x, 0, 3, 6), first.state);
  CHECK(same_bits(second.state.h.array(), state.h.array()));
  CHECK(same_bits(cat({first.y, second.y}).array(), y.array()));
  CHECK(std::string(y.node()->op->name) == "lstm");
  CHECK(y.shape() == Shape{6, 2, 4});
  CHECK(same_bits(lstm(x, {}).y.array(), y.array()));
  CHECK(same_bits(lstm(x, {zeros({1, 2, 4}), zeros({1, 2, 4})}).y.array(), y.array()));
  CHECK(state.c.shape() == Shape{1, 2, 4});
}

TEST_CASE("writing over what a recurrent layer keeps is noticed by its backward pass") {
  nn::GRU gru{2, 3};
  auto [y, h] = gru(values_of({4, 2, 2}, 1, f32));
  const Tensor loss = sum(y);
  y.writable().assign(Array::zeros({4, 2, 3}), "my step");
  CHECK(contains(message_of<GraphError>([&] { loss.backward(); }), "my step"));
}
