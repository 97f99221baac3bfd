// What recurrent layers, cells and ops refuse, word for word.
#include <gradus/nn/nn.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using gradus::testing::message_of;

namespace {

struct Translator : nn::Module<Translator> {
  nn::LSTM encoder{10, 20, {.num_layers = 2, .bidirectional = true}};
  GRADUS_FIELDS(encoder)
  Tensor forward(const Tensor& x, const LstmState& state, const nn::SequenceCall& how) { return encoder(x, state, how).y; }
};

Tensor lengths_of(const std::vector<int64_t>& lengths) {
  return Tensor(Array::of<int64_t>({static_cast<int64_t>(lengths.size())}, lengths));
}

}  // namespace

TEST_CASE("what does not fit is refused with the module's path, both shapes and what would fit") {
  Translator net;
  const auto call = [&](const Tensor& x, const LstmState& state = {}, const nn::SequenceCall& how = {}) {
    return [&net, x, state, how] { net(x, state, how); };
  };
  const Tensor x = zeros({7, 3, 10});
  const std::string who = "LSTM(10 -> 20, 2 layers, bidirectional): ", where = " [in module \"encoder\"]";
  CHECK(message_of<ShapeError>(call(zeros({7, 3, 9}))) ==
        who +
            "the last axis of the input must be 10, got 9: input f32[7,3,9], weight_ih_l0 f32[80,10]; the layout is [T, N, "
            "F]" +
            where + "\n  try: LSTM(9, 20)");
  CHECK(message_of<ShapeError>(call(zeros({10}))) == who + "the input must be [T, N, 10] or [T, 10], got f32[10]" + where);
  const std::string state = "; it must be [4,3,20], [layers x directions, batch, hidden_size]" + where;
  CHECK(message_of<ShapeError>(call(x, {zeros({2, 3, 20}), {}})) ==
        who + "the state h is f32[2,3,20], the input f32[7,3,10]" + state);
  CHECK(message_of<ShapeError>(call(x, {{}, zeros({4, 7, 20})})) ==
        who + "the state c is f32[4,7,20], the input f32[7,3,10]" + state);
  CHECK(message_of<DtypeError>(call(x, {zeros({4, 3, 20}, f64), {}})) ==
        who + "the input is f32[7,3,10], the state h f64[4,3,20]; they must have one dtype" + where + "\n  try: h.to(f32)");
  CHECK(message_of<DtypeError>(call(zeros({7, 3, 10}, f64))) ==
        who + "the input is f64[7,3,10], the layer's numbers are f32; they must agree" + where + "\n  try: x.to(f32)");
  CHECK(message_of<ShapeError>(call(x, {}, {lengths_of({1, 2})})) ==
        who + "the lengths are i64[2], the input f32[7,3,10]; they must be [3], one for each sequence" + where);
  CHECK(message_of<ShapeError>(call(zeros({7, 10}), {}, {lengths_of({1})})) ==
        who + "lengths are for a batch of sequences, the input is one: f32[7,10]" + where);
  CHECK(message_of<IndexError>(call(x, {}, {lengths_of({1, 8, 2})})) ==
        "lstm: length 8 at [1]; the input f32[7,3,10] has 7 steps, lengths must lie in [1, 7]" + where);
  CHECK(message_of<IndexError>(call(x, {}, {lengths_of({0, 7, 2})})) ==
        "lstm: length 0 at [0]; the input f32[7,3,10] has 7 steps, lengths must lie in [1, 7]" + where);
  CHECK(message_of<DtypeError>(call(x, {}, {zeros({3})})) ==
        "lstm: the lengths are f32[3]; they must be i64 or u8" + where + "\n  try: lengths.to(i64)");
  CHECK(message_of<ShapeError>([] {
          nn::GRU(10, 20, {.batch_first = true})(zeros({3, 7, 10}), zeros({1, 7, 20}));
        }) ==
        "GRU(10 -> 20, batch first): the state h is f32[1,7,20], the input f32[3,7,10]; it must be [1,3,20], "
        "[layers x directions, batch, hidden_size]");
}

TEST_CASE("cells and constructors refuse what does not fit") {
  nn::LSTMCell cell{4, 3};
  CHECK(message_of<ShapeError>([&] {
          cell(zeros({2, 5}));
        }) ==
        "LSTMCell(4 -> 3): the last axis of the input must be 4, got 5: input f32[2,5], "
        "weight_ih f32[12,4]\n  try: LSTMCell(5, 3)");
  CHECK(message_of<ShapeError>([&] {
          cell(zeros({2, 4}), {zeros({2, 4}), {}});
        }) == "LSTMCell(4 -> 3): the state h is f32[2,4], the input f32[2,4]; it must be [2,3], [batch, hidden_size]");
  CHECK(message_of<ShapeError>([] {
          nn::GRUCell(4, 3)(zeros({4}), zeros({1, 3}));
        }) == "GRUCell(4 -> 3): the state h is f32[1,3], the input f32[4]; it must be [3], [hidden_size]");
  CHECK(message_of<Error>([] { nn::RNN(2, 3, {.nonlinearity = "selu"}); }) ==
        "RNN: the nonlinearity must be \"tanh\" or \"relu\", got \"selu\"");
  CHECK(message_of<ShapeError>([] { nn::LSTM(2, 3, {.proj_size = 3}); }) ==
        "LSTM: proj_size must lie in [0, 2], below hidden_size 3, got 3");
  CHECK(message_of<ShapeError>([] { nn::GRU(2, 3, {.num_layers = 0}); }) == "GRU: num_layers must be at least 1, got 0");
  CHECK(message_of<Error>([] { nn::GRU(2, 3, {.dropout = 1.5}); }) == "GRU: the dropout must lie in [0, 1), got 1.5");
}

TEST_CASE("the ops refuse weights and inputs that do not fit") {
  const LayerWeights w{zeros({12, 4}), zeros({12, 3})};
  CHECK(message_of<ShapeError>([&] {
          lstm(zeros({2, 4}), {}, w);
        }) == "lstm: the input must be [T, N, features], got f32[2,4]");
  CHECK(message_of<ShapeError>([&] {
          lstm(zeros({5, 2, 3}), {}, w);
        }) == "lstm: the w_ih is f32[12,4]; it must be [12,3], [gates x hidden, features of the input]");
  CHECK(message_of<ShapeError>([&] {
          gru(zeros({5, 2, 4}), zeros({2, 3}), w);
        }) == "gru: the w_hh is f32[12,3]; it must be [12,4], [gates x hidden, hidden]");
  CHECK(message_of<DtypeError>([&] {
          lstm(zeros({5, 2, 4}, f64), {}, w);
        }) == "lstm: the input is f64[5,2,4], the w_ih f32[12,4]; they must have one dtype\n  try: w_ih.to(f64)");
  CHECK(lstm(zeros({0, 2, 4}), {}, w).y.shape() == Shape{0, 2, 3});
  CHECK(lstm(zeros({5, 0, 4}), {}, w).state.h.shape() == Shape{0, 3});
}
