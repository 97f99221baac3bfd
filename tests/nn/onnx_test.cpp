// ONNX files are decoded by a reader of protobuf's wire format, and their nodes and initializers compared with what the layers
// are. That onnxruntime computes the same from them is checked by tests/vectors/check_our_files.py, outside the tests.
#include <gradus/autograd/sample.h>
#include <gradus/core/io/files.h>
#include <gradus/nn/onnx/export_onnx.h>
#include <gradus/tests/helpers/file_models.h>
#include <gradus/tests/helpers/onnx_models.h>
#include <gradus/tests/helpers/same_arrays.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

using namespace gradus;
using namespace gradus::testing;

namespace {

/// A message: for each field the numbers, or the bytes, that it has.
struct Message {
  std::map<int, std::vector<std::string>> bytes;
  std::map<int, std::vector<std::int64_t>> numbers;

  explicit Message(const std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
      const std::uint64_t tag = varint(text, at);
      const int field = static_cast<int>(tag >> 3);
      if ((tag & 7) == 0) numbers[field].push_back(static_cast<std::int64_t>(varint(text, at)));
      else {
        const std::size_t length = (tag & 7) == 5 ? 4 : varint(text, at);
        REQUIRE(length <= text.size() - at);
        bytes[field].push_back(text.substr(at, length));
        at += length;
      }
    }
  }
  static std::uint64_t varint(const std::string& text, std::size_t& at) {
    std::uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(text.at(at++));
      n |= std::uint64_t(byte & 127) << shift;
      if (byte < 128) return n;
    }
  }
  std::string one(int field) const { return bytes.at(field).at(0); }
};

/// The graph of a file: the types of its nodes, its initializers, and that every input of a node was made before.
struct Graph {
  std::vector<std::string> types, names;
  std::map<std::string, Array> initializers;
  std::map<std::string, std::map<std::string, Message>> attributes;  // of the last node of a type

  explicit Graph(const std::string& path) {
    const Message model(read_file(path)), graph(model.one(7));
    CHECK(model.numbers.at(1).at(0) == 8);
    CHECK(Message(model.one(8)).numbers.at(2).at(0) == 17);
    std::set<std::string> made;
    if (graph.bytes.contains(5))
      for (const std::string& t : graph.bytes.at(5)) {
        const Message tensor(t);
        const std::string name = tensor.one(8);
        CHECK(made.insert(name).second);
        initializers.emplace(name, numbers_of(tensor));
      }
    for (const std::string& v : graph.bytes.at(11)) CHECK(made.insert(Message(v).one(1)).second);
    for (const std::string& n : graph.bytes.at(1)) {
      const Message node(n);
      types.push_back(node.one(4)), names.push_back(node.one(3));
      for (const std::string& in : node.bytes.at(1)) CHECK_MESSAGE((in.empty() || made.contains(in)), in);
      for (const std::string& out : node.bytes.at(2)) CHECK(made.insert(out).second);
      if (!node.bytes.contains(5)) continue;
      auto& all = attributes[types.back()];
      all.clear();
      for (const std::string& a : node.bytes.at(5)) all.emplace(Message(a).one(1), Message(a));
    }
    for (const std::string& v : graph.bytes.at(12)) CHECK(made.contains(Message(v).one(1)));
  }
  static Array numbers_of(const Message& tensor) {
    Shape shape;
    std::size_t at = 0;
    for (const std::string dims = tensor.one(1); at < dims.size();)
      shape.push_back(static_cast<std::int64_t>(Message::varint(dims, at)));
    const Dtype dtype = tensor.numbers.at(2).at(0) == 1 ? f32 : tensor.numbers.at(2).at(0) == 7 ? i64 : f64;
    Array a(shape, dtype);
    const std::string raw = tensor.one(9);
    REQUIRE(raw.size() == static_cast<std::size_t>(a.size()) * bytes_of(dtype));
    visit(dtype, [&]<class T>() { std::memcpy(a.uninitialized<T>(), raw.data(), raw.size()); });
    return a;
  }
  std::int64_t count(const std::string& type) const { return std::count(types.begin(), types.end(), type); }
  std::vector<std::int64_t> integers(const std::string& type, const std::string& name) const {
    std::vector<std::int64_t> all;
    const std::string packed = attributes.at(type).at(name).one(8);
    for (std::size_t at = 0; at < packed.size();) all.push_back(static_cast<std::int64_t>(Message::varint(packed, at)));
    return all;
  }
};

struct Cube : nn::Module<Cube> {
  GRADUS_FIELDS()
  Tensor forward(const Tensor& x) { return cbrt(x); }
};
struct HasCube : nn::Module<HasCube> {
  Cube cube;
  GRADUS_FIELDS(cube)
  Tensor forward(const Tensor& x) { return cube(x * 2.0); }
};
struct Branch : nn::Module<Branch> {
  GRADUS_FIELDS()
  Tensor forward(const Tensor& x) { return x * sum(x.detach()); }
};

