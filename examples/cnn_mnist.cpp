// A convolutional network on handwritten digits: data loader, training, evaluation, a saved model.
//
//   cnn_mnist                   digits drawn by our own code
//   cnn_mnist --data FOLDER     MNIST (four IDX files, plain or .gz)
//   cnn_mnist --quick           two epochs on 4,000 digits
#include <gradus/autograd/inspect/finite.h>
#include <gradus/core/random.h>
#include <gradus/data/digits.h>
#include <gradus/data/idx.h>
#include <gradus/data/loader.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>

#include <CLI/CLI.hpp>

#include <cstdio>

using namespace gradus;

struct Net : nn::Module<Net> {
  nn::Conv2d conv1{1, 16, 3, {.padding = 1}}, conv2{16, 32, 3, {.padding = 1}};
  nn::Linear hidden{32 * 7 * 7, 128}, output{128, 10};
  nn::Dropout dropout{0.25};
  GRADUS_FIELDS(conv1, conv2, hidden, output, dropout)
  Tensor forward(const Tensor& x) {
    Tensor y = max_pool2d(relu(conv1(x)), 2);
    y = max_pool2d(relu(conv2(y)), 2);
    return output(dropout(relu(hidden(flatten(y, 1)))));
  }
};

double accuracy(Net& net, const data::ImageSet& test) {
  NoGrad guard;
  net.eval();
  double right = 0;
  data::DataLoader loader(data::TensorDataset(test), {.batch_size = 250, .shuffle = false});
  for (auto& batch : loader) right += sum(net(Tensor(batch.x)).argmax(1) == Tensor(batch.y)).item();
  net.train();
  return right / static_cast<double>(loader.size());
}

int run(const std::string& folder, int epochs, bool quick, const std::string& save) {
  manual_seed(1);
  const int64_t count = quick ? 4000 : 20000;
  const auto train = folder.empty() ? data::generate_digits(count, 1, true) : data::load_mnist(folder, true);
  const auto test = folder.empty() ? data::generate_digits(2000, 1, false) : data::load_mnist(folder, false);
  Net net;
  std::printf("%s\n", net.summary(Shape{1, 1, 28, 28}).c_str());
  auto optimizer = optim::make("adamw(lr=1e-3)", net.named_parameters());
  FiniteWatch watch(net.parameters());  // a NaN is reported with the op that made it
  data::DataLoader loader(data::TensorDataset(train), {.batch_size = 64, .shuffle = true, .seed = 1});
  double share = 0;
  for (int epoch = 1; epoch <= (quick ? 2 : epochs); ++epoch) {
    double loss_sum = 0;
    for (auto& batch : loader.epoch(epoch)) {
      optimizer.zero_grad();
      const Tensor loss = watch.backward([&] { return cross_entropy(net(Tensor(batch.x)), Tensor(batch.y)); });
      optimizer.step();
      loss_sum += loss.item();
    }
    share = accuracy(net, test);
    std::printf("epoch %d  train loss %.4f  test accuracy %.2f %%\n", epoch,
                loss_sum / static_cast<double>(loader.batches()), 100 * share);
  }
  if (!save.empty()) net.save(save);
  return share > 0.8 ? 0 : 1;
}

int main(int argc, char** argv) {
  CLI::App app{"A small CNN on handwritten digits"};
  std::string folder, save;
  int epochs = 3;
  bool quick = false;
  app.add_option("--data", folder, "Folder with MNIST's IDX files; default: generated digits");
  app.add_option("--epochs", epochs, "Passes over the training images")->capture_default_str();
  app.add_option("--save", save, "Write the trained weights here (.safetensors)");
  app.add_flag("--quick", quick, "Two epochs on 4,000 generated digits");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(folder, epochs, quick, save);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
