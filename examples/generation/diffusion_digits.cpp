// A small diffusion model (Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", 2020) of handwritten digits: a
// U-Net learns to take noise from images, and draws by taking it from nothing else.
//
//   diffusion_digits                   digits drawn by our own code
//   diffusion_digits --data FOLDER     MNIST (four IDX files, plain or .gz)
//   diffusion_digits --save FILE       also FILE.pgm, a sheet of samples
#include <gradus/examples/digits.h>
#include <gradus/gradus.h>

#include <numbers>

using namespace gradus;

constexpr int64_t time_features = 32;

/// Two convolutions with the time between them, around which the input goes too.
struct Block : nn::Module<Block> {
  nn::GroupNorm norm1, norm2;
  nn::Conv2d conv1, conv2, shortcut;
  nn::Linear time;
  GRADUS_FIELDS(norm1, conv1, time, norm2, conv2, shortcut)
  Block(int64_t in, int64_t out)
      : norm1(4, in),
        norm2(4, out),
        conv1(in, out, 3, {.padding = 1}),
        conv2(out, out, 3, {.padding = 1}),
        shortcut(in, out, 1),
        time(time_features, out) {}
  Tensor forward(const Tensor& x, const Tensor& when) {
    const Tensor y = conv1(silu(norm1(x))) + time(when).reshape({x.dim(0), -1, 1, 1});
    return conv2(silu(norm2(y))) + shortcut(x);
  }
};

struct UNet : nn::Module<UNet> {
  nn::Linear time;
  nn::Conv2d begin, down;
  Block high, low1, low2, joined;
  nn::ConvTranspose2d up, end;
  GRADUS_FIELDS(time, begin, high, down, low1, low2, up, joined, end)
  explicit UNet(int64_t width)
      : time(time_features, time_features),
        begin(1, width, 4, {.stride = 2, .padding = 1}),
        down(width, 2 * width, 3, {.stride = 2, .padding = 1}),
        high(width, width),
        low1(2 * width, 2 * width),
        low2(2 * width, 2 * width),
        joined(2 * width, width),
        up(2 * width, width, 4, {.stride = 2, .padding = 1}),
        end(width, 1, 4, {.stride = 2, .padding = 1}) {}

  /// x [N, 1, 28, 28] = cos(angle) image + sin(angle) noise, angle [N, 1] from 0 to pi / 2 (a cosine schedule: Nichol and
  /// Dhariwal, 2021) -> v = cos(angle) noise - sin(angle) image (Salimans and Ho, "Progressive distillation", 2022).
  Tensor forward(const Tensor& x, const Tensor& angle) {
    const Tensor turned = angle * exp(linspace(0, std::log(500.0), time_features / 2));
    const Tensor when = silu(time(cat({sin(turned), cos(turned)}, 1)));
    const Tensor y = high(begin(x), when);
    const Tensor small = low2(low1(down(y), when), when);
    return end(silu(joined(cat({y, up(small)}, 1), when)));
  }

  /// Equation 14 of Ho et al. for v: images in [-1, 1], noise and an angle are drawn for each.
  Tensor loss(const Tensor& images) {
    const Tensor angle = 0.5 * std::numbers::pi * rand({images.dim(0), 1});
    const Tensor noise = randn(images.shape());
    const Tensor c = cos(angle).reshape({-1, 1, 1, 1}), s = sin(angle).reshape({-1, 1, 1, 1});
    return mse_loss((*this)(c * images + s * noise, angle), c * noise - s * images);
  }

  /// From noise to images in [0, 1], in equal steps of the angle (Song, Meng and Ermon, "Denoising diffusion implicit
  /// models", 2021, equation 12 with sigma = 0).
  Tensor samples(const Tensor& from, int64_t steps) {
    const NoGrad unrecorded;
    Tensor x = from;
    for (int64_t k = steps; k > 0; --k) {
      const double angle = 0.5 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(steps);
      const double next = angle * static_cast<double>(k - 1) / static_cast<double>(k);
      const Tensor v = (*this)(x, full({x.dim(0), 1}, angle));
      const Tensor image = clamp(std::cos(angle) * x - std::sin(angle) * v, -1.0, 1.0);
      const Tensor noise = std::sin(angle) * x + std::cos(angle) * v;
      x = std::cos(next) * image + std::sin(next) * noise;
    }
    return 0.5 * x + 0.5;
  }
};

examples::Outcome learn(const examples::Flags& flags) {
  const auto train = examples::load_digits(flags, true, true), test = examples::load_digits(flags, false);
  UNet net(flags.quick ? 8 : 32);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult { return net.loss(2.0 * Tensor(batch.x) - 1.0); };
  auto options = flags.fit(&test);
  options.average = flags.quick ? 0.9 : 0.995;
  options.unit = "img";
  const auto result = training::fit(net, optimizer, train, step, options);
  const Tensor noise = randn({flags.quick ? 100 : 1000, 1, 28, 28});
  return judge_digits(flags.outcome(net, result, options, "digits drawn", 0), flags,
                      net.samples(noise, flags.quick ? 10 : 50), clamp(0.5 * noise + 0.5, 0.0, 1.0));
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "A diffusion model of handwritten digits",
      {.optimizer = "clip_norm(1) | adam(lr=one_cycle(2e-3, total=TOTAL))", .epochs = 12, .batch = 64, .quick_length = 3},
      learn);
}
