// An LSTM written with ops: 64 steps on the tape, the state carried from batch to batch without its history, so that each
// backward pass ends where its batch began (truncated backpropagation through time).
//
//   lstm_from_ops                  a counting rhyme written by our own code
//   lstm_from_ops --text FILE      any text, e.g. tinyshakespeare
//   lstm_from_ops --quick          few steps of a small network
#include <gradus/autograd/ops.h>
#include <gradus/core/random.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

using namespace gradus;

constexpr int64_t unroll = 64;

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

/// "three frogs sat on a log, one jumped off and then there were two." and so on, round and round.
std::string rhyme(int64_t verses, std::uint64_t seed) {
  const char* numbers[] = {"no", "one", "two", "three", "four", "five", "six", "seven"};
  const char* animals[] = {"frog", "duck", "goose", "cat"};
  const char* many[] = {"frogs", "ducks", "geese", "cats"};
  const Philox random{seed, 1};
  std::string text;
  for (int64_t v = 0; v < verses; ++v) {
    const auto animal = random.below(static_cast<std::uint64_t>(2 * v), 4);
    for (auto n = 2 + random.below(static_cast<std::uint64_t>(2 * v + 1), 6); n > 0; --n)
      text += std::string(numbers[n]) + " " + (n == 1 ? animals[animal] : many[animal]) + " sat on a log,\n" +
              "one jumped off and then there " + (n == 2 ? "was " : "were ") + numbers[n - 1] + ".\n";
    text += "\n";
  }
  return text;
}

/// A text as numbers: `rows` streams of equal length, read side by side.
struct Corpus {
  std::string alphabet;
  std::vector<int64_t> symbols;
  int64_t rows, length;
  Corpus(const std::string& text, int64_t row_count) : alphabet(text), rows(row_count) {
    std::sort(alphabet.begin(), alphabet.end());
    alphabet.erase(std::unique(alphabet.begin(), alphabet.end()), alphabet.end());
    for (char c : text) symbols.push_back(static_cast<int64_t>(alphabet.find(c)));
    length = static_cast<int64_t>(symbols.size()) / rows;
    if (length <= unroll)
      throw DataError("lstm_from_ops", join("the text has ", symbols.size(), " characters; needs ", rows * (unroll + 1)));
  }
  /// Character `at` of every stream, [rows].
  Tensor column(int64_t at) const {
    std::vector<int64_t> c;
    for (int64_t r = 0; r < rows; ++r) c.push_back(symbols[static_cast<std::size_t>(r * length + at)]);
    return tensor<int64_t>({rows}, c);
  }
};

/// Draws `count` characters, each from the network's own probabilities.
std::string sample_text(Lstm& net, const Corpus& corpus, int count, std::uint64_t seed) {
  const NoGrad guard;
  const Philox random{seed, 2};
  State s = net.start(1);
  int64_t symbol = corpus.symbols[0];
  std::string text;
  for (int i = 0; i < count; ++i) {
    s = net.step(tensor<int64_t>({1}, {symbol}), s);
    const Tensor p = softmax(net(s)).to(f64);
    double left = random.uniform(static_cast<std::uint64_t>(i));
    symbol = 0;
    while (symbol + 1 < p.size() && (left -= p.array().data<double>()[symbol]) > 0) ++symbol;
    text += corpus.alphabet[static_cast<std::size_t>(symbol)];
  }
  return text;
}

int run(const std::string& file, int steps, int64_t width, std::uint64_t seed) {
  manual_seed(seed);
  std::string text = rhyme(400, seed);
  if (!file.empty()) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream all;
    if (!(all << in.rdbuf())) throw DataError("lstm_from_ops", join("cannot read ", file));
    text = all.str();
  }
  const Corpus corpus(text, 32);
  const auto symbols = static_cast<int64_t>(corpus.alphabet.size());
  Lstm net(symbols, width);
  std::printf("%zu characters, %lld different; %lld parameters; a guess costs %.3f\n", text.size(),
              static_cast<long long>(symbols), static_cast<long long>(net.parameter_count()),
              std::log(static_cast<double>(symbols)));
  auto optimizer = optim::make("adam(lr=5e-3)", net.named_parameters());
  State state = net.start(corpus.rows);
  double first = 0, sum_of_losses = 0, last = 0;
  const int every = std::max(1, steps / 10);
  for (int i = 0, at = 0; i < steps; ++i, at += unroll) {
    if (at + unroll >= corpus.length) at = 0, state = net.start(corpus.rows);
    std::vector<Tensor> losses;
    for (int64_t t = 0; t < unroll; ++t) {
      state = net.step(corpus.column(at + t), state);
      losses.push_back(cross_entropy(net(state), corpus.column(at + t + 1)));
    }
    const Tensor loss = mean(stack(losses));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    state = state.detach();  // the numbers go on, the tape does not
    sum_of_losses += loss.item();
    if (i == 0) first = loss.item();
    if ((i + 1) % every == 0) {
      last = sum_of_losses / every, sum_of_losses = 0;
      std::printf("step %5d  loss %.3f a character\n", i + 1, last);
    }
  }
  std::printf("---\n%s\n", sample_text(net, corpus, 300, seed).c_str());
  return last < 0.9 * first ? 0 : 1;
}

int main(int argc, char** argv) {
  CLI::App app{"An LSTM of ops, 64 steps on the tape, learns a text character by character"};
  std::string file;
  int steps = 400;
  int64_t width = 128;
  std::uint64_t seed = 1;
  bool quick = false;
  app.add_option("--text", file, "The text to learn; default: a counting rhyme");
  app.add_option("--steps", steps, "Steps of the optimizer")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--hidden", width, "Numbers in the state")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--seed", seed, "Of weights, rhyme and sample")->capture_default_str();
  app.add_flag("--quick", quick, "200 steps of 64 numbers");
  CLI11_PARSE(app, argc, argv);
  try {
    return quick ? run(file, 200, 64, seed) : run(file, steps, width, seed);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
