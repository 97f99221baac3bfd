// A recurrent layer over a whole sequence: one product with the input, the steps of core/kernels/recurrent.h, and in the
// backward pass one product for each weight. Its reference definition is recurrent_reference.cpp.
#include <gradus/autograd/ops/recurrent_layer.h>

#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/operands.h>
#include <gradus/autograd/ops/internal/recurrent_reference.h>
#include <gradus/core/kernels/reduce.h>

#include <algorithm>

namespace gradus {
namespace {

/// The saved values of a call: its inputs unchanged (constants here), its options and the results of the steps.
struct SequenceSaved {
  Recurrence kind;
  bool reverse;
  Array lengths;  // i64 [N], or absent
  Array x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr;
  Array gates, states, cells, inner;

  int64_t steps() const { return x.shape()[0]; }
  int64_t batch() const { return x.shape()[1]; }
  int64_t features() const { return x.shape()[2]; }
  int64_t output() const { return h.shape()[1]; }
  int64_t wide() const { return w_ih.shape()[0]; }
  int64_t hidden() const { return wide() / gates_of(kind); }

  OpOptions options() const {
    return {{"reverse", {double(reverse)}},
            {"lengths", {double(lengths.defined())}},
            {"bias", {double(b_ih.defined())}},
            {"projection", {double(w_hr.defined())}},
            {"relu", {double(kind == Recurrence::rnn_relu)}}};
  }

  template <class T> static const T* read(const Array& a) { return a.defined() ? a.data<T>() : nullptr; }
  template <class T> static T* fill(Array& a) { return a.defined() ? a.uninitialized<T>() : nullptr; }

