// Focal and Dice losses (tests/vectors/make_nn_layer_vectors.py has their equations in PyTorch), and the rarer initialisers.
#include <gradus/tests/helpers/nn.h>
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_case;
using testing::contains;
using testing::In;
using testing::message_of;
using testing::Out;

namespace {

constexpr Reduction reductions[] = {Reduction::mean, Reduction::sum, Reduction::none};
constexpr const char* names[] = {" mean", " sum", " none"};

}  // namespace

TEST_CASE("focal and Dice losses are their equations") {
  for (int k = 0; k < 3; ++k) {
    const Reduction r = reductions[k];
    const auto check = [&](const std::string& name, auto call) {
      check_case(name + names[k], nullptr, [&](const In& x) { return Out{call(x[0], x[1].detach())}; });
    };
    check("sigmoid_focal_loss plain", [r](auto& x, auto t) { return sigmoid_focal_loss(x, t, {.reduction = r}); });
    check("sigmoid_focal_loss gamma",
          [r](auto& x, auto t) { return sigmoid_focal_loss(x, t, {.alpha = -1, .gamma = 1.5, .reduction = r}); });
    check("dice_loss plain", [r](auto& p, auto t) { return dice_loss(p, t, {.reduction = r}); });
    check("dice_loss smooth", [r](auto& p, auto t) { return dice_loss(p, t, {.smooth = 0.01, .reduction = r}); });
  }
  CHECK(nn::DiceLoss{}(ones({2, 3}), ones({2, 3})).item() == 0);
  CHECK(nn::FocalLoss{}(zeros({2}), ones({2})).item() == doctest::Approx(0.25 * 0.25 * std::log(2.0)));
  CHECK(contains(message_of<ShapeError>([] { dice_loss(ones({2, 3}), ones({3, 2})); }), "dice_loss"));
  CHECK(contains(message_of<ShapeError>([] { sigmoid_focal_loss(ones({2}), ones({3})); }), "sigmoid_focal_loss"));
}

TEST_CASE("trunc_normal_, eye_, dirac_ and sparse_ fill as PyTorch's do") {
  manual_seed(3);
  const Tensor t = zeros({40, 50});
  nn::init::trunc_normal_(t, 0, 1, -0.5, 1.5);
  CHECK(min(t).item() >= -0.5);
  CHECK(max(t).item() <= 1.5);
  CHECK(mean(t).item() == doctest::Approx(0.357).epsilon(0.1));  // (phi(-0.5) - phi(1.5)) / (Phi(1.5) - Phi(-0.5))
  CHECK(max(t).item() > 1.4);
  nn::init::trunc_normal_(t, 0, 1, 50, 51);
  CHECK(min(t).item() >= 50);

  const Tensor e = ones({2, 3});
  nn::init::eye_(e);
  CHECK(testing::same_bits(e.array(), Array::of<float>({2, 3}, {1, 0, 0, 0, 1, 0})));

  const Tensor weight = ones({4, 2, 3});
  nn::init::dirac_(weight, 2);
  const Tensor x = randn({1, 4, 6});
  CHECK(testing::distance(conv1d(x, weight, {}, {.padding = 1, .groups = 2}), x) == 0);
  const Tensor planes = ones({2, 3, 3, 5});
  nn::init::dirac_(planes);
  const Tensor image = randn({1, 3, 4, 6});
  CHECK(testing::distance(conv2d(image, planes, {}, {.padding = {1, 2}}), image.slice(1, 0, 2)) == 0);

  const Tensor s = zeros({10, 7});
  nn::init::sparse_(s, 0.35, 0.1);
  for (int64_t c = 0; c < 7; ++c) CHECK(sum((select(s, 1, c) == Tensor(0.0)).to(f32)).item() == 4);  // ceil(3.5)
  CHECK(max(abs(s)).item() < 1);
  CHECK(contains(message_of<ShapeError>([] { nn::init::eye_(ones({3})); }), "takes a matrix, got f32[3]"));
  CHECK(contains(message_of<ShapeError>([] { nn::init::dirac_(ones({3, 2, 1}), 2); }), "divide into the groups"));
  CHECK(contains(message_of<Error>([] { nn::init::sparse_(ones({3, 2}), 2); }), "must lie in [0, 1], got 2"));
  CHECK(contains(message_of<Error>([] { nn::init::trunc_normal_(ones({3}), 0, 1, 2, 1); }), "low < high"));
}

TEST_CASE("a dropout of 1 drops all, in training") {
  nn::Dropout drop{1};
  const Tensor x = randn({3, 4}).requires_grad_();
  const Tensor y = drop(x);
  CHECK(max(abs(y)).item() == 0);
  sum(y).backward();
  CHECK(max(abs(x.grad())).item() == 0);
  drop.eval();
  CHECK(testing::distance(drop(x), x) == 0);
  CHECK(contains(message_of<Error>([] { nn::Dropout(1.5); }), "must lie in [0, 1], got 1.5"));
}
