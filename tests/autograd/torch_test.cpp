// Values and first gradients against PyTorch (tests/vectors/make_op_vectors.py, which names the version).
#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/io/safetensors.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

using namespace gradus;

namespace {

using In = std::vector<Tensor>;
using Out = std::vector<Tensor>;
using Call = std::function<Out(const In&)>;
using Cases = std::map<std::string, Call>;

constexpr double inf = std::numeric_limits<double>::infinity();

Call one(Tensor (*f)(const Tensor&)) {
  return [f](const In& x) { return Out{f(x[0])}; };
}
Call two(Tensor (*f)(const Tensor&, const Tensor&)) {
  return [f](const In& x) { return Out{f(x[0], x[1])}; };
}
Call call(Tensor (*f)(const In&)) {
  return [f](const In& x) { return Out{f(x)}; };
}
/// `values` broadcast against an input, in its dtype.
Tensor row(const Tensor& like, const std::vector<double>& values) {
  return Tensor(Array::of<double>({static_cast<int64_t>(values.size())}, values).to(like.dtype()));
}

void elementwise(Cases& c) {
  c["sin"] = one(sin), c["cos"] = one(cos), c["tan"] = one(tan), c["asin"] = one(asin), c["acos"] = one(acos);
  c["atan"] = one(atan), c["sinh"] = one(sinh), c["cosh"] = one(cosh), c["tanh"] = one(tanh);
  c["asinh"] = one(asinh), c["acosh"] = one(acosh), c["atanh"] = one(atanh);
  c["exp"] = one(exp), c["expm1"] = one(expm1), c["exp2"] = one(exp2), c["log"] = one(log), c["log1p"] = one(log1p);
  c["log2"] = one(log2), c["log10"] = one(log10), c["sqrt"] = one(sqrt), c["rsqrt"] = one(rsqrt);
  c["reciprocal"] = one(reciprocal), c["erf"] = one(erf), c["erfc"] = one(erfc), c["abs"] = one(abs);
  c["neg"] = one(operator-), c["sign"] = one(sign), c["square"] = one(square), c["floor"] = one(floor);
  c["ceil"] = one(ceil), c["trunc"] = one(trunc), c["round"] = one(round), c["frac"] = one(frac);
  c["sigmoid"] = one(sigmoid), c["relu"] = one(relu), c["gelu"] = one(gelu), c["gelu_tanh"] = one(gelu_tanh);
  c["silu"] = one(silu), c["softplus"] = one(softplus), c["mish"] = one(mish), c["softsign"] = one(softsign);
  c["logsigmoid"] = one(logsigmoid), c["tanhshrink"] = one(tanhshrink), c["selu"] = one(selu), c["relu6"] = one(relu6);
  c["hardsigmoid"] = one(hardsigmoid), c["hardswish"] = one(hardswish);
  c["leaky_relu"] = call([](const In& x) { return leaky_relu(x[0]); });
  c["elu"] = call([](const In& x) { return elu(x[0]); });
  c["hardtanh"] = call([](const In& x) { return hardtanh(x[0]); });
  c["hardshrink"] = call([](const In& x) { return hardshrink(x[0]); });
  c["softshrink"] = call([](const In& x) { return softshrink(x[0]); });
  c["celu"] = call([](const In& x) { return celu(x[0], 1.4); });
  c["threshold"] = call([](const In& x) { return threshold(x[0], 0.3, -1.5); });
  c["clamp"] = call([](const In& x) { return clamp(x[0], -0.7, 1.1); });
  c["pow_number"] = call([](const In& x) { return pow(x[0], 3.0); });
  c["glu"] = call([](const In& x) { return glu(x[0]); });
  c["add"] = two(operator+), c["sub"] = two(operator-), c["mul"] = two(operator*), c["div"] = two(operator/);
  c["maximum"] = two(maximum), c["minimum"] = two(minimum), c["atan2"] = two(atan2), c["hypot"] = two(hypot);
  c["logaddexp"] = two(logaddexp), c["xlogy"] = two(xlogy), c["pow"] = two(pow), c["fmod"] = two(fmod);
  c["remainder"] = two(remainder), c["prelu"] = two(prelu);
  c["where"] = call([](const In& x) { return where(x[0] > x[1], x[0] * x[1], x[1]); });
}

void along_axes(Cases& c) {
  c["sum"] = call([](const In& x) { return sum(x[0], {0, 2}); });
  c["mean"] = call([](const In& x) { return mean(x[0], {0, 2}); });
  c["var"] = call([](const In& x) { return var(x[0], {0, 2}); });
  c["std"] = call([](const In& x) { return gradus::std(x[0], {1}); });
  c["logsumexp"] = call([](const In& x) { return logsumexp(x[0], {1, 2}); });
  c["logsumexp of infinities"] = call([](const In& x) {
    const Tensor first(Array::of<bool>({2, 1}, {true, false}));
    return slice(logsumexp(where(first, x[0], Tensor(-inf)), 1), 0, 0, 1);
  });
  for (const auto& [name, p] :
       std::map<std::string, double>{{"0", 0}, {"1", 1}, {"2", 2}, {"3", 3}, {"1.5", 1.5}, {"inf", inf}, {"-inf", -inf}})
    c["norm " + name] = [p = p](const In& x) { return Out{norm(x[0], p, {1})}; };
  c["norm of zero"] = call([](const In& x) { return norm(x[0] * 0.0, 2, {1}); });
  c["cosine_similarity"] = call([](const In& x) { return cosine_similarity(x[0], x[1]); });
  c["normalize"] = call([](const In& x) { return normalize(x[0]); });
  c["prod"] = call([](const In& x) { return prod(x[0], 1); });
  c["prod of zeros"] = call([](const In& x) { return prod(x[0] * row(x[0], {1, 0, 1, 1}), 1); });
  c["cumsum"] = call([](const In& x) { return cumsum(x[0], 0); });
  c["cumprod"] = call([](const In& x) { return cumprod(x[0], 1); });
  c["cumprod of zeros"] = call([](const In& x) { return cumprod(x[0] * row(x[0], {1, 0, 1, 0, 1}), 1); });
  c["max"] = call([](const In& x) { return max(x[0], 1); });
  c["min"] = call([](const In& x) { return min(x[0], 0); });
  c["sort"] = call([](const In& x) { return sort(x[0], 1).values; });
  c["sort descending"] = call([](const In& x) { return sort(x[0], 0, true).values; });
  c["topk"] = call([](const In& x) { return topk(x[0], 2).values; });
  c["kthvalue"] = call([](const In& x) { return kthvalue(x[0], 2).values; });
  c["median"] = call([](const In& x) { return median(x[0], 1).values; });
  c["softmax"] = call([](const In& x) { return softmax(x[0], 1); });
  c["log_softmax"] = call([](const In& x) { return log_softmax(x[0], 1); });
}

void arranged(Cases& c) {
  c["pad constant"] = call([](const In& x) { return pad(x[0], {1, 2, 0, 3}, Padding::constant, 1.5); });
  c["pad negative"] = call([](const In& x) { return pad(x[0], {-1, 2, 0, -1}); });
  c["pad reflect"] = call([](const In& x) { return pad(x[0], {1, 2, 2, 1}, Padding::reflect); });
  c["pad replicate"] = call([](const In& x) { return pad(x[0], {3, 2, 1, 4}, Padding::replicate); });
  c["pad circular"] = call([](const In& x) { return pad(x[0], {4, 2, 1, 3}, Padding::circular); });
  c["flip"] = call([](const In& x) { return flip(x[0], {0, 2}); });
  c["roll"] = call([](const In& x) { return roll(x[0], {2, -7}, {0, 1}); });
  c["tril"] = call([](const In& x) { return tril(x[0], 1); });
  c["triu"] = call([](const In& x) { return triu(x[0], -1); });
  c["diagonal"] = call([](const In& x) { return diagonal(x[0], 1, 0, 2); });
  c["diagonal swapped"] = call([](const In& x) { return diagonal(x[0], 1, 2, 0); });
  c["diag_embed"] = call([](const In& x) { return diag_embed(x[0], -1); });
  c["repeat"] = call([](const In& x) { return repeat(x[0], {2, 1, 3}); });
  c["repeat_interleave"] = call([](const In& x) { return repeat_interleave(x[0], 3, 1); });
  c["chunk"] = [](const In& x) { return chunk(x[0], 3); };
  c["unbind"] = [](const In& x) { return unbind(x[0], 1); };
  c["movedim"] = call([](const In& x) { return movedim(x[0], 0, 2); });
  c["index_select"] = call([](const In& x) { return index_select(x[0], 0, x[1]); });
  c["index_add"] = call([](const In& x) { return index_add(x[0], 0, x[1], x[2]); });
  c["take"] = two(take), c["embedding"] = two(embedding), c["masked_select"] = two(masked_select);
  c["take_along_dim"] = call([](const In& x) { return take_along_dim(x[0], x[1], 1); });
  c["gather"] = call([](const In& x) { return gather(x[0], 1, x[1]); });
  c["masked_fill"] = call([](const In& x) { return masked_fill(x[0], x[1], 7); });
}

void products(Cases& c) {
  c["matmul"] = two(matmul), c["outer"] = two(outer), c["dot"] = two(dot);
  c["linear"] = call([](const In& x) { return linear(x[0], x[1], x[2]); });
  for (const char* text :
       {"ij,jk->ik", "ij,jk", "ii->i", "ii", "bqhd,bkhd->bhqk", "bi,oij,bj->bo", "abc,bd->ad", "ji,j->i", "iij->j"})
    c[std::string("einsum ") + text] = [text](const In& x) { return Out{einsum(text, x)}; };
  c["attention"] = call([](const In& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); });
  c["attention causal"] = call([](const In& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.causal = true}); });
  const Call masked = call([](const In& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.mask = x[3]}); });
  c["attention masked"] = masked, c["attention added"] = masked;
}

