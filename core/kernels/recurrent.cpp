// A recurrent layer's batch is cut into pieces by shape; each piece goes through all steps on one thread, so no thread waits
// for another. The bits do not depend on where the batch is cut.
#include <gradus/core/kernels/recurrent.h>

#include <gradus/core/kernels/internal/packed_matrix.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/core/parallel.h>
#include <gradus/core/simd/vmath.h>

#include <optional>

namespace gradus {
namespace {

template <class T, class F> GRADUS_INLINE void each_unit(std::int64_t h, F f) {
  for_packs<T>(h, [&](std::int64_t j, const auto& lanes, auto) { f(j, lanes); });
}

// ---- one row, one step ----------------------------------------------------------------------------------------------

template <class T> struct ForwardRow {
  std::int64_t h;
  T* gates;                // in: sums; out: gates
  const T *from_h, *b_hh;  // GRU: the state's share of the sums, and its bias or null
  const T *h_before, *c_before;
  T *inner, *c_after, *out;
};

template <class T> void lstm_forward(const ForwardRow<T>& row) {
  using P = pack<T>;
  const std::int64_t h = row.h;
  each_unit<T>(h, [&](std::int64_t j, const auto& lanes) {
    T* at = row.gates + j;
    const P i = sigmoid(lanes.load(at)), f = sigmoid(lanes.load(at + h)), g = tanh(lanes.load(at + 2 * h)),
            o = sigmoid(lanes.load(at + 3 * h));
    const P c = f * lanes.load(row.c_before + j) + i * g;
    lanes.store(at, i), lanes.store(at + h, f), lanes.store(at + 2 * h, g), lanes.store(at + 3 * h, o);
    lanes.store(row.c_after + j, c);
    lanes.store(row.out + j, o * tanh(c));
  });
}

template <class T> void gru_forward(const ForwardRow<T>& row) {
  using P = pack<T>;
  const std::int64_t h = row.h;
  each_unit<T>(h, [&](std::int64_t j, const auto& lanes) {
    T* at = row.gates + j;
    const auto state = [&](int gate) {
      const P sum = lanes.load(row.from_h + gate * h + j);
      return row.b_hh ? sum + lanes.load(row.b_hh + gate * h + j) : sum;
    };
    const P r = sigmoid(lanes.load(at) + state(0)), z = sigmoid(lanes.load(at + h) + state(1)), inner = state(2);
    const P n = tanh(lanes.load(at + 2 * h) + r * inner);
    lanes.store(at, r), lanes.store(at + h, z), lanes.store(at + 2 * h, n);
    lanes.store(row.inner + j, inner);
    lanes.store(row.out + j, n + z * (lanes.load(row.h_before + j) - n));
  });
}

template <class T> void rnn_forward(const ForwardRow<T>& row, bool relu) {
  each_unit<T>(row.h, [&](std::int64_t j, const auto& lanes) {
    const pack<T> x = lanes.load(row.gates + j);
    lanes.store(row.out + j, relu ? max(pack<T>(0), x) : tanh(x));
  });
}

template <class T> struct BackwardRow {
  std::int64_t h;
  const T *gates, *h_before, *c_before, *c_after, *inner, *out;
  T *dh, *dc;      // gradients of the state after the step; dc and a GRU's dh become the parts that bypass the gates
  T *to_x, *to_h;  // gradients of the sums, as seen from the input and from the state
};

template <class T> void lstm_backward(const BackwardRow<T>& row) {
  using P = pack<T>;
  const std::int64_t h = row.h;
  each_unit<T>(h, [&](std::int64_t j, const auto& lanes) {
    const T* at = row.gates + j;
    const P i = lanes.load(at), f = lanes.load(at + h), g = lanes.load(at + 2 * h), o = lanes.load(at + 3 * h);
    const P t = tanh(lanes.load(row.c_after + j)), u = lanes.load(row.dh + j);
    const P d = lanes.load(row.dc + j) + u * o * (1.0 - t * t);
    T* to = row.to_x + j;
    lanes.store(to, d * g * (i * (1.0 - i)));
    lanes.store(to + h, d * lanes.load(row.c_before + j) * (f * (1.0 - f)));
    lanes.store(to + 2 * h, d * i * (1.0 - g * g));
    lanes.store(to + 3 * h, u * t * (o * (1.0 - o)));
    lanes.store(row.dc + j, d * f);
  });
}

template <class T> void gru_backward(const BackwardRow<T>& row) {
  using P = pack<T>;
  const std::int64_t h = row.h;
  each_unit<T>(h, [&](std::int64_t j, const auto& lanes) {
    const T* at = row.gates + j;
    const P r = lanes.load(at), z = lanes.load(at + h), n = lanes.load(at + 2 * h), u = lanes.load(row.dh + j);
    const P dn = u * (1.0 - z) * (1.0 - n * n), dz = u * (lanes.load(row.h_before + j) - n) * (z * (1.0 - z));
    const P dr = dn * lanes.load(row.inner + j) * (r * (1.0 - r));
    T *x = row.to_x + j, *y = row.to_h + j;
    lanes.store(x, dr), lanes.store(y, dr);
    lanes.store(x + h, dz), lanes.store(y + h, dz);
    lanes.store(x + 2 * h, dn), lanes.store(y + 2 * h, dn * r);
    lanes.store(row.dh + j, u * z);
  });
}

template <class T> void rnn_backward(const BackwardRow<T>& row, bool relu) {
  using P = pack<T>;
  each_unit<T>(row.h, [&](std::int64_t j, const auto& lanes) {
    const P y = lanes.load(row.out + j), u = lanes.load(row.dh + j);
    lanes.store(row.to_x + j, relu ? select(y > P(0), u, y - y) : u * (1.0 - y * y));  // y is 0 there, or NaN
  });
}

// ---- all steps of some rows -----------------------------------------------------------------------------------------

/// Rows [begin, end) of the batch, with working memory of their own.
template <class T> struct Piece {
  const RecurrentLayer<T>& layer;
  std::int64_t begin, end;

  std::int64_t rows() const { return end - begin; }
  bool active(std::int64_t row, std::int64_t t) const { return !layer.lengths || t < layer.lengths[row]; }
  bool any_active(std::int64_t t) const {
    for (std::int64_t row = begin; row < end; ++row)
      if (active(row, t)) return true;
    return false;
  }
  /// The piece's first row of step t in [steps, N, length].
  template <class U> U* at(U* p, std::int64_t t, std::int64_t length) const {
    return p ? p + (t * layer.batch + begin) * length : nullptr;
  }
};

template <class T> void keep_rows(const Piece<T>& piece, std::int64_t t, std::int64_t length, const T* from, T* to) {
  for (std::int64_t r = 0; r < piece.rows(); ++r)
    if (!piece.active(piece.begin + r, t)) std::copy_n(from + r * length, length, to + r * length);
}
template <class T> void clear_rows(const Piece<T>& piece, std::int64_t t, std::int64_t length, T* to) {
  for (std::int64_t r = 0; r < piece.rows(); ++r)
    if (!piece.active(piece.begin + r, t)) std::fill_n(to + r * length, length, T(0));
}

template <class T> struct Forward {
  const RecurrentLayer<T>& layer;
  const RecurrentStates<T>& s;
  PackedMatrix<T> recurrent;
  std::optional<PackedMatrix<T>> projection;

  Forward(const RecurrentLayer<T>& l, const RecurrentStates<T>& states)
      : layer(l), s(states), recurrent(l.output, l.gates() * l.hidden, {l.w_hh, 1, l.output}) {
    if (l.w_hr) projection.emplace(l.hidden, l.output, GemmOperand<T>{l.w_hr, 1, l.hidden});
  }

  void step(const Piece<T>& piece, std::int64_t t, T* from_h) const {
    const std::int64_t h = layer.hidden, p = layer.output, wide = layer.gates() * h, rows = piece.rows();
    const T *h_before = piece.at(s.h, layer.before(t), p), *c_before = piece.at(s.c, layer.before(t), h);
    T *h_after = piece.at(s.h, layer.after(t), p), *c_after = piece.at(s.c, layer.after(t), h);
    T *gates = piece.at(s.gates, t, wide), *inner = piece.at(s.inner, t, h), *out = layer.w_hr ? inner : h_after;
    const bool gru = layer.kind == Recurrence::gru;
    if (layer.lengths) {
      keep_rows(piece, t, p, h_before, h_after);
      if (s.c) keep_rows(piece, t, h, c_before, c_after);
      if (inner) clear_rows(piece, t, h, inner);
      if (!piece.any_active(t)) return;
    }
    recurrent.multiply(rows, h_before, p, gru ? from_h : gates, wide, !gru);
    for (std::int64_t r = 0; r < rows; ++r) {
      if (!piece.active(piece.begin + r, t)) continue;
      const auto row = [r](auto* x, std::int64_t length) { return x ? x + r * length : nullptr; };
      const ForwardRow<T> one{h,
                              row(gates, wide),
                              row(from_h, wide),
                              layer.b_hh,
                              row(h_before, p),
                              row(c_before, h),
                              row(inner, h),
                              row(c_after, h),
                              row(out, h)};
      if (layer.kind == Recurrence::lstm) lstm_forward(one);
      else if (gru) gru_forward(one);
      else rnn_forward(one, layer.kind == Recurrence::rnn_relu);
    }
    if (!projection) return;
    projection->multiply(rows, inner, h, h_after, p, false);
    if (layer.lengths) keep_rows(piece, t, p, h_before, h_after);
  }

  void operator()(std::int64_t begin, std::int64_t end) const {
    const Piece<T> piece{layer, begin, end};
    const Scratch<T> from_h(layer.kind == Recurrence::gru ? piece.rows() * 3 * layer.hidden : 0);
    for (std::int64_t i = 0; i < layer.steps; ++i) step(piece, layer.reverse ? layer.steps - 1 - i : i, from_h.data());
  }
};

template <class T> struct Backward {
  const RecurrentLayer<T>& layer;
  const RecurrentStates<T>& s;
  const RecurrentGradients<T>& g;
  PackedMatrix<T> recurrent;
  std::optional<PackedMatrix<T>> projection;

  Backward(const RecurrentLayer<T>& l, const RecurrentStates<T>& states, const RecurrentGradients<T>& gradients)
      : layer(l), s(states), g(gradients), recurrent(l.gates() * l.hidden, l.output, {l.w_hh, l.output, 1}) {
    if (l.w_hr) projection.emplace(l.output, l.hidden, GemmOperand<T>{l.w_hr, l.hidden, 1});
  }

  /// Adds the gradient of h after step t to dh, and stores it for the gradient of the projection's weights.
  void add_result(const Piece<T>& piece, std::int64_t t, T* dh) const {
    const std::int64_t p = layer.output;
    const T* dy = piece.at(g.y, t, p);
    T* all = piece.at(g.projected, t, p);
    for (std::int64_t r = 0; r < piece.rows(); ++r) {
      const bool active = piece.active(piece.begin + r, t);
      if (active && dy)
        each_unit<T>(p, [at = r * p, dh, dy](std::int64_t j, const auto& lanes) {
          lanes.store(dh + at + j, lanes.load(dh + at + j) + lanes.load(dy + at + j));
        });
      if (all && active) std::copy_n(dh + r * p, p, all + r * p);
      else if (all) std::fill_n(all + r * p, p, T(0));
    }
  }

  /// Adds the part of dh that came through the gates; a GRU's dh already holds the part that bypassed them.
  void through_gates(const Piece<T>& piece, std::int64_t t, const T* to_h, T* dh, T* fresh) const {
    const std::int64_t p = layer.output, wide = layer.gates() * layer.hidden;
    const bool add = layer.kind == Recurrence::gru;
    if (!layer.lengths) return recurrent.multiply(piece.rows(), to_h, wide, dh, p, add);
    recurrent.multiply(piece.rows(), to_h, wide, fresh, p, false);
    for (std::int64_t r = 0; r < piece.rows(); ++r)
      if (piece.active(piece.begin + r, t))
        for (std::int64_t j = r * p; j < (r + 1) * p; ++j) dh[j] = add ? dh[j] + fresh[j] : fresh[j];
  }

  void step(const Piece<T>& piece, std::int64_t t, T* dm, T* fresh) const {
    const std::int64_t h = layer.hidden, p = layer.output, wide = layer.gates() * h, rows = piece.rows();
    T *dh = piece.at(g.first_h, 0, p), *dc = piece.at(g.first_c, 0, h);
    T *to_x = piece.at(g.gates, t, wide), *to_h = piece.at(g.gates_from_h, t, wide);
    add_result(piece, t, dh);
    if (layer.lengths) {
      clear_rows(piece, t, wide, to_x);
      if (to_h != to_x) clear_rows(piece, t, wide, to_h);
      if (!piece.any_active(t)) return;
    }
    if (projection) projection->multiply(rows, dh, p, dm, h, false);
    const T *gates = piece.at(s.gates, t, wide), *inner = piece.at(s.inner, t, h);
    const T *h_before = piece.at(s.h, layer.before(t), p), *h_after = piece.at(s.h, layer.after(t), p);
    const T *c_before = piece.at(s.c, layer.before(t), h), *c_after = piece.at(s.c, layer.after(t), h);
    for (std::int64_t r = 0; r < rows; ++r) {
      if (!piece.active(piece.begin + r, t)) continue;
      const auto row = [r](auto* x, std::int64_t length) { return x ? x + r * length : nullptr; };
      const BackwardRow<T> one{h,
                               row(gates, wide),
                               row(h_before, p),
                               row(c_before, h),
                               row(c_after, h),
                               row(inner, h),
                               row(h_after, p),
                               projection ? row(dm, h) : row(dh, p),
                               row(dc, h),
                               row(to_x, wide),
                               row(to_h, wide)};
      if (layer.kind == Recurrence::lstm) lstm_backward(one);
      else if (layer.kind == Recurrence::gru) gru_backward(one);
      else rnn_backward(one, layer.kind == Recurrence::rnn_relu);
    }
    through_gates(piece, t, to_h, dh, fresh);
  }

  void operator()(std::int64_t begin, std::int64_t end) const {
    const Piece<T> piece{layer, begin, end};
    const auto start = [&](const T* from, T* to, std::int64_t length) {
      if (!to) return;
      if (from) std::copy_n(piece.at(from, 0, length), piece.rows() * length, piece.at(to, 0, length));
      else std::fill_n(piece.at(to, 0, length), piece.rows() * length, T(0));
    };
    start(g.h, g.first_h, layer.output);
    start(g.c, g.first_c, layer.hidden);
    const Scratch<T> dm(layer.w_hr ? piece.rows() * layer.hidden : 0);
    const Scratch<T> fresh(layer.lengths ? piece.rows() * layer.output : 0);
    for (std::int64_t i = layer.steps; i-- > 0;)
      step(piece, layer.reverse ? layer.steps - 1 - i : i, dm.data(), fresh.data());
  }
};

/// Rows of a piece: enough that reading the weights pays, and that the piece is worth a thread.
template <class T> std::int64_t piece_rows(const RecurrentLayer<T>& l) {
  constexpr std::int64_t least = 16, worth = 1 << 20;
  const std::int64_t row = std::max<std::int64_t>(1, l.steps * l.gates() * l.hidden * l.output);
  const std::int64_t pieces = std::max<std::int64_t>(1, std::min(l.batch / least, l.batch * row / worth));
  return std::max<std::int64_t>(1, (l.batch + pieces - 1) / pieces);
}

/// Multiply-adds of the products with the recurrent weights and with the projection.
template <class T> std::int64_t multiply_adds_of_steps(const RecurrentLayer<T>& l) {
  return l.steps * l.batch * l.hidden * l.output * (l.gates() + (l.w_hr ? 1 : 0));
}

}  // namespace

template <class T>
void all_steps_product(std::int64_t rows, std::int64_t n, std::int64_t k, const T* a, GemmOperand<T> b, const T* bias,
                       T* c) {
  const CountMultiplyAdds counted(rows * n * k);
  constexpr std::int64_t piece = 60;  // whole tiles, and with gemm_k_block columns of a in the second-level cache
  if (rows <= piece) return gemm<T>(rows, n, k, {a, k, 1}, b, c, n, {.column_bias = bias});
  const PackedMatrix<T> packed(k, n, b);
  parallel_ranges(rows, piece, [&](std::int64_t begin, std::int64_t end) {
    packed.multiply(end - begin, a + begin * k, k, c + begin * n, n, false, bias);
  });
}

template <class T> void all_steps_gradient(std::int64_t rows, std::int64_t m, std::int64_t n, const T* a, const T* b, T* c) {
  const CountMultiplyAdds counted(rows * m * n);
  constexpr std::int64_t piece = 120;
  if (m * n * rows <= 64 * 64 * 64) return gemm<T>(m, n, rows, {a, 1, m}, {b, n, 1}, c, n);
  const PackedMatrix<T> packed(rows, n, {b, n, 1});
  parallel_ranges(m, piece, [&](std::int64_t begin, std::int64_t end) {
    packed.multiply_transposed(end - begin, a + begin, m, c + begin * n, n);
  });
}

template <class T> void recurrent_forward(const RecurrentLayer<T>& layer, const RecurrentStates<T>& states) {
  const CountMultiplyAdds counted(multiply_adds_of_steps(layer));
  parallel_ranges(layer.batch, piece_rows(layer), Forward<T>(layer, states));
}
template <class T>
void recurrent_backward(const RecurrentLayer<T>& layer, const RecurrentStates<T>& states,
                        const RecurrentGradients<T>& gradients) {
  const CountMultiplyAdds counted(multiply_adds_of_steps(layer));
  parallel_ranges(layer.batch, piece_rows(layer), Backward<T>(layer, states, gradients));
}

#define GRADUS_RECURRENT(T)                                                                                             \
  template void all_steps_product<T>(std::int64_t, std::int64_t, std::int64_t, const T*, GemmOperand<T>, const T*, T*); \
  template void all_steps_gradient<T>(std::int64_t, std::int64_t, std::int64_t, const T*, const T*, T*);                \
  template void recurrent_forward<T>(const RecurrentLayer<T>&, const RecurrentStates<T>&);                              \
  template void recurrent_backward<T>(const RecurrentLayer<T>&, const RecurrentStates<T>&, const RecurrentGradients<T>&);
GRADUS_RECURRENT(float)
GRADUS_RECURRENT(double)
#undef GRADUS_RECURRENT

}  // namespace gradus
