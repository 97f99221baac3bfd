// A small MobileNet (Howard et al., 2017; its inverted residuals: Sandler et al., "MobileNetV2", 2018) on small images:
// each channel has a window of its own (a depthwise convolution), and 1 x 1 convolutions mix the channels.
//
//   mobilenet_cifar                   digits drawn by our own code, in colour
//   mobilenet_cifar --data FOLDER     CIFAR-10's binary files
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

/// Three times as many channels, a window over each, and back to few; the input goes around if it fits.
struct InvertedResidual : nn::Module<InvertedResidual> {
  nn::Conv2d expand, depthwise, project;
  nn::BatchNorm2d norm1, norm2, norm3;
  bool around;
  GRADUS_FIELDS(expand, norm1, depthwise, norm2, project, norm3)
  InvertedResidual(int64_t in, int64_t out, int64_t stride)
      : expand(in, 3 * in, 1, {.bias = false}),
        depthwise(3 * in, 3 * in, 3, {.stride = stride, .padding = 1, .groups = 3 * in, .bias = false}),
        project(3 * in, out, 1, {.bias = false}),
        norm1(3 * in),
        norm2(3 * in),
        norm3(out),
        around(in == out && stride == 1) {}
  Tensor forward(const Tensor& x) {
    const Tensor wide = relu6(norm1(expand(x)));
    const Tensor y = norm3(project(relu6(norm2(depthwise(wide)))));
    return around ? x + y : y;
  }
};

struct MobileNet : nn::Module<MobileNet> {
  nn::Conv2d conv;
  nn::BatchNorm2d norm;
  std::vector<InvertedResidual> blocks;
  nn::Linear output;
  GRADUS_FIELDS(conv, norm, blocks, output)
  MobileNet(int64_t width, int64_t depth)
      : conv(3, width, 3, {.padding = 1, .bias = false}), norm(width), output(4 * width, 10) {
    for (const int64_t stage : {1, 2, 4})
      for (int64_t k = 0; k < depth; ++k)
        blocks.emplace_back(k == 0 && stage > 1 ? stage / 2 * width : stage * width, stage * width, k == 0 ? 2 : 1);
  }
  Tensor forward(const Tensor& x) {
    Tensor y = relu6(norm(conv(x)));
    for (InvertedResidual& block : blocks) y = block(y);
    return output(mean(flatten(y, 2), {2}));
  }
};

/// Generated digits, each in a colour of its own on another, 32 x 32.
data::ImageSet coloured_digits(int64_t count, std::uint64_t seed, bool train) {
  const data::ImageSet grey = data::generate_digits(count, seed, train);
  data::ImageSet set{Array::zeros({count, 3, 32, 32}, u8), grey.labels};
  auto* to = set.images.write<std::uint8_t>("coloured_digits");
  for (int64_t i = 0; i < count; ++i) {
    const Philox random{2 * seed + train, static_cast<std::uint64_t>(i)};
    for (int64_t c = 0; c < 3; ++c) {
      const double paper = 90 * random.uniform(static_cast<std::uint64_t>(c)),
                   ink = 150 + 100 * random.uniform(static_cast<std::uint64_t>(3 + c));
      for (int64_t p = 0; p < 32 * 32; ++p) {
        const int64_t y = p / 32 - 2, x = p % 32 - 2;
        const bool inside = y >= 0 && y < 28 && x >= 0 && x < 28;
        const double share = inside ? grey.images.data<std::uint8_t>()[(i * 28 + y) * 28 + x] / 255.0 : 0;
        to[(i * 3 + c) * 1024 + p] = static_cast<std::uint8_t>(paper + (ink - paper) * share);
      }
    }
  }
  return set;
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    const int64_t count = flags.quick ? 200 : train ? 2000 : 500;
    const auto set = flags.data.empty() ? coloured_digits(count, flags.seed, train) : data::load_cifar10(flags.data, train);
    return data::DataLoader(
        data::TensorDataset(set),
        {.batch_size = flags.quick ? 20 : flags.batch, .shuffle = train, .seed = flags.seed, .drop_last = train});
  };
  const auto train = load(true), test = load(false);
  MobileNet net(flags.quick ? 8 : 32, flags.quick ? 1 : 3);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    Array x = batch.x;
    if (net.training()) {
      if (!flags.data.empty()) x = data::random_flip(x, default_generator().next_stream());  // a digit has its sides
      x = data::random_shift(x, 4, default_generator().next_stream());
    }
    const Tensor logits = net((Tensor(x) - 0.47) / 0.25);
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy()});
  options.unit = "img";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "ten classes", 0.15);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A small MobileNet on small images",
                       {.optimizer = "sgd(lr=one_cycle(0.2, total=TOTAL), momentum=0.9, nesterov=true, weight_decay=5e-4)",
                        .epochs = 16,
                        .batch = 64,
                        .quick_length = 4},
                       learn);
}
