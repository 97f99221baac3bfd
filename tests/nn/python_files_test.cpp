// Models that PyTorch saved predict here what they predicted there (tests/vectors/make_file_vectors.py); and, where the
// variable GRADUS_FILES_FOR_PYTHON names a folder, ours are written there for tests/vectors/check_our_files.py.
#include <gradus/autograd/sample.h>
#include <gradus/core/io/npz.h>
#include <gradus/core/io/torch_file.h>
#include <gradus/core/random.h>
#include <gradus/tests/helpers/file_models.h>
#include <gradus/tests/helpers/nn_vectors.h>
#include <gradus/tests/helpers/same_arrays.h>
#include <gradus/tests/helpers/temp_dir.h>

#include <cstdlib>

using namespace gradus;
using namespace gradus::testing;

namespace {

std::vector<Tensor> tensors_of(const Tensor& y) { return {y}; }
std::vector<Tensor> tensors_of(const LstmSequence& s) { return {s.y, s.state.h, s.state.c}; }
std::vector<Tensor> tensors_of(const RecurrentSequence& s) { return {s.y, s.state}; }

template <class Net> std::vector<Tensor> predictions(Net& net, const Tensor& x) {
  net.eval();
  return tensors_of(net(x));
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

/// FOLDER/NAME.safetensors of the state, and NAME.npz of inputs and results.
template <class Net, class... In>
void write_for_python(const std::string& folder, const std::string& name, Net net, const In&... x) {
  net.eval();
  NamedArrays numbers;
  for (const Tensor& in : {x...}) numbers.emplace_back("in" + std::to_string(numbers.size()), in.array());
  int k = 0;
  for (const Tensor& out : tensors_of(net(x...))) numbers.emplace_back("out" + std::to_string(k++), out.array());
  net.save(folder + "/" + name + ".safetensors");
  net.save(folder + "/" + name + ".bf16.safetensors", {.reals = StoredReal::bf16});
  save_npz(folder + "/" + name + ".npz", numbers);
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
  write_for_python(folder, "cnn", cnn, drawn({3, 1, 14, 8}));
  write_for_python(folder, "lstm", file_lstm(), drawn({3, 7, 5}));
  write_for_python(folder, "gru", file_gru(), drawn({4, 3, 5}));
  write_for_python(folder, "encoder_post", file_encoder(false), drawn({2, 7, 16}));
  write_for_python(folder, "encoder_pre", file_encoder(true), drawn({2, 7, 16}));
  write_for_python(folder, "decoder_layer", file_decoder_layer(), drawn({2, 5, 16}), drawn({2, 7, 16}));
}
