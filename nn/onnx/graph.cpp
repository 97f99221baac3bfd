#include <gradus/nn/onnx/internal/graph.h>

#include <bit>
#include <set>

namespace gradus::nn {

// ---- wire format ----------------------------------------------------------------------------------------------------

void ProtoMessage::varint(std::uint64_t n) {
  for (; n >= 128; n >>= 7) text_ += static_cast<char>(n | 128);
  text_ += static_cast<char>(n);
}
ProtoMessage& ProtoMessage::number(int field, std::int64_t n) {
  tag(field, 0), varint(static_cast<std::uint64_t>(n));
  return *this;
}
ProtoMessage& ProtoMessage::real(int field, float x) {
  tag(field, 5);
  const auto bits = std::bit_cast<std::uint32_t>(x);
  for (int i = 0; i < 32; i += 8) text_ += static_cast<char>(bits >> i & 255);
  return *this;
}
ProtoMessage& ProtoMessage::bytes(int field, std::string_view s) {
  tag(field, 2), varint(s.size());
  text_ += s;
  return *this;
}
ProtoMessage& ProtoMessage::integers(int field, const std::vector<std::int64_t>& all) {
  ProtoMessage packed;
  for (const std::int64_t n : all) packed.varint(static_cast<std::uint64_t>(n));
  return bytes(field, packed.text());
}

// ---- the fields of onnx.proto3 --------------------------------------------------------------------------------------

namespace {

/// AttributeProto: name 1, f 2, i 3, s 4, floats 7, ints 8, strings 9, type 20.
ProtoMessage attribute(const char* name, std::int64_t type) {
  ProtoMessage m;
  m.bytes(1, name).number(20, type);
  return m;
}

/// TensorProto: dims 1, data_type 2, name 8, raw_data 9.
std::string tensor_message(const std::string& name, const Array& a) {
  const Array dense = a.contiguous();
  ProtoMessage m;
  m.integers(1, {a.shape().begin(), a.shape().end()}).number(2, onnx_type(a.dtype())).bytes(8, name);
  m.bytes(9, {dense.bytes(), static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype())});
  return m.text();
}

/// ValueInfoProto {name 1, type 2}, TypeProto {tensor_type 1}, Tensor {elem_type 1, shape 2}, dim 1 {dim_value 1}.
std::string value_message(const OnnxValue& v) {
  ProtoMessage shape, tensor, type, value;
  for (const std::int64_t n : v.shape) shape.bytes(1, ProtoMessage().number(1, n).text());
  tensor.number(1, onnx_type(v.dtype)).bytes(2, shape.text());
  return value.bytes(1, v.name).bytes(2, type.bytes(1, tensor.text()).text()).text();
}

}  // namespace

std::int64_t onnx_type(Dtype t) {
  constexpr std::int64_t types[] = {1, 11, 7, 2, 9};  // in the order of Dtype
  return types[static_cast<int>(t)];
}

OnnxAttributes&& OnnxAttributes::integer(const char* name, std::int64_t n) && {
  all_.push_back(attribute(name, 2).number(3, n).text());
  return std::move(*this);
}
OnnxAttributes&& OnnxAttributes::integers(const char* name, const std::vector<std::int64_t>& all) && {
  all_.push_back(attribute(name, 7).integers(8, all).text());
  return std::move(*this);
}
OnnxAttributes&& OnnxAttributes::real(const char* name, double x) && {
  all_.push_back(attribute(name, 1).real(2, static_cast<float>(x)).text());
  return std::move(*this);
}
OnnxAttributes&& OnnxAttributes::text(const char* name, const std::string& s) && {
  all_.push_back(attribute(name, 3).bytes(4, s).text());
  return std::move(*this);
}
OnnxAttributes&& OnnxAttributes::texts(const char* name, const std::vector<std::string>& all) && {
  ProtoMessage m = attribute(name, 8);
  for (const std::string& s : all) m.bytes(9, s);
  all_.push_back(m.text());
  return std::move(*this);
}

// ---- the graph ------------------------------------------------------------------------------------------------------

std::string OnnxGraph::fresh() { return "value_" + std::to_string(++values_); }

std::string OnnxGraph::constant(const Array& numbers) {
  const std::string name = "constant_" + std::to_string(++constants_);
  initializer(name, numbers);
  return name;
}
std::string OnnxGraph::constant(const std::vector<std::int64_t>& numbers) {
  return constant(Array::of<std::int64_t>({static_cast<std::int64_t>(numbers.size())}, numbers));
}
void OnnxGraph::initializer(const std::string& name, const Array& numbers) { initializers_.emplace_back(name, numbers); }

void OnnxGraph::add(const std::string& type, const std::string& module, std::vector<std::string> inputs,
                    std::vector<std::string> outputs, const OnnxAttributes& attributes) {
  const std::string name = join(module, module.empty() ? "" : "/", type, "_", nodes_.size() + 1);
  nodes_.push_back({type, name, std::move(inputs), std::move(outputs), attributes.all()});
}

/// ModelProto {ir_version 1, producer_name 2, graph 7, opset_import 8 {version 2}}, GraphProto {node 1, name 2, initializer 5,
/// input 11, output 12}, NodeProto {input 1, output 2, name 3, op_type 4, attribute 5}.
std::string OnnxGraph::file(const std::vector<OnnxValue>& inputs, const std::vector<OnnxValue>& outputs) const {
  std::set<std::string> needed;
  for (const OnnxValue& v : outputs) needed.insert(v.name);
  std::vector<const Node*> kept;
  for (auto n = nodes_.rbegin(); n != nodes_.rend(); ++n) {
    bool used = false;
    for (const std::string& name : n->outputs) used = used || needed.contains(name);
    if (!used) continue;
    needed.insert(n->inputs.begin(), n->inputs.end());
    kept.push_back(&*n);
  }
  ProtoMessage graph;
  for (auto n = kept.rbegin(); n != kept.rend(); ++n) {
    ProtoMessage node;
    for (const std::string& name : (*n)->inputs) node.bytes(1, name);
    for (const std::string& name : (*n)->outputs) node.bytes(2, name);
    node.bytes(3, (*n)->name).bytes(4, (*n)->type);
    for (const std::string& a : (*n)->attributes) node.bytes(5, a);
    graph.bytes(1, node.text());
  }
  graph.bytes(2, "gradus");
  for (const auto& [name, numbers] : initializers_)
    if (needed.contains(name)) graph.bytes(5, tensor_message(name, numbers));
  for (const OnnxValue& v : inputs) graph.bytes(11, value_message(v));
  for (const OnnxValue& v : outputs) graph.bytes(12, value_message(v));
  ProtoMessage model;
  model.number(1, 8).bytes(2, "gradus").bytes(7, graph.text()).bytes(8, ProtoMessage().bytes(1, "").number(2, 17).text());
  return model.text();
}

}  // namespace gradus::nn
