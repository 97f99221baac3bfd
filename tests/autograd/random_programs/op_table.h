// The ops that random programs are made of. An op refuses inputs it does not fit, or whose values lie where it is steep, at
// a kink or outside its domain: then another one is tried.
#pragma once

#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gradus::programs {

using X = const std::vector<Tensor>&;

struct Entry {
  const char* name;
  int inputs;
  Tensor (*call)(X x, unsigned p);  ///< p chooses axes, lengths, constants
};

struct Refused {};
/// Values are looked at while a program is written, not when it is run beside its point.
inline bool looking = false;
inline void need(bool fits) {
  if (!fits) throw Refused();
}

inline double lowest(const Tensor& x) {
  double low = INFINITY;
  for (int64_t i = 0; i < x.size(); ++i) low = std::min(low, x.array().element(i));
  return low;
}
inline double highest(const Tensor& x) { return -lowest(-x); }
inline const Tensor& between(const Tensor& x, double low, double high) {
  if (looking) need(lowest(x) >= low && highest(x) <= high);
  return x;
}
/// No element nearer than this to a kink.
inline const Tensor& off(const Tensor& x, double kink, double gap = 0.01) {
  if (looking) need(lowest(abs(x - kink)) >= gap);
  return x;
}
/// No two elements of a node along the axis nearer than this: the order is safe.
inline const Tensor& distinct(const Tensor& x, int along) {
  if (!looking) return x;
  need(x.dim(along) <= 64);
  const Tensor s = sort(x, along).values;
  const int64_t n = s.dim(along);
  if (n > 1) need(lowest(slice(s, along, 1, n) - slice(s, along, 0, n - 1)) >= 0.01);
  return x;
}
inline int axis_of(const Tensor& x, unsigned p) {
  need(x.rank() > 0);
  return static_cast<int>(p % static_cast<unsigned>(x.rank()));
}
inline int64_t pick(unsigned p, int64_t n) { return static_cast<int64_t>(p / 5) % std::max<int64_t>(n, 1); }
inline double number(unsigned p) { return 0.25 * (1 + p % 7); }
inline Tensor matrix(const Tensor& x) {
  need(x.rank() == 2);
  return x;
}
/// As [1, channels, length] or [1, channels, height, width].
inline Tensor image(const Tensor& x) {
  need(x.rank() >= 2 && x.rank() <= 4 && x.dim(-1) >= 2 && x.dim(-2) >= 2);
  return x.rank() == 4 ? x : x.rank() == 3 ? unsqueeze(x, 0) : unsqueeze(unsqueeze(x, 0), 0);
}
inline const Tensor& spread_out(const Tensor& x, int along) {
  if (looking) need(x.dim(along) > 1 && lowest(var(x, {along}, 0)) >= 0.05);
  return x;
}
inline void same_shape(X x) { need(x[0].shape() == x[1].shape()); }
/// Indices below n.
inline Tensor indices(int64_t count, int64_t n, unsigned p) {
  std::vector<int64_t> v;
  for (int64_t i = 0; i < count; ++i) v.push_back((i * 3 + p) % n);
  return Tensor(Array::of({count}, v));
}
/// Weights that are the same for a shape and p.
inline Tensor weights(const Shape& s, unsigned p) { return Tensor(sample_values(s, -0.6, 0.6, 1 + p % 5)); }

template <Tensor (*f)(const Tensor&), int low = -40, int high = 40> Tensor within(X x, unsigned) {
  return f(between(x[0], low / 10.0, high / 10.0));
}
template <Tensor (*f)(const Tensor&)> Tensor kinked(X x, unsigned) { return f(off(x[0], 0)); }

