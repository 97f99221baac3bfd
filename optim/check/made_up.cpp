#include <gradus/autograd/ops.h>
#include <gradus/core/random.h>
#include <gradus/optim/check/made_up.h>

namespace gradus::optim::made_up {

Array numbers(const Shape& shape, std::uint64_t stream, Dtype dtype) {
  return uniform(shape, -1, 1, Philox{2026, stream}, f64).to(dtype);
}

NamedTensors leaves(const std::vector<Shape>& shapes, Dtype dtype) {
  NamedTensors all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    all.emplace_back(name, leaf(numbers(shapes[i], i + 1, dtype), name));
  }
  return all;
}

Array gradient_at(std::size_t parameter, int t, const Tensor& w) {
  return numbers(w.shape(), 1000 * static_cast<std::uint64_t>(t) + parameter + 17, w.dtype());
}

NamedArrays values(const Optimizer& opt) {
  NamedArrays all;
  for (const auto& [name, w] : opt.parameters()) all.emplace_back(name, w.array().copy());
  return all;
}

/// Takes one step with these gradients; a rule that wants a closure gets the gradients of a quadratic.
void step_with(Optimizer& opt, const std::vector<Array>& gradients) {
  const auto parameters = opt.parameters();
  if (!opt.rule().needs_closure()) {
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].second.set_grad(gradients[i]);
    return opt.step();
  }
  const auto loss = [&] {
    Tensor sum_of_parts;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Tensor& w = parameters[i].second;
      const Tensor part = sum(w * w * 0.5 + w * Tensor(gradients[i]));
      sum_of_parts = sum_of_parts.defined() ? sum_of_parts + part : part;
    }
    return sum_of_parts;
  };
  opt.step(loss, loss);
}
void step_at(Optimizer& opt, int t) {
  std::vector<Array> gradients;
  for (const auto& p : opt.parameters()) gradients.push_back(gradient_at(gradients.size(), t, p.second));
  step_with(opt, gradients);
}

}  // namespace gradus::optim::made_up
