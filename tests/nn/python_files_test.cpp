// Models that PyTorch saved predict here what they predicted there (tests/vectors/make_file_vectors.py); and, where the
// variable GRADUS_FILES_FOR_PYTHON names a folder, ours are written there for tests/vectors/check_our_files.py.
#include <gradus/autograd/sample.h>
#include <gradus/core/io/npz.h>
#include <gradus/core/io/torch_file.h>
#include <gradus/core/random.h>
#include <gradus/nn/onnx/export_onnx.h>
#include <gradus/tests/helpers/file_models.h>
#include <gradus/tests/helpers/nn_vectors.h>
#include <gradus/tests/helpers/onnx_models.h>
#include <gradus/tests/helpers/same_arrays.h>
#include <gradus/tests/helpers/temp_dir.h>

#include <cstdlib>

using namespace gradus;
using namespace gradus::testing;

namespace {

template <class Net> std::vector<Tensor> predictions(Net& net, const Tensor& x) {
  net.eval();
  return nn::result_tensors(net(x));
}

template <class Net> void check_model(const std::string& name, Net net) {
  INFO(name);
  const std::string path = vector_file(name + ".safetensors");
  net.load(path);
  const NamedArrays all = expected_of(name);
  const std::map<std::string, Array> expected(all.begin(), all.end());
  const auto found = predictions(net, Tensor(expected.at("in")));
  CHECK(found.size() == expected.size() - 1);
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(norm_wise(found[i].array(), expected.at("out" + std::to_string(i))) <= 1e-6);
  const TempDir dir;  // the state that is saved is the one that PyTorch saved
  net.save(dir / "x");
  CHECK(same_arrays(load_safetensors(dir / "x").tensors, load_safetensors(path).tensors));
}

void write_numbers(const std::string& path, const std::vector<Tensor>& in, const std::vector<Tensor>& out) {
  NamedArrays numbers;
  for (std::size_t k = 0; k < in.size(); ++k) numbers.emplace_back(join("in", k), in[k].array());
  for (std::size_t k = 0; k < out.size(); ++k) numbers.emplace_back(join("out", k), out[k].array());
  save_npz(path, numbers);
}

/// FOLDER/NAME.safetensors of the state, NAME.npz of inputs and results, and NAME.onnx.
template <class Net, std::size_t n>
void write_for_python(const std::string& folder, const std::string& name, Net net, const Tensor (&x)[n]) {
  const std::string path = folder + "/" + name;
  net.eval();
  if constexpr (n == 1) write_numbers(path + ".npz", {x[0]}, nn::result_tensors(net(x[0])));
  else write_numbers(path + ".npz", {x[0], x[1]}, nn::result_tensors(net(x[0], x[1])));
  net.save(path + ".safetensors");
  net.save(path + ".bf16.safetensors", {.reals = StoredReal::bf16});
  nn::export_onnx(net, x, path + ".onnx");
}

Tensor drawn(const Shape& shape) { return Tensor(sample_values(shape).to(f32)); }

}  // namespace

TEST_CASE("a CNN, an LSTM and a GRU that PyTorch saved predict the same") {
  check_model("cnn", FileCnn{});
  check_model("lstm", file_lstm());
  check_model("gru", file_gru());
}

TEST_CASE("a checkpoint of torch.save() loads into the model that it is of") {
  FileCnn net;
  NamedArrays state;
  for (const auto& [name, a] : load_torch(vector_file("checkpoint.pt")))
    if (name.starts_with("model.")) state.emplace_back(name.substr(6), a);
  net.load_state_dict(state);
  CHECK(same_arrays(net.state_dict(), state));
}

TEST_CASE("a model that is told to load a file of torch.save() says what reads it") {
  FileCnn net;
  const std::string path = vector_file("checkpoint.pt");
  CHECK_THROWS_WITH_AS(net.load(path),
                       (path + ": a zip archive, not a safetensors file\n"
                               "  try: load_torch reads what torch.save() wrote, load_npz what NumPy did")
                           .c_str(),
                       DataError);
}

TEST_CASE("a state is saved in two bytes a number, and a model loads it") {
  const TempDir dir;
  FileCnn net, other;
  net.save(dir / "x", {.reals = StoredReal::f16});
  other.load(dir / "x");
  const NamedArrays ours = net.state_dict(), theirs = other.state_dict();
  for (std::size_t i = 0; i < ours.size(); ++i) CHECK(norm_wise(ours[i].second, theirs[i].second) <= 0x1p-11);
}

TEST_CASE("files for Python") {
  const char* folder = std::getenv("GRADUS_FILES_FOR_PYTHON");
  if (!folder) return;
  manual_seed(5);
  FileCnn cnn;
  cnn(drawn({4, 1, 14, 8}));  // running numbers of its own
  write_for_python(folder, "cnn", cnn, {drawn({3, 1, 14, 8})});
  write_for_python(folder, "lstm", file_lstm(), {drawn({3, 7, 5})});
  write_for_python(folder, "gru", file_gru(), {drawn({4, 3, 5})});
  write_for_python(folder, "encoder_post", file_encoder(false), {drawn({2, 7, 16})});
  write_for_python(folder, "encoder_pre", file_encoder(true), {drawn({2, 7, 16})});
  write_for_python(folder, "decoder_layer", file_decoder_layer(), {drawn({2, 5, 16}), drawn({2, 7, 16})});
  for (auto& [name, model] : onnx_models()) {
    model.net->eval();
    write_numbers(join(folder, "/op ", name, ".npz"), model.inputs, model.call(*model.net, model.inputs));
    nn::export_onnx(*model.net, model.inputs, model.forward(), join(folder, "/op ", name, ".onnx"));
  }
}