inline std::vector<Entry> elementwise() {
  return {
      {"tanh", 1, within<tanh>},
      {"sigmoid", 1, within<sigmoid>},
      {"softplus", 1, within<softplus>},
      {"gelu", 1, within<gelu>},
      {"gelu_tanh", 1, within<gelu_tanh>},
      {"silu", 1, within<silu>},
      {"mish", 1, within<mish>},
      {"logsigmoid", 1, within<logsigmoid>},
      {"tanhshrink", 1, within<tanhshrink>},
      {"erf", 1, within<erf>},
      {"erfc", 1, within<erfc>},
      {"exp", 1, within<exp, -40, 15>},
      {"expm1", 1, within<expm1, -40, 15>},
      {"exp2", 1, within<exp2, -40, 20>},
      {"log", 1, within<log, 2, 60>},
      {"log1p", 1, within<log1p, -7, 60>},
      {"log2", 1, within<log2, 3, 60>},
      {"log10", 1, within<log10, 2, 60>},
      {"sqrt", 1, within<sqrt, 1, 60>},
      {"rsqrt", 1, within<rsqrt, 3, 60>},
      {"reciprocal", 1, within<reciprocal, 4, 60>},
      {"square", 1, within<square, -22, 22>},
      {"sin", 1, within<sin>},
      {"cos", 1, within<cos>},
      {"tan", 1, within<tan, -10, 10>},
      {"asin", 1, within<asin, -8, 8>},
      {"acos", 1, within<acos, -8, 8>},
      {"atan", 1, within<atan>},
      {"sinh", 1, within<sinh, -15, 15>},
      {"cosh", 1, within<cosh, -15, 15>},
      {"asinh", 1, within<asinh>},
      {"acosh", 1, within<acosh, 13, 60>},
      {"atanh", 1, within<atanh, -8, 8>},
      {"abs", 1, kinked<abs>},
      {"relu", 1, kinked<relu>},
      {"selu", 1, kinked<selu>},
      {"softsign", 1, kinked<softsign>},
      {"neg", 1, [](X x, unsigned) { return -x[0]; }},
      {"leaky_relu", 1, [](X x, unsigned p) { return leaky_relu(off(x[0], 0), 0.1 * number(p)); }},
      {"elu", 1, [](X x, unsigned p) { return elu(off(x[0], 0), number(p)); }},
      {"celu", 1, [](X x, unsigned p) { return celu(off(x[0], 0), number(p)); }},
      {"hardtanh", 1, [](X x, unsigned) { return hardtanh(off(off(x[0], -1), 1)); }},
      {"relu6", 1, [](X x, unsigned) { return relu6(off(x[0], 0)); }},
      {"hardswish", 1, [](X x, unsigned) { return hardswish(off(off(x[0], -3), 3)); }},
      {"hardsigmoid", 1, [](X x, unsigned) { return hardsigmoid(off(off(x[0], -3), 3)); }},
      {"softshrink", 1, [](X x, unsigned) { return softshrink(off(off(x[0], -0.5), 0.5)); }},
      {"hardshrink", 1, [](X x, unsigned) { return hardshrink(off(off(x[0], -0.5), 0.5)); }},
      {"threshold", 1, [](X x, unsigned) { return threshold(off(x[0], 0.3), 0.3, -0.2); }},
      {"clamp", 1, [](X x, unsigned) { return clamp(off(off(x[0], -0.8), 1.2), -0.8, 1.2); }},
      {"times a number", 1, [](X x, unsigned p) { return x[0] * number(p); }},
      {"a number minus", 1, [](X x, unsigned p) { return number(p) - x[0]; }},
      {"a number over", 1, [](X x, unsigned p) { return number(p) / between(x[0], 0.4, 8); }},
      {"cube", 1, [](X x, unsigned) { return pow(between(x[0], -1.6, 1.6), 3); }},
      {"power 1.5", 1, [](X x, unsigned) { return pow(between(x[0], 0.1, 3), 1.5); }},
      {"dropout", 1, [](X x, unsigned p) { return dropout(x[0], 0.3, p); }},
      {"masked_fill", 1, [](X x, unsigned p) { return masked_fill(x[0], weights(x[0].shape(), p) > 0.2, number(p)); }},
      {"add", 2, [](X x, unsigned) { return x[0] + x[1]; }},
      {"sub", 2, [](X x, unsigned) { return x[0] - x[1]; }},
      {"mul", 2, [](X x, unsigned) { return x[0] * x[1]; }},
      {"div", 2, [](X x, unsigned) { return x[0] / off(x[1], 0, 0.4); }},
      {"pow", 2, [](X x, unsigned) { return pow(between(x[0], 0.2, 2.5), between(x[1], -2, 2)); }},
      {"max", 2, [](X x, unsigned) { return off(x[0] - x[1], 0), max(x[0], x[1]); }},
      {"min", 2, [](X x, unsigned) { return off(x[0] - x[1], 0), min(x[0], x[1]); }},
      {"where", 2, [](X x, unsigned) { return off(x[0] - x[1], 0.1), where(x[0] - x[1] > 0.1, x[0], x[1]); }},
      {"hypot", 2, [](X x, unsigned) { return hypot(off(x[0], 0, 0.1), x[1]); }},
      {"atan2", 2, [](X x, unsigned) { return atan2(x[0], between(x[1], 0.3, 8)); }},
      {"logaddexp", 2, [](X x, unsigned) { return logaddexp(x[0], x[1]); }},
      {"xlogy", 2, [](X x, unsigned) { return xlogy(off(x[0], 0), between(x[1], 0.2, 8)); }},
  };
}

