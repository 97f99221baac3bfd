// Balancing a pole by Q-learning: a network says what each action is worth, and learns it from a memory of what happened.
// Mnih et al., "Human-level control through deep reinforcement learning", 2015; van Hasselt, Guez and Silver, "Deep
// reinforcement learning with double Q-learning", 2016.
#include <gradus/examples/control/cartpole.h>
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t carts = 8;
constexpr double discount = 0.99;  // a step is worth 1 - discount, so that values lie in [0, 1]

struct QNet : nn::Module<QNet> {
  nn::Linear hidden1{4, 128}, hidden2{128, 128}, output{128, 2};
  GRADUS_FIELDS(hidden1, hidden2, output)
  /// state [N, 4] -> what each action is worth [N, 2]
  Tensor forward(const Tensor& state) {
    const Tensor even = state * tensor<float>({4}, {0.4f, 0.5f, 5, 0.5f});  // all four about as large
    return output(relu(hidden2(relu(hidden1(even)))));
  }
};

/// The newest `capacity` steps, in rows: state (4), action, state reached (4), whether the pole fell.
struct Memory {
  static constexpr int64_t capacity = 50'000, width = 10;
  Array rows = Array::zeros({capacity, width});
  int64_t count = 0;  ///< ever put in

  void put(const Tensor& steps) {
    float* to = rows.write<float>("Memory");
    for (int64_t i = 0; i < steps.dim(0); ++i, ++count)
      std::copy_n(steps.array().data<float>() + i * width, width, to + count % capacity * width);
  }
  Tensor draw(int64_t n) const { return index_select(Tensor(rows), 0, randint(0, std::min(count, capacity), {n})); }
  NamedArrays state_dict() const { return {{"rows", rows}, {"count", Array::full({}, count, i64)}}; }
  void load_state_dict(const NamedArrays& state) {
    rows = state.at(0).second.copy(), count = state.at(1).second.item<int64_t>();
  }
};

/// Every cart is pushed once: mostly the way that seems best, at first anyhow.
void act(QNet& net, examples::CartPoles& env, Memory& memory, double anyhow) {
  const NoGrad guard;
  const Tensor state = env.state(), best = argmax(net(state), 1);
  const Tensor random = rand({carts}), other = randint(0, 2, {carts});
  const Tensor action = where(random < anyhow, other, best);
  const auto step = env.push(action);
  memory.put(cat({state, unsqueeze(action.to(f32), 1), step.reached, unsqueeze(step.fell, 1)}, 1));
}

/// What an action is worth: its step, and the action that `net` would take behind it, as `target` values that.
Tensor loss_of(QNet& net, QNet& target, const Tensor& rows) {
  const Tensor state = rows.slice(1, 0, 4), action = rows.slice(1, 4, 5).to(i64), reached = rows.slice(1, 5, 9);
  const Tensor fell = rows.slice(1, 9, 10);
  Tensor worth;
  {
    const NoGrad guard;
    const Tensor next = argmax(net(reached), 1, true);
    worth = (1 - discount) + discount * (1 - fell) * gather(target(reached), 1, next);
  }
  return mse_loss(gather(net(state), 1, action), worth);
}

examples::Outcome learn(const examples::Flags& flags) {
  QNet net, target = net;
  examples::CartPoles env(carts);
  Memory memory;
  const data::DataLoader turns(data::TensorDataset(Array::zeros({flags.steps})), {.batch_size = 1});  // nothing but counted
  const data::DataLoader test(data::TensorDataset(Array::zeros({1})), {.batch_size = 1});
  auto optimizer = flags.make_optimizer(net, turns);
  const auto scores = [&](const Tensor& state) { return net(state); };
  const auto step = [&](const data::Batch&) -> training::StepResult {
    if (!net.training()) return {zeros({}), examples::play(scores)};
    const int64_t turn = memory.count / carts;
    if (turn % 50 == 0) target.load_state_dict(net.state_dict());
    act(net, env, memory, std::max(0.05, 1 - static_cast<double>(turn) / 1000));
    return loss_of(net, target, memory.draw(flags.batch));
  };
  auto options = flags.fit(&test, {examples::mean_return()});
  if (options.checkpoint) options.checkpoint->add("target", target).add("carts", env).add("memory", memory);
  return examples::learn_to_balance(flags, net, optimizer, turns, step, options, scores);
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "A network learns what each push of a pole's cart is worth",
      {.optimizer = "adam(lr=linear(1e-3, total=TOTAL))", .steps = 10'000, .batch = 128, .quick_length = 600}, learn);
}
