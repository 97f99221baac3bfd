// One step of a recurrent network. LSTM: Hochreiter and Schmidhuber, 1997, with the forget gate of Gers, Schmidhuber and
// Cummins, 2000; GRU: Cho et al., 2014. Gates stand side by side in PyTorch's order.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/operands.h>
#include <gradus/core/simd/softmax_rows.h>

#include <algorithm>

namespace gradus {
namespace {

/// Calls f(row, j, lanes) for all packs of rows of h elements.
template <class T, class F> void each_pack(int64_t rows, int64_t h, F f) {
  parallel_ranges(rows, std::max<int64_t>(1, 2048 / std::max<int64_t>(1, h)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) for_packs<T>(h, [&](int64_t j, const auto& lanes, int) { f(r, j, lanes); });
  });
}

Tensor gate(const Tensor& gates, int k, int of) {
  const int64_t h = gates.shape().back() / of;
  return slice(gates, -1, k * h, (k + 1) * h);
}

std::vector<Tensor> lstm_step(const Tensor& gates, const Tensor& c);

/// The LSTM step: gates [N, 4 H] (input, forget, cell, output), c [N, H] -> h, c. The backward pass recomputes the gates.
struct LstmStep {
  static constexpr const char* name = "lstm_step";
  struct Saved {
    Array gates, c;
  };

  template <class T> static void forward(int64_t rows, int64_t h, const T* gates, const T* c, T* h_out, T* c_out) {
    using P = pack<T>;
    each_pack<T>(rows, h, [=](int64_t r, int64_t j, const auto& lanes) {
      const T* at = gates + r * 4 * h + j;
      const P i = sigmoid(lanes.load(at)), f = sigmoid(lanes.load(at + h)), g = tanh(lanes.load(at + 2 * h)),
              o = sigmoid(lanes.load(at + 3 * h));
      const P next = f * lanes.load(c + r * h + j) + i * g;
      lanes.store(c_out + r * h + j, next);
      lanes.store(h_out + r * h + j, o * tanh(next));
    });
  }
  /// dh and dc_out may be null.
  template <class T>
  static void backward_rows(int64_t rows, int64_t h, const T* gates, const T* c, const T* dh, const T* dc_out, T* dgates,
                            T* dc) {
    using P = pack<T>;
    each_pack<T>(rows, h, [=](int64_t r, int64_t j, const auto& lanes) {
      const T* at = gates + r * 4 * h + j;
      const int64_t here = r * h + j;
      const P i = sigmoid(lanes.load(at)), f = sigmoid(lanes.load(at + h)), g = tanh(lanes.load(at + 2 * h)),
              o = sigmoid(lanes.load(at + 3 * h));
      const P before = lanes.load(c + here), t = tanh(f * before + i * g);
      const P u = dh ? lanes.load(dh + here) : P(0);
      const P d = (dc_out ? lanes.load(dc_out + here) : P(0)) + u * o * (1.0 - t * t);
      T* to = dgates + r * 4 * h + j;
      lanes.store(to, d * g * (i * (1.0 - i)));
      lanes.store(to + h, d * before * (f * (1.0 - f)));
      lanes.store(to + 2 * h, d * i * (1.0 - g * g));
      lanes.store(to + 3 * h, u * t * (o * (1.0 - o)));
      lanes.store(dc + here, d * f);
    });
  }

