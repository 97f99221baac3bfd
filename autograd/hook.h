// Hooks observe or change a gradient in the backward pass. A hook is a node of the tape like any other: a tensor without one
// costs nothing, and nodes below get the gradient that the hook returned.
#pragma once

#include <gradus/autograd/tensor.h>

#include <concepts>
#include <functional>
#include <memory>

namespace gradus {

/// y = hook(x) has x's values; backward calls f with the whole gradient of y, once for each backward pass, and passes the
/// result on to x.
///
///   Hook clip([](const Tensor& g) { return clamp(g, -1, 1); });   // or one that returns nothing, to look
///   h = clip(h);                                                  // uses of h from here on are behind the hook; or
///                                                                 // Hook clip = h.register_hook(...)
///   loss.backward();
///   clip.remove();                                                // from now on it passes the gradient as it is
///
/// For a leaf: `const Tensor w = hook(weight)`, and w used in its place. If gradients are recorded (create_graph) the ops of
/// f are, too, and a second traversal calls the hook again; else f gets constants. One Hook may be on many tensors, and
/// copies of it are the same hook. Errors: from backward(), ShapeError or DtypeError for a result unlike the gradient.
class Hook {
 public:
  using Function = std::function<Tensor(const Tensor&)>;

  template <class F>
  requires std::invocable<F&, const Tensor&> &&(!std::same_as<std::remove_cvref_t<F>, Hook>)explicit Hook(F f) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const Tensor&>>)
      f_ = std::make_shared<Function>([f = std::move(f)](const Tensor& g) mutable { return f(g), g; });
    else f_ = std::make_shared<Function>(std::move(f));
  }

  /// x with the hook after it; x itself if it has no history, or under NoGrad.
  Tensor operator()(const Tensor& x) const;
  void put_on(Tensor& x) const;  ///< Tensor::register_hook
  /// Removes the hook: all its nodes, also those already recorded, pass gradients unchanged.
  void remove() { *f_ = nullptr; }

 private:
  std::shared_ptr<Function> f_;
};

template <class F> Hook Tensor::register_hook(F f) {
  Hook h(std::move(f));
  h.put_on(*this);
  return h;
}

/// x with a hook that cannot be removed.
template <class F> Tensor hook(const Tensor& x, F f) { return Hook(std::move(f))(x); }

/// Keeps the gradient of a tensor that is not a leaf, apart from the tensor (Tensor::retain_grad keeps it in the tensor):
///
///   RetainGrad kept;
///   h = kept(h);          // uses of h from here on count
///   loss.backward();
///   kept.grad();          // d loss / d h
///
/// The gradient is that of the last backward pass (a leaf's is the sum of all), a constant also if gradients are recorded.
/// For one tensor at a time.
class RetainGrad {
 public:
  Tensor operator()(const Tensor& x) const;
  /// The gradient; absent before the first backward.
  Tensor grad() const { return *grad_; }

 private:
  std::shared_ptr<Tensor> grad_ = std::make_shared<Tensor>();
};

using AroundHook = std::function<std::vector<Tensor>(const std::vector<Tensor>&, const std::vector<Tensor>&)>;
/// Computes f(inputs) with a hook on all of it, one op or many: when a traversal has passed it, `look` gets the gradients of
/// the results (constants) and those for the inputs, absent where there is none, and may return others for the inputs.
///
///   y = hook_around([](const auto& x) { return matmul(x[0], x[1]); }, {a, b},
///                   [](const auto& of_results, const auto& for_inputs) { ... });
///
/// Leaves that f finds by itself (a module's parameters) are not inputs. Errors: from backward(), as Hook.
std::vector<Tensor> hook_around_function(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f,
                                         const std::vector<Tensor>& inputs, AroundHook look);

/// The same for an f that returns one Tensor or a vector of them, and a `look` that may return nothing.
template <class F, class Look> auto hook_around(F f, const std::vector<Tensor>& inputs, Look look) {
  using Tensors = std::vector<Tensor>;
  constexpr bool one = std::same_as<std::remove_cvref_t<std::invoke_result_t<F&, const Tensors&>>, Tensor>;
  auto results = hook_around_function(
      [&f](const Tensors& x) {
        if constexpr (one) return Tensors{f(x)};
        else return f(x);
      },
      inputs,
      [look = std::move(look)](const Tensors& of_results, const Tensors& for_inputs) mutable {
        if constexpr (std::is_void_v<std::invoke_result_t<Look&, const Tensors&, const Tensors&>>)
          return look(of_results, for_inputs), for_inputs;
        else return look(of_results, for_inputs);
      });
  if constexpr (one) return results[0];
  else return results;
}

Leaf* retained(Node* n);  ///< the leaf that holds the gradient for a node of Tensor::retain_grad(); null for any other node

}  // namespace gradus
