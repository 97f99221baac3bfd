#include <gradus/autograd/ops.h>
#include <gradus/examples/control/cartpole.h>

#include <doctest/doctest.h>

using namespace gradus;
using namespace gradus::examples;

TEST_CASE("the pole falls as Barto, Sutton and Anderson's equations say") {
  // Their two equations of motion, solved together as a linear system in double precision, then Euler's step of 0.02 s.
  constexpr struct {
    bool right;
    double x, speed, angle, turn;
  } steps[] = {{true, 0.0096, 0.17467919574755522, 0.0308, -0.2430687179600082},
               {true, 0.013093583914951105, 0.36934797605795555, 0.025938625640799833, -0.5258796280501484},
               {false, 0.020480543436110214, 0.17387081260481593, 0.015421033079796864, -0.22513741609237475},
               {true, 0.023957959688206534, 0.3687690101747617, 0.01091828475794937, -0.5129163478026588}};
  CartPole cart{0.01, -0.02, 0.03, 0.04};
  for (const auto& expected : steps) {
    cart.push(expected.right);
    CHECK(cart.x == doctest::Approx(expected.x).epsilon(1e-12));
    CHECK(cart.speed == doctest::Approx(expected.speed).epsilon(1e-12));
    CHECK(cart.angle == doctest::Approx(expected.angle).epsilon(1e-12));
    CHECK(cart.turn == doctest::Approx(expected.turn).epsilon(1e-12));
  }
}

TEST_CASE("an episode is over beyond 2.4 m, 12 degrees or any number") {
  CHECK_FALSE(CartPole{2.4, 9, 0.2094, 9}.fallen());
  CHECK_FALSE(CartPole{-2.4, 0, -0.2094, 0}.fallen());
  CHECK(CartPole{2.401, 0, 0, 0}.fallen());
  CHECK(CartPole{0, 0, -0.2095, 0}.fallen());
  CHECK(CartPole{0, 0, std::nan(""), 0}.fallen());
}

TEST_CASE("a cart begins anew near the middle, and what it reached before is told") {
  manual_seed(3);
  CartPoles carts(2);
  bool fell = false;
  for (int t = 1; t <= 12 && !fell; ++t) {  // the first one always to the right
    const auto step = carts.push(tensor<int64_t>({2}, {1, t % 2}));
    CHECK(step.length.array().at({0}) == t);
    CHECK(step.over.array().at({0}) == step.fell.array().at({0}));
    fell = step.fell.array().at({0}) == 1;
    CHECK((std::abs(step.reached.array().at({0, 2})) > CartPole::angle_limit) == fell);
  }
  CHECK(fell);
  for (int64_t k = 0; k < 4; ++k) CHECK(std::abs(carts.state().array().at({0, k})) <= 0.05);
}

TEST_CASE("500 steps are an episode, and its end is no fall") {
  manual_seed(1);
  // Leaning against the fall, and back to the middle: a pole held like this stands.
  const Tensor weights = tensor<float>({4, 1}, {0.1f, 0.3f, 3, 1});
  CartPoles carts(3);
  for (int t = 1; t <= 500; ++t) {
    const auto step = carts.push(squeeze((matmul(carts.state(), weights) > 0).to(i64), 1));
    REQUIRE(sum(step.fell).item() == 0);
    REQUIRE(sum(step.over).item() == (t == 500 ? 3 : 0));
  }
  const Tensor left_to_right = tensor<float>({4, 2}, {0, 0.1f, 0, 0.3f, 0, 3, 0, 1});
  const Tensor lengths = play([&](const Tensor& state) { return matmul(state, left_to_right); });
  CHECK(mean_return().value(mean_return().sums(lengths, {})) == 500);
  const Tensor always_left = play([](const Tensor& state) { return matmul(state, zeros({4, 2})); });
  CHECK(mean(always_left).item() == doctest::Approx(9.4).epsilon(0.05));
}

TEST_CASE("carts that are saved go on as if nothing had been") {
  manual_seed(2);
  CartPoles carts(4), others(4);
  const Tensor right = tensor<int64_t>({4}, {1, 0, 1, 0});
  carts.push(right);
  others.load_state_dict(carts.state_dict());
  const auto a = carts.push(right), b = others.push(right);
  CHECK(all(a.reached == b.reached).item() == 1);
  CHECK(all(a.length == b.length).item() == 1);
}
