// Whole models in f64: every op of a small network together, to first and second order.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <cmath>

using namespace gradus;

namespace {

/// conv 2 -> 3 of 3 by 3, tanh, pool, linear, cross entropy; 4 images of 6 by 6.
struct Network {
  Tensor kernel = leaf(sample_values({3, 2, 3, 3}, -0.5, 0.5, 1), "conv.weight"),
         shift = leaf(sample_values({3}, -0.5, 0.5, 2), "conv.bias");
  Tensor head = leaf(sample_values({12, 5}, -0.5, 0.5, 3), "head.weight"),
         bias = leaf(sample_values({5}, -0.5, 0.5, 4), "head.bias");
  Tensor images = leaf(sample_values({4, 2, 6, 6}, -1, 1, 5), "images");
  Tensor labels = Tensor(Array::of<int64_t>({4}, {3, 0, 4, 3}));

  std::vector<Tensor> leaves() const { return {kernel, shift, head, bias, images}; }
  template <class Pool> Tensor loss(Pool pool) const {
    const Tensor maps = pool(tanh(conv2d(images, kernel, shift)));
    return cross_entropy(tanh(matmul(flatten(maps, 1), head) + bias), labels);
  }
};

Tensor largest(const Tensor& x) { return max_pool2d(x, 2); }
Tensor average(const Tensor& x) { return avg_pool2d(x, 2); }

double l2(const Array& a) { return std::sqrt(sum(square(Tensor(a))).item()); }

}  // namespace

TEST_CASE("convolution, pooling, product, tanh and softmax cross entropy: first and second order") {
  const Network net;
  for (const auto pool : {largest, average}) {
    const auto f = [&] { return net.loss(pool); };
    const auto first = gradcheck(f, net.leaves());
    INFO(first.message);
    CHECK(first.passed);
    CHECK(first.error <= 1e-8);
    const auto second = gradgradcheck(f, net.leaves());
    INFO(second.message);
    CHECK(second.passed);
    CHECK(second.error <= 1e-6);
    CHECK((first.inconclusive + second.inconclusive) * 100 <= first.draws + second.draws);
  }
}

TEST_CASE("a Hessian times a vector is the difference of two gradients, and the Hessian is symmetric") {
  const Network net;
  const auto leaves = net.leaves();
  const auto gradients = grad({net.loss(average)}, leaves, {.create_graph = true});
  std::vector<Tensor> u, v;
  for (const Tensor& t : leaves)
    u.push_back(Tensor(sample_values(t.shape(), -1, 1, 11))), v.push_back(Tensor(sample_values(t.shape(), -1, 1, 12)));
  const auto hu = grad(gradients, leaves, {.retain_graph = true}, u),
             hv = grad(gradients, leaves, {.retain_graph = true}, v);
  double vhu = 0, uhv = 0;
  for (std::size_t k = 0; k < leaves.size(); ++k) vhu += sum(v[k] * hu[k]).item(), uhv += sum(u[k] * hv[k]).item();
  CHECK(std::fabs(vhu - uhv) <= 1e-12 * std::fabs(vhu));
  CHECK(std::fabs(vhu) > 1e-3);

  const double h = 1e-4;
  auto moved = [&](double step) {
    Network other;
    std::vector<Tensor> at;
    auto to = other.leaves();
    for (std::size_t k = 0; k < to.size(); ++k) to[k].writable().assign((to[k].detach() + step * u[k]).array(), "test");
    for (const Tensor& g : grad({other.loss(average)}, to)) at.push_back(g);
    return at;
  };
  const auto ahead = moved(h), behind = moved(-h);
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    const Tensor numeric = (ahead[k] - behind[k]) / (2 * h);
    CHECK(l2((numeric - hu[k].detach()).array()) <= 1e-6 * l2(hu[k].array()));
  }
}

TEST_CASE("a recurrent cell over time: gradients through a shared weight") {
  const Tensor w = leaf(sample_values({4, 4}, -0.5, 0.5), "w"), u = leaf(sample_values({4, 3}, -0.5, 0.5, 2), "u"),
               x = leaf(sample_values({6, 2, 3}, -1, 1, 3), "x");
  const auto f = [&] {
    Tensor h = zeros({2, 4}, f64);
    std::vector<Tensor> states;
    for (int t = 0; t < 6; ++t) states.push_back(h = tanh(linear(h, w) + linear(select(x, 0, t), u)));
    return mean(square(stack(states)));
  };
  const auto first = gradcheck(f, {w, u, x}), second = gradgradcheck(f, {w, u, x});
  INFO(first.message << "\n" << second.message);
  CHECK(first.passed);
  CHECK(second.passed);
}
