// Looking at a gradient on its way back, or changing it. A hook is a line of the tape like any other: a tensor without one pays
// nothing, and what is behind the line sees what the hook made of the gradient.
#pragma once

#include <gradus/autograd/tensor.h>

#include <concepts>
#include <functional>
#include <memory>

namespace gradus {

/// y = hook(x) has x's numbers; backward calls f with the whole gradient of y, once for each walk, and hands the result to x.
///
///   Hook clip([](const Tensor& g) { return clamp(g, -1, 1); });   // or one that returns nothing, to look
///   h = clip(h);                                                  // uses of h from here on are behind the hook
///   loss.backward();
///   clip.remove();                                                // from now on it passes the gradient as it is
///
/// For a leaf: `const Tensor w = hook(weight)`, and w used in its place. If gradients are recorded (create_graph) the ops of f
/// are, too, and a second walk passes the hook again; else f sees constants. One Hook may stand on many tensors, and copies
/// of it are the same hook.
/// Errors: from backward(), ShapeError or DtypeError for a result unlike the gradient.
class Hook {
 public:
  using Function = std::function<Tensor(const Tensor&)>;

  template <class F>
    requires std::invocable<F&, const Tensor&> && (!std::same_as<std::remove_cvref_t<F>, Hook>)
  explicit Hook(F f) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const Tensor&>>)
      f_ = std::make_shared<Function>([f = std::move(f)](const Tensor& g) mutable { return f(g), g; });
    else f_ = std::make_shared<Function>(std::move(f));
  }

  /// x with the hook behind it; x itself if it has no history, or under NoGrad.
  Tensor operator()(const Tensor& x) const;
  /// The lines it stands on pass gradients unchanged, also those already written.
  void remove() { *f_ = nullptr; }

 private:
  std::shared_ptr<Function> f_;
};

/// x with a hook that nobody is going to remove.
template <class F>
Tensor hook(const Tensor& x, F f) {
  return Hook(std::move(f))(x);
}

/// Keeps the gradient of a tensor that is not a leaf:
///
///   RetainGrad kept;
///   h = kept(h);          // uses of h from here on count
///   loss.backward();
///   kept.grad();          // d loss / d h
///
/// The gradient of the last walk (a leaf's is the sum of all), a constant also if gradients are recorded. For one tensor at a
/// time.
class RetainGrad {
 public:
  Tensor operator()(const Tensor& x) const;
  /// Absent before the first backward.
  Tensor grad() const { return *grad_; }

 private:
  std::shared_ptr<Tensor> grad_ = std::make_shared<Tensor>();
};

}  // namespace gradus
