// The inputs and the reference definition of a recurrent layer in plain ops (recurrent_reference.cpp), for second order.
#pragma once

#include <gradus/autograd/ops/recurrent_layer.h>
#include <gradus/core/kernels/recurrent.h>

namespace gradus {

/// The inputs of a call in the order of the node's inputs, absent ones left out.
struct SequenceInputs {
  Tensor x, h, c;
  LayerWeights w;

  template <class F> void each(F f) {
    for (Tensor* t : {&x, &h, &c, &w.w_ih, &w.w_hh, &w.b_ih, &w.b_hh, &w.w_hr})
      if (t->defined()) f(*t);
  }
  std::vector<Tensor> list() {
    std::vector<Tensor> all;
    each([&](const Tensor& t) { all.push_back(t); });
    return all;
  }
  /// The same call with other tensors.
  SequenceInputs with(const std::vector<Tensor>& all) const {
    SequenceInputs other = *this;
    std::size_t k = 0;
    other.each([&](Tensor& t) { t = all[k++]; });
    return other;
  }
};

/// The reference: y, h and, for an LSTM, c. `lengths` is i64 [N] or absent; h and c must be given.
std::vector<Tensor> reference_sequence(Recurrence kind, bool reverse, const Array& lengths, const SequenceInputs& in);

}  // namespace gradus
