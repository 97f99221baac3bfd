// Modules that together use every op that export_onnx() has a counterpart for.
#pragma once

#include <gradus/autograd/sample.h>
#include <gradus/nn/nn.h>
#include <gradus/nn/onnx/export_onnx.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gradus::testing {

struct OnnxModel {
  std::shared_ptr<nn::ModuleBase> net;
  std::vector<Tensor> inputs;
  std::function<std::vector<Tensor>(nn::ModuleBase&, const std::vector<Tensor>&)> call;
  TensorFunction forward() const {
    return [this](const std::vector<Tensor>& x) { return call(*net, x); };
  }
};

/// A module without parameters around a function.
struct OnnxFunction : nn::Module<OnnxFunction> {
  GRADUS_FIELDS()
  Tensor forward(const Tensor& x) { return x; }
};

inline Tensor onnx_input(const Shape& shape) { return Tensor(sample_values(shape).to(f32)); }

inline OnnxModel onnx_function(const Shape& shape, std::function<std::vector<Tensor>(const Tensor&)> f) {
  return {std::make_shared<OnnxFunction>(), {onnx_input(shape)}, [f](auto&, const auto& x) { return f(x[0]); }};
}
template <class Net> OnnxModel onnx_module(Net net, const Shape& shape) {
  return {std::make_shared<Net>(std::move(net)), {onnx_input(shape)}, [](nn::ModuleBase& m, const auto& x) {
            return nn::result_tensors(static_cast<Net&>(m)(x[0]));
          }};
}

inline std::vector<std::pair<std::string, OnnxModel>> onnx_models() {
  std::vector<std::pair<std::string, OnnxModel>> all;
  const Shape few{3, 4};
  all.emplace_back("activations", onnx_function(few, [](const Tensor& x) {
                     return std::vector<Tensor>{tanh(x),
                                                sigmoid(x),
                                                relu(x),
                                                leaky_relu(x, 0.2),
                                                elu(x, 1.3),
                                                erf(x),
                                                gelu(x),
                                                silu(x),
                                                softplus(x),
                                                softsign(x),
                                                mish(x),
                                                logsigmoid(x),
                                                tanhshrink(x),
                                                hardtanh(x, -0.7, 1.2),
                                                relu6(x * 5),
                                                hardsigmoid(x),
                                                hardswish(x),
                                                hardshrink(x, 0.8),
                                                softshrink(x, 0.6),
                                                selu(x),
                                                celu(x, 2)};
                   }));
  all.emplace_back("arithmetic", onnx_function(few, [](const Tensor& x) {
                     const Tensor c(Array::of<float>({4}, {1, -2, 3, 0.5}));
                     return std::vector<Tensor>{x + c,
                                                x - c,
                                                x * c,
                                                x / c,
                                                maximum(x, c),
                                                minimum(x, c),
                                                2.0 * x + 1.0,
                                                3.0 / (x + 5.0),
                                                x / 7.0,
                                                -x,
                                                abs(x),
                                                sign(x),
                                                square(x),
                                                sqrt(x + 4.0),
                                                exp(x),
                                                log(x + 4.0),
                                                pow(x, 3.0),
                                                pow(x + 4.0, c),
                                                clamp(x, -0.5, 1),
                                                rsqrt(x + 4.0),
                                                reciprocal(x + 4.0),
                                                floor(x),
                                                ceil(x),
                                                round(x),
                                                sin(x),
                                                cos(x),
                                                tan(x),
                                                atan(x),
                                                sinh(x),
                                                cosh(x),
                                                where(c > Tensor(0.0), x, Tensor(-1.0)),
                                                where(c > Tensor(0.0), x, x * 2.0)};
                   }));
  all.emplace_back("shapes", onnx_function({2, 6, 4}, [](const Tensor& x) {
                     const auto parts = split(x, 4, 1);
                     return std::vector<Tensor>{reshape(x, {3, 16}),
                                                permute(x, {2, 0, 1}),
                                                slice(x, 1, 1, 6, 2),
                                                select(x, 2, -1),
                                                cat({x, x * 2.0}, 1),
                                                parts.at(0),
                                                parts.at(1),
                                                sum(x, {0, 2}),
                                                sum(x, {1}, true),
                                                sum(x),
                                                mean(x, {1}),
                                                softmax(x, 1),
                                                log_softmax(x, -1),
                                                expand(unsqueeze(x, 0), {3, 2, 6, 4}),
                                                matmul(x, transpose(x, 1, 2)),
                                                contiguous(transpose(x, 0, 2)),
                                                x.to(f64)};
                   }));
  all.emplace_back(
      "images", onnx_function({2, 4, 9, 8}, [](const Tensor& x) {
        const Tensor w(sample_values({6, 2, 3, 2}, -1, 1, 2).to(f32)), b(sample_values({6}, -1, 1, 3).to(f32));
        const Tensor t(sample_values({4, 3, 3, 2}, -1, 1, 4).to(f32)), tb(sample_values({6}, -1, 1, 5).to(f32));
        return std::vector<Tensor>{
            conv2d(x, w, b, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2}),
            conv_transpose2d(x, t, tb, {.stride = {2, 3}, .padding = {1, 0}, .output_padding = {1, 2}, .groups = 2}),
            max_pool2d(x, {3, 2}, {.stride = {2, 2}, .padding = {1, 1}}),
            avg_pool2d(x, {3, 2}, {.stride = {2, 1}, .padding = {1, 0}})};
      }));
  all.emplace_back("layer norm", onnx_module(nn::LayerNorm{5}, {2, 3, 5}));
  all.emplace_back("rms norm", onnx_module(nn::RMSNorm{5}, {2, 3, 5}));
  all.emplace_back("group norm", onnx_module(nn::GroupNorm{2, 6}, {2, 6, 5}));
  all.emplace_back("instance norm", onnx_module(nn::InstanceNorm2d{3, {.affine = true}}, {2, 3, 4, 5}));
  all.emplace_back("batch norm", onnx_module(nn::BatchNorm1d{4}, {3, 4, 5}));
  all.emplace_back("prelu", onnx_module(nn::PReLU{3}, {2, 3, 4}));
  all.emplace_back("linear", onnx_module(nn::Linear{4, 3}, {2, 5, 4}));
  all.emplace_back("linear without bias", onnx_module(nn::Linear{4, 3, {.bias = false}}, {2, 4}));
  all.emplace_back("conv1d", onnx_module(nn::Conv1d{3, 4, 3, {.padding = 1}}, {2, 3, 7}));
  all.emplace_back("pool1d", onnx_module(nn::MaxPool1d{2}, {2, 3, 7}));
  all.emplace_back("rnn relu", onnx_module(nn::RNN{3, 4, {.nonlinearity = "relu", .bidirectional = true}}, {5, 2, 3}));
  all.emplace_back("rnn without bias", onnx_module(nn::RNN{3, 4, {.bias = false}}, {5, 2, 3}));
  nn::MultiheadAttention attention{8, 2, {.batch_first = true}};
  all.emplace_back("causal attention", OnnxModel{std::make_shared<nn::MultiheadAttention>(std::move(attention)),
                                                 {onnx_input({2, 5, 8})},
                                                 [](nn::ModuleBase& m, const auto& x) {
                                                   auto& a = static_cast<nn::MultiheadAttention&>(m);
                                                   return std::vector<Tensor>{a(x[0], x[0], x[0], {.is_causal = true})};
                                                 }});
  return all;
}

}  // namespace gradus::testing
