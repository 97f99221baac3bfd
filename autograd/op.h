// How to write an op. There are three kinds, one struct each, next to its samples:
//
//   formula    f, and df (da, db, dc: one per input), generic in their number type: with packs they are the kernels, with
//              Tensors the differentiable backward pass. `reads` lists what the backward pass needs; the rest is not kept.
//              `integers`, which is optional, selects the treatment of i64 and u8: f, with whole<T>, computes them.
//   primitive  forward on Arrays; backward made of other ops.
//   fused      fast kernels for both passes, and its `reference` definition in ops, used when gradients are recorded.
//
// An op without samples() does not compile, so every op that can be recorded is gradient-checked.
#pragma once

#include <gradus/autograd/backward.h>
#include <gradus/autograd/observe.h>
#include <gradus/autograd/sample.h>
#include <gradus/core/kernels/whole.h>

#include <bit>
#include <concepts>
#include <functional>
#include <tuple>

namespace gradus {

template <class Op>
concept Checkable = requires {
  { Op::name } -> std::convertible_to<const char*>;
  { Op::samples() } -> std::same_as<Samples>;
};

/// Every op that some translation unit can record, by name.
const std::vector<const OpInfo*>& all_ops();
bool register_op(const OpInfo* op);

template <class Saved> void destroy_saved(Node& n) { static_cast<Saved*>(n.saved())->~Saved(); }

/// `static constexpr EdgeException exceptions[]` of an op, if it has some.
template <class Op> constexpr std::span<const EdgeException> exceptions_of() {
  if constexpr (requires { Op::exceptions; }) return Op::exceptions;
  else return {};
}

/// `static constexpr OpKind kind` of an op that is not smooth.
template <class Op> constexpr OpKind kind_of() {
  if constexpr (requires { OpKind{Op::kind}; }) return Op::kind;
  else return OpKind::smooth;
}

/// `static OpOptions options(const Saved&)` of an op, if it has some, or `OpOptions options() const` of a formula.
template <class Op, class Saved> constexpr auto options_of() -> OpOptions (*)(Node&) {
  if constexpr (requires(const Saved& s) { Op::options(s); })
    return [](Node& n) { return Op::options(*static_cast<const Saved*>(n.saved())); };
  else if constexpr (requires(const Saved& s) { s.op.options(); })
    return [](Node& n) { return static_cast<const Saved*>(n.saved())->op.options(); };
  else return nullptr;
}

template <Checkable Op, class Saved, void (*backward)(BackwardContext&)> struct Info {
  static constexpr OpInfo record{
      Op::name, backward, &destroy_saved<Saved>, &Op::samples, exceptions_of<Op>(), kind_of<Op>(), options_of<Op, Saved>()};
  static const bool registered;
};
template <Checkable Op, class Saved, void (*backward)(BackwardContext&)>
const bool Info<Op, Saved, backward>::registered = register_op(&record);

/// The record of an op made of other ops, whose nodes stand on the tape: listed and checked like any op.
template <Checkable Op> struct Composite {
  static constexpr OpInfo record{Op::name, nullptr, nullptr, &Op::samples, exceptions_of<Op>(), kind_of<Op>()};
};
template <Checkable... Op> bool register_composites() { return (register_op(&Composite<Op>::record) && ...); }

inline bool recorded(const Tensor& t) { return recording && t.requires_grad(); }
template <class... In> bool recorded(const In&... in) { return recording && (in.requires_grad() || ...); }

inline void connect(Node* n, int k, const Tensor& in) {
  Node* from = in.requires_grad() ? in.node() : nullptr;
  if (from) {
    if (!from->same_owner(*n)) [[unlikely]]
      throw_foreign(n, k);
    from->up();
  }
  n->edges()[k] = {from, in.slot()};
}

/// Constructs make_saved() in the node; if that throws, the node is discarded.
template <class Saved, class Make> void save(Node* n, Make& make_saved) {
  try {
    ::new (n->saved()) Saved(make_saved());
  } catch (...) {
    discard_node(n);
    throw;
  }
}

/// Records a node.
template <Checkable Op, class Saved, void (*backward)(BackwardContext&), class Make, class... In>
Node* record(Make make_saved, const In&... in) {
  using I = Info<Op, Saved, backward>;
  (void)I::registered;
  Node* n = new_node(&I::record, sizeof...(In), sizeof(Saved));
  save<Saved>(n, make_saved);
  int k = 0;
  (connect(n, k++, in), ...);
  return n;
}

inline Array kept(const Array& a) {
  Array k = a;
  k.remember_version();
  return k;
}

// ---- formulas -------------------------------------------------------------------------------------------------------

inline constexpr unsigned reads_nothing = 0;
/// Bits of `reads`: k for input k, N (the number of inputs) for the result. `passes`, which is optional, has the same bits.
constexpr unsigned reads_input(int k) { return 1u << k; }

/// Zeros like g, also where g is infinite or NaN: the gradient of a function that does not depend on its input.
template <class V> V zero_for(const V& g) { return select(g == g, V(0.0), V(0.0)); }

/// The treatment of i64, u8 and bool by a formula: an error, f itself (exact, never recorded), or computation in f32.
enum class Integers { refused, exact, as_f32 };

template <class Op> constexpr Integers integers_of() {
  if constexpr (requires { Op::integers; }) return Op::integers;
  else return Integers::refused;
}

/// Brings operands to one shape and dtype, recording the expansion. Bools, wrapped numbers and 0-d integers take the dtype
/// of the reals they meet, and integers the larger of their types; f32 and f64 do not mix. Errors: ShapeError, DtypeError.
void fit(const char* op, Tensor* operands, int n, Integers integers = Integers::refused);

template <class Op, int N> struct Formula {
  static constexpr int kept_count = std::popcount(Op::reads);
  struct Saved {
    [[no_unique_address]] Op op;
    Array arrays[kept_count > 0 ? kept_count : 1];
  };
  struct SavedNothing {
    [[no_unique_address]] Op op;
  };
  using Kept = std::conditional_t<(kept_count > 0), Saved, SavedNothing>;

  /// The index of input or result k among the kept arrays.
  static constexpr int place(int k) { return std::popcount(Op::reads & ((1u << k) - 1)); }
  static constexpr bool reads(int k) { return Op::reads >> k & 1; }
  /// True if the gradient of input k is the incoming one, which is shared, not copied.
  static constexpr bool passes(int k) {
    if constexpr (requires { Op::passes; }) return Op::passes >> k & 1;
    else return false;
  }

  static constexpr int at_place(int p) {
    int k = 0;
    while (!reads(k) || place(k) != p) ++k;
    return k;
  }
  template <int... p>
  static Kept save(const Op& op, [[maybe_unused]] const Array* const* all, std::integer_sequence<int, p...>) {
    if constexpr (kept_count > 0) return {op, {kept(*all[at_place(p)])...}};
    else return {op};
  }

  template <int k, class V, class... Vs> static auto derivative(const Op& op, V g, Vs... v) {
    if constexpr (N == 1) return op.df(g, v...);
    else if constexpr (k == 0) return op.da(g, v...);
    else if constexpr (k == 1) return op.db(g, v...);
    else return op.dc(g, v...);
  }

  /// The kept Array of input or result k. A template of its own type, so that formulas that keep nothing need not have it.
  template <int k, class K> static const Array& kept_at(const K& s) { return s.arrays[place(k)]; }

  template <int k, int... i> static void accumulate(BackwardContext& b, const Kept& s, std::integer_sequence<int, i...>) {
    if (!b.wants(k)) return;
    const Tensor& g = b.grad();
    if constexpr (passes(k)) {
      b.accumulate(k, [&]() -> const Tensor& { return g; });
      return;
    }
    if (b.graph()) {
      auto value = [&]<int j>() {
        if constexpr (!reads(j)) return Tensor();
        else if constexpr (j < N) return b.input(j, kept_at<j>(s));
        else return b.output(kept_at<j>(s));
      };
      b.accumulate(k, [&] { return derivative<k>(s.op, g, value.template operator()<i>()...); });
    } else {
      auto array = [&]<int j>() -> const Array& {  // unread inputs are loaded from g, and removed by the compiler
        if constexpr (reads(j)) return b.checked(kept_at<j>(s));
        else return g.array();
      };
      const Op op = s.op;
      b.accumulate(k, [&] {
        return Tensor(std::in_place, [&] {
          constexpr bool last_reader = k == N - 1;
          return map_over(
              Op::name, last_reader, [op](auto gg, auto... v) { return derivative<k>(op, gg, v...); }, g.array(),
              array.template operator()<i>()...);
        });
      });
    }
  }

  static void backward(BackwardContext& b) {
    const Kept& s = b.template saved<Kept>();
    [&]<int... k>(std::integer_sequence<int, k...>) { (accumulate<k>(b, s, std::make_integer_sequence<int, N + 1>()), ...); }
    (std::make_integer_sequence<int, N>());
  }

  /// With `overwrite` the result replaces a first input that is large and unique.
  template <class... In> static Tensor run(bool overwrite, const Op& op, const In&... in) {
    Tensor y(std::in_place, [&] {
      return map_over(
          Op::name, overwrite, [op](auto... v) { return op.f(v...); }, in.array()...);
    });
    if (recorded(in...)) {
      Node* n = record<Op, Kept, &backward>(
          [&] {
            const Array* all[] = {&in.array()..., &y.array()};
            return save(op, all, std::make_integer_sequence<int, kept_count>());
          },
          in...);
      y.set_history(Ref<Node>(n));
    }
    if (op_observer) [[unlikely]]
      notify_observer(Op::name, y, in...);
    return y;
  }
};

[[noreturn]] void throw_dtype(const char* op, const Tensor& t);

/// Evaluates a formula over integers of one dtype and shape: a constant. Op::check_integers(operands..), if any, may throw.
template <class Op, class... In> Tensor integer_formula(const Op& op, const In&... in) {
  if constexpr (requires { Op::check_integers(in...); }) Op::check_integers(in...);
  return Tensor(map_whole([op](auto... v) { return op.f(v...); }, in.array()...));
}

/// Applies a formula op with broadcasting.
template <class Op, class... Rest> Tensor formula(const Op& op, const Tensor& first, const Rest&... rest) {
  constexpr int n = 1 + sizeof...(Rest);
  const bool same = ((first.dtype() == rest.dtype() && first.shape() == rest.shape()) && ... && is_real(first.dtype()));
  if (same) [[likely]]
    return Formula<Op, n>::run(false, op, first, rest...);
  Tensor operands[n] = {first, rest...};
  constexpr Integers integers = integers_of<Op>();
  fit(Op::name, operands, n, integers);
  return [&]<int... i>(std::integer_sequence<int, i...>) {
    if constexpr (integers == Integers::exact)
      if (!is_real(operands[0].dtype())) return integer_formula(op, operands[i]...);
    return Formula<Op, n>::run(false, op, operands[i]...);
  }
  (std::make_integer_sequence<int, n>());
}

/// Applies a formula op to an rvalue, which the result may overwrite. An observer gets it unchanged.
template <class Op> Tensor formula_over(const Op& op, Tensor&& x) {
  static_assert(!Formula<Op, 1>::reads(0));
  if (!is_real(x.dtype())) return formula(op, x);
  return Formula<Op, 1>::run(!op_observer, op, x);
}

// ---- primitives and fused ops ---------------------------------------------------------------------------------------

/// The backward pass of a primitive: Op::backward(BackwardContext&, const Saved&), in ops.
template <class Op> void primitive_backward(BackwardContext& b) { Op::backward(b, b.template saved<typename Op::Saved>()); }

/// Records y as the result of a primitive. make_saved is only called if y has a history.
template <class Op, class Make, class... In> Tensor primitive(Array y, Make make_saved, const In&... in) {
  Tensor t(std::move(y));
  if (recorded(in...)) t.set_history(Ref<Node>(record<Op, typename Op::Saved, &primitive_backward<Op>>(make_saved, in...)));
  if (op_observer) [[unlikely]]
    notify_observer(Op::name, t, in...);
  return t;
}

void notify_observer_of_many(const char* op, const std::vector<Tensor>& results, const std::vector<Tensor>& in);

template <class Op, class Make>
void record_many(std::vector<Tensor>& results, Make& make_saved, const std::vector<Tensor>& in) {
  using I = Info<Op, typename Op::Saved, &primitive_backward<Op>>;
  (void)I::registered;
  Node* n = new_node(&I::record, in.size(), sizeof(typename Op::Saved), results.size());
  save<typename Op::Saved>(n, make_saved);
  for (std::size_t k = 0; k < in.size(); ++k) connect(n, static_cast<int>(k), in[k]);
  const Ref<Node> line(n);
  for (std::size_t k = 0; k < results.size(); ++k) results[k].set_history(line, static_cast<std::uint32_t>(k));
}

/// Records any number of inputs and results of a primitive.
template <class Op, class Make>
std::vector<Tensor> primitive_many(std::vector<Array> ys, Make make_saved, const std::vector<Tensor>& in) {
  std::vector<Tensor> results(ys.begin(), ys.end());
  bool any = false;
  for (const Tensor& t : in) any = any || recorded(t);
  if (any) record_many<Op>(results, make_saved, in);
  if (op_observer) [[unlikely]]
    notify_observer_of_many(Op::name, results, in);
  return results;
}

/// The inputs of a fused op as new nodes, so that each collects its own gradient even where two are the same tensor.
Tensor alias(const Tensor& x);

/// Differentiates `reference(inputs)` and accumulates in inputs 0, 1, ...: the recorded backward pass of a fused op.
void accumulate_through_reference(BackwardContext& b, const std::vector<Tensor>& inputs,
                                  const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& reference);

/// The backward pass of a fused op: Op::kernel(BackwardContext&, Saved) on Arrays; recorded, Op::reference(inputs, Saved) is
/// differentiated. Op::inputs(BackwardContext&, Saved) lists the kept inputs.
template <class Op> void fused_backward(BackwardContext& b) {
  const auto& s = b.template saved<typename Op::Saved>();
  if (!b.graph()) Op::kernel(b, s);
  else
    accumulate_through_reference(b, Op::inputs(b, s),
                                 [&s](const std::vector<Tensor>& x) { return std::vector<Tensor>{Op::reference(x, s)}; });
}

template <class Op, class Make, class... In> Tensor fused(Array y, Make make_saved, const In&... in) {
  Tensor t(std::move(y));
  if (recorded(in...)) t.set_history(Ref<Node>(record<Op, typename Op::Saved, &fused_backward<Op>>(make_saved, in...)));
  if (op_observer) [[unlikely]]
    notify_observer(Op::name, t, in...);
  return t;
}

}  // namespace gradus
