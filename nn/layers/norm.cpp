#include <gradus/nn/layers/norm.h>

#include <gradus/nn/layers/internal/check_input.h>

#include <algorithm>

namespace gradus::nn {
namespace {

/// running = (1 - share) running + share latest.
void blend(Buffer& running, const Array& latest, double share) {
  visit_real(running.dtype(), [&]<class T>() {
    T* to = running.writable().write<T>("BatchNorm");
    const T* from = latest.data<T>();
    for (int64_t i = 0; i < latest.size(); ++i) to[i] = static_cast<T>((1 - share) * to[i] + share * from[i]);
  });
}

}  // namespace

BatchNorm::BatchNorm(const char* layer, int64_t features, BatchNormOptions o)
    : num_features(features),
      options(o),
      running_mean(zeros({std::max<int64_t>(features, 0)})),
      running_var(ones({std::max<int64_t>(features, 0)})),
      num_batches_tracked(zeros({}, i64)) {
  check_positive(layer, "num_features", features);
  if (!(o.eps >= 0)) throw Error(layer, join("eps must not be negative, got ", text(o.eps)));
  if (!(o.momentum >= 0 && o.momentum <= 1)) throw Error(layer, join("momentum must lie in [0, 1], got ", text(o.momentum)));
  if (!o.affine) return;
  weight = Parameter(ones({features}));
  bias = Parameter(zeros({features}));
}

Tensor BatchNorm::normalise(const ModuleBase& layer, const Tensor& x, const char* wanted, bool rank_fits) {
  check_dtype(layer, x, running_mean.dtype());
  if (!rank_fits) throw_input(layer, join("the input must be ", wanted, ", got ", describe(x)));
  if (const int64_t got = x.shape()[1]; got != num_features)
    throw_input(layer,
                join("the input has ", got, got == 1 ? " channel" : " channels", " (axis 1), the layer has ", num_features,
                     ": input ", describe(x)),
                got > 0 ? join(layer.type_name(), "(", got, ")") : "");
  return layer.training() ? with_batch(layer, x) : with_running(x);
}

Tensor BatchNorm::with_batch(const ModuleBase& layer, const Tensor& x) {
  const Tensor scale = weight.defined() ? weight.tensor() : ones({num_features}, x.dtype());
  const Tensor shift = bias.defined() ? bias.tensor() : zeros({num_features}, x.dtype());
  BatchNormResult result = [&] {
    try {
      return batch_norm(x, scale, shift, options.eps);
    } catch (const ShapeError& e) {
      throw_input(layer, e);
    }
  }();
  blend(running_mean, result.mean, options.momentum);
  blend(running_var, result.variance, options.momentum);
  ++*num_batches_tracked.writable().write<int64_t>("BatchNorm");
  return result.y;
}

/// One multiplication and one addition an element: the running numbers are folded into weight and bias first.
Tensor BatchNorm::with_running(const Tensor& x) const {
  const Tensor inverse = 1.0 / sqrt(running_var + options.eps);
  const Tensor scale = weight.defined() ? weight * inverse : inverse;
  const Tensor moved = running_mean * scale, shift = bias.defined() ? bias - moved : -moved;
  Shape axes{num_features};
  while (axes.rank() < x.rank() - 1) axes.push_back(1);
  const Tensor scaled = x * scale.reshape(axes);  // two lines: the order of operands is no language rule, that of a trace is
  return scaled + shift.reshape(axes);
}

std::string BatchNorm::describe_as(const char* layer) const {
  return join(layer, "(", num_features, options.affine ? ")" : ", not affine)");
}

BatchNorm2d::BatchNorm2d(int64_t features, BatchNormOptions o) : BatchNorm("BatchNorm2d", features, o) {}
Tensor BatchNorm2d::forward(const Tensor& x) { return normalise(*this, x, "[N, C, H, W]", x.rank() == 4); }
std::string BatchNorm2d::description() const { return describe_as("BatchNorm2d"); }

BatchNorm1d::BatchNorm1d(int64_t features, BatchNormOptions o) : BatchNorm("BatchNorm1d", features, o) {}
Tensor BatchNorm1d::forward(const Tensor& x) {
  return normalise(*this, x, "[N, C] or [N, C, L]", x.rank() == 2 || x.rank() == 3);
}
std::string BatchNorm1d::description() const { return describe_as("BatchNorm1d"); }

}  // namespace gradus::nn
