#include <gradus/autograd/hook.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <utility>

namespace gradus {
namespace {

using Tensors = std::vector<Tensor>;

/// The result of a hook's function if it fits the gradient g. Errors: ShapeError, DtypeError.
Tensor fitting(const Tensor& g, Tensor made) {
  if (!made.defined() || !(made.shape() == g.shape()))
    throw ShapeError("hook", join("the gradient is ", describe(g), ", the function made ",
                                  made.defined() ? describe(made) : "an absent tensor", " of it; they must agree"));
  if (made.dtype() != g.dtype())
    throw DtypeError("hook", join("the gradient is ", describe(g), ", the function made ", describe(made), " of it"),
                     join("g.to(", g.dtype(), ")"));
  return made;
}

struct HookNode {
  static constexpr const char* name = "hook";
  struct Saved {
    std::shared_ptr<Hook::Function> f;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor& g = b.grad();
    const Hook::Function f = *s.f;  // a copy: the function may remove itself
    if (!f) return b.accumulate(0, [&] { return g; });
    b.accumulate(0, [&] { return fitting(g, f(g)); });
  }
  static Samples samples() {
    return {sample("that looks", {sample_values({2, 3})}, [](auto& x) { return hook(x[0], [](const Tensor&) {}); }),
            sample("that gives an equal gradient", {sample_values({3})},
                   [](auto& x) { return square(hook(x[0], [](const Tensor& g) { return g * 1.0; })); })};
  }
};

/// The node of RetainGrad: its input 1 is a leaf of its own, which backward fills as any other.
struct RetainNode {
  static constexpr const char* name = "retain_grad";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    for (int k = 0; k < 2; ++k) b.accumulate(k, [&]() -> const Tensor& { return b.grad(); });
  }
  static Samples samples() {
    return {sample("ordinary", {sample_values({2, 3})}, [](auto& x) {
      Tensor h = x[0] * 2.0;
      return square(h.requires_grad() ? h.retain_grad() : h);
    })};
  }
};

/// The state shared by the node before the inputs and the node after the results.
struct Around {
  AroundHook look;
  Tensors of_results;
};

struct HookResults {
  static constexpr const char* name = "hook_results";
  struct Saved {
    std::shared_ptr<Around> around;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    s.around->of_results.clear();
    for (int k = 0; k < b.inputs(); ++k) {
      s.around->of_results.push_back(b.grad(k).detach());
      if (b.grad(k).defined()) b.accumulate(k, [&] { return b.grad(k); });
    }
  }
  static Samples samples();
};

struct HookInputs {
  static constexpr const char* name = "hook_inputs";
  struct Saved {
    std::shared_ptr<Around> around;
    std::vector<std::size_t> indices;  // of the node's inputs among the function's
    std::size_t inputs;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    Tensors got(s.inputs);
    for (std::size_t k = 0; k < s.indices.size(); ++k) got[s.indices[k]] = b.grad(static_cast<int>(k));
    const std::shared_ptr<Around> around = s.around;
    const Tensors of_results = std::move(around->of_results);
    const Tensors made = around->look(of_results, got);
    if (made.size() != got.size())
      throw ShapeError("hook_around",
                       join("the function has ", got.size(), " inputs, but ", made.size(), " gradients were returned"));
    for (std::size_t k = 0; k < s.indices.size(); ++k)
      if (const std::size_t p = s.indices[k]; got[p].defined())
        b.accumulate(static_cast<int>(k), [&] { return fitting(got[p], made[p]); });
  }
  static Samples samples() { return HookResults::samples(); }
};

Samples HookResults::samples() {
  const auto gated = [](const Tensors& x) { return Tensors{tanh(x[0]) * x[1], x[1] * 2.0}; };
  const auto equal = [](const Tensors&, const Tensors& g) {
    Tensors made;
    for (const Tensor& t : g) made.push_back(t.defined() ? t * 1.0 : t);
    return made;
  };
  return {sample("that looks", {sample_values({2, 3}), sample_values({2, 3}, -2, 2, 2)},
                 [=](auto& x) { return hook_around(gated, x, [](const Tensors&, const Tensors&) {}); }),
          sample("that gives equal gradients", {sample_values({3}), sample_values({3}, -2, 2, 2)},
                 [=](auto& x) { return hook_around(gated, x, equal); })};
}

}  // namespace

Tensor& Tensor::retain_grad() {
  if (!requires_grad())
    throw GraphError("retain_grad", join(describe(*this), " has no history, so there is no gradient to keep"),
                     "x.requires_grad_()");
  if (is_leaf() || retained(node())) return *this;
  const bool before = std::exchange(recording, true);  // also under NoGrad: the node joins this tensor's history
  const Tensor keeper(Array(), Ref<Node>(new_leaf("retained")));
  *this = primitive<RetainNode>(
      array_, [] { return RetainNode::Saved{}; }, *this, keeper);
  recording = before;
  return *this;
}

Leaf* retained(Node* n) {
  const bool is = n && n->op == &Info<RetainNode, RetainNode::Saved, &primitive_backward<RetainNode>>::record;
  return is ? static_cast<Leaf*>(n->edges()[1].node) : nullptr;
}

void Hook::put_on(Tensor& x) const {
  if (x.is_leaf())
    throw GraphError("register_hook", join(describe(x), " is a leaf, and would be none behind a hook"),
                     "const Tensor w = hook(weight, f), and w in its place");
  if (!x.requires_grad())
    throw GraphError("register_hook", join(describe(x), " has no history, so there is no gradient to look at"));
  const bool before = std::exchange(recording, true);
  x = (*this)(x);
  recording = before;
}

std::vector<Tensor> hook_around_function(const std::function<Tensors(const Tensors&)>& f, const Tensors& inputs,
                                         AroundHook look) {
  Tensors x = inputs, behind;
  std::vector<std::size_t> indices;
  for (std::size_t k = 0; k < x.size(); ++k)
    if (recorded(x[k])) indices.push_back(k), behind.push_back(x[k]);
  if (indices.empty()) return f(inputs);
  const auto around = std::make_shared<Around>(Around{std::move(look), {}});
  const auto numbers = [](const Tensors& tensors) {
    std::vector<Array> arrays;
    for (const Tensor& t : tensors) arrays.push_back(t.array());
    return arrays;
  };
  behind = primitive_many<HookInputs>(
      numbers(behind),
      [&] {
        return HookInputs::Saved{around, indices, x.size()};
      },
      behind);
  for (std::size_t k = 0; k < indices.size(); ++k) x[indices[k]] = behind[k];
  const Tensors y = f(x);
  Tensors results = primitive_many<HookResults>(
      numbers(y), [&] { return HookResults::Saved{around}; }, y);
  for (std::size_t k = 0; k < y.size(); ++k)
    if (!y[k].requires_grad()) results[k] = y[k];
  return results;
}

Tensor Hook::operator()(const Tensor& x) const {
  if (!recorded(x)) return x;
  return primitive<HookNode>(
      x.array(), [&] { return HookNode::Saved{f_}; }, x);
}

Tensor RetainGrad::operator()(const Tensor& x) const {
  return hook(x, [grad = grad_](const Tensor& g) { *grad = Tensor(g.array().copy()); });
}

}  // namespace gradus
