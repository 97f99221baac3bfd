// An LSTM written with ops: 64 steps on the tape, the state carried from batch to batch without its history, so that each
// backward pass ends where its batch began (truncated backpropagation through time).
//
//   lstm_from_ops                  a counting rhyme written by our own code
//   lstm_from_ops --data FILE      any text, e.g. tinyshakespeare
#include <gradus/core/io/files.h>
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

#include <cmath>

using namespace gradus;

/// What step t hands to step t + 1, [B, hidden] each.
struct State {
  Tensor h, c;
  State detach() const { return {h.detach(), c.detach()}; }
};

/// Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, with the forget gate of Gers, Schmidhuber and Cummins, 2000.
struct Lstm : nn::Module<Lstm> {
  nn::Linear input, recurrent, output;
  GRADUS_FIELDS(input, recurrent, output)
  int64_t hidden;
  Lstm(int64_t symbols, int64_t width)
      : input(symbols, 4 * width), recurrent(width, 4 * width), output(width, symbols), hidden(width) {}

  State start(int64_t batch) const { return {zeros({batch, hidden}), zeros({batch, hidden})}; }

  /// Symbols [B] (integers) and the state before them -> the state after them.
  State step(const Tensor& symbols, const State& s) {
    const Tensor columns = transpose(input.weight, 0, 1);  // row k: what symbol k adds to the gates
    const Tensor gates = embedding(columns, symbols) + input.bias + recurrent(s.h);
    const auto part = split(gates, hidden, 1);
    const Tensor c = sigmoid(part[0] + 1.0) * s.c + sigmoid(part[1]) * tanh(part[2]);  // + 1: remember until told otherwise
    return {sigmoid(part[3]) * tanh(c), c};
  }
  Tensor forward(const State& s) { return output(s.h); }
};

examples::Outcome learn(const examples::Flags& flags) {
  const std::string text =
      flags.data.empty() ? data::generate_rhyme(flags.quick ? 20 : 400, flags.seed) : read_file(flags.data);
  const data::Characters characters(text);
  const int64_t unroll = flags.quick ? 8 : 64, length = static_cast<int64_t>(text.size()) / flags.batch;
  if (length <= unroll)
    throw DataError("lstm_from_ops", join("the text has ", text.size(), " characters; that is too short"));
  const Tensor all(characters.encode(text));
  const Tensor streams = reshape(slice(all, 0, 0, flags.batch * length), {flags.batch, length});  // read side by side
  Lstm net(characters.size(), flags.quick ? 32 : 128);
  auto optimizer = optim::make(flags.optimizer, net.named_parameters());
  State state = net.start(flags.batch);
  examples::Outcome outcome{"next character, in training", "loss", 0, std::log(static_cast<double>(characters.size())),
                            false};
  double sum_of_losses = 0;
  const int64_t every = std::max<int64_t>(1, flags.steps / 10);
  for (int64_t i = 1, at = 0; i <= flags.steps; ++i, at += unroll) {
    if (at + unroll >= length) at = 0, state = net.start(flags.batch);
    std::vector<Tensor> losses;
    for (int64_t t = at; t < at + unroll; ++t) {
      state = net.step(select(streams, 1, t), state);
      losses.push_back(cross_entropy(net(state), select(streams, 1, t + 1)));
    }
    const Tensor loss = mean(stack(losses));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    state = state.detach();  // the numbers go on, the tape does not
    sum_of_losses += loss.item();
    if (i % every) continue;
    outcome.value = sum_of_losses / static_cast<double>(every), sum_of_losses = 0;
    std::printf("step %5lld  loss %.3f a character\n", static_cast<long long>(i), outcome.value);
  }
  if (!flags.save.empty()) net.save(flags.save);
  outcome.steps = flags.steps, outcome.parameters = net.parameter_count();
  return outcome;
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "An LSTM of ops, 64 steps on the tape, learns a text character by character",
                       {.optimizer = "adam(lr=5e-3)", .steps = 400, .batch = 32, .quick_length = 30}, learn);
}
