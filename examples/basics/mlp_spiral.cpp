// Two interleaved spirals, told apart by a small network. Everything a training loop needs, on one page.
//
//   mlp_spiral            trains for 600 steps and draws what the network has learned
//   mlp_spiral --quick    the same for 300 steps
#include <gradus/core/random.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>

#include <cmath>
#include <cstdio>
#include <string_view>

using namespace gradus;

struct Net : nn::Module<Net> {
  nn::Linear hidden1{2, 32}, hidden2{32, 32}, output{32, 2};
  GRADUS_FIELDS(hidden1, hidden2, output)
  Tensor forward(const Tensor& x) { return output(tanh(hidden2(tanh(hidden1(x))))); }
};

struct Points {
  Tensor x, label;  // [N, 2], [N]
};

/// `n` points on each of two arms that turn one and a half times.
Points spirals(int64_t n) {
  const Philox random = default_generator().next_stream();
  std::vector<float> x;
  std::vector<int64_t> label;
  for (int64_t i = 0; i < 2 * n; ++i) {
    const double radius = static_cast<double>(i / 2 + 1) / static_cast<double>(n), arm = static_cast<double>(i % 2);
    const double angle = 3 * M_PI * radius + M_PI * arm;
    x.push_back(static_cast<float>(radius * std::cos(angle) + 0.02 * random.normal(static_cast<std::uint64_t>(2 * i))));
    x.push_back(static_cast<float>(radius * std::sin(angle) + 0.02 * random.normal(static_cast<std::uint64_t>(2 * i + 1))));
    label.push_back(i % 2);
  }
  return {tensor({2 * n, 2}, x), tensor({2 * n}, label)};
}

/// The plane as the network sees it.
void draw(Net& net) {
  NoGrad guard;
  constexpr int rows = 21, columns = 48;
  std::vector<float> grid;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      grid.push_back(2.2f * static_cast<float>(c) / (columns - 1) - 1.1f);
      grid.push_back(1.1f - 2.2f * static_cast<float>(r) / (rows - 1));
    }
  const Tensor side = net(tensor({rows * columns, 2}, grid)).argmax(1);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) std::putchar(side.array().at({r * columns + c}) > 0 ? '#' : '.');
    std::putchar('\n');
  }
}

int main(int argc, char** argv) {
  const std::string_view option = argc > 1 ? argv[1] : "";
  if (argc > 2 || (argc == 2 && option != "--quick")) {
    std::fprintf(stderr, "usage: mlp_spiral [--quick]\n");
    return option == "--help" ? 0 : 2;
  }
  const bool quick = option == "--quick";
  manual_seed(1);
  const Points points = spirals(200);
  Net net;
  auto optimizer = optim::make("adam(lr=0.01)", net.named_parameters());

  double accuracy = 0;
  for (int step = 1; step <= (quick ? 300 : 600); ++step) {
    optimizer.zero_grad();
    const Tensor logits = net(points.x), loss = cross_entropy(logits, points.label);
    loss.backward();
    optimizer.step();
    accuracy = sum(logits.argmax(1) == points.label).item() / static_cast<double>(points.label.size());
    if (step % 50 == 0) std::printf("step %3d  loss %.4f  accuracy %.1f %%\n", step, loss.item(), 100 * accuracy);
  }
  draw(net);
  return accuracy > 0.9 ? 0 : 1;
}
