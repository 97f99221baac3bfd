// One layer of a recurrent network over a whole sequence, in one direction, on plain pointers: the steps, and the products
// that are made for all of them at once.
#pragma once

#include <gradus/core/kernels/gemm.h>

namespace gradus {

enum class Recurrence { lstm, gru, rnn_tanh, rnn_relu };

/// LSTM 4 (input, forget, cell, output), GRU 3 (reset, update, new), others 1.
constexpr std::int64_t gates_of(Recurrence r) { return r == Recurrence::lstm ? 4 : r == Recurrence::gru ? 3 : 1; }

/// T steps, N sequences, H units with G gates, of which P numbers go on to the next step: H, or fewer if w_hr projects them.
/// A row n takes part in the steps before lengths[n]; in the others its state stays as it is.
template <class T> struct RecurrentLayer {
  Recurrence kind;
  std::int64_t steps, batch, hidden, output;
  bool reverse;                 ///< from the last step to the first
  const std::int64_t* lengths;  ///< [N], or null: all T steps
  const T* w_hh;                ///< [G H, P]
  const T* b_hh;                ///< [G H] or null; read of a GRU only, otherwise it is part of the input's product
  const T* w_hr;                ///< [P, H] or null

  std::int64_t gates() const { return gates_of(kind); }
  /// Rows of `h` and `c` below: the state before and after step t.
  std::int64_t before(std::int64_t t) const { return reverse ? t + 1 : t; }
  std::int64_t after(std::int64_t t) const { return reverse ? t : t + 1; }
  std::int64_t first() const { return reverse ? steps : 0; }
  std::int64_t last() const { return reverse ? 0 : steps; }
};

/// c[rows, n] = a[rows, k] b + bias [n], which may be null: a product for all steps at once, rows being T N. b is packed
/// once, for all threads.
template <class T>
void all_steps_product(std::int64_t rows, std::int64_t n, std::int64_t k, const T* a, GemmOperand<T> b, const T* bias, T* c);
/// c[m, n] = a[rows, m]' b[rows, n]: the gradient of a weight.
template <class T> void all_steps_gradient(std::int64_t rows, std::int64_t m, std::int64_t n, const T* a, const T* b, T* c);

/// What the forward pass writes and the backward pass reads.
template <class T> struct RecurrentStates {
  T* gates;  ///< [T, N, G H]: the input's share comes in, with biases; the gates go out
  T* h;      ///< [T + 1, N, P]; row first() is given
  T* c;      ///< [T + 1, N, H] of an LSTM, likewise
  T* inner;  ///< [T, N, H]: of a GRU the state's share of the new gate, of a projected LSTM o tanh(c)
};

template <class T> void recurrent_forward(const RecurrentLayer<T>& layer, const RecurrentStates<T>& states);

template <class T> struct RecurrentGradients {
  const T *y, *h, *c;    ///< [T, N, P], [N, P], [N, H]: of the results; each may be null
  T* gates;              ///< [T, N, G H]: of the gates' sums, as seen from the input
  T* gates_from_h;       ///< [T, N, G H], as seen from the state: the same memory but for a GRU
  T* projected;          ///< [T, N, P] of every h if there is a projection, else null
  T *first_h, *first_c;  ///< [N, P], [N, H]: of the first state
};

template <class T>
void recurrent_backward(const RecurrentLayer<T>& layer, const RecurrentStates<T>& states,
                        const RecurrentGradients<T>& gradients);

}  // namespace gradus
