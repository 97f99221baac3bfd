// A convolutional autoencoder (Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006)
// writes a handwritten digit as 16 numbers and reads it back; principal components, the best that is linear, stand beside
// it.
//
//   autoencoder_mnist                   digits drawn by our own code
//   autoencoder_mnist --data FOLDER     MNIST (four IDX files, plain or .gz)
//   autoencoder_mnist --save FILE       also FILE.pgm: rows of test digits, each above what came back
#include <gradus/core/kernels/linalg.h>
#include <gradus/examples/digits.h>
#include <gradus/examples/sheet.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t code = 16, pixels = 28 * 28;

struct Autoencoder : nn::Module<Autoencoder> {
  int64_t width;
  nn::Conv2d conv1, conv2;
  nn::Linear encode, decode;
  nn::ConvTranspose2d up1, up2;
  GRADUS_FIELDS(conv1, conv2, encode, decode, up1, up2)
  explicit Autoencoder(int64_t channels)
      : width(channels),
        conv1(1, width, 4, {.stride = 2, .padding = 1}),
        conv2(width, 2 * width, 4, {.stride = 2, .padding = 1}),
        encode(2 * width * 49, code),
        decode(code, 2 * width * 49),
        up1(2 * width, width, 4, {.stride = 2, .padding = 1}),
        up2(width, 1, 4, {.stride = 2, .padding = 1}) {}
  Tensor encoded(const Tensor& x) { return encode(flatten(relu(conv2(relu(conv1(x)))), 1)); }
  Tensor decoded(const Tensor& z) { return sigmoid(up2(relu(up1(relu(decode(z).reshape({-1, 2 * width, 7, 7})))))); }
  Tensor forward(const Tensor& x) { return decoded(encoded(x)); }
};

Tensor all_images(const data::DataLoader& loader) {
  std::vector<Tensor> parts;
  for (auto& batch : loader.epoch(0)) parts.push_back(Tensor(batch.x));
  return cat(parts);
}

/// Root of the mean squared error of test images that are written as their first `components` principal components, which
/// are those of the training images; with 0, of the mean image.
double linear_error(const Tensor& train, const Tensor& test, int64_t components) {
  const Tensor x = flatten(train, 1), center = mean(x, {0}), apart = x - center;
  const Tensor vectors(eigh(matmul(apart.transpose(0, 1), apart).array()).vectors);  // of ascending values
  const Tensor kept = vectors.slice(1, pixels - components, pixels), rest = flatten(test, 1) - center;
  return std::sqrt(mse_loss(matmul(matmul(rest, kept), kept.transpose(0, 1)), rest).item());
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto train = examples::load_digits(flags, true), test = examples::load_digits(flags, false);
  Autoencoder net(flags.quick ? 4 : 16);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor x(batch.x);
    return mse_loss(net(x), x);
  };
  auto options = flags.fit(&test);
  options.unit = "img";
  const auto result = training::fit(net, optimizer, train, step, options);

  const NoGrad unrecorded;
  const Tensor images = all_images(test), known = all_images(train);
  auto outcome = flags.outcome(net, result, options, "16 numbers a digit", linear_error(known, images, 0));
  outcome.metric = "RMSE of a pixel", outcome.value = std::sqrt(outcome.value);
  outcome.more = {{"RMSE of 16 principal components", linear_error(known, images, code)}};
  if (!flags.save.empty()) {
    const Tensor some = images.slice(0, 0, 100);
    const Tensor both = cat({some.reshape({10, 10, 28, 28}), net(some).reshape({10, 10, 28, 28})}, 1);
    examples::save_sheet(flags.save + ".pgm", both.reshape({200, 1, 28, 28}), 10);
  }
  return outcome;
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "An autoencoder of handwritten digits",
                       {.optimizer = "adam(lr=one_cycle(8e-3, total=TOTAL))", .epochs = 5, .batch = 64, .quick_length = 10},
                       learn);
}
