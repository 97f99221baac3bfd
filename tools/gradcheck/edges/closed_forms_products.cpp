// Products and what is made of them, on rows of their own: linear layers, convolutions, einsum, interpolation, cells.
#include <gradus/autograd/ops.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>

namespace gradus::tools {
namespace {

using Row = std::span<const Jet>;
using Jets = std::vector<Jet>;

EdgeForm form(const char* op, const char* label, int length, Tensor (*call)(const Tensor&), Jets (*closed)(Row),
              double most = std::numeric_limits<double>::infinity()) {
  return {op, label, 1, length, false, [call](const std::vector<Tensor>& x) { return call(x[0]); }, closed, most};
}

/// Columns [from, to) of the rows, as `shape`.
Tensor part(const Tensor& x, int64_t from, int64_t to, const Shape& shape) { return reshape(slice(x, 1, from, to), shape); }

Tensor constant(const Shape& shape, std::initializer_list<double> values, const Tensor& like) {
  return Tensor(Array::of<double>(shape, values).to(like.dtype()));
}

/// x0 w0 + x1 w1, each row with a kernel of its own: a group each.
Jets two_products(Row x) { return {x[0] * x[2] + x[1] * x[3]}; }
Tensor convolve1d(const Tensor& x) {
  const int64_t n = x.dim(0);
  return reshape(conv1d(part(x, 0, 2, {1, n, 2}), part(x, 2, 4, {n, 1, 2}), {}, {.groups = n}), {n, 1});
}
Tensor convolve2d(const Tensor& x) {
  const int64_t n = x.dim(0);
  return reshape(conv2d(part(x, 0, 2, {1, n, 1, 2}), part(x, 2, 4, {n, 1, 1, 2}), {}, {.groups = n}), {n, 1});
}

/// [x0, x1] spread by the kernel [1.5, -0.5].
Jets spread(Row x) { return {Jet(1.5L) * x[0], Jet(-0.5L) * x[0] + Jet(1.5L) * x[1], Jet(-0.5L) * x[1]}; }
Tensor spread1d(const Tensor& x) {
  const int64_t n = x.dim(0);
  return reshape(conv_transpose1d(reshape(x, {n, 1, 2}), constant({1, 1, 2}, {1.5, -0.5}, x)), {n, 3});
}
Tensor spread2d(const Tensor& x) {
  const int64_t n = x.dim(0);
  return reshape(conv_transpose2d(reshape(x, {n, 1, 1, 2}), constant({1, 1, 1, 2}, {1.5, -0.5}, x)), {n, 3});
}

Tensor linear_of_two(const Tensor& x) { return linear(x, constant({1, 2}, {1.5, -0.5}, x), constant({1}, {0.25}, x)); }
Tensor rows_times_rows(const Tensor& x) {
  const int64_t n = x.dim(0);
  return reshape(einsum("ni,ni->n", {part(x, 0, 2, {n, 2}), part(x, 2, 4, {n, 2})}), {n, 1});
}
Tensor number_times_two(const Tensor& x) { return outer(reshape(x, {x.dim(0)}), constant({2}, {1.5, -0.5}, x)); }
Tensor with_slope(const Tensor& x) { return prelu(x, constant({1}, {0.25}, x)); }

/// Four positions between two numbers: at -1/4, 1/4, 3/4 and 5/4 of the way, the outer ones on the edge.
Tensor stretched(const Tensor& x) {
  const int64_t n = x.dim(0);
  return reshape(interpolate(reshape(x, {n, 1, 1, 2}), {1, 4}, Interpolation::bilinear), {n, 4});
}
Jets stretched_form(Row x) {
  const Jet near(0.75L), far(0.25L);
  return {x[0], near * x[0] + far * x[1], far * x[0] + near * x[1], x[1]};
}

/// A cell of one feature and one unit: row [x, h]; gate k is a[k] x + b[k] h.
constexpr double of_x[] = {0.5, -0.75, 1.25, 1}, of_h[] = {-0.5, 1, 0.75, 0.25};
CellWeights weights(int64_t gates, const Tensor& like) {
  const auto first = [&](const double(&all)[4]) {
    return slice(constant({4, 1}, {all[0], all[1], all[2], all[3]}, like), 0, 0, gates);
  };
  return {first(of_x), first(of_h), {}, {}};
}
Jet gate(int k, Row x) { return Jet(of_x[k]) * x[0] + Jet(of_h[k]) * x[1]; }

Tensor rnn(const Tensor& x) { return rnn_cell(slice(x, 1, 0, 1), slice(x, 1, 1, 2), weights(1, x)); }
Tensor lstm(const Tensor& x) {
  const LstmState y = lstm_cell(slice(x, 1, 0, 1), {slice(x, 1, 1, 2), slice(x, 1, 2, 3)}, weights(4, x));
  return cat({y.h, y.c}, 1);
}
Jets lstm_form(Row x) {
  const Jet c = sigmoid(gate(1, x)) * x[2] + sigmoid(gate(0, x)) * tanh(gate(2, x));
  return {sigmoid(gate(3, x)) * tanh(c), c};
}
Tensor gru(const Tensor& x) { return gru_cell(slice(x, 1, 0, 1), slice(x, 1, 1, 2), weights(3, x)); }
Jets gru_form(Row x) {
  const Jet reset = sigmoid(gate(0, x)), update = sigmoid(gate(1, x));
  const Jet fresh = tanh(Jet(of_x[2]) * x[0] + reset * (Jet(of_h[2]) * x[1]));
  return {(Jet(1) - update) * fresh + update * x[1]};
}

}  // namespace

std::vector<EdgeForm> edge_forms_of_products() {
  return {
      form("linear", "", 2, linear_of_two, [](Row x) { return Jets{Jet(1.5L) * x[0] - Jet(0.5L) * x[1] + Jet(0.25L)}; }),
      form("einsum", "ni,ni->n", 4, rows_times_rows, two_products),
      form("outer", "", 1, number_times_two,
           [](Row x) {
             return Jets{Jet(1.5L) * x[0], Jet(-0.5L) * x[0]};
           }),
      form("conv1d", "", 4, convolve1d, two_products),
      form("conv2d", "", 4, convolve2d, two_products),
      form("conv_transpose1d", "", 2, spread1d, spread),
      form("conv_transpose2d", "", 2, spread2d, spread),
      form("prelu", "", 1, with_slope,
           [](Row x) {
             return Jets{x[0].f < 0 ? Jet(0.25L) * x[0] : x[0].f > 0 ? x[0] : chain(x[0], x[0].f, 0.25L, 0)};
           }),
      form("interpolate", "bilinear", 2, stretched, stretched_form),
      form("rnn_cell", "", 2, rnn, [](Row x) { return Jets{tanh(gate(0, x))}; }),
      form("lstm_cell", "", 3, lstm, lstm_form, 1e9),
      form("gru_cell", "", 2, gru, gru_form, 1e9),
  };
}

}  // namespace gradus::tools