void images(Cases& c) {
  c["conv2d"] = call([](const In& x) {
    return conv2d(x[0], x[1], x[2], {.stride = {2, 1}, .padding = {1, 0}, .dilation = {1, 2}, .groups = 2});
  });
  c["conv1d"] =
      call([](const In& x) { return conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .dilation = 2, .groups = 2}); });
  c["conv_transpose2d"] = call([](const In& x) {
    return conv_transpose2d(
        x[0], x[1], x[2], {.stride = {2, 3}, .padding = {1, 0}, .output_padding = {1, 2}, .dilation = {2, 1}, .groups = 2});
  });
  c["conv_transpose1d"] =
      call([](const In& x) { return conv_transpose1d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .output_padding = 1}); });
  c["max_pool2d"] = call([](const In& x) { return max_pool2d(x[0], 3, {.stride = 2, .padding = 1}); });
  c["avg_pool2d"] = call([](const In& x) { return avg_pool2d(x[0], 3, {.stride = 2, .padding = 1}); });
  c["adaptive_avg_pool2d"] = call([](const In& x) { return adaptive_avg_pool2d(x[0], {3, 4}); });
  c["adaptive_max_pool2d"] = call([](const In& x) { return adaptive_max_pool2d(x[0], {3, 4}); });
  for (const auto& [label, size] : std::map<std::string, Pair>{{"larger", {7, 6}}, {"smaller", {2, 3}}}) {
    c["interpolate nearest, " + label] = [s = size](const In& x) { return Out{interpolate(x[0], s)}; };
    for (const bool corners : {false, true})
      for (const auto& [name, mode] :
           std::map<std::string, Interpolation>{{"bilinear", Interpolation::bilinear}, {"bicubic", Interpolation::bicubic}})
        c["interpolate " + name + (corners ? " corners, " : ", ") + label] = [s = size, m = mode, corners](const In& x) {
          return Out{interpolate(x[0], s, m, corners)};
        };
  }
}

