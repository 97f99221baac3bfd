#include <gradus/nn/layers/recurrent.h>

#include <gradus/core/random.h>
#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

/// Errors: DtypeError, ShapeError unless the state is absent or has the input's dtype and this shape, whose axes are named.
void check_one_state(const ModuleBase& module, const Tensor& x, const char* name, const Tensor& state, const Shape& wanted,
                     const std::string& axes) {
  if (!state.defined()) return;
  if (state.dtype() != x.dtype())
    throw DtypeError(
        module.description(),
        join("the input is ", describe(x), ", the state ", name, " ", describe(state), "; they must have one dtype"),
        join(name, ".to(", x.dtype(), ")"));
  if (!(state.shape() == wanted))
    throw_input(module, join("the state ", name, " is ", describe(state), ", the input ", describe(x), "; it must be ",
                             wanted, ", ", axes));
}

LSTMOptions shared_options(const GRUOptions& o) { return {o.num_layers, o.bias, o.dropout, o.bidirectional, o.batch_first}; }
LSTMOptions shared_options(const RNNOptions& o) { return {o.num_layers, o.bias, o.dropout, o.bidirectional, o.batch_first}; }

const std::string& checked_nonlinearity(const char* type, const std::string& name) {
  if (name != "tanh" && name != "relu")
    throw Error(type, join("the nonlinearity must be \"tanh\" or \"relu\", got \"", name, "\""));
  return name;
}

Parameter recurrent_parameter(const Shape& shape, int64_t hidden) { return Parameter(init::fan_in_uniform(shape, hidden)); }

LstmSequence lstm_layer(const Tensor& x, const LstmState& s, const LayerWeights& w, const SequenceOptions& how) {
  return lstm(x, s, w, how);
}
LstmSequence gru_layer(const Tensor& x, const LstmState& s, const LayerWeights& w, const SequenceOptions& how) {
  auto [y, h] = gru(x, s.h, w, how);
  return {y, {h, {}}};
}
template <RnnNonlinearity nonlinearity>
LstmSequence rnn_layer(const Tensor& x, const LstmState& s, const LayerWeights& w, const SequenceOptions& how) {
  auto [y, h] = rnn(x, s.h, w, how, nonlinearity);
  return {y, {h, {}}};
}

}  // namespace

// ---- layers ---------------------------------------------------------------------------------------------------------

Recurrent::Recurrent(const char* type, int64_t gates, int64_t in, int64_t hidden, const LSTMOptions& o)
    : input_size(in),
      hidden_size(hidden),
      num_layers(o.num_layers),
      bias(o.bias),
      dropout(o.dropout),
      bidirectional(o.bidirectional),
      batch_first(o.batch_first),
      proj_size(o.proj_size) {
  check_positive(type, "input_size", in);
  check_positive(type, "hidden_size", hidden);
  check_positive(type, "num_layers", o.num_layers);
  if (!(dropout >= 0 && dropout < 1)) throw Error(type, join("the dropout must lie in [0, 1), got ", text(dropout)));
  if (proj_size < 0 || proj_size >= hidden)
    throw ShapeError(type,
                     join("proj_size must lie in [0, ", hidden - 1, "], below hidden_size ", hidden, ", got ", proj_size));
  weights.resize(static_cast<std::size_t>(num_layers * directions()));
  int64_t features = in;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    Weights& w = weights[k];
    if (static_cast<int64_t>(k) >= directions()) features = directions() * output_size();
    w.weight_ih = recurrent_parameter({gates * hidden, features}, hidden);
    w.weight_hh = recurrent_parameter({gates * hidden, output_size()}, hidden);
    for (Parameter* b : {&w.bias_ih, &w.bias_hh})
      if (bias) *b = recurrent_parameter({gates * hidden}, hidden);
    if (proj_size > 0) w.weight_hr = recurrent_parameter({proj_size, hidden}, hidden);
  }
}

std::vector<Member> Recurrent::list_weights() {
  std::vector<Member> list;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const auto layer = static_cast<int64_t>(k) / directions();
    const std::string suffix = join("_l", layer, static_cast<int64_t>(k) % directions() == 1 ? "_reverse" : "");
    const auto add = [&](const char* name, Parameter& p) { list.push_back({.name = name + suffix, .parameter = &p}); };
    Weights& w = weights[k];
    add("weight_ih", w.weight_ih), add("weight_hh", w.weight_hh);
    add("bias_ih", w.bias_ih), add("bias_hh", w.bias_hh), add("weight_hr", w.weight_hr);
  }
  return list;
}

namespace {

/// In words, and which axis has the length that the last one should have.
std::string axes_in_words(const Tensor& x, bool batch_first, int64_t input_size) {
  std::string words = x.rank() == 2 ? "[T, F]" : batch_first ? "[N, T, F]" : "[T, N, F]";
  for (int axis = 0; axis + 1 < x.rank(); ++axis)
    if (x.dim(axis) == input_size) return words + join(", and axis ", axis, " is ", input_size);
  return words;
}

}  // namespace

