// A vision transformer (Dosovitskiy et al., "An image is worth 16x16 words", 2020) on handwritten digits: patches are words.
//
//   vit_mnist                   digits drawn by our own code
//   vit_mnist --data FOLDER     MNIST (four IDX files, plain or .gz)
#include <gradus/examples/digits.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t patch = 4, tokens = 1 + (28 / patch) * (28 / patch);

struct ViT : nn::Module<ViT> {
  nn::Conv2d patches;
  nn::Parameter class_token;
  nn::PositionalEmbedding positions;
  nn::TransformerEncoder blocks;
  nn::Linear head;
  GRADUS_FIELDS(patches, class_token, positions, blocks, head)
  ViT(int64_t width, int64_t heads, int64_t layers)
      : patches(1, width, patch, {.stride = patch}),
        class_token(zeros({1, 1, width})),
        positions(width, {.dropout = 0, .max_len = tokens, .batch_first = true}),
        blocks(nn::TransformerEncoderLayer(width, heads,
                                           {.dim_feedforward = 2 * width,
                                            .dropout = 0,
                                            .activation = nn::Activation::gelu,
                                            .norm_first = true,
                                            .batch_first = true}),
               layers, nn::LayerNorm(width)),
        head(width, 10) {}
  /// x [N, 1, 28, 28] -> [N, 10]: what the class token has gathered from the 49 patches.
  Tensor forward(const Tensor& x) {
    const Tensor words = flatten(patches(x), 2).transpose(1, 2);  // [N, 49, width]
    const Tensor first = expand(class_token, {x.dim(0), 1, words.dim(2)});
    return head(select(blocks(positions(cat({first, words}, 1))), 1, 0));
  }
};

examples::Outcome learn(const examples::Flags& flags) {
  const auto train = examples::load_digits(flags, true), test = examples::load_digits(flags, false);
  ViT net(flags.quick ? 32 : 64, flags.quick ? 2 : 4, flags.quick ? 2 : 4);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const bool learns = net.training() && !flags.quick;
    const Tensor x(learns ? data::random_shift(batch.x, 2, default_generator().next_stream()) : batch.x);
    const Tensor logits = net(x);
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy()});
  options.unit = "img";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "digits", 0.15);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A vision transformer on handwritten digits",
                       {.optimizer = "clip_norm(1) | adamw(lr=one_cycle(2e-3, total=TOTAL), weight_decay=0.05)",
                        .epochs = 5,
                        .batch = 64,
                        .quick_length = 4},
                       learn);
}
