// The normalisations that need no batch: LayerNorm, RMSNorm, GroupNorm and InstanceNorm.
#include <gradus/nn/layers/norm.h>

#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

void check_norm_eps(const char* layer, double eps) {
  if (!(eps >= 0)) throw Error(layer, join("eps must not be negative, got ", text(eps)));
}

void check_normalized_shape(const char* layer, const Shape& s) {
  if (s.rank() == 0) throw ShapeError(layer, "normalized_shape must name at least one axis, got []");
  for (const int64_t n : s) check_positive(layer, "each length of normalized_shape", n);
}

/// "64", or "[3,4]" of several axes.
std::string short_text(const Shape& s) { return s.rank() == 1 ? join(s[0]) : to_string(s); }

/// The last `count` axes of x, as a line of code that makes the layer fit; "" if x has not so many, or an empty one.
std::string norm_for(const char* layer, const Shape& x, int count) {
  if (x.rank() < count) return "";
  const Shape last(x.begin() + (x.rank() - count), count);
  for (const int64_t n : last)
    if (n < 1) return "";
  if (count == 1) return join(layer, "(", last[0], ")");
  std::string list;
  for (const int64_t n : last) list += join(list.empty() ? "" : ", ", n);
  return join(layer, "({", list, "})");
}

void check_last_axes(const ModuleBase& layer, const Tensor& x, const Shape& shape) {
  const int rank = shape.rank(), first = x.rank() - rank;
  bool fits = first >= 0;
  for (int i = 0; fits && i < rank; ++i) fits = x.shape()[first + i] == shape[i];
  if (!fits)
    throw_input(layer,
                join("the last ", rank == 1 ? "axis" : "axes", " of the input must be ", shape, ", got ", describe(x)),
                norm_for(layer.type_name().c_str(), x.shape(), rank));
}

void check_norm_dtype(const ModuleBase& layer, const Tensor& x, const Parameter& weight) {
  check_dtype(layer, x, weight.defined() ? weight.dtype() : is_real(x.dtype()) ? x.dtype() : f32);
}

void check_channels(const ModuleBase& layer, const Tensor& x, int64_t got, int64_t wanted, int axis,
                    const std::string& hint) {
  if (got == wanted) return;
  throw_input(layer,
              join("the input has ", got, got == 1 ? " channel" : " channels", " (axis ", axis, "), the layer has ", wanted,
                   ": input ", describe(x)),
              got > 0 ? hint : "");
}

}  // namespace

LayerNorm::LayerNorm(const Shape& shape, LayerNormOptions o) : normalized_shape(shape), options(o) {
  check_normalized_shape("LayerNorm", shape);
  check_norm_eps("LayerNorm", o.eps);
  if (!o.elementwise_affine) return;
  weight = Parameter(ones(shape));
  if (o.bias) bias = Parameter(zeros(shape));
}

Tensor LayerNorm::forward(const Tensor& x) {
  check_norm_dtype(*this, x, weight);
  check_last_axes(*this, x, normalized_shape);
  return layer_norm(x, normalized_shape, weight, bias, options.eps);
}

std::string LayerNorm::description() const {
  return join("LayerNorm(", short_text(normalized_shape),
              !weight.defined() ? ", not affine)"
              : bias.defined()  ? ")"
                                : ", no bias)");
}

RMSNorm::RMSNorm(const Shape& shape, RMSNormOptions o) : normalized_shape(shape), options(o) {
  check_normalized_shape("RMSNorm", shape);
  if (o.eps) check_norm_eps("RMSNorm", *o.eps);
  if (o.elementwise_affine) weight = Parameter(ones(shape));
}

Tensor RMSNorm::forward(const Tensor& x) {
  check_norm_dtype(*this, x, weight);
  check_last_axes(*this, x, normalized_shape);
  return rms_norm(x, normalized_shape, weight, options.eps.value_or(x.dtype() == f32 ? 0x1p-23 : 0x1p-52));
}

