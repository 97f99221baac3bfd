#include <gradus/nn/layers/activation.h>

#include <gradus/core/random.h>

namespace gradus::nn {

std::string LeakyReLU::description() const { return join("LeakyReLU(", text(negative_slope), ")"); }
std::string ELU::description() const { return join("ELU(", text(alpha), ")"); }
std::string Softmax::description() const { return join("Softmax(axis ", axis, ")"); }
std::string LogSoftmax::description() const { return join("LogSoftmax(axis ", axis, ")"); }
std::string Flatten::description() const {
  return start_axis == 1 ? "Flatten" : join("Flatten(from axis ", start_axis, ")");
}

Dropout::Dropout(double probability) : p(probability) {
  if (!(p >= 0 && p < 1)) throw Error("Dropout", join("the probability must lie in [0, 1), got ", text(p)));
}

Tensor Dropout::forward(const Tensor& x) {
  if (!training() || p == 0) return x;
  return dropout(x, p, default_generator().next_stream().bits(0));
}

std::string Dropout::description() const { return join("Dropout(", text(p), ")"); }

}  // namespace gradus::nn
