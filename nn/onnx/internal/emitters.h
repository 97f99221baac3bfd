// What each op of the tape is in ONNX: a table from its name to the function that writes its nodes.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/nn/onnx/internal/graph.h>

#include <functional>
#include <span>

namespace gradus::nn {

/// One op that has run, as its emitter sees it.
class OnnxCall {
 public:
  using NameOf = std::function<std::string(const Tensor&)>;
  /// What an expanded tensor was before; absent of any other.
  using SourceOf = std::function<const Tensor*(const Tensor&)>;

  OnnxCall(OnnxGraph& to, std::span<const Tensor> results, std::span<const Tensor* const> inputs, std::string module,
           NameOf name_of, SourceOf source_of)
      : graph(to),
        results_(results),
        inputs_(inputs),
        module_(std::move(module)),
        name_of_(std::move(name_of)),
        source_of_(std::move(source_of)) {
    const OpInfo* op = results[0].node()->op;
    if (op->options) options_ = op->options(*results[0].node());
    for (std::size_t k = 0; k < results.size(); ++k) outputs.push_back(to.fresh());
  }

  std::size_t inputs() const { return inputs_.size(); }
  const Tensor& input(std::size_t k) const { return *inputs_[k]; }
  const Tensor& result(std::size_t k = 0) const { return results_[k]; }
  std::string in(std::size_t k) const { return name_of_(*inputs_[k]); }
  /// The inputs of an elementwise op, before they were expanded to its shape: ONNX broadcasts as well.
  std::vector<std::string> broadcast_inputs() const;
  /// Option `name` of the op, as it tells them. Errors: GraphError if it tells no such option.
  const std::vector<double>& option(std::string_view name) const;
  double number(std::string_view name) const { return option(name).at(0); }
  std::int64_t integer(std::string_view name) const { return static_cast<std::int64_t>(number(name)); }
  std::vector<std::int64_t> integers(std::string_view name) const { return {option(name).begin(), option(name).end()}; }
  /// A number as a constant of the op's dtype.
  std::string scalar(double x) const { return graph.constant(Array::full({}, x, result().dtype())); }
  std::string shape(const Shape& s) const { return graph.constant(std::vector<std::int64_t>(s.begin(), s.end())); }

  /// A node within the op; returns the name of its result.
  std::string step(const std::string& type, std::vector<std::string> in, const OnnxAttributes& attributes = {}) const {
    const std::string name = graph.fresh();
    graph.add(type, module_, std::move(in), {name}, attributes);
    return name;
  }
  /// The node that makes the op's results.
  void last(const std::string& type, std::vector<std::string> in, const OnnxAttributes& attributes = {}) const {
    graph.add(type, module_, std::move(in), outputs, attributes);
  }
  /// The node that makes one of them.
  void last_of(std::size_t k, const std::string& type, std::vector<std::string> in, const OnnxAttributes& a = {}) const {
    graph.add(type, module_, std::move(in), {outputs[k]}, a);
  }
  /// Several results of one node.
  std::vector<std::string> steps(const std::string& type, std::vector<std::string> in, std::size_t count,
                                 const OnnxAttributes& attributes) const;
  /// GraphError: this op of the tape has no counterpart, because ...
  [[noreturn]] void throw_error(const std::string& why) const;

  OnnxGraph& graph;
  std::vector<std::string> outputs;  ///< the names of the results

 private:
  std::span<const Tensor> results_;
  std::span<const Tensor* const> inputs_;
  std::string module_;
  NameOf name_of_;
  SourceOf source_of_;
  OpOptions options_;
};

using OnnxEmitter = void (*)(const OnnxCall&);
OnnxEmitter elementwise_emitter(std::string_view op);  ///< null: it is none
OnnxEmitter layer_emitter(std::string_view op);

}  // namespace gradus::nn