void layers(Cases& c) {
  c["layer_norm"] = call([](const In& x) { return layer_norm(x[0], {3, 4}, x[1], x[2]); });
  c["rms_norm"] = call([](const In& x) { return rms_norm(x[0], {4}, x[1], 1e-6); });
  c["group_norm"] = call([](const In& x) { return group_norm(x[0], 2, x[1], x[2]); });
  c["instance_norm"] = call([](const In& x) { return instance_norm(x[0], x[1], x[2]); });
  c["batch_norm"] = call([](const In& x) { return batch_norm(x[0], x[1], x[2]).y; });
  c["cross_entropy"] = call([](const In& x) { return cross_entropy(x[0], x[1]); });
  c["mse_loss"] = call([](const In& x) { return mse_loss(x[0], x[1]); });
  c["lstm_cell"] = [](const In& x) {
    const LstmState s = lstm_cell(x[0], {x[1], x[2]}, {x[3], x[4], x[5], x[6]});
    return Out{s.h, s.c};
  };
  c["gru_cell"] = call([](const In& x) { return gru_cell(x[0], x[1], {x[2], x[3], x[4], x[5]}); });
  c["rnn_cell"] = call([](const In& x) { return rnn_cell(x[0], x[1], {x[2], x[3], x[4], x[5]}); });
}