std::string RMSNorm::description() const {
  return join("RMSNorm(", short_text(normalized_shape), weight.defined() ? ")" : ", not affine)");
}

GroupNorm::GroupNorm(int64_t groups, int64_t channels, GroupNormOptions o)
    : num_groups(groups), num_channels(channels), options(o) {
  check_positive("GroupNorm", "num_groups", groups);
  check_positive("GroupNorm", "num_channels", channels);
  check_norm_eps("GroupNorm", o.eps);
  if (channels % groups != 0)
    throw ShapeError("GroupNorm", join(channels, " channels do not divide into ", groups, " groups"));
  if (!o.affine) return;
  weight = Parameter(ones({channels}));
  bias = Parameter(zeros({channels}));
}

Tensor GroupNorm::forward(const Tensor& x) {
  check_norm_dtype(*this, x, weight);
  if (x.rank() < 2) throw_input(*this, join("the input must be [N, C, ..], got ", describe(x)));
  const int64_t got = x.shape()[1];
  check_channels(*this, x, got, num_channels, 1,
                 got % num_groups == 0 ? join("GroupNorm(", num_groups, ", ", got, ")") : "");
  try {
    return group_norm(x, num_groups, weight, bias, options.eps);
  } catch (const ShapeError& e) {
    throw_input(*this, e);
  }
}

std::string GroupNorm::description() const {
  return join("GroupNorm(", num_groups, ", ", num_channels, options.affine ? ")" : ", not affine)");
}

InstanceNorm::InstanceNorm(const char* layer, int64_t features, InstanceNormOptions o) : num_features(features), options(o) {
  check_positive(layer, "num_features", features);
  check_norm_eps(layer, o.eps);
  if (o.track_running_stats)
    throw Error(layer, "track_running_stats is not supported: a channel's own statistics are used in eval mode, too",
                join(layer, "(", features, "), or BatchNorm", layer + std::char_traits<char>::length("InstanceNorm")));
  if (!o.affine) return;
  weight = Parameter(ones({features}));
  bias = Parameter(zeros({features}));
}

Tensor InstanceNorm::normalise(const ModuleBase& layer, const Tensor& x, const char* wanted, int rank) {
  check_norm_dtype(layer, x, weight);
  if (x.rank() != rank && x.rank() != rank - 1)
    throw_input(layer, join("the input must be ", wanted, ", got ", describe(x)));
  const int axis = x.rank() == rank ? 1 : 0;
  const int64_t got = x.shape()[axis];
  check_channels(layer, x, got, num_features, axis, join(layer.type_name(), "(", got, ")"));
  try {
    if (axis == 1) return instance_norm(x, weight, bias, options.eps);
    return squeeze(instance_norm(unsqueeze(x, 0), weight, bias, options.eps), 0);
  } catch (const ShapeError& e) {
    throw_input(layer, e);
  }
}

std::string InstanceNorm::describe_as(const char* layer) const {
  return join(layer, "(", num_features, options.affine ? ", affine)" : ")");
}

InstanceNorm1d::InstanceNorm1d(int64_t features, InstanceNormOptions o) : InstanceNorm("InstanceNorm1d", features, o) {}
Tensor InstanceNorm1d::forward(const Tensor& x) { return normalise(*this, x, "[N, C, L] or [C, L]", 3); }
std::string InstanceNorm1d::description() const { return describe_as("InstanceNorm1d"); }

InstanceNorm2d::InstanceNorm2d(int64_t features, InstanceNormOptions o) : InstanceNorm("InstanceNorm2d", features, o) {}
Tensor InstanceNorm2d::forward(const Tensor& x) { return normalise(*this, x, "[N, C, H, W] or [C, H, W]", 4); }
std::string InstanceNorm2d::description() const { return describe_as("InstanceNorm2d"); }

}  // namespace gradus::nn
