// The networks that `gradus compare` trains.
#pragma once

#include <gradus/nn/nn.h>

#include <memory>
#include <string>

namespace gradus::tools {

/// 784-256-128-10 with ReLU; takes images [N, 1, 28, 28] or rows [N, 784].
struct Mlp : nn::Module<Mlp> {
  nn::Linear hidden1{784, 256}, hidden2{256, 128}, output{128, 10};
  GRADUS_FIELDS(hidden1, hidden2, output)
  Tensor forward(const Tensor& x) { return output(relu(hidden2(relu(hidden1(flatten(x, 1)))))); }
};

/// conv 16 - pool - conv 32 - pool - linear 128 - linear 10, 3x3 kernels with padding 1, ReLU; images [N, 1, 28, 28].
struct Cnn : nn::Module<Cnn> {
  nn::Conv2d conv1{1, 16, 3, {.padding = 1}}, conv2{16, 32, 3, {.padding = 1}};
  nn::Linear hidden{32 * 7 * 7, 128}, output{128, 10};
  GRADUS_FIELDS(conv1, conv2, hidden, output)
  Tensor forward(const Tensor& x) {
    const Tensor features = max_pool2d(relu(conv2(max_pool2d(relu(conv1(x)), 2))), 2);
    return output(relu(hidden(flatten(features, 1))));
  }
};

/// "mlp" or "cnn", initialised from the default generator. Errors: SpecError.
inline std::unique_ptr<nn::ModuleBase> make_network(const std::string& name) {
  if (name == "mlp") return std::make_unique<Mlp>();
  if (name == "cnn") return std::make_unique<Cnn>();
  throw SpecError("--model", join("there is no network '", name, "'; the networks are mlp and cnn"));
}

}  // namespace gradus::tools