  static std::vector<Tensor> reference(const std::vector<Tensor>& in) {
    const Tensor i = sigmoid(gate(in[0], 0, 4)), f = sigmoid(gate(in[0], 1, 4)), g = tanh(gate(in[0], 2, 4)),
                 o = sigmoid(gate(in[0], 3, 4));
    const Tensor c = f * in[1] + i * g;
    return {o * tanh(c), c};
  }
  static void backward(BackwardContext& b, const Saved& s) {
    if (b.graph()) return accumulate_through_reference(b, {b.input(0, s.gates), b.input(1, s.c)}, reference);
    const Array &gates = b.checked(s.gates), &c = b.checked(s.c);
    Array dh, dc_out, dgates = Array::like(gates), dc = Array::like(c);
    if (b.grad(0).defined()) dh = b.grad(0).array().contiguous();
    if (b.grad(1).defined()) dc_out = b.grad(1).array().contiguous();
    visit_real(gates.dtype(), [&]<class T>() {
      backward_rows<T>(c.shape()[0], c.shape()[1], gates.data<T>(), c.data<T>(), dh.defined() ? dh.data<T>() : nullptr,
                       dc_out.defined() ? dc_out.data<T>() : nullptr, dgates.uninitialized<T>(), dc.uninitialized<T>());
    });
    b.accumulate(0, [&] { return Tensor(dgates); });
    b.accumulate(1, [&] { return Tensor(dc); });
  }
  static Samples samples() {
    const auto both = [](auto& x) { return lstm_step(x[0], x[1]); };
    return {sample("both results", {sample_values({2, 12}), sample_values({2, 3}, -2, 2, 2)}, both),
            sample("only h used", {sample_values({2, 12}), sample_values({2, 3}, -2, 2, 2)},
                   [](auto& x) { return lstm_step(x[0], x[1])[0]; }),
            sample("only c used", {sample_values({2, 12}), sample_values({2, 3}, -2, 2, 2)},
                   [](auto& x) { return lstm_step(x[0], x[1])[1]; }),
            sample("longer than a pack", {sample_values({1, 76}), sample_values({1, 19}, -2, 2, 2)}, both),
            sample("one unit", {sample_values({1, 4}), sample_values({1, 1}, -2, 2, 2)}, both)};
  }
};

/// Checks `what`, which must be [N, of H] beside a state [N, H]. Errors: ShapeError.
void check_gates(const char* op, const char* what, const Tensor& gates, const Tensor& state, int of) {
  if (state.rank() != 2 || !(gates.shape() == Shape{state.dim(0), of * state.dim(1)}))
    throw ShapeError(
        op, join(what, " is ", describe(gates), ", the state ", describe(state), "; they must be [N,", of, " H] and [N,H]"));
}

std::vector<Tensor> lstm_step(const Tensor& gates, const Tensor& c) {
  check_gates("lstm_step", "gates", gates, c, 4);
  const Array g = gates.array().contiguous(), before = c.array().contiguous();
  Array h = Array::like(before), next = Array::like(before);
  visit_real(c.dtype(), [&]<class T>() {
    LstmStep::forward<T>(before.shape()[0], before.shape()[1], g.data<T>(), before.data<T>(), h.uninitialized<T>(),
                         next.uninitialized<T>());
  });
  return primitive_many<LstmStep>({h, next}, [&] { return LstmStep::Saved{kept(g), kept(before)}; }, {gates, c});
}

Tensor gru_step(const Tensor& from_x, const Tensor& from_h, const Tensor& h);

/// The GRU step: from_x, from_h [N, 3 H] (reset, update, new), h [N, H] -> h.
struct GruStep {
  static constexpr const char* name = "gru_step";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "n + z (h - n), as PyTorch's: where z is 1, h is as good as n", 1e-8},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest}};
  struct Saved {
    Array from_x, from_h, h;
  };

  template <class T> static void forward(int64_t rows, int64_t n, const T* from_x, const T* from_h, const T* h, T* out) {
    using P = pack<T>;
    each_pack<T>(rows, n, [=](int64_t row, int64_t j, const auto& lanes) {
      const T *x = from_x + row * 3 * n + j, *y = from_h + row * 3 * n + j;
      const P r = sigmoid(lanes.load(x) + lanes.load(y)), z = sigmoid(lanes.load(x + n) + lanes.load(y + n));
      const P fresh = tanh(lanes.load(x + 2 * n) + r * lanes.load(y + 2 * n));
      lanes.store(out + row * n + j, fresh + z * (lanes.load(h + row * n + j) - fresh));
    });
  }
  template <class T>
  static void backward_rows(int64_t rows, int64_t n, const T* from_x, const T* from_h, const T* h, const T* g, T* dx, T* dy,
                            T* dh) {
    using P = pack<T>;
    each_pack<T>(rows, n, [=](int64_t row, int64_t j, const auto& lanes) {
      const int64_t wide = row * 3 * n + j, here = row * n + j;
      const T *x = from_x + wide, *y = from_h + wide;
      const P r = sigmoid(lanes.load(x) + lanes.load(y)), z = sigmoid(lanes.load(x + n) + lanes.load(y + n));
      const P hidden = lanes.load(y + 2 * n), fresh = tanh(lanes.load(x + 2 * n) + r * hidden), u = lanes.load(g + here);
      const P dn = u * (1.0 - z) * (1.0 - fresh * fresh), dz = u * (lanes.load(h + here) - fresh) * (z * (1.0 - z));
      const P dr = dn * hidden * (r * (1.0 - r));
      lanes.store(dx + wide, dr), lanes.store(dy + wide, dr);
      lanes.store(dx + wide + n, dz), lanes.store(dy + wide + n, dz);
      lanes.store(dx + wide + 2 * n, dn), lanes.store(dy + wide + 2 * n, dn * r);
      lanes.store(dh + here, u * z);
    });
  }

  static void kernel(BackwardContext& b, const Saved& s) {
    const Array &x = b.checked(s.from_x), &y = b.checked(s.from_h), &h = b.checked(s.h), g = b.grad().array().contiguous();
    Array dx = Array::like(x), dy = Array::like(y), dh = Array::like(h);
    visit_real(h.dtype(), [&]<class T>() {
      backward_rows<T>(h.shape()[0], h.shape()[1], x.data<T>(), y.data<T>(), h.data<T>(), g.data<T>(), dx.uninitialized<T>(),
                       dy.uninitialized<T>(), dh.uninitialized<T>());
    });
    b.accumulate(0, [&] { return Tensor(dx); });
    b.accumulate(1, [&] { return Tensor(dy); });
    b.accumulate(2, [&] { return Tensor(dh); });
  }
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) {
    return {b.input(0, s.from_x), b.input(1, s.from_h), b.input(2, s.h)};
  }
  static Tensor reference(const std::vector<Tensor>& in, const Saved&) {
    const Tensor r = sigmoid(gate(in[0], 0, 3) + gate(in[1], 0, 3)), z = sigmoid(gate(in[0], 1, 3) + gate(in[1], 1, 3));
    const Tensor fresh = tanh(gate(in[0], 2, 3) + r * gate(in[1], 2, 3));
    return fresh + z * (in[2] - fresh);
  }
  static Samples samples() {
    const auto call = [](auto& x) { return gru_step(x[0], x[1], x[2]); };
    return {
        sample("ordinary", {sample_values({2, 9}), sample_values({2, 9}, -2, 2, 2), sample_values({2, 3}, -2, 2, 3)}, call),
        sample("longer than a pack",
               {sample_values({1, 57}), sample_values({1, 57}, -2, 2, 2), sample_values({1, 19}, -2, 2, 3)}, call),
        sample("one unit", {sample_values({1, 3}), sample_values({1, 3}, -2, 2, 2), sample_values({1, 1}, -2, 2, 3)}, call)};
  }
};

