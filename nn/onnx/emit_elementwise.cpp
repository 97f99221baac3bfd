// Elementwise ops in ONNX: most are one node, the others their formula.
#include <gradus/nn/onnx/internal/emitters.h>

#include <cmath>
#include <map>

namespace gradus::nn {
namespace {

using Attributes = OnnxAttributes;
using Call = const OnnxCall&;

/// An op that ONNX has, too.
#define GRADUS_SAME(op, type)                              \
  {                                                        \
    op, [](Call c) { c.last(type, c.broadcast_inputs()); } \
  }

void clip(Call c, double low, double high) { c.last("Clip", {c.in(0), c.scalar(low), c.scalar(high)}); }

void emit_gelu(Call c) {
  const std::string x = c.in(0), error = c.step("Erf", {c.step("Mul", {x, c.scalar(std::sqrt(0.5))})});
  c.last("Mul", {c.step("Mul", {x, c.scalar(0.5)}), c.step("Add", {error, c.scalar(1)})});
}
void emit_gelu_tanh(Call c) {
  const std::string x = c.in(0), cube = c.step("Mul", {c.step("Mul", {x, x}), x});
  const std::string inner = c.step("Add", {x, c.step("Mul", {cube, c.scalar(0.044715)})});
  const std::string t = c.step("Tanh", {c.step("Mul", {inner, c.scalar(std::sqrt(2 / M_PI))})});
  c.last("Mul", {c.step("Mul", {x, c.scalar(0.5)}), c.step("Add", {t, c.scalar(1)})});
}
void emit_where(Call c) {
  std::vector<std::string> in = c.broadcast_inputs();
  in[0] = c.step("Cast", {in[0]}, Attributes().integer("to", onnx_type(boolean)));
  c.last("Where", in);
}

const std::map<std::string_view, OnnxEmitter>& table() {
  static const std::map<std::string_view, OnnxEmitter> all = {
      GRADUS_SAME("add", "Add"),
      GRADUS_SAME("sub", "Sub"),
      GRADUS_SAME("mul", "Mul"),
      GRADUS_SAME("div", "Div"),
      GRADUS_SAME("pow", "Pow"),
      GRADUS_SAME("maximum", "Max"),
      GRADUS_SAME("minimum", "Min"),
      GRADUS_SAME("prelu", "PRelu"),
      GRADUS_SAME("tanh", "Tanh"),
      GRADUS_SAME("sigmoid", "Sigmoid"),
      GRADUS_SAME("relu", "Relu"),
      GRADUS_SAME("erf", "Erf"),
      GRADUS_SAME("softplus", "Softplus"),
      GRADUS_SAME("softsign", "Softsign"),
      GRADUS_SAME("hardswish", "HardSwish"),
      GRADUS_SAME("selu", "Selu"),
      GRADUS_SAME("neg", "Neg"),
      GRADUS_SAME("abs", "Abs"),
      GRADUS_SAME("sign", "Sign"),
      GRADUS_SAME("sqrt", "Sqrt"),
      GRADUS_SAME("exp", "Exp"),
      GRADUS_SAME("log", "Log"),
      GRADUS_SAME("reciprocal", "Reciprocal"),
      GRADUS_SAME("floor", "Floor"),
      GRADUS_SAME("ceil", "Ceil"),
      GRADUS_SAME("round", "Round"),
      GRADUS_SAME("sin", "Sin"),
      GRADUS_SAME("cos", "Cos"),
      GRADUS_SAME("tan", "Tan"),
      GRADUS_SAME("atan", "Atan"),
      GRADUS_SAME("sinh", "Sinh"),
      GRADUS_SAME("cosh", "Cosh"),
      {"where", emit_where},
      {"gelu", emit_gelu},
      {"gelu_tanh", emit_gelu_tanh},
      {"square",
       [](Call c) {
         c.last("Mul", {c.in(0), c.in(0)});
       }},
      {"rsqrt", [](Call c) { c.last("Reciprocal", {c.step("Sqrt", {c.in(0)})}); }},
      {"silu",
       [](Call c) {
         c.last("Mul", {c.in(0), c.step("Sigmoid", {c.in(0)})});
       }},
      {"mish",
       [](Call c) {
         c.last("Mul", {c.in(0), c.step("Tanh", {c.step("Softplus", {c.in(0)})})});
       }},
      {"logsigmoid", [](Call c) { c.last("Neg", {c.step("Softplus", {c.step("Neg", {c.in(0)})})}); }},
      {"tanhshrink",
       [](Call c) {
         c.last("Sub", {c.in(0), c.step("Tanh", {c.in(0)})});
       }},
      {"affine",
       [](Call c) {
         c.last("Add", {c.step("Mul", {c.in(0), c.scalar(c.number("scale"))}), c.scalar(c.number("shift"))});
       }},
      {"add_number",
       [](Call c) {
         c.last("Add", {c.in(0), c.scalar(c.number("number"))});
       }},
      {"mul_number",
       [](Call c) {
         c.last("Mul", {c.in(0), c.scalar(c.number("number"))});
       }},
      {"div_number",
       [](Call c) {
         c.last("Div", {c.in(0), c.scalar(c.number("number"))});
       }},
      {"number_div",
       [](Call c) {
         c.last("Div", {c.scalar(c.number("number")), c.in(0)});
       }},
      {"pow_number",
       [](Call c) {
         c.last("Pow", {c.in(0), c.scalar(c.number("exponent"))});
       }},
      {"clamp", [](Call c) { clip(c, c.number("low"), c.number("high")); }},
      {"hardtanh", [](Call c) { clip(c, c.number("low"), c.number("high")); }},
      {"relu6", [](Call c) { clip(c, 0, 6); }},
      {"hardsigmoid",
       [](Call c) { c.last("HardSigmoid", {c.in(0)}, Attributes().real("alpha", 1. / 6).real("beta", 0.5)); }},
      {"leaky_relu", [](Call c) { c.last("LeakyRelu", {c.in(0)}, Attributes().real("alpha", c.number("negative_slope"))); }},
      {"elu", [](Call c) { c.last("Elu", {c.in(0)}, Attributes().real("alpha", c.number("alpha"))); }},
      {"celu", [](Call c) { c.last("Celu", {c.in(0)}, Attributes().real("alpha", c.number("alpha"))); }},
      {"hardshrink",
       [](Call c) { c.last("Shrink", {c.in(0)}, Attributes().real("lambd", c.number("lambda")).real("bias", 0)); }},
      {"softshrink", [](Call c) {
         const double lambda = c.number("lambda");
         c.last("Shrink", {c.in(0)}, Attributes().real("lambd", lambda).real("bias", lambda));
       }}};
  return all;
}

#undef GRADUS_SAME

}  // namespace

OnnxEmitter elementwise_emitter(std::string_view op) {
  const auto found = table().find(op);
  return found == table().end() ? nullptr : found->second;
}

}  // namespace gradus::nn
