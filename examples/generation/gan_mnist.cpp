// A generative adversarial network (Goodfellow et al., 2014) of convolutions (Radford, Metz and Chintala, "DCGAN", 2015):
// one network draws digits, another tells them from real ones, and each learns from the other.
//
//   gan_mnist                   digits drawn by our own code
//   gan_mnist --data FOLDER     MNIST (four IDX files, plain or .gz)
//   gan_mnist --save FILE       also FILE.pgm, a sheet of samples
#include <gradus/examples/digits.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t latent = 64;

/// z [N, 64] -> images [N, 1, 28, 28] in (0, 1)
struct GeneratorNet : nn::Module<GeneratorNet> {
  int64_t width;
  nn::Linear project;
  nn::ConvTranspose2d up1, up2;
  nn::BatchNorm2d norm1, norm2;
  GRADUS_FIELDS(project, norm1, up1, norm2, up2)
  explicit GeneratorNet(int64_t channels)
      : width(channels),
        project(latent, 2 * width * 49, {.bias = false}),
        up1(2 * width, width, 4, {.stride = 2, .padding = 1, .bias = false}),
        up2(width, 1, 4, {.stride = 2, .padding = 1}),
        norm1(2 * width),
        norm2(width) {}
  Tensor forward(const Tensor& z) {
    const Tensor small = relu(norm1(project(z).reshape({-1, 2 * width, 7, 7})));
    return sigmoid(up2(relu(norm2(up1(small)))));
  }
};

/// Images -> logits [N, 1], above zero for what it takes to be real.
struct DiscriminatorNet : nn::Module<DiscriminatorNet> {
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d norm;
  nn::Linear output;
  GRADUS_FIELDS(conv1, conv2, norm, output)
  explicit DiscriminatorNet(int64_t width)
      : conv1(1, width, 4, {.stride = 2, .padding = 1}),
        conv2(width, 2 * width, 4, {.stride = 2, .padding = 1, .bias = false}),
        norm(2 * width),
        output(2 * width * 49, 1) {}
  Tensor forward(const Tensor& x) { return output(flatten(leaky_relu(norm(conv2(leaky_relu(conv1(x), 0.2))), 0.2), 1)); }
};

struct Gan : nn::Module<Gan> {
  GeneratorNet generator;
  DiscriminatorNet discriminator;
  GRADUS_FIELDS(generator, discriminator)
  explicit Gan(int64_t width) : generator(width), discriminator(width) {}

  /// How surprised the discriminator is if all of x are real, or none.
  Tensor surprise(const Tensor& x, bool real) {
    const Tensor logits = discriminator(x);
    return binary_cross_entropy_with_logits(logits, real ? ones_like(logits) : zeros_like(logits));
  }
  /// Real images -> the sum of what the two want small. The generator wants its images taken for real: the discriminator is
  /// frozen there, and learns from the detached ones.
  Tensor forward(const Tensor& x) {
    const Tensor drawn = generator(randn({x.dim(0), latent}));
    discriminator.requires_grad_(false);
    const Tensor fooled = surprise(drawn, true);
    discriminator.requires_grad_(true);
    const Tensor known = surprise(x, true), unmasked = surprise(drawn.detach(), false);
    return fooled + known + unmasked;
  }
  /// Batch norm takes the statistics of the samples themselves: the running ones are not those of averaged weights.
  Tensor samples(int64_t n) {
    const NoGrad unrecorded;
    return generator(randn({n, latent}));
  }
};

examples::Outcome learn(const examples::Flags& flags) {
  const auto train = examples::load_digits(flags, true, true);
  const int64_t count = flags.quick ? 200 : 1000;
  Gan net(flags.quick ? 8 : 32);
  const Tensor untrained = net.samples(count);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult { return net(Tensor(batch.x)); };
  auto options = flags.fit(nullptr);
  options.average = flags.quick ? 0.9 : 0.995;  // of the weights; a single step's generator leans to some digits
  options.unit = "img";
  const auto result = training::fit(net, optimizer, train, step, options);
  return judge_digits(flags.outcome(net, result, options, "digits drawn", 0), flags, net.samples(count), untrained);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A generative adversarial network of handwritten digits",
                       {.optimizer = "adam(lr=4e-4, beta1=0.5)", .epochs = 10, .batch = 64, .quick_length = 4}, learn);
}
