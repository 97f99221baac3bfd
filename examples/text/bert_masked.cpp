// Hidden characters of a text are guessed from what stands on both sides: Devlin et al., "BERT: pre-training of deep
// bidirectional transformers for language understanding", 2019. What must be beaten is a table of which character follows
// which.
//
//   bert_masked                 a counting rhyme
//   bert_masked --data FILE     any text, e.g. tinyshakespeare
#include <gradus/core/io/files.h>
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t context = 64;

struct Bert : nn::Module<Bert> {
  nn::Embedding token;
  nn::TransformerEncoder blocks;
  nn::Linear head;
  GRADUS_FIELDS(token, blocks, head)
  Bert(int64_t symbols, int64_t width, int64_t layers)
      : token(symbols + 1, width),  // the last is the mask
        blocks(nn::TransformerEncoderLayer(width, 4,
                                           {.dim_feedforward = 4 * width,
                                            .dropout = 0,
                                            .activation = nn::Activation::gelu,
                                            .norm_first = true,
                                            .batch_first = true,
                                            .positions = nn::AttentionPositions::rotary}),
               layers, nn::LayerNorm(width)),
        head(width, symbols) {
    token.weight = nn::Parameter(0.02 * token.weight.tensor().detach());
  }
  /// x [N, T] -> scores of the symbols at `chosen` [K], indices in the flat text: [K, symbols]
  Tensor forward(const Tensor& x, const Tensor& chosen) {
    return head(index_select(reshape(blocks(token(x)), {x.size(), -1}), 0, chosen));
  }
};

struct Masked {
  Tensor x;       ///< [N, T]
  Tensor chosen;  ///< [K]: the indices in it that are to be guessed
};

/// 15 % of the symbols are chosen; of these 80 % are hidden, 10 % replaced by any other, and 10 % left as they are.
Masked masked(const Tensor& text, int64_t symbols) {
  const Tensor draw = rand(text.shape()), others = randint(0, symbols, text.shape());
  const Tensor hidden = where(draw < 0.12, full(text.shape(), symbols, i64), text);
  const Tensor x = where((draw >= 0.12) & (draw < 0.135), others, hidden);
  return {x, squeeze(nonzero(flatten(draw < 0.15)), 1)};
}

/// exp of the mean of -log p; what a step gives out is -log p of each guess.
training::Metric masked_perplexity() {
  return {"perplexity", false,
          [](const Tensor& losses, const Tensor&) {
            return std::vector{sum(losses).item(), double(losses.size())};
          },
          [](const std::vector<double>& sums) { return std::exp(sums[0] / sums[1]); }};
}

/// Of the symbols of `test`, each guessed from the one before it, by how often it follows that one in `train`.
double bigram_perplexity(const Array& train, const Array& test, int64_t symbols) {
  std::vector<double> follows(static_cast<std::size_t>(symbols * symbols), 1),
      sums(static_cast<std::size_t>(symbols), double(symbols));
  const auto* seen = train.data<int64_t>();
  for (int64_t i = 1; i < train.size(); ++i) {
    ++follows[static_cast<std::size_t>(seen[i - 1] * symbols + seen[i])];
    ++sums[static_cast<std::size_t>(seen[i - 1])];
  }
  double loss = 0;
  const auto* asked = test.data<int64_t>();
  for (int64_t i = 1; i < test.size(); ++i)
    loss -= std::log(follows[static_cast<std::size_t>(asked[i - 1] * symbols + asked[i])] /
                     sums[static_cast<std::size_t>(asked[i - 1])]);
  return std::exp(loss / static_cast<double>(test.size() - 1));
}

examples::Outcome learn(const examples::Flags& flags) {
  const std::string text =
      flags.data.empty() ? data::generate_rhyme(flags.quick ? 20 : 400, flags.seed) : read_file(flags.data);
  const data::Characters characters(text);
  const auto cut = text.size() * 9 / 10;
  const Array past = characters.encode(text.substr(0, cut)), rest = characters.encode(text.substr(cut));
  const data::DataLoader train(data::TextWindows(past, context),
                               {.batch_size = flags.quick ? 8 : flags.batch, .seed = flags.seed, .drop_last = true});
  const data::DataLoader test(data::TextWindows(rest, context, context), {.batch_size = flags.batch, .shuffle = false});
  const bool rhyme = flags.data.empty();  // which is easy
  Bert net(characters.size(), flags.quick ? 32 : rhyme ? 64 : 96, flags.quick ? 1 : rhyme ? 2 : 3);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor whole(batch.x);
    const auto [x, chosen] = masked(whole, characters.size());
    const Tensor losses = cross_entropy(net(x, chosen), index_select(flatten(whole), 0, chosen), Reduction::none);
    return {mean(losses), losses};
  };
  auto options = flags.fit(&test, {masked_perplexity()});
  options.unit = "rows";
  const double bigram = bigram_perplexity(past, rest, characters.size());
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "masked characters", bigram);
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "A transformer guesses hidden characters of a text",
      {.optimizer = "clip_norm(1) | adamw(lr=one_cycle(3e-3, total=TOTAL, pct_start=0.1), beta2=0.98, weight_decay=0.01)",
       .steps = 1500,
       .batch = 32,
       .quick_length = 400},
      learn);
}
