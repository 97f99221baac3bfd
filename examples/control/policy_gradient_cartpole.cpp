// Balancing a pole by policy gradients: an actor draws its actions, a critic says what each state is worth, and what comes
// out better than the critic thought becomes likelier. Mnih et al., "Asynchronous methods for deep reinforcement learning",
// 2016; advantages: Schulman et al., "High-dimensional continuous control using generalized advantage estimation", 2015.
#include <gradus/examples/control/cartpole.h>
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t carts = 16, horizon = 32;
constexpr double discount = 0.99, lambda = 0.95;  // a step is worth 1 - discount, so that values lie in [0, 1]

struct ActorCritic : nn::Module<ActorCritic> {
  nn::Sequential actor{nn::Linear(4, 64), nn::Tanh(), nn::Linear(64, 2)};
  nn::Sequential critic{nn::Linear(4, 64), nn::Tanh(), nn::Linear(64, 1)};
  GRADUS_FIELDS(actor, critic)
  /// state [N, 4] -> a score of each action [N, 2]
  Tensor forward(const Tensor& state) { return actor(state); }
  Tensor value(const Tensor& state) { return squeeze(critic(state), 1); }  // [N]: what is expected to come
};

/// `horizon` steps of all carts, one after the other: each axis 0 is [horizon carts].
struct Rollout {
  Tensor state, action, advantage, target;
};

Rollout act(ActorCritic& net, examples::CartPoles& env) {
  const NoGrad guard;
  std::vector<Tensor> states, actions, surprises, keeps;
  for (int64_t t = 0; t < horizon; ++t) {
    const Tensor state = env.state();
    const Tensor action = squeeze(multinomial(softmax(net(state)), 1), 1);
    const auto step = env.push(action);
    // That the time is up is no fault, what would follow counts. Pardo et al., "Time limits in reinforcement learning" 2018.
    const Tensor worth = (1 - discount) + discount * (1 - step.fell) * net.value(step.reached);
    states.push_back(state), actions.push_back(action);
    surprises.push_back(worth - net.value(state)), keeps.push_back(1 - step.over);
  }
  std::vector<Tensor> advantages(states.size());
  Tensor advantage = zeros({carts});
  for (std::size_t t = states.size(); t-- > 0;)
    advantages[t] = advantage = surprises[t] + discount * lambda * keeps[t] * advantage;
  const Tensor state = cat(states), all = cat(advantages);
  return {state, cat(actions), (all - mean(all)) / (gradus::std(all) + 1e-6), all + net.value(state)};
}

examples::Outcome learn(const examples::Flags& flags) {
  ActorCritic net;
  examples::CartPoles env(carts);
  const data::DataLoader turns(data::TensorDataset(Array::zeros({flags.steps})), {.batch_size = 1});  // nothing but counted
  const data::DataLoader test(data::TensorDataset(Array::zeros({1})), {.batch_size = 1});
  auto optimizer = flags.make_optimizer(net, turns);
  const auto scores = [&](const Tensor& state) { return net(state); };
  const auto step = [&](const data::Batch&) -> training::StepResult {
    if (!net.training()) return {zeros({}), examples::play(scores)};
    const Rollout seen = act(net, env);
    const Tensor log_p = log_softmax(net(seen.state));
    const Tensor chosen = squeeze(gather(log_p, 1, unsqueeze(seen.action, 1)), 1);
    const Tensor entropy = -mean(sum(exp(log_p) * log_p, {1}));
    const Tensor actor_loss = -mean(chosen * seen.advantage) - 0.01 * entropy;
    return actor_loss + mse_loss(net.value(seen.state), seen.target);
  };
  auto options = flags.fit(&test, {examples::mean_return()});
  if (options.checkpoint) options.checkpoint->add("carts", env);
  return examples::learn_to_balance(flags, net, optimizer, turns, step, options, scores);
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "An actor and a critic learn to balance a pole",
      {.optimizer = "clip_norm(0.5) | adam(lr=linear(3e-3, total=TOTAL))", .steps = 5000, .quick_length = 100}, learn);
}
