// A small GPT (Radford et al., "Language models are unsupervised multitask learners", 2019) learns a text character by
// character, and goes on writing it.
//
//   gpt_text                 a counting rhyme
//   gpt_text --data FILE     any text, e.g. tinyshakespeare
#include <gradus/core/io/files.h>
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t context = 128;

struct Gpt : nn::Module<Gpt> {
  nn::Embedding token, place;
  nn::TransformerEncoder blocks;
  nn::Linear head;
  GRADUS_FIELDS(token, place, blocks, head)
  Gpt(int64_t symbols, int64_t width, int64_t heads, int64_t layers)
      : token(symbols, width),
        place(context, width),
        blocks(nn::TransformerEncoderLayer(width, heads,
                                           {.dim_feedforward = 4 * width,
                                            .dropout = 0,
                                            .activation = nn::Activation::gelu,
                                            .norm_first = true,
                                            .batch_first = true}),
               layers, nn::LayerNorm(width)),
        head(width, symbols, {.bias = false}) {
    for (nn::Embedding* e : {&token, &place}) e->weight = nn::Parameter(0.02 * e->weight.tensor().detach());
  }
  /// x [N, T] -> scores of the next symbol [N, T, symbols]; each sees only what stands before it.
  Tensor forward(const Tensor& x) {
    const Tensor y = token(x) + place(arange(x.dim(1)));
    return head(blocks(y, {.is_causal = true}));
  }
};

/// `count` characters, each drawn from the network's own probabilities.
std::string write(Gpt& net, const data::Characters& characters, int64_t count) {
  const NoGrad guard;
  const nn::EvalMode eval_mode(net);
  std::string text = "\n";
  while (static_cast<int64_t>(text.size()) < count) {
    const std::string seen = text.substr(text.size() - std::min(text.size(), static_cast<std::size_t>(context)));
    const Tensor scores = select(select(net(unsqueeze(Tensor(characters.encode(seen)), 0)), 0, 0), 0, -1);
    text += characters.alphabet()[static_cast<std::size_t>(multinomial(softmax(scores, 0), 1).item<int64_t>())];
  }
  return text;
}

examples::Outcome learn(const examples::Flags& flags) {
  const std::string text =
      flags.data.empty() ? data::generate_rhyme(flags.quick ? 20 : 400, flags.seed) : read_file(flags.data);
  const data::Characters characters(text);
  const auto cut = text.size() * 9 / 10;
  const data::DataLoader train(data::TextWindows(characters.encode(text.substr(0, cut)), context),
                               {.batch_size = flags.quick ? 4 : flags.batch, .seed = flags.seed, .drop_last = true});
  const data::DataLoader test(data::TextWindows(characters.encode(text.substr(cut)), context, context),
                              {.batch_size = flags.batch, .shuffle = false});
  const bool rhyme = flags.data.empty();  // which is easy
  Gpt net(characters.size(), flags.quick ? 16 : rhyme ? 64 : 128, 4, flags.quick ? 1 : rhyme ? 2 : 4);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    return cross_entropy(reshape(net(Tensor(batch.x)), {-1, characters.size()}), flatten(Tensor(batch.y)));
  };
  auto options = flags.fit(&test);
  options.unit = "rows";
  const auto result = training::fit(net, optimizer, train, step, options);
  std::printf("---%s\n---\n", write(net, characters, flags.quick ? 5 : 400).c_str());
  return flags.outcome(net, result, options, "next character", std::log(static_cast<double>(characters.size())));
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "A small GPT learns a text character by character",
      {.optimizer = "clip_norm(1) | adamw(lr=one_cycle(2e-3, total=TOTAL, pct_start=0.1), beta2=0.95, weight_decay=0.1)",
       .steps = 2000,
       .batch = 16,
       .quick_length = 20},
      learn);
}
