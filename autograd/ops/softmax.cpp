// softmax and log_softmax: fast kernels both ways. Their way back reads the result only, so the input is not kept; where
// gradients are recorded it is the same formula in ops.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/softmax_rows.h>

#include <cmath>

namespace gradus {
namespace {

/// A dense array as [outer, n, inner], n being the axis that is normalised.
struct Layout {
  int64_t outer = 1, n, inner = 1;
  Layout(const Shape& s, int axis) : n(s[axis]) {
    for (int i = 0; i < axis; ++i) outer *= s[i];
    for (int i = axis + 1; i < s.rank(); ++i) inner *= s[i];
  }
};

/// Calls row(offset) for every row, if rows are contiguous, else column(offset, lanes) for every pack of neighbouring rows.
template <class T, class Row, class Column>
void each_row(const Layout& l, Row row, Column column) {
  if (l.inner == 1) {
    parallel_ranges(l.outer, exp_grain(l.n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(r * l.n);
    });
    return;
  }
  constexpr int64_t w = pack<T>::width;
  const int64_t strips = (l.inner + w - 1) / w;
  parallel_ranges(l.outer * strips, exp_grain(l.n * w), [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t at = job % strips * w;
      column(job / strips * l.n * l.inner + at, Lanes<T>(static_cast<int>(std::min(w, l.inner - at))));
    }
  });
}

template <class T, bool logarithm>
void forward(const Layout& l, const T* x, T* y) {
  using P = pack<T>;
  const auto row = [=](int64_t at) {
    const T *in = x + at, top = row_largest(in, l.n);
    T* out = y + at;
    const T total = row_exp_sum(in, top, l.n, [&](int64_t i, const Lanes<T>& lanes, P e) {
      if (!logarithm) lanes.store(out + i, e);
    });
    const P last(logarithm ? std::log(total) : total);
    for_packs<T>(l.n, [&](int64_t i, const Lanes<T>& lanes, int) {
      lanes.store(out + i, logarithm ? lanes.load(in + i) - P(top) - last : lanes.load(out + i) / last);
    });
  };
  const auto column = [=](int64_t at, const Lanes<T>& lanes) {
    const int64_t end = at + l.n * l.inner;
    P top = lanes.load(x + at), total(0);
    for (int64_t i = at; i < end; i += l.inner) top = max_or_second(top, lanes.load(x + i));
    for (int64_t i = at; i < end; i += l.inner) {
      const P e = exp(lanes.load(x + i) - top);
      if (!logarithm) lanes.store(y + i, e);
      total += e;
    }
    const P last = logarithm ? log(total) : total;
    for (int64_t i = at; i < end; i += l.inner)
      lanes.store(y + i, logarithm ? lanes.load(x + i) - top - last : lanes.load(y + i) / last);
  };
  each_row<T>(l, row, column);
}

/// softmax: y (g - sum(g y)); log_softmax: g - e^y sum(g).
template <class T, bool logarithm>
void backward(const Layout& l, const T* g, const T* y, T* dx) {
  using P = pack<T>;
  const auto term = [=](const Lanes<T>& lanes, int64_t i, P sum) {
    return logarithm ? sum + lanes.load(g + i) : fma(lanes.load(g + i), lanes.load(y + i), sum);
  };
  const auto result = [=](const Lanes<T>& lanes, int64_t i, P sum) {
    const P v = lanes.load(y + i), u = lanes.load(g + i);
    lanes.store(dx + i, logarithm ? u - exp(v) * sum : v * (u - sum));
  };
  const auto row = [=](int64_t at) {
    P sums(0);
    for_packs<T>(l.n, [&](int64_t i, const Lanes<T>& lanes, int) { sums = term(lanes, at + i, sums); });
    const P sum(fold_sum(sums));
    for_packs<T>(l.n, [&](int64_t i, const Lanes<T>& lanes, int) { result(lanes, at + i, sum); });
  };
  const auto column = [=](int64_t at, const Lanes<T>& lanes) {
    const int64_t end = at + l.n * l.inner;
    P sum(0);
    for (int64_t i = at; i < end; i += l.inner) sum = term(lanes, i, sum);
    for (int64_t i = at; i < end; i += l.inner) result(lanes, i, sum);
  };
  each_row<T>(l, row, column);
}

template <bool logarithm>
Array backward_kernel(const Array& grad, const Array& y, int axis) {
  const Array g = grad.contiguous();
  Array dx = Array::like(y);
  visit_real(y.dtype(),
             [&]<class T>() { backward<T, logarithm>(Layout(y.shape(), axis), g.data<T>(), y.data<T>(), dx.fresh<T>()); });
  return dx;
}

template <class Call>
Samples along_axes(Call call) {
  const auto at = [call](int axis) { return [call, axis](auto& x) { return call(x[0], axis); }; };
  return {sample("rows", {sample_values({3, 5})}, at(-1)),
          sample("rows longer than a pack", {sample_values({2, 19})}, at(1)),
          sample("columns", {sample_values({4, 3})}, at(0)),
          sample("middle of three", {sample_values({2, 4, 10})}, at(1)),
          sample("transposed", {sample_values({4, 3})}, [call](auto& x) { return call(transpose(x[0], 0, 1), 1); }),
          sample("far from zero", {sample_values({2, 3}, 300, 304)}, at(1)),
          sample("one class", {sample_values({3, 1})}, at(1)),
          sample("no rows", {sample_values({0, 3})}, at(1))};
}

struct Softmax {
  static constexpr const char* name = "softmax";
  static constexpr bool logarithm = false;
  struct Saved { Array y; int axis; };
  static void backward(Back& b, const Saved& s) {
    const Tensor y = b.output(s.y), &g = b.grad();
    if (b.graph()) b.give(0, [&] { return y * (g - sum(g * y, {s.axis}, true)); });
    else b.give(0, [&] { return Tensor(backward_kernel<logarithm>(g.array(), y.array(), s.axis)); });
  }
  static Samples samples() { return along_axes(softmax); }
};

struct LogSoftmax {
  static constexpr const char* name = "log_softmax";
  static constexpr bool logarithm = true;
  struct Saved { Array y; int axis; };
  static void backward(Back& b, const Saved& s) {
    const Tensor y = b.output(s.y), &g = b.grad();
    if (b.graph()) b.give(0, [&] { return g - exp(y) * sum(g, {s.axis}, true); });
    else b.give(0, [&] { return Tensor(backward_kernel<logarithm>(g.array(), y.array(), s.axis)); });
  }
  static Samples samples() { return along_axes(log_softmax); }
};

template <class Op>
Tensor normalised(const Tensor& x, int axis) {
  if (!is_real(x.dtype())) refuse_dtype(Op::name, x);
  axis = normal_axis(Op::name, axis, x.rank());
  const Array in = x.array().contiguous();
  Array y = Array::like(in);
  visit_real(x.dtype(), [&]<class T>() { forward<T, Op::logarithm>(Layout(x.shape(), axis), in.data<T>(), y.fresh<T>()); });
  return primitive<Op>(y, [&] { return typename Op::Saved{kept(y), axis}; }, x);
}

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return normalised<Softmax>(x, axis); }
Tensor log_softmax(const Tensor& x, int axis) { return normalised<LogSoftmax>(x, axis); }

}  // namespace gradus
