// softmax and log_softmax: fast kernels for both passes. The backward pass needs the result only, so the input is not kept;
// where gradients are recorded it is the same formula in ops.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/softmax.h>
#include <gradus/core/simd/softmax_rows.h>

#include <cmath>
#include <limits>

namespace gradus {
namespace {

/// Calls row(offset) for every row, if rows are contiguous, else column(offset, lanes) for every pack of neighbouring rows.
template <class T, class Row, class Column> void each_row(const AroundAxis& l, Row row, Column column) {
  if (l.inner == 1) {
    parallel_ranges(l.outer, exp_grain(l.length), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(r * l.length);
    });
    return;
  }
  constexpr int64_t w = pack<T>::width;
  const int64_t strips = (l.inner + w - 1) / w;
  parallel_ranges(l.outer * strips, exp_grain(l.length * w), [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t at = job % strips * w;
      column(job / strips * l.length * l.inner + at, Lanes<T>(static_cast<int>(std::min(w, l.inner - at))));
    }
  });
}

/// The result for a row whose largest element is infinite, so that its distance from itself is NaN.
enum class Infinite {
  nan,    ///< NaN, as in PyTorch
  zeros,  ///< zeros, if all are -inf
  shares  ///< the largest elements share 1 evenly
};

template <class T, bool logarithm, Infinite infinite> void softmax_forward(const AroundAxis& l, const T* x, T* y) {
  using P = pack<T>;
  constexpr double lowest = -std::numeric_limits<double>::infinity();
  const auto distance = [](P v, P top) {
    if constexpr (infinite == Infinite::shares) return select(v == top, P(0), v - top);
    else if constexpr (infinite == Infinite::zeros) return v - select(top == P(lowest), P(0), top);
    else return v - top;
  };
  const auto divisor = [](P total) {
    if constexpr (infinite == Infinite::zeros) return select(total == P(0), P(1), total);
    else return total;
  };
  const auto row = [=](int64_t at) {
    const T* in = x + at;
    const P top(row_largest(in, l.length));
    T* out = y + at;
    const T total = row_exp_sum<T>(
        l.length, [&](int64_t i, const auto& lanes) { return distance(lanes.load(in + i), top); },
        [&](int64_t i, const auto& lanes, P e) {
          if (!logarithm) lanes.store(out + i, e);
        });
    const P last = divisor(P(logarithm ? std::log(total) : total));
    for_packs<T>(l.length, [&](int64_t i, const auto& lanes, int) {
      lanes.store(out + i, logarithm ? lanes.load(in + i) - top - last : lanes.load(out + i) / last);
    });
  };
  const auto column = [=](int64_t at, const auto& lanes) {
    const int64_t end = at + l.length * l.inner;
    P top = lanes.load(x + at);
    for (int64_t i = at; i < end; i += l.inner) top = max_or_second(top, lanes.load(x + i));
    const P total = column_sum<T>(l.length, l.inner, [=, to = y + at, from = x + at](P part, int64_t i) {
      const P e = exp(distance(lanes.load(from + i), top));
      if (!logarithm) lanes.store(to + i, e);
      return part + e;
    });
    const P last = divisor(logarithm ? log(total) : total);
    for (int64_t i = at; i < end; i += l.inner)
      lanes.store(y + i, logarithm ? lanes.load(x + i) - top - last : lanes.load(y + i) / last);
  };
  each_row<T>(l, row, column);
}

/// The gradients, softmax: y (g - sum(g y)); log_softmax: g - e^y sum(g).
template <class T, bool logarithm> void softmax_backward(const AroundAxis& l, const T* g, const T* y, T* dx) {
  using P = pack<T>;
  const auto term = [=](P sum, int64_t i, const auto& lanes) {
    return logarithm ? sum + lanes.load(g + i) : fma(lanes.load(g + i), lanes.load(y + i), sum);
  };
  const auto result = [=](const auto& lanes, int64_t i, P sum) {
    const P v = lanes.load(y + i), u = lanes.load(g + i);
    lanes.store(dx + i, logarithm ? u - exp(v) * sum : v * (u - sum));
  };
  const auto row = [=](int64_t at) {
    const P sum(row_sum<T>(l.length, [&](P part, int64_t i, const auto& lanes, int) { return term(part, at + i, lanes); }));
    for_packs<T>(l.length, [&](int64_t i, const auto& lanes, int) { result(lanes, at + i, sum); });
  };
  const auto column = [=](int64_t at, const auto& lanes) {
    const P sum = column_sum<T>(l.length, l.inner, [&](P part, int64_t i) { return term(part, at + i, lanes); });
    for (int64_t i = at; i < at + l.length * l.inner; i += l.inner) result(lanes, i, sum);
  };
  each_row<T>(l, row, column);
}

template <bool logarithm> Array backward_kernel(const Array& grad, const Array& y, int axis) {
  const Array g = grad.contiguous();
  Array dx = Array::like(y);
  visit_real(y.dtype(), [&]<class T>() {
    softmax_backward<T, logarithm>(AroundAxis(y.shape(), axis), g.data<T>(), y.data<T>(), dx.uninitialized<T>());
  });
  return dx;
}

template <class Call> Samples along_axes(Call call) {
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
  struct Saved {
    Array y;
    int axis;
  };
  static OpOptions options(const Saved& s) { return {{"axis", {double(s.axis)}}}; }
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor y = b.output(s.y), &g = b.grad();
    if (b.graph()) b.accumulate(0, [&] { return y * (g - sum(g * y, {s.axis}, true)); });
    else b.accumulate(0, [&] { return Tensor(backward_kernel<logarithm>(g.array(), y.array(), s.axis)); });
  }
  static Samples samples() { return along_axes(softmax); }
};

struct LogSoftmax {
  static constexpr const char* name = "log_softmax";
  static constexpr bool logarithm = true;
  struct Saved {
    Array y;
    int axis;
  };
  static OpOptions options(const Saved& s) { return {{"axis", {double(s.axis)}}}; }
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor y = b.output(s.y), &g = b.grad();
    if (b.graph()) b.accumulate(0, [&] { return g - exp(y) * sum(g, {s.axis}, true); });
    else b.accumulate(0, [&] { return Tensor(backward_kernel<logarithm>(g.array(), y.array(), s.axis)); });
  }
  static Samples samples() { return along_axes(log_softmax); }
};

template <class Op, Infinite infinite = Infinite::nan> Tensor normalised(const Tensor& x, Axis along) {
  if (!is_real(x.dtype())) throw_dtype(Op::name, x);
  if (x.rank() == 0) return reshape(normalised<Op, infinite>(reshape(x, {1}), along), {});
  const int axis = normal_axis(Op::name, along, x.shape());
  const Array in = x.array().contiguous();
  Array y = Array::like(in);
  visit_real(x.dtype(), [&]<class T>() {
    softmax_forward<T, Op::logarithm, infinite>(AroundAxis(x.shape(), axis), in.data<T>(), y.uninitialized<T>());
  });
  return primitive<Op>(
      y,
      [&] {
        return typename Op::Saved{kept(y), axis};
      },
      x);
}

}  // namespace

Tensor softmax(const Tensor& x, Axis axis) { return normalised<Softmax>(x, axis); }
Tensor log_softmax(const Tensor& x, Axis axis) { return normalised<LogSoftmax>(x, axis); }
Tensor softmax_or_zeros(const Tensor& x) { return normalised<Softmax, Infinite::zeros>(x, -1); }
Tensor softmax_shares(const Tensor& x) { return normalised<Softmax, Infinite::shares>(x, -1); }

}  // namespace gradus
