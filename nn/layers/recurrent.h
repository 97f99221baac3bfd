// Recurrent layers over whole sequences: LSTM, GRU, RNN; and their single steps: LSTMCell, GRUCell, RNNCell. Formulas, names
// and layouts of parameters, order of gates and of states are PyTorch's.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

struct LSTMOptions {
  int64_t num_layers = 1;
  bool bias = true;
  double dropout = 0;          ///< of the results of all layers but the last, in training; in [0, 1)
  bool bidirectional = false;  ///< a second run from the end of the sequence; its results stand behind those of the first
  bool batch_first = false;    ///< x and y are [N, T, ..], not [T, N, ..]; states stay as they are
  int64_t proj_size = 0;       ///< above 0: h has this many numbers, made of hidden_size by weight_hr
};
struct GRUOptions {
  int64_t num_layers = 1;
  bool bias = true;
  double dropout = 0;
  bool bidirectional = false, batch_first = false;
};
struct RNNOptions {
  int64_t num_layers = 1;
  std::string nonlinearity = "tanh";  ///< or "relu"
  bool bias = true;
  double dropout = 0;
  bool bidirectional = false, batch_first = false;
};

/// What a call may say beside x and the state.
struct SequenceCall {
  /// [N], i64 or u8, each in 1 .. T, in any order: sequence n ends after lengths[n] steps. The rest of x is not looked at, y
  /// is 0 there, and states are those after the last step that counts: as with torch.nn.utils.rnn.pack_padded_sequence.
  Tensor lengths = {};
};

/// What LSTM, GRU and RNN share: layers x directions, each one call of an op over the whole sequence.
struct Recurrent {
  /// weight_ih [G H, F], weight_hh [G H, P], bias_ih, bias_hh [G H], weight_hr [P, H]; some may be absent. All start in
  /// U(-1 / sqrt(H), 1 / sqrt(H)). G gates: LSTM i f g o, GRU r z n, RNN one; P is H, or proj_size.
  struct Weights {
    Parameter weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
  };

  int64_t input_size, hidden_size, num_layers;
  bool bias;
  double dropout;
  bool bidirectional, batch_first;
  int64_t proj_size;
  /// Layer by layer, each direction after the other. They are listed as weight_ih_l0, ..., weight_ih_l0_reverse, ...,
  /// weight_ih_l1, ...
  std::vector<Weights> weights;

  int64_t directions() const { return bidirectional ? 2 : 1; }

 protected:
  struct Results {
    Tensor y, h, c;
  };
  using Layer = LstmSequence (*)(const Tensor&, const LstmState&, const LayerWeights&, const SequenceOptions&);

  Recurrent(const char* type, int64_t gates, int64_t input_size, int64_t hidden_size, const LSTMOptions& options);
  std::vector<Member> list_weights();
  /// x and y as the caller has them.
  Results run(const ModuleBase& module, Layer layer, const Tensor& x, const LstmState& state, const SequenceCall& how);
  std::string describe_as(const char* type, const char* more = "") const;

 private:
  int64_t output_size() const { return proj_size > 0 ? proj_size : hidden_size; }
  void check_input(const ModuleBase& module, const Tensor& x, const SequenceCall& how) const;
  void check_state(const ModuleBase& module, const Tensor& x, const char* name, const Tensor& state, int64_t length) const;
  Results run_layers(bool training, Layer layer, Tensor x, const LstmState& state, const SequenceCall& how);
};

/// Long short-term memory: Hochreiter and Schmidhuber, 1997. x [T, N, input_size] -> y [T, N, D P] and the states h
/// [L D, N, P], c [L D, N, H]; without a batch x [T, input_size] -> [T, D P], states [L D, ..]. L layers, D directions. An
/// absent state is 0.
///
///   auto [y, state] = lstm(x);
///   auto [y2, next] = lstm(x, state, {.lengths = lengths});
///
/// Errors: ShapeError (features, state, lengths), DtypeError, IndexError (a length outside 1 .. T).
class LSTM : public Module<LSTM>, public Recurrent {
 public:
  LSTM(int64_t input_size, int64_t hidden_size, LSTMOptions options = {});
  LstmSequence operator()(const Tensor& x, const LstmState& state = {}, const SequenceCall& how = {}) {
    return Module::operator()(x, state, how);
  }
  template <std::same_as<SequenceCall> Call = SequenceCall>  // a template, so that (x, {}) is a call with an absent state
  LstmSequence operator()(const Tensor& x, const Call& how) {
    return Module::operator()(x, LstmState(), how);
  }
  LstmSequence forward(const Tensor& x, const LstmState& state = {}, const SequenceCall& how = {});
  std::vector<Member> members() override { return list_weights(); }
  std::string description() const override { return describe_as("LSTM"); }
};