inline std::vector<Entry> along_axes() {
  return {
      {"sum", 1, [](X x, unsigned) { return sum(x[0]); }},
      {"sum over an axis", 1, [](X x, unsigned p) { return sum(x[0], {axis_of(x[0], p)}, p % 3 == 0); }},
      {"mean", 1, [](X x, unsigned p) { return mean(x[0], {axis_of(x[0], p)}, p % 2 == 0); }},
      {"var", 1,
       [](X x, unsigned p) {
         return need(x[0].rank() > 0 && x[0].dim(axis_of(x[0], p)) > 1), var(x[0], {axis_of(x[0], p)}, p % 2);
       }},
      {"std", 1, [](X x, unsigned p) { return std(spread_out(x[0], axis_of(x[0], p)), {axis_of(x[0], p)}, p % 2); }},
      {"max over an axis", 1, [](X x, unsigned p) { return max(distinct(x[0], axis_of(x[0], p)), axis_of(x[0], p)); }},
      {"min over an axis", 1, [](X x, unsigned p) { return min(distinct(x[0], axis_of(x[0], p)), axis_of(x[0], p), true); }},
      {"logsumexp", 1, [](X x, unsigned p) { return logsumexp(x[0], axis_of(x[0], p)); }},
      {"softmax", 1, [](X x, unsigned p) { return softmax(x[0], axis_of(x[0], p)); }},
      {"log_softmax", 1, [](X x, unsigned p) { return log_softmax(x[0], axis_of(x[0], p)); }},
      {"norm", 1, [](X x, unsigned p) { return norm(off(x[0], 0, 0.05), p % 2 ? 2 : 3, {axis_of(x[0], p)}); }},
      {"normalize", 1, [](X x, unsigned p) { return normalize(off(x[0], 0, 0.2), axis_of(x[0], p)); }},
      {"prod", 1, [](X x, unsigned p) { return need(x[0].size() <= 64), prod(x[0], axis_of(x[0], p)); }},
      {"cumsum", 1, [](X x, unsigned p) { return cumsum(x[0], axis_of(x[0], p)); }},
      {"cumprod", 1, [](X x, unsigned p) { return need(x[0].size() <= 64), cumprod(x[0], axis_of(x[0], p)); }},
      {"sort", 1, [](X x, unsigned p) { return sort(distinct(x[0], axis_of(x[0], p)), axis_of(x[0], p), p % 2).values; }},
      {"topk", 1,
       [](X x, unsigned p) {
         const int a = axis_of(x[0], p);
         return topk(distinct(x[0], a), 1 + pick(p, x[0].dim(a)), a).values;
       }},
      {"median", 1, [](X x, unsigned p) { return median(distinct(x[0], axis_of(x[0], p)), axis_of(x[0], p)).values; }},
      {"linear_scan", 2, [](X x, unsigned p) { return same_shape(x), linear_scan(tanh(x[0]), x[1], axis_of(x[0], p)); }},
      {"cosine_similarity", 2,
       [](X x, unsigned p) {
         return same_shape(x), cosine_similarity(off(x[0], 0, 0.1), off(x[1], 0, 0.1), axis_of(x[0], p));
       }},
      {"glu", 1, [](X x, unsigned p) { return need(x[0].dim(axis_of(x[0], p)) % 2 == 0), glu(x[0], axis_of(x[0], p)); }},
  };
}