void linear_algebra(Cases& c) {
  const auto regular = [](const Tensor& a) { return a + 6.0 * eye(a.dim(-1), a.dtype()); };
  c["solve"] = [=](const In& x) { return Out{solve(regular(x[0]), x[1])}; };
  c["inverse"] = [=](const In& x) { return Out{inverse(regular(x[0]))}; };
  c["det"] = [=](const In& x) { return Out{det(regular(x[0]))}; };
  c["cholesky"] = call([](const In& x) { return cholesky(matmul(x[0], transpose(x[0], -2, -1)) + eye(3, x[0].dtype())); });
  c["svd high"] = c["svd wide"] = [](const In& x) {
    const auto [u, s, vh] = svd(x[0]);
    return Out{square(u), s, square(vh)};
  };
  c["lerp"] = call([](const In& x) { return lerp(x[0], x[1], x[2]); });
  c["addmm"] = call([](const In& x) { return addmm(x[0], x[1], x[2], 0.5, 2); });
  c["trace"] = one(trace);
  c["cdist"] = call([](const In& x) { return cdist(x[0], x[1]); });
  c["amax"] = call([](const In& x) { return amax(x[0], {0, -1}); });
  c["amin"] = call([](const In& x) { return amin(x[0], {1}, true); });
  c["nan_to_num"] = call([](const In& x) { return nan_to_num(x[0]) * x[0]; });
  c["logcumsumexp"] = call([](const In& x) { return logcumsumexp(x[0], 1); });
  c["logcumsumexp of infinities"] = call([](const In& x) {
    const Tensor out(Array::of<bool>({4, 1}, {true, true, false, true}));
    return slice(logcumsumexp(where(out, Tensor(-inf), x[0]), 0), 0, 2, 4);
  });
}

void vision(Cases& c) {
  static const UnfoldOptions options{.dilation = {2, 1}, .padding = {1, 2}, .stride = {1, 3}};
  c["unfold"] = call([](const In& x) { return unfold(x[0], 2); });
  c["unfold options"] = call([](const In& x) { return unfold(x[0], {2, 3}, options); });
  c["fold"] = call([](const In& x) { return fold(x[0], {3, 4}, 2); });
  c["fold options"] = call([](const In& x) { return fold(x[0], {5, 6}, {2, 3}, options); });
  for (const auto& [mode, m] :
       std::map<std::string, Interpolation>{{"bilinear", Interpolation::bilinear}, {"nearest", Interpolation::nearest}})
    for (const auto& [padding, p] : std::map<std::string, GridPadding>{
             {"zeros", GridPadding::zeros}, {"border", GridPadding::border}, {"reflection", GridPadding::reflection}})
      for (const bool corners : {false, true}) {
        const GridSampleOptions o{.mode = m, .padding_mode = p, .align_corners = corners};
        c[join("grid_sample ", mode, " ", padding, corners ? " corners" : "")] = [o](const In& x) {
          return Out{grid_sample(x[0], x[1], o)};
        };
      }
  c["affine_grid"] = call([](const In& x) { return affine_grid(x[0], {2, 1, 3, 4}); });
  c["affine_grid corners"] = call([](const In& x) { return affine_grid(x[0], {2, 1, 3, 4}, true); });
  const auto align = [](RoiAlignOptions o) {
    const Tensor boxes = tensor<double>(
        {5, 5}, {0, 0.3, 0.2, 3.1, 2.7, 1, -1.4, 1.1, 2.2, 6.8, 1, 2.1, 2.2, 2.4, 2.9, 0, 3, 3, 1, 1, 0, 20, 20, 30, 30});
    return [=](const In& x) { return Out{roi_align(x[0], boxes, {2, 3}, o)}; };
  };
  c["roi_align"] = align({}), c["roi_align ratio"] = align({.sampling_ratio = 2});
  c["roi_align aligned"] = align({.sampling_ratio = 2, .aligned = true});
  c["roi_align scaled"] = align({.spatial_scale = 0.5, .aligned = true});
  c["roi_align small"] = align({.spatial_scale = 0.25, .sampling_ratio = 3});
  const auto corners_of = [](const Tensor& x) {
    const Tensor corner = slice(x, 1, 0, 2);
    return cat({corner, corner + abs(slice(x, 1, 2, 4))}, 1);
  };
  c["box_iou"] = [=](const In& x) { return Out{box_iou(corners_of(x[0]), corners_of(x[1]))}; };
  for (const auto& [name, threshold] : std::map<std::string, double>{{"0.0", 0}, {"0.3", 0.3}, {"0.8", 0.8}})
    c["nms " + name] = [=, t = threshold](const In& x) { return Out{nms(corners_of(x[0]), x[1], t).to(x[0].dtype())}; };
}