Tensor gru_step(const Tensor& from_x, const Tensor& from_h, const Tensor& h) {
  check_gates("gru_step", "from_x", from_x, h, 3), check_gates("gru_step", "from_h", from_h, h, 3);
  const Array x = from_x.array().contiguous(), y = from_h.array().contiguous(), before = h.array().contiguous();
  Array out = Array::like(before);
  visit_real(h.dtype(), [&]<class T>() {
    GruStep::forward<T>(before.shape()[0], before.shape()[1], x.data<T>(), y.data<T>(), before.data<T>(),
                        out.uninitialized<T>());
  });
  return fused<GruStep>(
      out,
      [&] {
        return GruStep::Saved{kept(x), kept(y), kept(before)};
      },
      from_x, from_h, h);
}

// ---- cells ----------------------------------------------------------------------------------------------------------

template <class Call> Samples cells(int64_t gates, bool with_c, Call call) {
  const int64_t h = 3;
  std::vector<Array> in{sample_values({2, 4}), sample_values({2, h}, -2, 2, 2)};
  if (with_c) in.push_back(sample_values({2, h}, -2, 2, 3));
  in.push_back(sample_values({gates * h, 4}, -1, 1, 4));
  in.push_back(sample_values({gates * h, h}, -1, 1, 5));
  Samples all{sample("without biases", in, call)};
  in.push_back(sample_values({gates * h}, -1, 1, 6));
  in.push_back(sample_values({gates * h}, -1, 1, 7));
  all.push_back(sample("with biases", in, call));
  in = {sample_values({1, 1}), sample_values({1, 1}, -2, 2, 2)};
  if (with_c) in.push_back(sample_values({1, 1}, -2, 2, 3));
  for (const unsigned seed : {4u, 5u}) in.push_back(sample_values({gates, 1}, -1, 1, seed));
  all.push_back(sample("one unit", in, call));
  return all;
}
CellWeights weights_at(const std::vector<Tensor>& x, std::size_t k) {
  if (x.size() == k + 2) return {x[k], x[k + 1]};
  return {x[k], x[k + 1], x[k + 2], x[k + 3]};
}

