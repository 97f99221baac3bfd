// A small run for tests of training: whatever has a state that could be forgotten.
#pragma once

#include <gradus/core/random.h>
#include <gradus/data/loader.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>
#include <gradus/train/evaluate.h>

#include <string>

namespace gradus::testing {

/// Dropout draws numbers, the norm has running statistics.
struct SmallNet : nn::Module<SmallNet> {
  nn::Linear hidden{6, 16};
  nn::BatchNorm1d norm{16};
  nn::Dropout dropout{0.3};
  nn::Linear output{16, 3};
  GRADUS_FIELDS(hidden, norm, dropout, output)
  Tensor forward(const Tensor& x) { return output(dropout(relu(norm(hidden(x))))); }
};

/// 50 items of three classes that can be told apart.
inline data::TensorDataset small_data(std::uint64_t seed = 1) {
  const Philox random{seed, 9};
  std::vector<float> x;
  std::vector<std::int64_t> y;
  for (std::uint64_t i = 0; i < 50; ++i) {
    y.push_back(static_cast<std::int64_t>(i % 3));
    for (std::uint64_t k = 0; k < 6; ++k)
      x.push_back(static_cast<float>(random.normal(6 * i + k) + (k % 3 == i % 3 ? 2.0 : 0.0)));
  }
  return data::TensorDataset(Array::of<float>({50, 6}, x), Array::of<std::int64_t>({50}, y));
}

/// Everything of one run; the same numbers each time it is made.
struct SmallRun {
  explicit SmallRun(const std::string& spec = "adamw(lr=cosine(1e-2, total=40))", std::int64_t batch_size = 8)
      : loader(small_data(), {.batch_size = batch_size, .seed = 3}),
        optimizer((manual_seed(5), net = SmallNet(), optim::make(spec, net.named_parameters()))) {}
  SmallRun(const SmallRun&) = delete;
  SmallRun& operator=(const SmallRun&) = delete;

  SmallNet net;
  data::DataLoader loader;
  optim::Optimizer optimizer;

  training::StepFunction step() {
    return [this](const data::Batch& b) -> training::StepResult {
      const Tensor logits = net(Tensor(b.x));
      return {cross_entropy(logits, Tensor(b.y)), logits};
    };
  }
  /// All bits of the model and the optimizer.
  std::string bits() {
    std::string all;
    for (const auto& state : {net.state_dict(), optimizer.state_dict()})
      for (const auto& [name, a] : state)
        all += name + std::string(a.contiguous().bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype()));
    return all + std::to_string(default_generator().state().stream);
  }
};

}  // namespace gradus::testing
