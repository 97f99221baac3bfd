// One layer of a recurrent network over a whole sequence, in one direction, on plain pointers: the steps, and the products
// that are computed for all steps at once.
#pragma once

#include <gradus/core/kernels/gemm.h>

namespace gradus {

enum class Recurrence { lstm, gru, rnn_tanh, rnn_relu };

/// The number of gates: LSTM 4 (input, forget, cell, output), GRU 3 (reset, update, new), others 1.
constexpr std::int64_t gates_of(Recurrence r) { return r == Recurrence::lstm ? 4 : r == Recurrence::gru ? 3 : 1; }

/// A layer of T steps, N sequences and H units with G gates; P elements go on to the next step: H, or fewer if w_hr projects
/// them. Row n takes part in the steps before lengths[n]; in the others its state stays as it is.
template <class T> struct RecurrentLayer {
  Recurrence kind;
  std::int64_t steps, batch, hidden, output;
  bool reverse;                 ///< from the last step to the first
  const std::int64_t* lengths;  ///< [N], or null: all T steps
  const T* w_hh;                ///< [G H, P]
  const T* b_hh;                ///< [G H] or null; read for a GRU only, otherwise it is part of the input's product
  const T* w_hr;                ///< [P, H] or null

  std::int64_t gates() const { return gates_of(kind); }
  /// The rows of `h` and `c` below with the state before and after step t.
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

/// Arrays that the forward pass writes and the backward pass reads.
template <class T> struct RecurrentStates {
  T* gates;  ///< [T, N, G H]: on entry the input's part, with biases; on exit the gates
  T* h;      ///< [T + 1, N, P]; row first() is given
  T* c;      ///< [T + 1, N, H] of an LSTM; row first() is given
  T* inner;  ///< [T, N, H]: a GRU's part of the new gate from the state; a projected LSTM's o tanh(c)
};

template <class T> void recurrent_forward(const RecurrentLayer<T>& layer, const RecurrentStates<T>& states);

template <class T> struct RecurrentGradients {
  const T *y, *h, *c;    ///< [T, N, P], [N, P], [N, H]: gradients of the results; each may be null
  T* gates;              ///< [T, N, G H]: gradient of the gates' sums, as seen from the input
  T* gates_from_h;       ///< [T, N, G H], as seen from the state: the same memory but for a GRU
  T* projected;          ///< [T, N, P]: gradient of every h if there is a projection, else null
  T *first_h, *first_c;  ///< [N, P], [N, H]: gradient of the first state
};

template <class T>
void recurrent_backward(const RecurrentLayer<T>& layer, const RecurrentStates<T>& states,
                        const RecurrentGradients<T>& gradients);

}  // namespace gradus