struct LstmCell {
  static constexpr const char* name = "lstm_cell";
  static constexpr OpKind kind = OpKind::product;
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 1, "the slope of a saturated gate is a difference from 1, as good as its argument is rounded"},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "sums of such products overflow on their way", 1e20}};
  static Samples samples() {
    return cells(4, true, [](auto& x) {
      const LstmState s = lstm_cell(x[0], {x[1], x[2]}, weights_at(x, 3));
      return std::vector<Tensor>{s.h, s.c};
    });
  }
};
struct GruCell {
  static constexpr const char* name = "gru_cell";
  static constexpr OpKind kind = OpKind::product;
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "n + z (h - n), as PyTorch's: where z is 1, h is as good as n", 1e-8},
      {EdgeRule::form, 0, "n + z (h - n), as PyTorch's: where z is 1, h is as good as n"},
      {EdgeRule::digits, 0, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 1, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 0, "sums of such products overflow on their way", 1e20},
      {EdgeRule::digits, 1, "sums of such products overflow on their way", 1e20},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "sums of such products overflow on their way", 1e20}};
  static Samples samples() {
    return cells(3, false, [](auto& x) { return gru_cell(x[0], x[1], weights_at(x, 2)); });
  }
};
struct RnnCell {
  static constexpr const char* name = "rnn_cell";
  static constexpr OpKind kind = OpKind::product;
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 1, "the slope of a saturated tanh is a difference from 1, as good as its argument is rounded"},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest}};
  static Samples samples() {
    return cells(1, false, [](auto& x) { return rnn_cell(x[0], x[1], weights_at(x, 2)); });
  }
};

[[maybe_unused]] const bool recurrent_composites = register_composites<LstmCell, GruCell, RnnCell>();

void check_recurrent(const char* op, int gates, const Tensor& x, const Tensor& h, const Tensor& c, const CellWeights& w) {
  if (!is_real(x.dtype())) throw_dtype(op, x);
  if (x.rank() != 2 || h.rank() != 2)
    throw ShapeError(
        op, join("the input must be [N, features] and the state [N, hidden], got ", describe(x), " and ", describe(h)));
  const int64_t n = x.shape()[0], features = x.shape()[1], hidden = h.shape()[1];
  check_operand(op, x, "h", h, {n, hidden}, "[batch of the input, hidden]");
  check_operand(op, x, "c", c, {n, hidden}, "[batch of the input, hidden]");
  check_operand(op, x, "w_ih", w.w_ih, {gates * hidden, features}, "[gates x hidden, features of the input]");
  check_operand(op, x, "w_hh", w.w_hh, {gates * hidden, hidden}, "[gates x hidden, hidden]");
  check_operand(op, x, "b_ih", w.b_ih, {gates * hidden}, "[gates x hidden]");
  check_operand(op, x, "b_hh", w.b_hh, {gates * hidden}, "[gates x hidden]");
}

}  // namespace

LstmState lstm_cell(const Tensor& x, const LstmState& state, const CellWeights& w) {
  check_recurrent("lstm_cell", 4, x, state.h, state.c, w);
  const auto next = lstm_step(linear(x, w.w_ih, w.b_ih) + linear(state.h, w.w_hh, w.b_hh), state.c);
  return {next[0], next[1]};
}

Tensor gru_cell(const Tensor& x, const Tensor& h, const CellWeights& w) {
  check_recurrent("gru_cell", 3, x, h, {}, w);
  return gru_step(linear(x, w.w_ih, w.b_ih), linear(h, w.w_hh, w.b_hh), h);
}

Tensor rnn_cell(const Tensor& x, const Tensor& h, const CellWeights& w) {
  check_recurrent("rnn_cell", 1, x, h, {}, w);
  return tanh(linear(x, w.w_ih, w.b_ih) + linear(h, w.w_hh, w.b_hh));
}

}  // namespace gradus
