// Products, convolutions, pools, normalised rows, recurrent layers and changes of shape in ONNX.
#include <gradus/nn/onnx/internal/emitters.h>

#include <map>

namespace gradus::nn {
namespace {

using Attributes = OnnxAttributes;
using Call = const OnnxCall&;

// ---- products -------------------------------------------------------------------------------------------------------

void emit_linear(Call c) {
  if (c.input(0).rank() == 2) {
    std::vector<std::string> in{c.in(0), c.in(1)};
    if (c.inputs() > 2) in.push_back(c.in(2));
    return c.last("Gemm", in, Attributes().integer("transB", 1));
  }
  const std::string turned = c.step("Transpose", {c.in(1)}, Attributes().integers("perm", {1, 0}));
  if (c.inputs() < 3) return c.last("MatMul", {c.in(0), turned});
  c.last("Add", {c.step("MatMul", {c.in(0), turned}), c.in(2)});
}

/// Of "padding" {h, w}: rows above, columns left, rows below, columns right.
std::vector<std::int64_t> on_both_sides(std::vector<std::int64_t> pads) {
  pads.insert(pads.end(), {pads[0], pads[1]});
  return pads;
}
Attributes window(Call c) {
  return Attributes()
      .integers("kernel_shape", c.integers("kernel"))
      .integers("strides", c.integers("stride"))
      .integers("pads", on_both_sides(c.integers("padding")));
}

void emit_conv2d(Call c) {
  std::vector<std::string> in{c.in(0), c.in(1)};
  if (c.inputs() > 2) in.push_back(c.in(2));
  c.last("Conv", in, window(c).integers("dilations", c.integers("dilation")).integer("group", c.integer("groups")));
}
void emit_transposed_conv2d(Call c) {
  const auto stride = c.integers("stride"), padding = c.integers("padding"), dilation = c.integers("dilation"),
             kernel = c.integers("kernel");
  std::vector<std::int64_t> more;  // output_padding
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t in = c.input(0).dim(static_cast<int>(i) + 2), out = c.result().dim(static_cast<int>(i) + 2);
    more.push_back(out - ((in - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + 1));
  }
  c.last("ConvTranspose", {c.in(0), c.in(1)},
         window(c).integers("dilations", dilation).integer("group", c.integer("groups")).integers("output_padding", more));
}
void emit_add_bias(Call c) {
  const std::string spread = c.step("Reshape", {c.in(1), c.shape({1, c.input(1).size(), 1, 1})});
  c.last("Add", {c.in(0), spread});
}
void emit_max_pool2d(Call c) { c.last("MaxPool", {c.in(0)}, window(c).integers("dilations", c.integers("dilation"))); }
void emit_avg_pool2d(Call c) { c.last("AveragePool", {c.in(0)}, window(c).integer("count_include_pad", 1)); }

// ---- along axes -----------------------------------------------------------------------------------------------------

Attributes with_axis(Call c) { return Attributes().integer("axis", c.integer("axis")); }
void emit_softmax(Call c) { c.last("Softmax", {c.in(0)}, with_axis(c)); }
void emit_log_softmax(Call c) { c.last("LogSoftmax", {c.in(0)}, with_axis(c)); }

void emit_normalize_rows(Call c) {
  const std::string ones = c.graph.constant(Array::ones({c.input(0).dim(1)}, c.result().dtype()));
  c.last("LayerNormalization", {c.in(0), ones}, Attributes().integer("axis", 1).real("epsilon", c.number("eps")));
}
void emit_rms_rows(Call c) {
  const std::string x = c.in(0), square = c.step("Mul", {x, x});
  const std::string mean = c.step("ReduceMean", {square}, Attributes().integers("axes", {1}).integer("keepdims", 1));
  c.last("Div", {x, c.step("Sqrt", {c.step("Add", {mean, c.scalar(c.number("eps"))})})});
}
void emit_sum(Call c) {
  const auto axes = c.integers("axes");
  if (axes.empty()) return c.last("Identity", {c.in(0)});
  c.last("ReduceSum", {c.in(0), c.graph.constant(axes)},
         Attributes().integer("keepdims", c.input(0).rank() == c.result().rank()));
}

// ---- shapes ---------------------------------------------------------------------------------------------------------

void emit_reshape(Call c) { c.last("Reshape", {c.in(0), c.shape(c.result().shape())}); }
void emit_expand(Call c) { c.last("Expand", {c.in(0), c.shape(c.result().shape())}); }
void emit_permute(Call c) {
  const auto inverse = c.integers("inverse");
  std::vector<std::int64_t> order(inverse.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[static_cast<std::size_t>(inverse[i])] = static_cast<std::int64_t>(i);
  c.last("Transpose", {c.in(0)}, Attributes().integers("perm", order));
}
void emit_slice(Call c) {
  const std::int64_t axis = c.integer("axis"), start = c.integer("start"), step = c.integer("step");
  const std::int64_t length = c.result().dim(static_cast<int>(axis)),
                     end = length > 0 ? start + (length - 1) * step + 1 : start;
  const auto one = [&](std::int64_t n) { return c.graph.constant(std::vector<std::int64_t>{n}); };
  c.last("Slice", {c.in(0), one(start), one(end), one(axis), one(step)});
}
void emit_cat(Call c) {
  std::vector<std::string> in;
  for (std::size_t k = 0; k < c.inputs(); ++k) in.push_back(c.in(k));
  c.last("Concat", in, with_axis(c));
}
void emit_split(Call c) {
  std::vector<std::int64_t> lengths;
  for (std::size_t k = 0; k < c.outputs.size(); ++k) lengths.push_back(c.result(k).dim(static_cast<int>(c.integer("axis"))));
  c.last("Split", {c.in(0), c.graph.constant(lengths)}, with_axis(c));
}
void emit_to(Call c) { c.last("Cast", {c.in(0)}, Attributes().integer("to", onnx_type(c.result().dtype()))); }

// ---- recurrent layers -----------------------------------------------------------------------------------------------

/// What ONNX wants of a layer: gates in another order, biases in one, an axis for the direction in front of everything.
class RecurrentNode {
 public:
  /// The place of each of ONNX's gates among ours.
  RecurrentNode(Call c, std::vector<std::size_t> order, bool cell) : c_(c), order_(std::move(order)) {
    if (c.number("lengths") != 0) c.throw_error("sequences of several lengths are not written");
    if (c.number("projection") != 0) c.throw_error("ONNX has no projection");
    const std::size_t weights = cell ? 3 : 2;  // behind x, h and perhaps c
    const std::string bias = c.number("bias") == 0 ? ""
                                                   : c.step("Concat", {ordered(weights + 2), ordered(weights + 3)},
                                                            Attributes().integer("axis", 1));
    inputs_ = {c.in(0), ordered(weights), ordered(weights + 1), bias, "", with_direction(c.in(1))};
    if (cell) inputs_.push_back(with_direction(c.in(2)));
  }

  void write(const char* type, Attributes more) {
    std::move(more)
        .integer("hidden_size", c_.result(1).dim(1))
        .text("direction", c_.number("reverse") != 0 ? "reverse" : "forward");
    const auto results = c_.steps(type, inputs_, c_.outputs.size(), more);
    for (std::size_t k = 0; k < results.size(); ++k) c_.last_of(k, "Squeeze", {results[k], axis(k == 0 ? 1 : 0)});
  }

 private:
  std::string axis(std::int64_t n) const { return c_.graph.constant(std::vector<std::int64_t>{n}); }
  std::string with_direction(const std::string& name) const { return c_.step("Unsqueeze", {name, axis(0)}); }
  /// Input k, which has the gates one after the other along its first axis.
  std::string ordered(std::size_t k) const {
    if (order_.size() == 1) return with_direction(c_.in(k));
    const auto parts = c_.steps("Split", {c_.in(k)}, order_.size(), Attributes().integer("axis", 0));
    std::vector<std::string> in;
    for (const std::size_t gate : order_) in.push_back(parts[gate]);
    return with_direction(c_.step("Concat", in, Attributes().integer("axis", 0)));
  }

  Call c_;
  std::vector<std::size_t> order_;
  std::vector<std::string> inputs_;
};

void emit_lstm(Call c) { RecurrentNode(c, {0, 3, 1, 2}, true).write("LSTM", {}); }  // i f g o -> i o f c
void emit_gru(Call c) {                                                             // r z n -> z r h
  RecurrentNode(c, {1, 0, 2}, false).write("GRU", Attributes().integer("linear_before_reset", 1));
}
void emit_rnn(Call c) {
  RecurrentNode(c, {0}, false).write("RNN", Attributes().texts("activations", {c.number("relu") != 0 ? "Relu" : "Tanh"}));
}

}  // namespace

OnnxEmitter layer_emitter(std::string_view op) {
  static const std::map<std::string_view, OnnxEmitter> all = {{"linear", emit_linear},
                                                              {"matmul",
                                                               [](Call c) {
                                                                 c.last("MatMul", {c.in(0), c.in(1)});
                                                               }},
                                                              {"conv2d", emit_conv2d},
                                                              {"conv2d_input", emit_transposed_conv2d},
                                                              {"add_bias", emit_add_bias},
                                                              {"max_pool2d", emit_max_pool2d},
                                                              {"avg_pool2d", emit_avg_pool2d},
                                                              {"softmax", emit_softmax},
                                                              {"log_softmax", emit_log_softmax},
                                                              {"normalize_rows", emit_normalize_rows},
                                                              {"rms_rows", emit_rms_rows},
                                                              {"sum", emit_sum},
                                                              {"reshape", emit_reshape},
                                                              {"expand", emit_expand},
                                                              {"permute", emit_permute},
                                                              {"slice", emit_slice},
                                                              {"cat", emit_cat},
                                                              {"split", emit_split},
                                                              {"to", emit_to},
                                                              {"contiguous", [](Call c) { c.last("Identity", {c.in(0)}); }},
                                                              {"alias", [](Call c) { c.last("Identity", {c.in(0)}); }},
                                                              {"lstm", emit_lstm},
                                                              {"gru", emit_gru},
                                                              {"rnn", emit_rnn}};
  const auto found = all.find(op);
  return found == all.end() ? nullptr : found->second;
}

}  // namespace gradus::nn
