// An ONNX graph that is being built, and its bytes: messages of onnx.proto3 in protobuf's wire format.
#pragma once

#include <gradus/core/array.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::nn {

/// A message: fields one after the other, each a tag and a number or bytes (protobuf.dev/programming-guides/encoding).
class ProtoMessage {
 public:
  ProtoMessage& number(int field, std::int64_t n);
  ProtoMessage& real(int field, float x);
  ProtoMessage& bytes(int field, std::string_view s);  ///< also a text, or another message
  ProtoMessage& integers(int field, const std::vector<std::int64_t>& all);
  const std::string& text() const { return text_; }

 private:
  void varint(std::uint64_t n);
  void tag(int field, int wire_type) { varint(static_cast<std::uint64_t>(field) << 3 | static_cast<unsigned>(wire_type)); }
  std::string text_;
};

/// The attributes of a node.
class OnnxAttributes {
 public:
  OnnxAttributes&& integer(const char* name, std::int64_t n) &&;
  OnnxAttributes&& integers(const char* name, const std::vector<std::int64_t>& all) &&;
  OnnxAttributes&& real(const char* name, double x) &&;
  OnnxAttributes&& text(const char* name, const std::string& s) &&;
  OnnxAttributes&& texts(const char* name, const std::vector<std::string>& all) &&;
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_;
};

/// A value that goes in or out, with its shape.
struct OnnxValue {
  std::string name;
  Shape shape;
  Dtype dtype;
};

class OnnxGraph {
 public:
  std::string fresh();                         ///< a name that no other value has
  std::string constant(const Array& numbers);  ///< an initializer of its own
  std::string constant(const std::vector<std::int64_t>& numbers);
  void initializer(const std::string& name, const Array& numbers);
  void add(const std::string& type, const std::string& module, std::vector<std::string> inputs,
           std::vector<std::string> outputs, const OnnxAttributes& attributes);
  /// The whole file, without what no output needs.
  std::string file(const std::vector<OnnxValue>& inputs, const std::vector<OnnxValue>& outputs) const;

 private:
  struct Node {
    std::string type, name;
    std::vector<std::string> inputs, outputs, attributes;
  };
  std::vector<Node> nodes_;
  NamedArrays initializers_;
  int values_ = 0, constants_ = 0;
};

/// TensorProto.DataType of the specification.
std::int64_t onnx_type(Dtype t);

}  // namespace gradus::nn