void Recurrent::check_input(const ModuleBase& module, const Tensor& x, const SequenceCall& how) const {
  check_dtype(module, x, weights[0].weight_ih.dtype());
  if (x.rank() != 2 && x.rank() != 3)
    throw_input(module, join("the input must be ", batch_first ? "[N, T, " : "[T, N, ", input_size, "] or [T, ", input_size,
                             "], got ", describe(x)));
  if (const int64_t got = x.shape().back(); got != input_size)
    throw_input(
        module,
        join("the last axis of the input must be ", input_size, ", got ", got, ": input ", describe(x), ", weight_ih_l0 ",
             describe(weights[0].weight_ih.array()), "; the layout is ", axes_in_words(x, batch_first, input_size)),
        got > 0 ? join(module.type_name(), "(", got, ", ", hidden_size, ")") : "");
  if (!how.lengths.defined()) return;
  if (x.rank() == 2) throw_input(module, join("lengths are for a batch of sequences, the input is one: ", describe(x)));
  const int64_t n = x.shape()[batch_first ? 0 : 1];
  if (!(how.lengths.shape() == Shape{n}))
    throw_input(module, join("the lengths are ", describe(how.lengths), ", the input ", describe(x), "; they must be ",
                             Shape{n}, ", one for each sequence"));
}

void Recurrent::check_state(const ModuleBase& module, const Tensor& x, const char* name, const Tensor& state,
                            int64_t length) const {
  const int64_t count = num_layers * directions();
  const Shape wanted = x.rank() == 2 ? Shape{count, length} : Shape{count, x.shape()[batch_first ? 0 : 1], length};
  check_one_state(module, x, name, state, wanted,
                  join("[layers x directions", x.rank() == 2 ? "" : ", batch", ", ",
                       length == hidden_size ? "hidden_size]" : "proj_size]"));
}

Recurrent::Results Recurrent::run(const ModuleBase& module, Layer layer, const Tensor& x, const LstmState& state,
                                  const SequenceCall& how) {
  check_input(module, x, how);
  check_state(module, x, "h", state.h, output_size());
  check_state(module, x, "c", state.c, hidden_size);
  if (x.rank() == 3) {
    Results r = run_layers(module.training(), layer, batch_first ? transpose(x, 0, 1) : x, state, how);
    if (batch_first) r.y = transpose(r.y, 0, 1);
    return r;
  }
  const auto batch_of_one = [](const Tensor& t) { return t.defined() ? unsqueeze(t, 1) : t; };
  const auto alone = [](const Tensor& t) { return t.defined() ? squeeze(t, 1) : t; };
  const LstmState states{batch_of_one(state.h), batch_of_one(state.c)};
  const Results r = run_layers(module.training(), layer, batch_of_one(x), states, how);
  return {alone(r.y), alone(r.h), alone(r.c)};
}

Recurrent::Results Recurrent::run_layers(bool training, Layer layer, Tensor x, const LstmState& state,
                                         const SequenceCall& how) {
  std::vector<Tensor> last_h, last_c;
  for (int64_t k = 0; k < num_layers * directions(); k += directions()) {
    if (k > 0 && training && dropout > 0) x = gradus::dropout(x, dropout, default_generator().next_stream().bits(0));
    std::vector<Tensor> y;
    for (int64_t d = 0; d < directions(); ++d) {
      const Weights& w = weights[static_cast<std::size_t>(k + d)];
      const auto of_this = [&](const Tensor& s) { return s.defined() ? select(s, 0, k + d) : s; };
      const LstmSequence one = layer(x, {of_this(state.h), of_this(state.c)},
                                     {w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh, w.weight_hr}, {d == 1, how.lengths});
      y.push_back(one.y), last_h.push_back(one.state.h);
      if (one.state.c.defined()) last_c.push_back(one.state.c);
    }
    x = y.size() == 1 ? y[0] : cat(y, -1);
  }
  return {x, stack(last_h), last_c.empty() ? Tensor() : stack(last_c)};
}

std::string Recurrent::describe_as(const char* type, const char* more) const {
  return join(type, "(", input_size, " -> ", hidden_size, proj_size > 0 ? join(" -> ", proj_size) : "",
              num_layers > 1 ? join(", ", num_layers, " layers") : "", bidirectional ? ", bidirectional" : "",
              batch_first ? ", batch first" : "", dropout > 0 ? join(", dropout ", text(dropout)) : "",
              bias ? "" : ", no bias", more, ")");
}

LSTM::LSTM(int64_t in, int64_t hidden, LSTMOptions o) : Recurrent("LSTM", 4, in, hidden, o) {}
LstmSequence LSTM::forward(const Tensor& x, const LstmState& state, const SequenceCall& how) {
  const Results r = run(*this, lstm_layer, x, state, how);
  return {r.y, {r.h, r.c}};
}

GRU::GRU(int64_t in, int64_t hidden, GRUOptions o) : HiddenStateLayer("GRU", 3, in, hidden, shared_options(o)) {}
RecurrentSequence GRU::forward(const Tensor& x, const Tensor& h, const SequenceCall& how) {
  const Results r = run(*this, gru_layer, x, {h, {}}, how);
  return {r.y, r.h};
}

