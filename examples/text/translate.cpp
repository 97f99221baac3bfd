// From words to digits: "the third of march nineteen eighty four" becomes 1984-03-03, "two hundred and seven" 207. An
// encoder reads the words, a decoder writes one sign after the other: Vaswani et al., "Attention is all you need", 2017. All
// pairs are made by our own code; those of the test are not among those to learn from.
#include <gradus/examples/flags.h>
#include <gradus/examples/text/written_numbers.h>
#include <gradus/gradus.h>

#include <set>
#include <sstream>

using namespace gradus;

constexpr int64_t most_words = 16, most_signs = 11;  // with the end
const data::Characters signs("\n-0123456789");       // "\n", which is 0, begins and ends

std::vector<std::string> split(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// [most_words]; 0 is no word.
Tensor encoded(const data::Categories& vocabulary, const std::string& text) {
  auto words = split(text);
  words.resize(most_words);
  return Tensor(vocabulary.encode(words));
}

struct Net : nn::Module<Net> {
  nn::Embedding word, sign;
  nn::PositionalEncoding positions;
  nn::TransformerEncoder encoder;
  nn::TransformerDecoder decoder;
  nn::Linear output;
  GRADUS_FIELDS(word, sign, positions, encoder, decoder, output)
  Net(int64_t words, int64_t width, const nn::TransformerOptions& o)
      : word(words, width),
        sign(signs.size(), width),
        positions(width, {.dropout = 0, .max_len = most_words, .batch_first = true}),
        encoder(nn::TransformerEncoderLayer(width, 4, o), 2, nn::LayerNorm(width)),
        decoder(nn::TransformerDecoderLayer(width, 4, o), 2, nn::LayerNorm(width)),
        output(width, signs.size()) {}

  /// words [N, S] -> what they say [N, S, width]
  Tensor read(const Tensor& words) { return encoder(positions(word(words)), {.src_key_padding_mask = words == 0}); }
  /// The signs so far [N, T] -> scores of each next one [N, T, signs].
  Tensor write(const Tensor& so_far, const Tensor& memory, const Tensor& words) {
    return output(decoder(positions(sign(so_far)), memory, {.memory_key_padding_mask = words == 0, .tgt_is_causal = true}));
  }
  Tensor forward(const Tensor& words, const Tensor& digits) {
    const Tensor begin = zeros({digits.dim(0), 1}, i64);
    return write(cat({begin, digits.slice(1, 0, -1)}, 1), read(words), words);
  }
};

/// One sign after the other, always the likeliest.
std::string translate(Net& net, const data::Categories& vocabulary, const std::string& text) {
  const NoGrad guard;
  const nn::EvalMode eval_mode(net);
  const Tensor words = unsqueeze(encoded(vocabulary, text), 0), memory = net.read(words);
  std::string written;
  while (std::ssize(written) < most_signs) {
    const Tensor so_far = unsqueeze(Tensor(signs.encode("\n" + written)), 0);
    const Tensor next = argmax(select(net.write(so_far, memory, words), 1, -1), 1);
    if (next.item<int64_t>() == 0) break;
    written += signs.decode(next.array());
  }
  return written;
}

/// Share of the rows in which every sign is the likeliest behind those before it: exactly these are written by translate().
training::Metric exact_match() {
  return {"exact_match", true,
          [](const Tensor& scores, const Tensor& digits) {
            const Tensor right = all(argmax(scores, 2) == digits, 1);
            return std::vector{sum(right.to(f64)).item(), static_cast<double>(digits.dim(0))};
          },
          [](const std::vector<double>& sums) { return sums[0] / sums[1]; }};
}

examples::Outcome learn(const examples::Flags& flags) {
  const data::Categories known(examples::words_of_numbers());
  std::set<std::string> test_words;
  const auto load = [&](bool train, int64_t count) {
    std::vector<Tensor> x, y;
    for (std::uint64_t i = 0; std::ssize(x) < count; ++i) {
      auto pair = examples::written_number({2 * flags.seed + train, i});
      if (!train) test_words.insert(pair.words);
      else if (test_words.count(pair.words)) continue;
      x.push_back(encoded(known, pair.words));
      pair.digits.resize(most_signs, '\n');
      y.emplace_back(signs.encode(pair.digits));
    }
    return data::TensorDataset(stack(x).array(), stack(y).array());
  };
  const data::DataLoader test(load(false, flags.quick ? 100 : 1000), {.batch_size = 250, .shuffle = false});
  const data::DataLoader train(load(true, flags.quick ? 500 : 60000), {.batch_size = flags.batch, .seed = flags.seed});
  const int64_t width = flags.quick ? 32 : 64;
  Net net(known.size(), width, {.dim_feedforward = 2 * width, .dropout = 0, .norm_first = true, .batch_first = true});
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor scores = net(Tensor(batch.x), Tensor(batch.y));
    return {cross_entropy(reshape(scores, {-1, signs.size()}), flatten(Tensor(batch.y))), scores};
  };
  auto options = flags.fit(&test, {exact_match()});
  options.unit = "pairs";
  const auto result = training::fit(net, optimizer, train, step, options);
  for (const char* text : {"seven hundred and four thousand and twelve", "july the fourth seventeen seventy six"})
    std::printf("%s: %s\n", text, translate(net, known, text).c_str());
  return flags.outcome(net, result, options, "words to digits", 0);
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "An encoder and a decoder turn written numbers and dates into digits",
      {.optimizer = "adafactor(lr=cosine(2e-2, total=TOTAL))", .steps = 1500, .batch = 64, .quick_length = 120}, learn);
}
