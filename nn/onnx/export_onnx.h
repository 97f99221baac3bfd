// ONNX files (https://onnx.ai, opset 17) of what a module computes in eval mode, traced from one forward call.
#pragma once

#include <gradus/autograd/ops/recurrent_layer.h>
#include <gradus/autograd/tensor_function.h>
#include <gradus/nn/module.h>

#include <tuple>

namespace gradus::nn {

struct OnnxOptions {
  std::vector<std::string> input_names = {}, output_names = {};  ///< "input", "output"; of several "input0", "input1", ..
};

/// Writes what `forward` makes of `inputs` (f32 or f64), whose shapes are those of the file. Parameters and
/// buffers are initializers under their names in the state dict, and what does not depend on an input is a constant. Nothing
/// of the module is changed, but its mode is that of eval() meanwhile. Errors: GraphError naming the op, and the module that
/// called it, if ONNX has no counterpart here; or whatever `forward` throws. The old file stays whole then.
void export_onnx(ModuleBase& net, const std::vector<Tensor>& inputs, const TensorFunction& forward, const std::string& path,
                 const OnnxOptions& options = {});

/// The Tensors that a forward() returned: one, several, or those of a recurrent layer in the order y, h, c.
inline std::vector<Tensor> result_tensors(const Tensor& y) { return {y}; }
inline std::vector<Tensor> result_tensors(const std::vector<Tensor>& ys) { return ys; }
inline std::vector<Tensor> result_tensors(const LstmSequence& s) { return {s.y, s.state.h, s.state.c}; }
inline std::vector<Tensor> result_tensors(const RecurrentSequence& s) { return {s.y, s.state}; }
template <class... T> std::vector<Tensor> result_tensors(const std::tuple<T...>& results) {
  std::vector<Tensor> all;
  const auto add = [&](const auto& one) {
    for (const Tensor& t : result_tensors(one)) all.push_back(t);
  };
  std::apply([&](const auto&... one) { (add(one), ...); }, results);
  return all;
}

/// The same for net(inputs[0], ...):
///
///   export_onnx(net, {example}, "net.onnx");
template <class Net, std::size_t count>
void export_onnx(Net& net, const Tensor (&inputs)[count], const std::string& path, const OnnxOptions& options = {}) {
  const auto call = [&net]<std::size_t... k>(const std::vector<Tensor>& x, std::index_sequence<k...>) {
    return result_tensors(net(x[k]...));
  };
  export_onnx(
      net, {inputs, inputs + count},
      [&](const std::vector<Tensor>& x) { return call(x, std::make_index_sequence<count>()); }, path, options);
}

}  // namespace gradus::nn