template <class Net, std::size_t n> Graph exported(Net& net, const Tensor (&x)[n]) {
  const TempDir dir;
  export_onnx(net, x, dir / "x.onnx");  // found by the net's namespace
  return Graph(dir / "x.onnx");
}

/// Every parameter that the graph needs is there under its name, with its numbers.
void check_parameters(nn::ModuleBase& net, const Graph& g) {
  for (const auto& p : net.named_parameters()) {
    REQUIRE_MESSAGE(g.initializers.contains(p.first), p.first);
    CHECK(same_array(g.initializers.at(p.first), p.second.array()));
  }
}

}  // namespace

TEST_CASE("export_onnx: a CNN") {
  FileCnn net;
  const Graph g = exported(net, {real({3, 1, 14, 8})});
  std::string types;
  for (const std::string& type : g.types) types += (types.empty() ? "" : " ") + type;
  CHECK(types == "Conv Mul Mul Sub Reshape Mul Reshape Add Relu MaxPool Conv Relu Reshape Gemm Identity");
  CHECK(g.names[0] == "conv1/Conv_1");
  check_parameters(net, g);
  CHECK(g.initializers.contains("norm.running_mean"));
  CHECK(g.integers("Conv", "strides") == std::vector<std::int64_t>{2, 2});
  CHECK(g.integers("Conv", "pads") == std::vector<std::int64_t>{0, 0, 0, 0});
  CHECK(g.attributes.at("Conv").at("group").numbers.at(3).at(0) == 2);
  CHECK(g.integers("MaxPool", "kernel_shape") == std::vector<std::int64_t>{2, 2});
  CHECK(net.training());  // as before
}

TEST_CASE("export_onnx: recurrent layers") {
  nn::LSTM lstm = file_lstm();
  const Graph l = exported(lstm, {real({3, 7, 5})});
  CHECK(l.count("LSTM") == 4);
  check_parameters(lstm, l);
  CHECK(l.attributes.at("LSTM").at("direction").one(4) == "reverse");
  nn::GRU gru = file_gru();
  const Graph g = exported(gru, {real({4, 3, 5})});
  CHECK(g.count("GRU") == 2);
  CHECK(g.attributes.at("GRU").at("linear_before_reset").numbers.at(3).at(0) == 1);
  check_parameters(gru, g);
}

TEST_CASE("export_onnx: transformers") {
  for (const bool pre : {false, true}) {
    nn::TransformerEncoder encoder = file_encoder(pre);
    const Graph g = exported(encoder, {real({2, 7, 16})});
    check_parameters(encoder, g);
    CHECK(g.count("Softmax") == 2);
    CHECK(g.count("LayerNormalization") == (pre ? 5 : 4));
    CHECK(g.count("Expand") == 0);  // ONNX broadcasts as well
  }
  nn::TransformerDecoderLayer decoder = file_decoder_layer();
  check_parameters(decoder, exported(decoder, {real({2, 5, 16}), real({2, 7, 16})}));
}

TEST_CASE("export_onnx: every op that it has a counterpart for can be written") {
  for (const auto& each : onnx_models()) {
    CAPTURE(each.first);
    const TempDir dir;
    nn::export_onnx(*each.second.net, each.second.inputs, each.second.forward(), dir / "x.onnx");
    CHECK(Graph(dir / "x.onnx").types.size() > 1);
  }
}

TEST_CASE("export_onnx: what has no counterpart is refused, with the op and the module, and no file is left") {
  const TempDir dir;
  HasCube net;
  const std::string refused = thrown<GraphError>([&] { nn::export_onnx(net, {real({2})}, dir / "x.onnx"); });
  CHECK(refused ==
        "export_onnx: the op \"cbrt\" cannot be written: ONNX, or this exporter, has no counterpart [in module \"cube\"]");
  nn::LSTM projected{3, 4, {.proj_size = 2}};
  CHECK(says(thrown<GraphError>([&] {
               nn::export_onnx(projected, {real({2, 1, 3})}, dir / "x.onnx");
             }),
             {"the op \"lstm\" cannot be written: ONNX has no projection"}));
  Branch branch;
  CHECK(says(thrown<GraphError>([&] { nn::export_onnx(branch, {real({2})}, dir / "x.onnx"); }),
             {"the graph depends on the numbers of the input"}));
  CHECK(says(thrown<DtypeError>([&] { nn::export_onnx(net, {arange(3)}, dir / "x.onnx"); }),
             {"input 0 is i64[3]; inputs are f32 or f64"}));
  CHECK(says(thrown<GraphError>([&] {
               nn::export_onnx(net, {real({2})}, dir / "x.onnx", {.input_names = {"a", "b"}});
             }),
             {"2 input_names for 1 tensors"}));
  CHECK(dir.files() == 0);
}
