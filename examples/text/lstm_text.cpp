// An LSTM learns a text character by character. The state is carried from batch to batch without its history, so that each
// backward pass ends where its batch began (truncated backpropagation through time).
//
//   lstm_text                 a counting rhyme
//   lstm_text --data FILE     any text, e.g. tinyshakespeare
#include <gradus/core/io/files.h>
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t unroll = 64;

struct Net : nn::Module<Net> {
  nn::Embedding embedding;
  nn::LSTM lstm;
  nn::Linear output;
  GRADUS_FIELDS(embedding, lstm, output)
  Net(int64_t symbols, int64_t hidden)
      : embedding(symbols, hidden), lstm(hidden, hidden, {.batch_first = true}), output(hidden, symbols) {}
  /// x [N, T] -> scores of the next symbol [N T, symbols]; `state` goes on.
  Tensor forward(const Tensor& x, LstmState& state) {
    auto [y, next] = lstm(embedding(x), state);
    state = {next.h.detach(), next.c.detach()};
    return reshape(output(y), {-1, output.out_features});
  }
};

/// The state of training, which a checkpoint keeps.
struct Memory {
  LstmState state;
  NamedArrays state_dict() const {
    if (!state.h.defined()) return {};
    return {{"h", state.h.array()}, {"c", state.c.array()}};
  }
  void load_state_dict(const NamedArrays& saved) {
    state = saved.empty() ? LstmState{} : LstmState{Tensor(saved[0].second), Tensor(saved[1].second)};
  }
};

/// `count` characters, each drawn from the network's own probabilities.
std::string write(Net& net, const data::Characters& characters, int count) {
  const NoGrad guard;
  LstmState state;
  std::string text = "\n";
  for (int i = 0; i < count; ++i) {
    const Tensor scores = net(Tensor(characters.encode(text.substr(text.size() - 1))).reshape({1, 1}), state);
    text += characters.alphabet()[static_cast<std::size_t>(multinomial(softmax(scores), 1).item<int64_t>())];
  }
  return text;
}

examples::Outcome learn(const examples::Flags& flags) {
  const std::string text =
      flags.data.empty() ? data::generate_rhyme(flags.quick ? 100 : 400, flags.seed) : read_file(flags.data);
  const data::Characters characters(text);
  const auto cut = text.size() * 9 / 10;
  const auto load = [&](const std::string& part) {
    return data::DataLoader(data::TextStreams(characters.encode(part), unroll, flags.batch),
                            {.batch_size = flags.batch, .shuffle = false});
  };
  const auto train = load(text.substr(0, cut)), test = load(text.substr(cut));
  Net net(characters.size(), flags.quick ? 48 : 256);
  auto optimizer = flags.make_optimizer(net, train);

  Memory memory;
  LstmState after, testing;  // behind the batch in hand
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    if (net.training()) after = memory.state, testing = {};
    return cross_entropy(net(Tensor(batch.x), net.training() ? after : testing), flatten(Tensor(batch.y), 0));
  };
  auto options = flags.fit(&test);
  options.unit = "rows";
  options.after_step = {[&](auto&) { memory.state = after; }};
  if (options.checkpoint) options.checkpoint->add("memory", memory);
  const auto result = training::fit(net, optimizer, train, step, options);
  std::printf("---%s---\n", write(net, characters, flags.quick ? 60 : 400).c_str());
  return flags.outcome(net, result, options, "next character", std::log(static_cast<double>(characters.size())));
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "An LSTM learns a text character by character",
                       {.optimizer = "clip_norm(1) | adam(lr=cosine(5e-3, total=TOTAL))", .epochs = 3, .batch = 32}, learn);
}