RNN::RNN(int64_t in, int64_t hidden, RNNOptions o)
    : HiddenStateLayer("RNN", 1, in, hidden, shared_options(o)), nonlinearity(checked_nonlinearity("RNN", o.nonlinearity)) {}
RecurrentSequence RNN::forward(const Tensor& x, const Tensor& h, const SequenceCall& how) {
  const Layer layer = nonlinearity == "relu" ? rnn_layer<RnnNonlinearity::relu> : rnn_layer<RnnNonlinearity::tanh>;
  const Results r = run(*this, layer, x, {h, {}}, how);
  return {r.y, r.h};
}
std::string RNN::description() const { return describe_as("RNN", nonlinearity == "relu" ? ", relu" : ""); }

// ---- cells ----------------------------------------------------------------------------------------------------------

RecurrentCell::RecurrentCell(const char* type, int64_t gates, int64_t in, int64_t hidden, bool bias)
    : input_size(in), hidden_size(hidden) {
  check_positive(type, "input_size", in);
  check_positive(type, "hidden_size", hidden);
  weight_ih = recurrent_parameter({gates * hidden, in}, hidden);
  weight_hh = recurrent_parameter({gates * hidden, hidden}, hidden);
  if (bias) bias_ih = recurrent_parameter({gates * hidden}, hidden), bias_hh = recurrent_parameter({gates * hidden}, hidden);
}

void RecurrentCell::check_step(const ModuleBase& module, const Tensor& x, const LstmState& state) const {
  check_dtype(module, x, weight_ih.dtype());
  if (x.rank() != 1 && x.rank() != 2)
    throw_input(module, join("the input must be [N, ", input_size, "] or [", input_size, "], got ", describe(x)));
  if (const int64_t got = x.shape().back(); got != input_size)
    throw_input(module,
                join("the last axis of the input must be ", input_size, ", got ", got, ": input ", describe(x),
                     ", weight_ih ", describe(weight_ih.array())),
                got > 0 ? join(module.type_name(), "(", got, ", ", hidden_size, ")") : "");
  const Shape wanted = x.rank() == 1 ? Shape{hidden_size} : Shape{x.shape()[0], hidden_size};
  const char* axes = x.rank() == 1 ? "[hidden_size]" : "[batch, hidden_size]";
  check_one_state(module, x, "h", state.h, wanted, axes);
  check_one_state(module, x, "c", state.c, wanted, axes);
}

std::string RecurrentCell::describe_as(const char* type, const char* more) const {
  return join(type, "(", input_size, " -> ", hidden_size, bias_ih.defined() ? "" : ", no bias", more, ")");
}

namespace {

/// [1, length] of [length]; the state 0 if it is absent.
Tensor as_batch(const Tensor& x) { return x.rank() == 1 ? unsqueeze(x, 0) : x; }
Tensor state_for(const Tensor& state, const Tensor& x, int64_t hidden) {
  return state.defined() ? as_batch(state) : zeros({x.rank() == 1 ? 1 : x.shape()[0], hidden}, x.dtype());
}
Tensor as_given(const Tensor& y, const Tensor& x) { return x.rank() == 1 ? squeeze(y, 0) : y; }

}  // namespace

LSTMCell::LSTMCell(int64_t in, int64_t hidden, CellOptions o) : RecurrentCell("LSTMCell", 4, in, hidden, o.bias) {}
LstmState LSTMCell::forward(const Tensor& x, const LstmState& state) {
  check_step(*this, x, state);
  const LstmState next =
      lstm_cell(as_batch(x), {state_for(state.h, x, hidden_size), state_for(state.c, x, hidden_size)}, cell_weights());
  return {as_given(next.h, x), as_given(next.c, x)};
}

GRUCell::GRUCell(int64_t in, int64_t hidden, CellOptions o) : RecurrentCell("GRUCell", 3, in, hidden, o.bias) {}
Tensor GRUCell::forward(const Tensor& x, const Tensor& h) {
  check_step(*this, x, {h, {}});
  return as_given(gru_cell(as_batch(x), state_for(h, x, hidden_size), cell_weights()), x);
}

RNNCell::RNNCell(int64_t in, int64_t hidden, RNNCellOptions o)
    : RecurrentCell("RNNCell", 1, in, hidden, o.bias), nonlinearity(checked_nonlinearity("RNNCell", o.nonlinearity)) {}
Tensor RNNCell::forward(const Tensor& x, const Tensor& h) {
  check_step(*this, x, {h, {}});
  const Tensor in = as_batch(x), before = state_for(h, x, hidden_size);
  if (nonlinearity == "tanh") return as_given(rnn_cell(in, before, cell_weights()), x);
  return as_given(relu(linear(in, weight_ih, bias_ih) + linear(before, weight_hh, bias_hh)), x);
}
std::string RNNCell::description() const { return describe_as("RNNCell", nonlinearity == "relu" ? ", relu" : ""); }

}  // namespace gradus::nn
