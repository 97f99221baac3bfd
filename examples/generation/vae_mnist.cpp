// A variational autoencoder (Kingma and Welling, "Auto-encoding variational Bayes", 2013) of handwritten digits: what it has
// learned is drawn into a PGM file.
//
//   vae_mnist                   digits drawn by our own code
//   vae_mnist --data FOLDER     MNIST (four IDX files, plain or .gz)
#include <gradus/examples/flags.h>
#include <gradus/examples/sheet.h>
#include <gradus/gradus.h>

using namespace gradus;

constexpr int64_t pixels = 28 * 28, latent = 20;

struct Vae : nn::Module<Vae> {
  nn::Linear hidden, mean, log_variance, decode_hidden, decode;
  GRADUS_FIELDS(hidden, mean, log_variance, decode_hidden, decode)
  explicit Vae(int64_t width)
      : hidden(pixels, width),
        mean(width, latent),
        log_variance(width, latent),
        decode_hidden(latent, width),
        decode(width, pixels) {}

  Tensor decoded(const Tensor& z) { return decode(relu(decode_hidden(z))); }  // logits of the pixels
  /// x [N, 784] in {0, 1} -> minus the evidence lower bound in nats an image: what it takes to write x down, given z, and
  /// how far q(z | x) is from N(0, 1) (equation 10).
  Tensor forward(const Tensor& x) {
    const Tensor h = relu(hidden(x)), mu = mean(h), log_var = log_variance(h);
    const Tensor z = mu + exp(0.5 * log_var) * randn(mu.shape());
    const Tensor written = binary_cross_entropy_with_logits(decoded(z), x, {.reduction = Reduction::sum});
    const Tensor distance = -0.5 * sum(1.0 + log_var - square(mu) - exp(log_var));
    return (written + distance) / static_cast<double>(x.dim(0));
  }
};

/// Images that the decoder makes of numbers from N(0, 1), 10 x 10 of them.
void draw_samples(Vae& net, const std::string& path) {
  const NoGrad guard;
  examples::save_sheet(path, sigmoid(net.decoded(randn({100, latent}))).reshape({100, 1, 28, 28}), 10);
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    const int64_t count = flags.quick ? 500 : train ? 20000 : 2000;
    const auto set =
        flags.data.empty() ? data::generate_digits(count, flags.seed, train) : data::load_mnist(flags.data, train);
    return data::DataLoader(data::TensorDataset(set), {.batch_size = flags.batch, .shuffle = train, .seed = flags.seed});
  };
  const auto train = load(true), test = load(false);
  Vae net(flags.quick ? 64 : 400);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    return net((flatten(Tensor(batch.x), 1) > 0.5).to(f32));  // binarised
  };
  auto options = flags.fit(&test);
  options.unit = "img";
  const auto result = training::fit(net, optimizer, train, step, options);
  if (!flags.save.empty()) draw_samples(net, flags.save + ".pgm");
  return flags.outcome(net, result, options, "nats an image (-ELBO)", static_cast<double>(pixels) * std::log(2.0));
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A variational autoencoder of handwritten digits",
                       {.optimizer = "adam(lr=cosine(2e-3, total=TOTAL))", .epochs = 25, .batch = 128, .quick_length = 2},
                       learn);
}
