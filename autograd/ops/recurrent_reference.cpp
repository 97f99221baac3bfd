#include <gradus/autograd/ops/internal/recurrent_reference.h>

#include <gradus/autograd/ops.h>

namespace gradus {
namespace {

/// The k-th of equal parts of the last axis.
Tensor part_of(const Tensor& all, int k, int64_t length) { return slice(all, -1, k * length, (k + 1) * length); }

struct SequenceStep {
  Tensor h, c;
};

/// One step, given the input's part of the sums.
SequenceStep reference_step(Recurrence kind, const Tensor& from_x, const SequenceStep& before, const LayerWeights& w) {
  const Tensor from_h = linear(before.h, w.w_hh, w.b_hh);
  const int64_t h = w.w_hh.shape()[0] / gates_of(kind);
  if (kind == Recurrence::rnn_tanh) return {tanh(from_x + from_h), {}};
  if (kind == Recurrence::rnn_relu) return {relu(from_x + from_h), {}};
  if (kind == Recurrence::gru) {
    const Tensor r = sigmoid(part_of(from_x, 0, h) + part_of(from_h, 0, h));
    const Tensor z = sigmoid(part_of(from_x, 1, h) + part_of(from_h, 1, h));
    const Tensor n = tanh(part_of(from_x, 2, h) + r * part_of(from_h, 2, h));
    return {n + z * (before.h - n), {}};
  }
  const Tensor sums = from_x + from_h;
  const Tensor c = sigmoid(part_of(sums, 1, h)) * before.c + sigmoid(part_of(sums, 0, h)) * tanh(part_of(sums, 2, h));
  const Tensor m = sigmoid(part_of(sums, 3, h)) * tanh(c);
  return {w.w_hr.defined() ? linear(m, w.w_hr) : m, c};
}

/// The valid steps, bool [T, N, 1]: true at step t of a sequence longer than t.
Array steps_that_count(int64_t steps, const Array& lengths) {
  Array mask({steps, lengths.size(), 1}, boolean);
  bool* p = mask.uninitialized<bool>();
  for (int64_t t = 0; t < steps; ++t)
    for (int64_t i = 0; i < lengths.size(); ++i) *p++ = t < lengths.data<int64_t>()[i];
  return mask;
}

}  // namespace

std::vector<Tensor> reference_sequence(Recurrence kind, bool reverse, const Array& lengths, const SequenceInputs& in) {
  const int64_t steps = in.x.shape()[0];
  const Tensor count = lengths.defined() ? Tensor(steps_that_count(steps, lengths)) : Tensor();
  const auto where_counted = [&](const Tensor& mask, const Tensor& a, const Tensor& b) {
    return mask.defined() && a.defined() ? where(mask, a, b) : a;
  };
  const Tensor from_x = linear(where_counted(count, in.x, Tensor(0.0)), in.w.w_ih, in.w.b_ih);
  SequenceStep state{in.h, in.c};
  std::vector<Tensor> y(static_cast<std::size_t>(steps));
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = reverse ? steps - 1 - i : i;
    const Tensor now = count.defined() ? select(count, 0, t) : Tensor();
    const SequenceStep next = reference_step(kind, select(from_x, 0, t), state, in.w);
    state = {where_counted(now, next.h, state.h), where_counted(now, next.c, state.c)};
    y[static_cast<std::size_t>(t)] = where_counted(now, next.h, Tensor(0.0));
  }
  std::vector<Tensor> all{steps > 0 ? stack(y) : zeros({0, in.x.shape()[1], in.h.shape()[1]}, in.x.dtype()), state.h};
  if (state.c.defined()) all.push_back(state.c);
  return all;
}

}  // namespace gradus
