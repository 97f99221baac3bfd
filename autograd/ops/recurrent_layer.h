// One layer of a recurrent network over a whole sequence, in one direction: one node of the tape (ops/recurrent_layer.cpp).
#pragma once

#include <gradus/autograd/ops/layers.h>

namespace gradus {

/// The weights w_ih [G H, F], w_hh [G H, P], biases [G H] or absent, w_hr [P, H] or absent (LSTM only): gates as
/// CellWeights. P is H, unless w_hr projects.
struct LayerWeights {
  Tensor w_ih, w_hh, b_ih = {}, b_hh = {}, w_hr = {};
};
struct SequenceOptions {
  bool reverse = false;  ///< from the last step to the first
  /// The lengths [N] of i64 or u8, each in 1 .. T, in any order: sequence n ends after lengths[n] steps. Later steps are
  /// ignored and get no gradient, y is 0 there, and the final state is that of the last valid step (reverse: of step 0).
  Tensor lengths = {};
};
struct LstmSequence {
  Tensor y;         ///< [T, N, P]: h after every step
  LstmState state;  ///< h [N, P] and c [N, H] after the last step
};
struct RecurrentSequence {
  Tensor y, state;  ///< [T, N, H]; h after the last step [N, H]
};
/// Runs x [T, N, F] from a state h [N, P], c [N, H]; an absent one is 0. The results are those of lstm_cell step by step,
/// and of torch.nn.LSTM. Hochreiter and Schmidhuber, 1997; projection: Sak et al., 2014. Errors: ShapeError, DtypeError,
/// IndexError (lengths).
LstmSequence lstm(const Tensor& x, const LstmState& state, const LayerWeights& weights, const SequenceOptions& options = {});
RecurrentSequence gru(const Tensor& x, const Tensor& h, const LayerWeights& weights, const SequenceOptions& options = {});
enum class RnnNonlinearity { tanh, relu };
RecurrentSequence rnn(const Tensor& x, const Tensor& h, const LayerWeights& weights, const SequenceOptions& options = {},
                      RnnNonlinearity nonlinearity = RnnNonlinearity::tanh);

}  // namespace gradus