  template <class T> RecurrentLayer<T> layer() const {
    return {kind,          steps(),       batch(),      hidden(), output(), reverse, read<int64_t>(lengths),
            read<T>(w_hh), read<T>(b_hh), read<T>(w_hr)};
  }
  template <class T> RecurrentStates<T> run() { return {fill<T>(gates), fill<T>(states), fill<T>(cells), fill<T>(inner)}; }
  /// The states before every step, [T N, P]; `after` them if wanted.
  template <class T> const T* all_before() const { return read<T>(states) + (reverse ? batch() * output() : 0); }
};

/// x [T, N, ..] with zeros behind the end of every sequence; x itself if all have T steps.
Array without_padding(const Array& x, const Array& lengths) {
  if (!lengths.defined()) return x.contiguous();
  Array y = x.copy();
  const int64_t steps = x.shape()[0], n = x.shape()[1], row = x.shape()[2], *length = lengths.data<int64_t>();
  visit_real(x.dtype(), [&]<class T>() {
    T* p = y.uninitialized<T>();
    for (int64_t t = 0; t < steps; ++t)
      for (int64_t i = 0; i < n; ++i, p += row)
        if (t >= length[i]) std::fill_n(p, row, T(0));
  });
  return y;
}

/// Computes s.gates = x w_ih^T + biases: those of the state, too, unless the steps need them separately.
template <class T> void input_product(SequenceSaved& s, const Array& x) {
  Array bias = s.b_ih;
  if (s.kind != Recurrence::gru && s.b_hh.defined()) {
    bias = Array::like(s.b_hh);
    for (int64_t i = 0; i < bias.size(); ++i)
      bias.uninitialized<T>()[i] = s.b_hh.data<T>()[i] + (s.b_ih.defined() ? s.b_ih.data<T>()[i] : T(0));
  }
  const int64_t f = s.features();
  all_steps_product<T>(s.steps() * s.batch(), s.wide(), f, x.data<T>(), {s.w_ih.data<T>(), 1, f},
                       SequenceSaved::read<T>(bias), s.gates.uninitialized<T>());
}

/// Runs the steps and stores their results.
void run_sequence(SequenceSaved& s) {
  const int64_t steps = s.steps(), n = s.batch(), hidden = s.hidden();
  const Dtype dtype = s.x.dtype();
  const bool lstm = s.kind == Recurrence::lstm;
  s.gates = Array({steps, n, s.wide()}, dtype);
  s.states = Array({steps + 1, n, s.output()}, dtype);
  if (lstm) s.cells = Array({steps + 1, n, hidden}, dtype);
  if (s.kind == Recurrence::gru || s.w_hr.defined()) s.inner = Array({steps, n, hidden}, dtype);
  visit_real(dtype, [&]<class T>() {
    const auto layer = s.layer<T>();
    const auto run = s.run<T>();
    input_product<T>(s, without_padding(s.x, s.lengths));
    std::copy_n(s.h.data<T>(), s.h.size(), run.h + layer.first() * s.h.size());
    if (lstm) std::copy_n(s.c.data<T>(), s.c.size(), run.c + layer.first() * s.c.size());
    recurrent_forward(layer, run);
  });
  if (!lstm && s.kind != Recurrence::gru) s.gates.reset();  // the states suffice
}

/// The results of the backward steps, from which all gradients are computed.
struct SequenceGradients {
  Array to_x, to_h, projected, first_h, first_c;
};

SequenceGradients run_backwards(BackwardContext& b, SequenceSaved s) {
  for (const Array* a :
       {&s.x, &s.h, &s.c, &s.w_ih, &s.w_hh, &s.b_ih, &s.b_hh, &s.w_hr, &s.gates, &s.states, &s.cells, &s.inner})
    if (a->defined()) b.checked(*a);
  SequenceGradients g;
  g.to_x = Array({s.steps(), s.batch(), s.wide()}, s.x.dtype());
  g.to_h = s.kind == Recurrence::gru ? Array::like(g.to_x) : g.to_x;
  g.first_h = Array::like(s.h);
  if (s.c.defined()) g.first_c = Array::like(s.c);
  if (s.w_hr.defined()) g.projected = Array({s.steps(), s.batch(), s.output()}, s.x.dtype());
  Array dy, dh, dc;
  if (b.grad(0).defined()) dy = b.grad(0).array().contiguous();
  if (b.grad(1).defined()) dh = b.grad(1).array().contiguous();
  if (s.c.defined() && b.grad(2).defined()) dc = b.grad(2).array().contiguous();
  visit_real(s.x.dtype(), [&]<class T>() {
    using S = SequenceSaved;
    recurrent_backward<T>(s.layer<T>(), s.run<T>(),
                          {S::read<T>(dy), S::read<T>(dh), S::read<T>(dc), S::fill<T>(g.to_x), S::fill<T>(g.to_h),
                           S::fill<T>(g.projected), S::fill<T>(g.first_h), S::fill<T>(g.first_c)});
  });
  return g;
}

/// rows^T columns, [a, b]: the gradient of a weight from all steps of rows [.., a] and columns [.., b].
template <class T> Tensor weight_gradient(const Array& rows, const T* columns, int64_t width) {
  const int64_t a = rows.shape().back(), k = rows.shape()[0] * rows.shape()[1];
  Array d({a, width}, dtype_of<T>(), "recurrent");
  all_steps_gradient<T>(k, a, width, rows.data<T>(), columns, d.uninitialized<T>());
  return Tensor(d);
}

template <class T> Tensor input_gradient(const SequenceSaved& s, const Array& gates) {
  Array dx(s.x.shape(), s.x.dtype(), "recurrent");
  all_steps_product<T>(s.steps() * s.batch(), s.features(), s.wide(), gates.data<T>(), {s.w_ih.data<T>(), s.features(), 1},
                       nullptr, dx.uninitialized<T>());
  return Tensor(without_padding(dx, s.lengths));
}

Tensor sum_over_steps(const Array& gates) { return Tensor(sum_axes(gates, 0b011).reshape({gates.shape().back()})); }

void accumulate_all(BackwardContext& b, const SequenceSaved& s) {
  const SequenceGradients g = run_backwards(b, s);
  visit_real(s.x.dtype(), [&]<class T>() {
    int k = 0;
    b.accumulate(k++, [&] { return input_gradient<T>(s, g.to_x); });
    b.accumulate(k++, [&] { return Tensor(g.first_h); });
    if (s.c.defined()) b.accumulate(k++, [&] { return Tensor(g.first_c); });
    b.accumulate(
        k++, [&] { return weight_gradient<T>(g.to_x, without_padding(s.x, s.lengths).template data<T>(), s.features()); });
    b.accumulate(k++, [&] { return weight_gradient<T>(g.to_h, s.all_before<T>(), s.output()); });
    if (s.b_ih.defined()) b.accumulate(k++, [&] { return sum_over_steps(g.to_x); });
    if (s.b_hh.defined()) b.accumulate(k++, [&] { return sum_over_steps(g.to_h); });
    if (s.w_hr.defined()) b.accumulate(k++, [&] { return weight_gradient<T>(g.projected, s.inner.data<T>(), s.hidden()); });
  });
}

void sequence_backward(BackwardContext& b, const SequenceSaved& s) {
  if (!b.graph()) return accumulate_all(b, s);
  int k = 0;
  const auto input = [&](const Array& a) { return a.defined() ? b.input(k++, a) : Tensor(); };
  SequenceInputs in;
  in.x = input(s.x), in.h = input(s.h), in.c = input(s.c);
  in.w.w_ih = input(s.w_ih), in.w.w_hh = input(s.w_hh), in.w.b_ih = input(s.b_ih), in.w.b_hh = input(s.b_hh);
  in.w.w_hr = input(s.w_hr);
  accumulate_through_reference(b, in.list(), [&](const std::vector<Tensor>& fresh) {
    return reference_sequence(s.kind, s.reverse, s.lengths, in.with(fresh));
  });
}

// ---- checks ---------------------------------------------------------------------------------------------------------

/// The checked lengths, i64 [N], all in 1 .. T; absent if `lengths` is.
Array checked_lengths(const char* op, const Tensor& x, const Tensor& lengths) {
  if (!lengths.defined()) return {};
  const int64_t steps = x.shape()[0], n = x.shape()[1];
  if (lengths.dtype() != i64 && lengths.dtype() != u8)
    throw DtypeError(op, join("the lengths are ", describe(lengths), "; they must be i64 or u8"), "lengths.to(i64)");
  if (!(lengths.shape() == Shape{n}))
    throw ShapeError(op, join("the lengths are ", describe(lengths), ", the input ", describe(x), "; they must be ",
                              Shape{n}, ", one for each sequence"));
  const Array all = lengths.array().to(i64).copy();
  for (int64_t i = 0; i < n; ++i)
    if (const int64_t length = all.data<int64_t>()[i]; length < 1 || length > steps)
      throw IndexError(op, join("length ", length, " at [", i, "]; the input ", describe(x), " has ", steps,
                                " steps, lengths must lie in [1, ", steps, "]"));
  return all;
}

void check_sequence(const char* op, Recurrence kind, const SequenceInputs& in) {
  const Tensor& x = in.x;
  if (!is_real(x.dtype())) throw_dtype(op, x);
  const int64_t gates = gates_of(kind);
  if (x.rank() != 3) throw ShapeError(op, join("the input must be [T, N, features], got ", describe(x)));
  if (!in.w.w_ih.defined() || !in.w.w_hh.defined()) throw ShapeError(op, "w_ih and w_hh must be given");
  const Shape& wide = in.w.w_ih.shape();
  if (wide.rank() != 2 || wide[0] % gates != 0)
    throw ShapeError(op, join("the w_ih is ", describe(in.w.w_ih), "; it must be [", gates, " hidden, features]"));
  const int64_t n = x.shape()[1], hidden = wide[0] / gates;
  const bool projected = in.w.w_hr.defined();
  if (projected && in.w.w_hr.rank() != 2)
    throw ShapeError(op, join("the w_hr is ", describe(in.w.w_hr), "; it must be [projection, hidden]"));
  const int64_t output = projected ? in.w.w_hr.shape()[0] : hidden;
  check_operand(op, x, "w_ih", in.w.w_ih, {wide[0], x.shape()[2]}, "[gates x hidden, features of the input]");
  check_operand(op, x, "w_hh", in.w.w_hh, {wide[0], output},
                projected ? "[gates x hidden, projection]" : "[gates x hidden, hidden]");
  check_operand(op, x, "b_ih", in.w.b_ih, {wide[0]}, "[gates x hidden]");
  check_operand(op, x, "b_hh", in.w.b_hh, {wide[0]}, "[gates x hidden]");
  check_operand(op, x, "w_hr", in.w.w_hr, {output, hidden}, "[projection, hidden]");
  check_operand(op, x, "h", in.h, {n, output},
                projected ? "[batch of the input, projection]" : "[batch of the input, hidden]");
  check_operand(op, x, "c", in.c, {n, hidden}, "[batch of the input, hidden]");
}

template <class Op> std::vector<Tensor> sequence(Recurrence kind, SequenceInputs in, const SequenceOptions& o) {
  check_sequence(Op::name, kind, in);
  const Array lengths = checked_lengths(Op::name, in.x, o.lengths);
  const int64_t n = in.x.shape()[1], hidden = in.w.w_ih.shape()[0] / gates_of(kind);
  if (!in.h.defined()) in.h = zeros({n, in.w.w_hh.shape()[1]}, in.x.dtype());
  if (kind == Recurrence::lstm && !in.c.defined()) in.c = zeros({n, hidden}, in.x.dtype());
  const auto keep = [](const Tensor& t) { return t.defined() ? kept(t.array().contiguous()) : Array(); };
  SequenceSaved s{kind,
                  o.reverse,
                  lengths,
                  keep(in.x),
                  keep(in.h),
                  keep(in.c),
                  keep(in.w.w_ih),
                  keep(in.w.w_hh),
                  keep(in.w.b_ih),
                  keep(in.w.b_hh),
                  keep(in.w.w_hr),
                  {},
                  {},
                  {},
                  {}};
  run_sequence(s);
  const int64_t steps = s.steps(), from = o.reverse ? 0 : 1, last = o.reverse ? 0 : steps;
  const Array y = s.states.slice(0, from, from + steps);
  std::vector<Array> results{lengths.defined() ? without_padding(y, lengths) : y, s.states.select(0, last).copy()};
  if (s.cells.defined()) results.push_back(s.cells.select(0, last).copy());
  for (Array* a : {&s.gates, &s.states, &s.cells, &s.inner})
    if (a->defined()) a->remember_version();
  return primitive_many<Op>(
      results, [&] { return s; }, in.list());
}

// ---- ops and samples ------------------------------------------------------------------------------------------------

struct SampleSizes {
  int64_t steps = 3, batch = 2, features = 3, hidden = 2, projection = 0;
  bool bias = true;
};

/// The inputs x, h (c), w_ih, w_hh (biases), (w_hr), from which sequence_inputs() makes a call.
std::vector<Array> sample_inputs(Recurrence kind, const SampleSizes& z) {
  const int64_t wide = gates_of(kind) * z.hidden, output = z.projection > 0 ? z.projection : z.hidden;
  unsigned seed = 1;
  const auto values = [&](const Shape& s) { return sample_values(s, -1, 1, seed++); };
  std::vector<Array> in{values({z.steps, z.batch, z.features}), values({z.batch, output})};
  if (kind == Recurrence::lstm) in.push_back(values({z.batch, z.hidden}));
  in.push_back(values({wide, z.features})), in.push_back(values({wide, output}));
  if (z.bias) in.push_back(values({wide})), in.push_back(values({wide}));
  if (z.projection > 0) in.push_back(values({output, z.hidden}));
  return in;
}

template <class Call> Samples sequence_samples(Recurrence kind, Call call) {
  const auto with = [&](std::string_view label, const SampleSizes& z, const SequenceOptions& o = {}) {
    return sample(label, sample_inputs(kind, z), [=](const std::vector<Tensor>& x) {
      SequenceInputs in;
      std::size_t k = 0;
      in.x = x[k++], in.h = x[k++];
      if (kind == Recurrence::lstm) in.c = x[k++];
      in.w.w_ih = x[k++], in.w.w_hh = x[k++];
      if (z.bias) in.w.b_ih = x[k++], in.w.b_hh = x[k++];
      if (z.projection > 0) in.w.w_hr = x[k++];
      return call(in, o);
    });
  };
  const Tensor lengths(Array::of<int64_t>({3}, {2, 3, 1}));
  Samples all{with("three steps", {}),
              with("in reverse", {.bias = false}, {.reverse = true}),
              with("lengths", {.batch = 3}, {.lengths = lengths}),
              with("lengths in reverse", {.batch = 3, .features = 1}, {.reverse = true, .lengths = lengths}),
              with("longer than a pack", {.steps = 2, .batch = 1, .features = 2, .hidden = 9, .bias = false}),
              with("one unit", {.steps = 1, .batch = 1, .features = 1, .hidden = 1, .bias = false})};
  if (kind == Recurrence::lstm) {
    all.push_back(with("projection", {.hidden = 3, .projection = 2}));
    all.push_back(
        with("projection, lengths", {.batch = 3, .hidden = 3, .projection = 2, .bias = false}, {.lengths = lengths}));
  }
  return all;
}

struct LstmLayer {
  static constexpr const char* name = "lstm";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 1, "the slope of a saturated gate is a difference from 1, as good as its argument is rounded"},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "sums of such products overflow on their way", 1e20}};
  using Saved = SequenceSaved;
  static OpOptions options(const Saved& s) { return s.options(); }
  static void backward(BackwardContext& b, const Saved& s) { sequence_backward(b, s); }
  static Samples samples() {
    return sequence_samples(Recurrence::lstm, [](const SequenceInputs& in, const SequenceOptions& o) {
      const auto [y, state] = gradus::lstm(in.x, {in.h, in.c}, in.w, o);
      return std::vector<Tensor>{y, state.h, state.c};
    });
  }
};
struct GruLayer {
  static constexpr const char* name = "gru";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "n + z (h - n), as PyTorch's: where z is 1, h is as good as n", 1e-8},
      {EdgeRule::digits, 0, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 0, "sums of such products overflow on their way", 1e20},
      {EdgeRule::digits, 1, "the slope of a saturated gate is a difference from 1, as good as its argument is rounded"},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "sums of such products overflow on their way", 1e20}};
  using Saved = SequenceSaved;
  static OpOptions options(const Saved& s) { return s.options(); }
  static void backward(BackwardContext& b, const Saved& s) { sequence_backward(b, s); }
  static Samples samples() {
    return sequence_samples(Recurrence::gru, [](const SequenceInputs& in, const SequenceOptions& o) {
      const auto [y, state] = gradus::gru(in.x, in.h, in.w, o);
      return std::vector<Tensor>{y, state};
    });
  }
};
struct RnnLayer {
  static constexpr const char* name = "rnn";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 1, "the slope of a saturated gate is a difference from 1, as good as its argument is rounded"},
      {EdgeRule::digits, 2, "products of the largest numbers overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "sums of such products overflow on their way", 1e20}};
  using Saved = SequenceSaved;
  static OpOptions options(const Saved& s) { return s.options(); }
  static void backward(BackwardContext& b, const Saved& s) { sequence_backward(b, s); }
  static Samples samples() {
    Samples all;
    for (const auto nonlinearity : {RnnNonlinearity::tanh, RnnNonlinearity::relu}) {
      const auto some = sequence_samples(Recurrence::rnn_tanh, [=](const SequenceInputs& in, const SequenceOptions& o) {
        const auto [y, state] = gradus::rnn(in.x, in.h, in.w, o, nonlinearity);
        return std::vector<Tensor>{y, state};
      });
      for (Sample one : some) {
        if (nonlinearity == RnnNonlinearity::relu) one.label += ", relu";
        all.push_back(std::move(one));
      }
    }
    return all;
  }
};

}  // namespace

LstmSequence lstm(const Tensor& x, const LstmState& state, const LayerWeights& weights, const SequenceOptions& options) {
  const auto all = sequence<LstmLayer>(Recurrence::lstm, {x, state.h, state.c, weights}, options);
  return {all[0], {all[1], all[2]}};
}

RecurrentSequence gru(const Tensor& x, const Tensor& h, const LayerWeights& weights, const SequenceOptions& options) {
  if (weights.w_hr.defined()) throw ShapeError("gru", "w_hr, the projection, is of an LSTM only");
  const auto all = sequence<GruLayer>(Recurrence::gru, {x, h, {}, weights}, options);
  return {all[0], all[1]};
}

RecurrentSequence rnn(const Tensor& x, const Tensor& h, const LayerWeights& weights, const SequenceOptions& options,
                      RnnNonlinearity nonlinearity) {
  if (weights.w_hr.defined()) throw ShapeError("rnn", "w_hr, the projection, is of an LSTM only");
  const auto kind = nonlinearity == RnnNonlinearity::relu ? Recurrence::rnn_relu : Recurrence::rnn_tanh;
  const auto all = sequence<RnnLayer>(kind, {x, h, {}, weights}, options);
  return {all[0], all[1]};
}

}  // namespace gradus