inline std::vector<Entry> arrange() {
  return {
      {"flatten", 1, [](X x, unsigned) { return need(x[0].rank() > 1), flatten(x[0]); }},
      {"reshape", 1,
       [](X x, unsigned p) {
         return need(x[0].size() % (2 + p % 2) == 0), reshape(x[0], {2 + p % 2, -1});
       }},
      {"transpose", 1, [](X x, unsigned p) { return need(x[0].rank() > 1), transpose(x[0], axis_of(x[0], p), -1); }},
      {"unsqueeze", 1, [](X x, unsigned p) { return need(x[0].rank() < 4), unsqueeze(x[0], static_cast<int>(p % 2) - 1); }},
      {"expand", 1,
       [](X x, unsigned p) {
         need(x[0].rank() < 4);
         Shape s{2 + p % 3};
         for (int i = 0; i < x[0].rank(); ++i) s.push_back(x[0].dim(i));
         return expand(x[0], s);
       }},
      {"slice", 1,
       [](X x, unsigned p) {
         const int a = axis_of(x[0], p);
         return need(x[0].dim(a) > 1), slice(x[0], a, pick(p, 2), x[0].dim(a), 1 + p % 2);
       }},
      {"select", 1, [](X x, unsigned p) { return select(x[0], axis_of(x[0], p), pick(p, x[0].dim(axis_of(x[0], p)))); }},
      {"flip", 1, [](X x, unsigned p) { return flip(x[0], {axis_of(x[0], p)}); }},
      {"roll", 1, [](X x, unsigned p) { return roll(x[0], {1 + pick(p, 3)}, {axis_of(x[0], p)}); }},
      {"repeat_interleave", 1, [](X x, unsigned p) { return repeat_interleave(x[0], 2, axis_of(x[0], p)); }},
      {"tril", 1, [](X x, unsigned p) { return need(x[0].rank() > 1), tril(x[0], static_cast<int64_t>(p % 3) - 1); }},
      {"triu", 1, [](X x, unsigned p) { return need(x[0].rank() > 1), triu(x[0], static_cast<int64_t>(p % 3) - 1); }},
      {"diagonal", 1, [](X x, unsigned) { return need(x[0].rank() > 1), diagonal(x[0]); }},
      {"diag_embed", 1, [](X x, unsigned) { return need(x[0].rank() == 1), diag_embed(x[0]); }},
      {"pad", 1,
       [](X x, unsigned p) {
         return need(x[0].rank() > 0), pad(x[0], {pick(p, 3), 1}, Padding::constant, 0.5);
       }},
      {"pad by reflection", 1,
       [](X x, unsigned) {
         return need(x[0].rank() > 1 && x[0].dim(-1) > 1), pad(x[0], {1, 1}, Padding::reflect);
       }},
      {"cat", 2,
       [](X x, unsigned p) {
         const int a = axis_of(x[0], p);
         need(x[0].rank() == x[1].rank());
         for (int i = 0; i < x[0].rank(); ++i) need(i == a || x[0].dim(i) == x[1].dim(i));
         return cat({x[0], x[1]}, a);
       }},
      {"stack", 2,
       [](X x, unsigned) {
         return same_shape(x), need(x[0].rank() < 4), stack({x[0], x[1]}, 0);
       }},
      {"index_select", 1,
       [](X x, unsigned p) {
         const int a = axis_of(x[0], p);
         return index_select(x[0], a, indices(3, x[0].dim(a), p));
       }},
      {"embedding", 1, [](X x, unsigned p) { return embedding(matrix(x[0]), indices(5, x[0].dim(0), p)); }},
      {"take", 1, [](X x, unsigned p) { return take(x[0], indices(4, x[0].size(), p)); }},
      {"unbind", 1, [](X x, unsigned p) { return unbind(x[0], axis_of(x[0], p))[0]; }},
      {"split", 1,
       [](X x, unsigned p) {
         const auto parts = split(x[0], 2, axis_of(x[0], p));
         return parts[p % parts.size()];
       }},
  };
}

