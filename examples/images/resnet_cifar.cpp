// ResNet-20 (He et al., "Deep residual learning for image recognition", 2015) on small images, which are flipped and shifted
// while it learns.
//
//   resnet_cifar                   shapes drawn by our own code
//   resnet_cifar --data FOLDER     CIFAR-10's binary files
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

/// Two convolutions around which the input goes too; the first may halve the image and widen the channels.
struct Block : nn::Module<Block> {
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d norm1, norm2;
  GRADUS_FIELDS(conv1, norm1, conv2, norm2)
  int64_t in, out, stride;
  Block(int64_t in_channels, int64_t out_channels, int64_t by)
      : conv1(in_channels, out_channels, 3, {.stride = by, .padding = 1, .bias = false}),
        conv2(out_channels, out_channels, 3, {.padding = 1, .bias = false}),
        norm1(out_channels),
        norm2(out_channels),
        in(in_channels),
        out(out_channels),
        stride(by) {}
  Tensor forward(const Tensor& x) {
    const Tensor y = norm2(conv2(relu(norm1(conv1(x)))));
    if (stride == 1) return relu(y + x);
    const Tensor smaller = avg_pool2d(x, 2);  // the paper's option A: no parameters, zeros for the new channels
    return relu(y + cat({smaller, zeros({x.dim(0), out - in, smaller.dim(2), smaller.dim(3)})}, 1));
  }
};

struct ResNet : nn::Module<ResNet> {
  nn::Conv2d conv;
  nn::BatchNorm2d norm;
  std::vector<Block> blocks;
  nn::Linear output;
  GRADUS_FIELDS(conv, norm, blocks, output)
  explicit ResNet(int64_t width, int64_t depth = 3)
      : conv(3, width, 3, {.padding = 1, .bias = false}), norm(width), output(4 * width, 10) {
    for (const int64_t stage : {1, 2, 4})
      for (int64_t k = 0; k < depth; ++k) {
        const bool first = stage > 1 && k == 0;
        blocks.emplace_back(first ? stage / 2 * width : stage * width, stage * width, first ? 2 : 1);
      }
  }
  Tensor forward(const Tensor& x) {
    Tensor y = relu(norm(conv(x)));
    for (Block& block : blocks) y = block(y);
    return output(mean(flatten(y, 2), {2}));
  }
};

/// Ten kinds of coloured stripes, rings and checks, somewhere in the picture and noisy.
data::ImageSet invented(int64_t count, std::uint64_t seed) {
  data::ImageSet set{Array({count, 3, 32, 32}, u8), Array({count}, u8)};
  for (int64_t i = 0; i < count; ++i) {
    const Philox random{seed, static_cast<std::uint64_t>(i)};
    const int64_t kind = i % 10;
    const double x0 = 32 * random.uniform(0), y0 = 32 * random.uniform(1), period = (kind < 5 ? 5 : 9) + random.uniform(2);
    set.labels.uninitialized<std::uint8_t>()[i] = static_cast<std::uint8_t>(kind);
    for (int64_t p = 0; p < 3 * 32 * 32; ++p) {
      const double x = static_cast<double>(p % 32) - x0, y = static_cast<double>(p / 32 % 32) - y0;
      const double along[] = {x, y, x + y, std::hypot(x, y),
                              std::fmod(std::abs(x), period) < period / 2 ? y : y + period / 2};
      const double wave = std::sin(6.2832 * along[kind % 5] / period),
                   tint = 0.6 + 0.4 * random.uniform(static_cast<std::uint64_t>(3 + p / 1024));
      const double noise = 25 * random.normal(static_cast<std::uint64_t>(10 + p));
      set.images.uninitialized<std::uint8_t>()[i * 3072 + p] =
          static_cast<std::uint8_t>(std::clamp(128 + 70 * tint * wave + noise, 0.0, 255.0));
    }
  }
  return set;
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    const int64_t count = flags.quick ? 100 : train ? 3000 : 500;
    const auto set = flags.data.empty() ? invented(count, 2 * flags.seed + train) : data::load_cifar10(flags.data, train);
    return data::DataLoader(
        data::TensorDataset(set),
        {.batch_size = flags.quick ? 20 : flags.batch, .shuffle = train, .seed = flags.seed, .drop_last = train});
  };
  const auto train = load(true), test = load(false);
  ResNet net(flags.quick ? 4 : 16, flags.quick ? 1 : 3);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    Array x = batch.x;
    if (net.training()) {
      x = data::random_flip(x, default_generator().next_stream());
      x = data::random_shift(x, 4, default_generator().next_stream());
    }
    const Tensor logits = net((Tensor(x) - 0.47) / 0.25);
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy()});
  options.unit = "img";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "ten classes", 0.12);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "ResNet-20 on small images",
                       {.optimizer = "sgd(lr=one_cycle(0.2, total=TOTAL), momentum=0.9, nesterov=true, weight_decay=5e-4)",
                        .epochs = 24,
                        .batch = 64,
                        .quick_length = 4},
                       learn);
}
