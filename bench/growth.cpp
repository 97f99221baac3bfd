// How the time of a training step grows with the batch, the width, the depth and the length of the sequence: no faster than
// its multiply-adds, or something besides them counts.
#include <gradus/bench/harness.h>
#include <gradus/bench/supervised.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/core/parallel.h>
#include <gradus/nn/nn.h>

#include <fmt/core.h>

#include <cstdio>

namespace gradus::bench {
namespace {

struct Mlp : nn::Module<Mlp> {
  std::vector<nn::Linear> hidden;
  nn::Linear output;
  GRADUS_FIELDS(hidden, output)
  Mlp(int64_t width, int64_t depth) : output(width, 10) {
    for (int64_t i = 0; i < depth; ++i) hidden.emplace_back(i == 0 ? 256 : width, width);
  }
  Tensor forward(const Tensor& x) {
    Tensor y = x;
    for (nn::Linear& layer : hidden) y = relu(layer(y));
    return output(y);
  }
};

struct ConvNet : nn::Module<ConvNet> {
  std::vector<nn::Conv2d> convs;
  nn::Linear output;
  GRADUS_FIELDS(convs, output)
  ConvNet(int64_t width, int64_t depth) : output(width, 10) {
    for (int64_t i = 0; i < depth; ++i) convs.emplace_back(i == 0 ? 3 : width, width, 3, nn::Conv2dOptions{.padding = 1});
  }
  Tensor forward(const Tensor& x) {
    Tensor y = x;
    for (nn::Conv2d& conv : convs) y = relu(conv(y));
    return output(flatten(adaptive_avg_pool2d(y, 1), 1));
  }
};

struct SequenceEnd : nn::Module<SequenceEnd> {
  nn::LSTM lstm;
  nn::Linear output;
  GRADUS_FIELDS(lstm, output)
  SequenceEnd(int64_t width, int64_t depth)
      : lstm(32, width, {.num_layers = depth, .batch_first = true}), output(width, 10) {}
  Tensor forward(const Tensor& x) { return output(select(lstm(x).y, 1, -1)); }
};

struct Encoder : nn::Module<Encoder> {
  nn::TransformerEncoder body;
  nn::Linear output;
  GRADUS_FIELDS(body, output)
  Encoder(int64_t width, int64_t depth)
      : body(nn::TransformerEncoderLayer(width, 4, {.dim_feedforward = 4 * width, .dropout = 0, .batch_first = true}),
             depth),
        output(width, 10) {}
  Tensor forward(const Tensor& x) { return output(mean(body(x), {1})); }
};

/// Sizes that are multiplied; `length` is 0 where there is no sequence.
struct Size {
  int64_t batch, width, depth, length;
};

struct Network {
  const char* name;
  Size size;
  std::function<Step(const Size&)> build;
};

template <class Net> Network network(const char* name, const Size& size, std::function<Shape(const Size&)> input) {
  return {name, size, [input](const Size& s) {
            const auto make = [=] { return Batch{randn(input(s)), randint(0, 10, {s.batch})}; };
            return supervised<Net>("sgd(lr=1e-3)", 4, make, s.width, s.depth);
          }};
}

std::vector<Network> networks() {
  return {
      network<Mlp>("MLP", {64, 128, 2, 0},
                   [](const Size& s) {
                     return Shape{s.batch, 256};
                   }),
      network<ConvNet>("CNN", {8, 16, 2, 0},
                       [](const Size& s) {
                         return Shape{s.batch, 3, 32, 32};
                       }),
      network<SequenceEnd>("LSTM", {16, 64, 1, 16},
                           [](const Size& s) {
                             return Shape{s.batch, s.length, 32};
                           }),
      network<Encoder>("transformer", {8, 64, 1, 32},
                       [](const Size& s) {
                         return Shape{s.batch, s.length, s.width};
                       }),
  };
}

void print_one(const Network& n, const char* what, int times, const Size& size, double budget) {
  manual_seed(0);
  const Step step = n.build(size);
  step();
  const std::int64_t before = multiply_adds;
  step();
  const std::int64_t work = multiply_adds - before;
  const Timing t = measure(step, budget);
  fmt::print(
      R"({{"network": "{}", "grows": "{}", "times": {}, "threads": {}, "gflop": {:.4f}, "median": {:.1f}, "min": {:.1f}}})"
      "\n",
      n.name, what, times, threads(), 2e-9 * static_cast<double>(work), 1e6 * t.median, 1e6 * t.min);
  std::fflush(stdout);
}

}  // namespace

void print_growth(const std::vector<int>& thread_counts, double budget_seconds) {
  constexpr struct {
    const char* name;
    int64_t Size::*number;
  } kinds[] = {{"batch", &Size::batch}, {"width", &Size::width}, {"depth", &Size::depth}, {"sequence", &Size::length}};
  for (const int n : thread_counts) {
    set_threads(n);
    for (const Network& net : networks())
      for (const auto& kind : kinds)
        for (int times = 1; times <= 8 && net.size.*kind.number > 0; times *= 2) {
          Size size = net.size;
          size.*kind.number *= times;
          print_one(net, kind.name, times, size, budget_seconds);
        }
  }
}

}  // namespace gradus::bench