inline std::vector<Entry> layers() {
  return {
      {"matmul", 2,
       [](X x, unsigned) {
         need(x[0].rank() >= 2 && x[1].rank() >= 2 && x[0].dim(-1) == x[1].dim(-2));
         return matmul(x[0], x[1]);
       }},
      {"matmul of a transpose", 2,
       [](X x, unsigned) {
         need(x[0].rank() == 2 && x[1].rank() == 2 && x[0].dim(1) == x[1].dim(1));
         return matmul(x[0], transpose(x[1], 0, 1)) * 0.5;
       }},
      {"linear", 1,
       [](X x, unsigned p) {
         return need(x[0].rank() > 0), linear(x[0], weights({3, x[0].dim(-1)}, p), weights({3}, p));
       }},
      {"linear with weights", 2,
       [](X x, unsigned) {
         need(x[0].rank() > 0 && x[1].rank() == 2 && x[0].dim(-1) == x[1].dim(1));
         return linear(x[0], x[1]);
       }},
      {"outer", 2, [](X x, unsigned) { return need(x[0].rank() == 1 && x[1].rank() == 1), outer(x[0], x[1]); }},
      {"einsum ij,kj->ki", 2,
       [](X x, unsigned) {
         need(x[0].rank() == 2 && x[1].rank() == 2 && x[0].dim(1) == x[1].dim(1));
         return einsum("ij,kj->ki", {x[0], x[1]}) * 0.5;
       }},
      {"attention", 2,
       [](X x, unsigned p) {
         need(x[0].rank() == 2 && x[1].rank() == 2 && x[0].dim(1) == x[1].dim(1));
         return scaled_dot_product_attention(x[0], x[1], x[1], {.causal = p % 2 == 0});
       }},
      {"conv1d", 1,
       [](X x, unsigned p) {
         need(x[0].rank() == 3 && x[0].dim(2) >= 2);
         return conv1d(x[0], weights({2, x[0].dim(1), 2}, p), weights({2}, p), {.stride = 1 + p % 2, .padding = 1});
       }},
      {"conv2d", 1,
       [](X x, unsigned p) {
         const Tensor im = image(x[0]);
         return conv2d(im, weights({2, im.dim(1), 2, 2}, p), weights({2}, p), {.padding = p % 2});
       }},
      {"conv2d with weights", 2,
       [](X x, unsigned) {
         need(x[0].rank() == 4 && x[1].rank() == 4 && x[0].dim(1) == x[1].dim(1) && x[1].dim(2) <= x[0].dim(2) &&
              x[1].dim(3) <= x[0].dim(3));
         return conv2d(x[0], x[1]);
       }},
      {"conv_transpose2d", 1,
       [](X x, unsigned p) {
         const Tensor im = image(x[0]);
         return conv_transpose2d(im, weights({im.dim(1), 2, 2, 2}, p), {}, {.stride = 1 + p % 2});
       }},
      {"max_pool2d", 1,
       [](X x, unsigned) {
         const Tensor im = image(x[0]);
         return distinct(flatten(im), 0), max_pool2d(im, 2, {.stride = 1});
       }},
      {"avg_pool2d", 1, [](X x, unsigned p) { return avg_pool2d(image(x[0]), 2, {.stride = 1 + p % 2, .padding = p % 2}); }},
      {"adaptive_avg_pool2d", 1, [](X x, unsigned) { return adaptive_avg_pool2d(image(x[0]), 2); }},
      {"interpolate", 1,
       [](X x, unsigned p) {
         return interpolate(image(x[0]), 3, p % 2 ? Interpolation::bilinear : Interpolation::nearest);
       }},
      {"layer_norm", 1,
       [](X x, unsigned p) {
         need(x[0].rank() > 0);
         const int64_t n = x[0].dim(-1);
         return layer_norm(spread_out(x[0], -1), {n}, weights({n}, p) + 1.0, weights({n}, p + 1));
       }},
      {"rms_norm", 1, [](X x, unsigned) { return need(x[0].rank() > 0), rms_norm(off(x[0], 0, 0.1), {x[0].dim(-1)}); }},
      {"batch_norm", 1,
       [](X x, unsigned p) {
         const int64_t c = matrix(x[0]).dim(1);
         return batch_norm(spread_out(x[0], 0), weights({c}, p) + 1.0, weights({c}, p + 1)).y;
       }},
      {"instance_norm", 1, [](X x, unsigned) { return need(x[0].rank() == 3), instance_norm(spread_out(x[0], 2)); }},
      {"mse_loss", 2,
       [](X x, unsigned p) { return same_shape(x), mse_loss(x[0], x[1], p % 2 ? Reduction::mean : Reduction::none); }},
      {"cross_entropy", 1,
       [](X x, unsigned p) {
         const int64_t n = matrix(x[0]).dim(0), classes = x[0].dim(1);
         return cross_entropy(x[0], indices(n, classes, p), p % 2 ? Reduction::mean : Reduction::none);
       }},
      {"gru_cell", 2,
       [](X x, unsigned p) {
         need(x[0].rank() == 2 && x[1].rank() == 2 && x[0].dim(0) == x[1].dim(0));
         const int64_t f = x[0].dim(1), h = x[1].dim(1);
         const Tensor bias = weights({3 * h}, p);
         return gru_cell(x[0], x[1], {weights({3 * h, f}, p), weights({3 * h, h}, p + 1), bias, bias});
       }},
      {"lstm_cell", 2,
       [](X x, unsigned p) {
         need(x[0].rank() == 2 && x[1].rank() == 2 && x[0].dim(0) == x[1].dim(0));
         const int64_t f = x[0].dim(1), h = x[1].dim(1);
         const CellWeights w{weights({4 * h, f}, p), weights({4 * h, h}, p + 1)};
         const LstmState s = lstm_cell(x[0], {x[1], x[1] * 0.5}, w);
         return s.h + 0.5 * s.c;
       }},
  };
}

inline std::vector<Entry> op_table() {
  std::vector<Entry> all;
  for (const auto& part : {elementwise(), along_axes(), arrange(), layers()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace gradus::programs
