#include <gradus/autograd/hook.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

namespace gradus {
namespace {

struct HookLine {
  static constexpr const char* name = "hook";
  struct Saved { std::shared_ptr<Hook::Function> f; };
  static void backward(Back& b, const Saved& s) {
    const Tensor& g = b.grad();
    const Hook::Function f = *s.f;  // a copy: it may remove itself
    if (!f) return b.give(0, [&] { return g; });
    b.give(0, [&] {
      Tensor made = f(g);
      if (!made.defined() || !(made.shape() == g.shape()))
        throw ShapeError("hook", join("the gradient is ", describe(g), ", the function made ",
                                      made.defined() ? describe(made) : "an absent tensor", " of it; they must agree"));
      if (made.dtype() != g.dtype())
        throw DtypeError("hook", join("the gradient is ", describe(g), ", the function made ", describe(made), " of it"),
                         join("g.to(", g.dtype(), ")"));
      return made;
    });
  }
  static Samples samples() {
    return {sample("that looks", {sample_values({2, 3})}, [](auto& x) { return hook(x[0], [](const Tensor&) {}); }),
            sample("that gives an equal gradient", {sample_values({3})},
                   [](auto& x) { return square(hook(x[0], [](const Tensor& g) { return g * 1.0; })); })};
  }
};

}  // namespace

Tensor Hook::operator()(const Tensor& x) const {
  if (!recorded(x)) return x;
  return primitive<HookLine>(x.array(), [&] { return HookLine::Saved{f_}; }, x);
}

Tensor RetainGrad::operator()(const Tensor& x) const {
  return hook(x, [grad = grad_](const Tensor& g) { *grad = Tensor(g.array().copy()); });
}

}  // namespace gradus
