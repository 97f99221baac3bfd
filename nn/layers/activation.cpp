#include <gradus/nn/layers/activation.h>

#include <gradus/core/random.h>
#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

void check_probability(const char* layer, double p) {
  if (!(p >= 0 && p <= 1)) throw Error(layer, join("the probability must lie in [0, 1], got ", text(p)));
}

}  // namespace

GELU::GELU(const std::string& approximate) : tanh_instead(approximate == "tanh") {
  if (approximate != "none" && approximate != "tanh")
    throw Error("GELU", join("approximate must be \"none\" or \"tanh\", got \"", approximate, "\""));
}
std::string GELU::description() const { return tanh_instead ? "GELU(tanh)" : "GELU"; }

std::string LeakyReLU::description() const { return join("LeakyReLU(", text(negative_slope), ")"); }
std::string ELU::description() const { return join("ELU(", text(alpha), ")"); }
std::string CELU::description() const { return join("CELU(", text(alpha), ")"); }
std::string Hardtanh::description() const { return join("Hardtanh(", text(min_val), ", ", text(max_val), ")"); }
std::string Hardshrink::description() const { return join("Hardshrink(", text(lambda), ")"); }
std::string Softshrink::description() const { return join("Softshrink(", text(lambda), ")"); }
std::string Threshold::description() const { return join("Threshold(", text(threshold), ", ", text(value), ")"); }
std::string GLU::description() const { return join("GLU(axis ", axis, ")"); }
std::string Softmax::description() const { return join("Softmax(axis ", axis, ")"); }
std::string LogSoftmax::description() const { return join("LogSoftmax(axis ", axis, ")"); }
std::string Flatten::description() const {
  return start_axis == 1 ? "Flatten" : join("Flatten(from axis ", start_axis, ")");
}

PReLU::PReLU(int64_t num_parameters, double init) {
  check_positive("PReLU", "num_parameters", num_parameters);
  weight = Parameter(full({num_parameters}, init));
}

Tensor PReLU::forward(const Tensor& x) {
  check_dtype(*this, x, weight.dtype());
  try {
    return prelu(x, weight);
  } catch (const ShapeError& e) {
    throw_input(*this, e, x.rank() > 1 && x.shape()[1] > 0 ? join("PReLU(", x.shape()[1], ")") : "PReLU()");
  }
}

std::string PReLU::description() const { return join("PReLU(", weight.size(), ")"); }

Dropout::Dropout(double probability) : p(probability) { check_probability("Dropout", p); }

Tensor Dropout::forward(const Tensor& x) {
  if (!training() || p == 0) return x;
  return dropout(x, p, default_generator().next_stream().bits(0));
}

std::string Softmin::description() const { return join("Softmin(", axis, ")"); }

std::string Dropout::description() const { return join("Dropout(", text(p), ")"); }

Dropout2d::Dropout2d(double probability) : p(probability) { check_probability("Dropout2d", p); }

Tensor Dropout2d::forward(const Tensor& x) {
  if (x.rank() != 3 && x.rank() != 4)
    throw_input(*this, join("the input must be [N, C, H, W] or [C, H, W], got ", describe(x)));
  if (!training() || p == 0) return x;
  Shape channels = x.shape();
  channels[x.rank() - 1] = channels[x.rank() - 2] = 1;
  return x * dropout(ones(channels, x.dtype()), p, default_generator().next_stream().bits(0));
}

std::string Dropout2d::description() const { return join("Dropout2d(", text(p), ")"); }

}  // namespace gradus::nn
