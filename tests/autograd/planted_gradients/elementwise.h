// Bugs 1 to 12: ops that look at one element at a time, most of them written as formulas.
#pragma once

#include <gradus/tests/autograd/planted_gradients/bug.h>

namespace gradus::planted {

struct Tanh {
  static constexpr const char* name = "planted tanh";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return tanh(x); }
  template <class V> V df(V g, V, V y) const { return g * (1.0001 * (1.0 - y * y)); }
  static Samples samples() { return any_samples(); }
};

struct Decay {
  static constexpr const char* name = "planted decay";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return exp(-x); }
  template <class V> V df(V g, V, V y) const { return g * y; }
  static Samples samples() { return any_samples(); }
};

struct Square {
  static constexpr const char* name = "planted square";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return x * x; }
  template <class V> V df(V g, V x, V) const { return g * x; }
  static Samples samples() { return any_samples(); }
};

struct Mul {
  static constexpr const char* name = "planted mul";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V a, V b) const { return a * b; }
  template <class V> V da(V g, V a, V, V) const { return g * a; }
  template <class V> V db(V g, V, V b, V) const { return g * b; }
  static Samples samples() { return any_samples(); }
};

struct Sub {
  static constexpr const char* name = "planted sub";
  static constexpr unsigned reads = reads_nothing;
  template <class V> V f(V a, V b) const { return a - b; }
  template <class V> V da(V g, V, V, V) const { return g; }
  template <class V> V db(V g, V, V, V) const { return g; }
  static Samples samples() { return any_samples(); }
};

struct Div {
  static constexpr const char* name = "planted div";
  static constexpr unsigned reads = reads_input(0) | reads_input(1);
  template <class V> V f(V a, V b) const { return a / b; }
  template <class V> V da(V g, V, V b, V) const { return g / b; }
  template <class V> V db(V g, V a, V b, V) const { return -(g * a / b); }
  static Samples samples() { return any_samples(); }
};

struct Sigmoid {
  static constexpr const char* name = "planted sigmoid";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return sigmoid(x); }
  template <class V> V df(V g, V x, V) const { return g * (x * (1.0 - x)); }
  static Samples samples() { return any_samples(); }
};

struct Exp {
  static constexpr const char* name = "planted exp";
  static constexpr unsigned reads = reads_input(1);
  template <class V> V f(V x) const { return exp(x); }
  template <class V> V df(V g, V, V y) const { return g * exp(y); }
  static Samples samples() { return any_samples(); }
};

struct Relu {
  static constexpr const char* name = "planted relu";
  static constexpr unsigned reads = reads_nothing;
  template <class V> V f(V x) const { return max(V(0), x); }
  template <class V> V df(V g, V, V) const { return g; }
  static Samples samples() { return any_samples(); }
};

struct Clamp {
  static constexpr const char* name = "planted clamp";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return max(V(-1), min(x, V(1))); }
  template <class V> V df(V g, V x, V) const { return select(x > V(-1), select(x < V(0.5), g, V(0)), V(0)); }
  static Samples samples() { return any_samples(); }
};

struct Abs {
  static constexpr const char* name = "planted abs";
  static constexpr unsigned reads = reads_nothing;
  template <class V> V f(V x) const { return abs(x); }
  template <class V> V df(V g, V, V) const { return g; }
  static Samples samples() { return any_samples(); }
};

template <class Op> Call formula_of_one() {
  return [](const std::vector<Tensor>& x) { return formula(Op{}, x[0]); };
}
template <class Op> Call formula_of_two() {
  return [](const std::vector<Tensor>& x) { return formula(Op{}, x[0], x[1]); };
}

inline std::vector<Bug> elementwise_bugs() {
  const Array a = sample_values({3, 4}), b = sample_values({3, 4}, 0.5, 2, 2);
  const auto where_wrong = of_two([](auto& p, auto& q) { return where(p > q, p, q); },
                                  [](auto& g, auto& p, auto& q) { return where(p > q, Tensor(0.0), g); },
                                  [](auto& g, auto& p, auto& q) { return where(p > q, g, Tensor(0.0)); });
  return {
      {"tanh", "times 1.0001", "factor", formula_of_one<Tanh>(), {a}},
      {"decay", "the minus of -exp(-x) is forgotten", "sign", formula_of_one<Decay>(), {a}},
      {"square", "the 2 of 2x is forgotten", "factor", formula_of_one<Square>(), {a}},
      {"mul", "the gradients of a and b are exchanged", "swapped", formula_of_two<Mul>(), {a, b}},
      {"sub", "the second gradient is +g", "sign", formula_of_two<Sub>(), {a, b}},
      {"div", "the denominator of the second gradient is b, not b^2", "factor", formula_of_two<Div>(), {a, b}},
      {"sigmoid", "x (1 - x) where y (1 - y) was meant", "stale", formula_of_one<Sigmoid>(), {a}},
      {"exp", "exp of the result where exp of the input was meant", "stale", formula_of_one<Exp>(), {a}},
      {"relu", "passes where it is flat", "mask", formula_of_one<Relu>(), {a}},
      {"where", "each branch gets the other's gradient", "mask or swapped", where_wrong, {a, b}},
      {"clamp", "the gradient is cut at 0.5, the values at 1", "mask", formula_of_one<Clamp>(), {a}},
      {"abs", "the sign of x is forgotten", "sign", formula_of_one<Abs>(), {a}},
  };
}

}  // namespace gradus::planted