/// What GRU and RNN share: a state that is h alone, and how they are called.
template <class Self> class HiddenStateLayer : public Module<Self>, public Recurrent {
 public:
  RecurrentSequence operator()(const Tensor& x, const Tensor& h = {}, const SequenceCall& how = {}) {
    return Module<Self>::operator()(x, h, how);
  }
  template <std::same_as<SequenceCall> Call = SequenceCall>  // a template, so that (x, {}) is a call with an absent state
  RecurrentSequence operator()(const Tensor& x, const Call& how) {
    return Module<Self>::operator()(x, Tensor(), how);
  }
  std::vector<Member> members() override { return list_weights(); }

 protected:
  using Recurrent::Recurrent;
};

/// Gated recurrent units: Cho et al., 2014, with the reset gate behind the product. As LSTM; the state is h [L D, N, H].
class GRU : public HiddenStateLayer<GRU> {
 public:
  GRU(int64_t input_size, int64_t hidden_size, GRUOptions options = {});
  RecurrentSequence forward(const Tensor& x, const Tensor& h = {}, const SequenceCall& how = {});
  std::string description() const override { return describe_as("GRU"); }
};

/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu: Elman, 1990. As GRU.
class RNN : public HiddenStateLayer<RNN> {
 public:
  RNN(int64_t input_size, int64_t hidden_size, RNNOptions options = {});
  RecurrentSequence forward(const Tensor& x, const Tensor& h = {}, const SequenceCall& how = {});
  std::string description() const override;

  std::string nonlinearity;
};

// ---- one step -------------------------------------------------------------------------------------------------------

struct CellOptions {
  bool bias = true;
};
struct RNNCellOptions {
  bool bias = true;
  std::string nonlinearity = "tanh";  ///< or "relu"
};

/// What the cells share: weight_ih [G H, F], weight_hh [G H, H], bias_ih, bias_hh [G H] or absent.
struct RecurrentCell {
  int64_t input_size, hidden_size;
  Parameter weight_ih, weight_hh, bias_ih, bias_hh;
  GRADUS_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)

 protected:
  RecurrentCell(const char* type, int64_t gates, int64_t input_size, int64_t hidden_size, bool bias);
  void check_step(const ModuleBase& module, const Tensor& x, const LstmState& state) const;
  CellWeights cell_weights() const { return {weight_ih, weight_hh, bias_ih, bias_hh}; }
  std::string describe_as(const char* type, const char* more = "") const;
};

/// One step of an LSTM: x [N, F] or [F], h and c [N, H] or [H]; an absent state is 0.
class LSTMCell : public Module<LSTMCell>, public RecurrentCell {
 public:
  LSTMCell(int64_t input_size, int64_t hidden_size, CellOptions options = {});
  LstmState operator()(const Tensor& x, const LstmState& state = {}) { return Module::operator()(x, state); }
  LstmState forward(const Tensor& x, const LstmState& state = {});
  std::string description() const override { return describe_as("LSTMCell"); }
  using RecurrentCell::field_names;
  using RecurrentCell::fields;
};

/// One step of a GRU.
class GRUCell : public Module<GRUCell>, public RecurrentCell {
 public:
  GRUCell(int64_t input_size, int64_t hidden_size, CellOptions options = {});
  Tensor operator()(const Tensor& x, const Tensor& h = {}) { return Module::operator()(x, h); }
  Tensor forward(const Tensor& x, const Tensor& h = {});
  std::string description() const override { return describe_as("GRUCell"); }
  using RecurrentCell::field_names;
  using RecurrentCell::fields;
};

/// One step of an RNN.
class RNNCell : public Module<RNNCell>, public RecurrentCell {
 public:
  RNNCell(int64_t input_size, int64_t hidden_size, RNNCellOptions options = {});
  Tensor operator()(const Tensor& x, const Tensor& h = {}) { return Module::operator()(x, h); }
  Tensor forward(const Tensor& x, const Tensor& h = {});
  std::string description() const override;
  using RecurrentCell::field_names;
  using RecurrentCell::fields;

  std::string nonlinearity;
};

}  // namespace gradus::nn
