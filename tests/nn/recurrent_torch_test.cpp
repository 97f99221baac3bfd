// LSTM, GRU, RNN and their cells against PyTorch: results and all gradients (tests/vectors/make_recurrent_vectors.py).
#include <gradus/nn/nn.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

#include <map>
#include <sstream>

using namespace gradus;

namespace {

/// A case of tests/vectors/make_recurrent_vectors.py: "LSTM 5x3x4x7 state layers2 proj3", steps, batch, features, hidden.
struct TorchCase {
  std::string name, type;
  int64_t features = 0, hidden = 0;
  std::vector<std::string> options;

  explicit TorchCase(const std::string& all) : name(all) {
    std::istringstream words(all);
    std::string sizes;
    words >> type >> sizes;
    std::replace(sizes.begin(), sizes.end(), 'x', ' ');
    int64_t steps = 0, batch = 0;
    std::istringstream(sizes) >> steps >> batch >> features >> hidden;
    for (std::string word; words >> word;) options.push_back(word);
  }
  bool has(const std::string& word) const { return std::find(options.begin(), options.end(), word) != options.end(); }
  int64_t number(const std::string& word, int64_t otherwise) const {
    for (const auto& o : options)
      if (o.starts_with(word) && o.size() > word.size()) return std::stoll(o.substr(word.size()));
    return otherwise;
  }
};

using Vectors = std::map<std::string, Array>;

/// max |a - b| / max |b|, or the former alone where b is smaller than 1.
double relative_distance(const Array& a, const Array& b) {
  double largest = 1;
  for (int64_t i = 0; i < b.size(); ++i) largest = std::max(largest, std::fabs(b.element(i)));
  return gradus::testing::distance(a, b) / largest;
}

using Named = std::map<std::string, Tensor>;

template <class Module, class Call>
double compare_module(const Vectors& v, const TorchCase& c, Dtype dtype, Module module, Call call) {
  NamedArrays state;
  for (const auto& [key, a] : v)
    if (key.starts_with(c.name + "|param|")) state.emplace_back(key.substr(c.name.size() + 7), a);
  module.to(dtype);
  module.load_state_dict(state);
  Named in, leaves;
  for (const std::string key : {"x", "h", "c"})
    if (v.contains(c.name + "|" + key)) leaves[key] = in[key] = leaf(v.at(c.name + "|" + key).to(dtype));
  if (v.contains(c.name + "|lengths")) in["lengths"] = Tensor(v.at(c.name + "|lengths").to(i64));
  for (const auto& [name, p] : module.named_parameters()) leaves[name] = p;
  double worst = 0;
  Tensor loss;
  for (const auto& [key, y] : call(module, in)) {
    worst = std::max(worst, relative_distance(y.array(), v.at(c.name + "|" + key)));
    const Tensor term = sum(y * Tensor(v.at(c.name + "|seed_" + key).to(dtype)));
    loss = loss.defined() ? loss + term : term;
  }
  loss.backward();
  std::size_t compared = 0;
  for (const auto& [key, t] : leaves) {
    REQUIRE(v.contains(c.name + "|grad|" + key));
    worst = std::max(worst, relative_distance(t.grad().array(), v.at(c.name + "|grad|" + key)));
    ++compared;
  }
  for (const auto& [key, a] : v)
    if (key.starts_with(c.name + "|grad|")) --compared;
  CHECK(compared == 0);  // every gradient of PyTorch's was met
  return worst;
}

double compare_case(const Vectors& v, const TorchCase& c, Dtype dtype) {
  const bool bias = !c.has("nobias"), both = c.has("bidirectional"), first = c.has("batch_first");
  const int64_t layers = c.number("layers", 1);
  const std::string kind = c.has("relu") ? "relu" : "tanh";
  const auto sequence = [](auto& module, Named& in) {
    const auto [y, h] = module(in["x"], in["h"], {.lengths = in["lengths"]});
    return Named{{"y", y}, {"hn", h}};
  };
  const auto step = [](auto& module, Named& in) { return Named{{"hn", module(in["x"], in["h"])}}; };
  if (c.type == "LSTM")
    return compare_module(v, c, dtype,
                          nn::LSTM(c.features, c.hidden,
                                   {.num_layers = layers,
                                    .bias = bias,
                                    .bidirectional = both,
                                    .batch_first = first,
                                    .proj_size = c.number("proj", 0)}),
                          [](auto& lstm, Named& in) {
                            const auto [y, state] = lstm(in["x"], {in["h"], in["c"]}, {.lengths = in["lengths"]});
                            return Named{{"y", y}, {"hn", state.h}, {"cn", state.c}};
                          });
  if (c.type == "GRU")
    return compare_module(
        v, c, dtype,
        nn::GRU(c.features, c.hidden, {.num_layers = layers, .bias = bias, .bidirectional = both, .batch_first = first}),
        sequence);
  if (c.type == "RNN")
    return compare_module(
        v, c, dtype,
        nn::RNN(c.features, c.hidden,
                {.num_layers = layers, .nonlinearity = kind, .bias = bias, .bidirectional = both, .batch_first = first}),
        sequence);
  if (c.type == "LSTMCell")
    return compare_module(v, c, dtype, nn::LSTMCell(c.features, c.hidden, {.bias = bias}), [](auto& cell, Named& in) {
      const auto [h, next] = cell(in["x"], {in["h"], in["c"]});
      return Named{{"hn", h}, {"cn", next}};
    });
  if (c.type == "GRUCell") return compare_module(v, c, dtype, nn::GRUCell(c.features, c.hidden, {.bias = bias}), step);
  return compare_module(v, c, dtype, nn::RNNCell(c.features, c.hidden, {.bias = bias, .nonlinearity = kind}), step);
}

}  // namespace

TEST_CASE("recurrent layers and cells have PyTorch's numbers: f64 within 1e-10, f32 within 1e-5") {
  Vectors v;
  std::map<std::string, int> cases;
  for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/recurrent.safetensors").tensors) {
    v[name] = a;
    cases[name.substr(0, name.find('|'))]++;
  }
  REQUIRE(cases.size() == 47);
  double wide = 0, narrow = 0;
  for (const auto& item : cases) {
    const TorchCase c(item.first);
    INFO(c.name);
    const double d = compare_case(v, c, f64), s = compare_case(v, c, f32);
    CHECK(d <= 1e-10);
    CHECK(s <= 1e-5);
    wide = std::max(wide, d), narrow = std::max(narrow, s);
  }
  MESSAGE(cases.size() << " cases; worst: f64 " << wide << ", f32 " << narrow);
}
