// Which way does the shape move? Each frame goes through a small CNN, and a GRU remembers (as in Donahue et al., "Long-term
// recurrent convolutional networks", 2015). One frame alone says nothing of it.
//
//   video_motion     films drawn by our own code; those of the test are others
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t frames = 8, side = 24;

struct Net : nn::Module<Net> {
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d norm1, norm2;
  nn::Linear seen;
  nn::GRU gru;
  nn::Linear output;
  GRADUS_FIELDS(conv1, norm1, conv2, norm2, seen, gru, output)
  explicit Net(int64_t width)
      : conv1(1, width, 5, {.stride = 2, .padding = 2}),
        conv2(width, 2 * width, 3, {.stride = 2, .padding = 1}),
        norm1(width),
        norm2(2 * width),
        seen(2 * width * 36, 4 * width),
        gru(4 * width, 4 * width, {.batch_first = true}),
        output(4 * width, 8) {}
  /// x [N, T, 1, 24, 24] -> [N, 8]: what the GRU knows after the last frame.
  Tensor forward(const Tensor& x) {
    const Tensor pictures = x.reshape({-1, 1, side, side});
    const Tensor maps = relu(norm2(conv2(relu(norm1(conv1(pictures))))));
    const Tensor y = relu(seen(flatten(maps, 1)));
    return output(select(gru(y.reshape({x.dim(0), x.dim(1), -1})).y, 1, -1));
  }
};

/// Films u8 [N, T, 1, 24, 24] of a disc, a square or a cross, that goes one of eight ways at its own speed,
/// and comes back in on the other side; in noise. Labels: the way, 0 to the right, 2 down, ...
data::TensorDataset films(int64_t count, std::uint64_t seed) {
  Array x({count, frames, 1, side, side}, u8), y({count}, u8);
  auto *pixel = x.uninitialized<std::uint8_t>(), *way = y.uninitialized<std::uint8_t>();
  for (int64_t i = 0; i < count; ++i) {
    const Philox random{seed, static_cast<std::uint64_t>(i)}, noise{seed + 0x6e6f697365, static_cast<std::uint64_t>(i)};
    const auto to = static_cast<int64_t>(random.below(0, 8)), kind = static_cast<int64_t>(random.below(1, 3));
    const int64_t right[] = {1, 1, 0, -1, -1, -1, 0, 1}, down[] = {0, 1, 1, 1, 0, -1, -1, -1};
    const double radius = 2.5 + 2 * random.uniform(2), speed = 0.7 + 1.3 * random.uniform(3),
                 paper = 30 + 90 * random.uniform(4), ink = paper + 60 + 60 * random.uniform(7),
                 x0 = side * random.uniform(5), y0 = side * random.uniform(6);
    way[i] = static_cast<std::uint8_t>(to);
    for (int64_t p = 0; p < frames * side * side; ++p) {
      const auto time = static_cast<double>(p / (side * side));
      const auto from_middle = [&](int64_t at, double begin, int64_t step) {  // on a torus
        const double moved = static_cast<double>(at) - begin - speed * time * static_cast<double>(step);
        return moved - side * std::round(moved / side);
      };
      const double u = from_middle(p % side, x0, right[to]), v = from_middle(p / side % side, y0, down[to]);
      const double distances[] = {std::hypot(u, v), std::max(std::abs(u), std::abs(v)),
                                  3 * std::min(std::abs(u), std::abs(v))};
      const bool covered = distances[kind] <= radius && std::hypot(u, v) <= 1.5 * radius;
      const double clean = covered ? ink : paper;
      pixel[i * frames * side * side + p] =
          static_cast<std::uint8_t>(std::clamp(clean + 12 * noise.normal(static_cast<std::uint64_t>(p)), 0.0, 255.0));
    }
  }
  return data::TensorDataset(x, y);
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    return data::DataLoader(films(flags.quick ? 600
                                  : train     ? 4000
                                              : 1000,
                                  2 * flags.seed + train),
                            {.batch_size = flags.quick ? 10 : flags.batch, .shuffle = train, .seed = flags.seed});
  };
  const auto train = load(true), test = load(false);
  Net net(flags.quick ? 8 : 16);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor x(batch.x), logits = net(4.0 * (x - mean(x, {1, 2, 3, 4}, true)));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy()});
  options.unit = "films";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "eight ways to move", 0.15);
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "A CNN and a GRU see which way a shape moves",
      {.optimizer = "clip_norm(1) | adamw(lr=one_cycle(4e-3, total=TOTAL))", .epochs = 6, .batch = 32, .quick_length = 4},
      learn);
}
