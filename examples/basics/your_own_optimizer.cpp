// An optimizer of your own, in fifteen lines: written like its paper, it is fused, vectorised and multi-threaded, explains
// itself, saves its state by name and can be named in a spec.
#include <gradus/nn/nn.h>
#include <gradus/optim/check/check_rule.h>
#include <gradus/optim/optimizer.h>
#include <gradus/optim/rule/rule.h>

#include <cstdio>

using namespace gradus;

/// A step along the momentum's sign, sized by how sure the sign is: |m| against the root mean square.
template <class S = double> struct SureRule {
  S lr = 1e-2, beta = 0.9, eps = 1e-8;
  GRADUS_FIELDS(lr, beta, eps)
  template <class V> struct State {
    V m, v;
    GRADUS_FIELDS(m, v)
  };
  struct Step : NoFields {};
  void advance(Step&, S) const {}
  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    s.m = beta * s.m + (1 - beta) * g;
    s.v = beta * s.v + (1 - beta) * g * g;
    V sure = abs(s.m) / (sqrt(s.v) + eps);
    V step = lr * sure * sign(s.m);
    w -= step;
    return GRADUS_SHOW(sure, step);
  }
};

int main() {
  optim::register_rule<SureRule>("sure", {"an example", 2026});
  std::printf("%s\n", optim::equations("sure(lr=0.05)").c_str());
  const auto report = optim::check_rule("sure");
  std::printf("%s\n", to_string(report).c_str());
  if (!report.ok()) return 1;

  // Least squares: y = 3 a - 2 b + 1.
  const Tensor x = tensor<float>({4, 2}, {1, 0, 0, 1, 1, 1, 2, -1}), y = tensor<float>({4, 1}, {4, -1, 2, 9});
  nn::Linear line(2, 1);
  auto optimizer = optim::make("sure(lr=0.05)", line.named_parameters());
  double loss = 0;
  for (int i = 1; i <= 400; ++i) {
    if (i > 200) optimizer.set_lr(0.05 * (400 - i) / 200);
    loss = optimizer.step([&] { return mse_loss(line(x), y); });
    if (i == 1) std::printf("%s\n", to_string(optimizer.explain("weight", 0)).c_str());
    if (i % 100 == 0) std::printf("step %3d  loss %.6f\n", i, loss);
  }
  return loss < 1e-2 ? 0 : 1;
}