double distance(const Array& a, const Array& b) {
  if (!(a.shape() == b.shape())) return inf;
  double most = 0, top = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::fabs(a.element(i) - b.element(i)));
    top = std::max(top, std::fabs(b.element(i)));
  }
  return std::isnan(most) ? inf : top > 0 ? most / top : most;
}

Tensor seed(const Tensor& y) {
  Array s(y.shape(), f64);
  for (int64_t i = 0; i < s.size(); ++i) s.uninitialized<double>()[i] = static_cast<double>(37 * i % 101) / 50 - 1;
  return Tensor(s.to(y.dtype()));
}

struct Worst {
  double value = 0, gradient = 0;
};

/// The largest distance of a value and of a gradient from PyTorch's.
Worst compare(const std::map<std::string, Array>& v, const std::string& name, const Call& f, Dtype dtype) {
  In x;
  std::vector<Tensor> leaves;
  std::vector<Array> expected;
  for (int k = 0; v.contains(join(name, "|in", k)); ++k) {
    const Array& a = v.at(join(name, "|in", k));
    x.emplace_back(is_real(a.dtype()) ? a.to(dtype) : a);
    if (!is_real(a.dtype())) continue;
    leaves.push_back(x.back().requires_grad_());
    expected.push_back(v.at(join(name, "|grad", k)));
  }
  Worst w;
  std::vector<Tensor> roots, seeds;
  const Out y = f(x);
  CHECK_FALSE(v.contains(join(name, "|out", y.size())));
  for (std::size_t k = 0; k < y.size(); ++k) {
    REQUIRE(v.contains(join(name, "|out", k)));
    CHECK(y[k].dtype() == dtype);
    w.value = std::max(w.value, distance(y[k].array(), v.at(join(name, "|out", k))));
    if (y[k].requires_grad()) roots.push_back(y[k]), seeds.push_back(seed(y[k]));
  }
  if (roots.empty()) return w;
  const auto grads = grad(roots, leaves, {.allow_unused = true}, seeds);
  for (std::size_t k = 0; k < grads.size(); ++k)
    w.gradient = std::max(
        w.gradient, distance(grads[k].defined() ? grads[k].array() : Array::zeros(expected[k].shape(), f64), expected[k]));
  return w;
}

}  // namespace

TEST_CASE("values and gradients are PyTorch's: f64 within 1e-12, f32 within 1e-5") {
  std::map<std::string, Array> v;
  for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/ops.safetensors").tensors) v[name] = a;
  Cases cases;
  elementwise(cases), along_axes(cases), arranged(cases), products(cases), images(cases), layers(cases);
  linear_algebra(cases), vision(cases);
  Worst wide, narrow;
  for (const auto& item : cases) {
    const auto& name = item.first;  // clang 14 cannot capture a structured binding
    const auto& f = item.second;
    INFO(name);
    const Worst d = compare(v, name, f, f64), s = compare(v, name, f, f32);
    CHECK(d.value <= 1e-12);
    CHECK(d.gradient <= 1e-12);
    CHECK(s.value <= 1e-5);
    CHECK(s.gradient <= 1e-5);
    wide = {std::max(wide.value, d.value), std::max(wide.gradient, d.gradient)};
    narrow = {std::max(narrow.value, s.value), std::max(narrow.gradient, s.gradient)};
  }
  for (const auto& item : v)
    CHECK_MESSAGE(cases.contains(item.first.substr(0, item.first.find('|'))), item.first << " is compared with nothing");
  MESSAGE(cases.size() << " cases; worst value and gradient: f64 " << wide.value << ", " << wide.gradient << "; f32 "
                       << narrow.value << ", " << narrow.gradient);
}
