// Cases of nn, attention, nn_layers and nn_configurations.safetensors in tests/vectors (each by its make_*_vectors.py): a
// layer or a loss with what PyTorch makes of it. Each is compared in f64 and f32, its gradients are checked by differences, and its bits are those
// of one thread with several.
#pragma once

#include <gradus/autograd/check/gradcheck.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/nn/nn.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace gradus::testing {

using In = std::vector<Tensor>;
using Out = std::vector<Tensor>;

class NnVectors {
 public:
  NnVectors() {
    for (const std::string file : {"nn", "attention", "nn_layers", "nn_configurations"})
      for (auto& [name, array] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/" + file + ".safetensors").tensors)
        arrays_.emplace(name, array);
  }
  bool has(const std::string& key) const { return arrays_.contains(key); }
  const Array& operator[](const std::string& key) const {
    REQUIRE_MESSAGE(has(key), "no " << key << " in the vectors of nn");
    return arrays_.at(key);
  }
  /// CASE|in0, ...: reals in `dtype`, as leaves if the file has their gradient.
  In list(const std::string& name, const char* what, Dtype dtype) const {
    In list;
    for (int i = 0; has(key(name, what, i)); ++i) {
      const Array& a = arrays_.at(key(name, what, i));
      const Array number = is_real(a.dtype()) ? a.to(dtype) : a;
      list.push_back(has(key(name, "grad", i)) ? leaf(number) : Tensor(number));
    }
    return list;
  }
  /// CASE|param|NAME without what is before NAME.
  NamedArrays state(const std::string& name) const {
    NamedArrays state;
    const std::string prefix = name + "|param|";
    for (const auto& [key, array] : arrays_)
      if (key.starts_with(prefix)) state.emplace_back(key.substr(prefix.size()), array);
    return state;
  }
  static std::string key(const std::string& name, const char* what, int i) { return name + "|" + what + std::to_string(i); }

 private:
  std::map<std::string, Array> arrays_;
};

inline const NnVectors& nn_vectors() {
  static const NnVectors vectors;
  return vectors;
}

/// max |a - b| / max(|a|, |b|), of numbers that are not all below `small`; infinite if the shapes differ.
inline double norm_wise(const Array& a, const Array& b, double small = 1e-3) {
  if (!(a.shape() == b.shape())) return HUGE_VAL;
  double largest = small, worst = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a.element(i)) || !std::isfinite(b.element(i))) return HUGE_VAL;
    largest = std::max({largest, std::fabs(a.element(i)), std::fabs(b.element(i))});
    worst = std::max(worst, std::fabs(a.element(i) - b.element(i)));
  }
  return worst / largest;
}

inline Array or_zeros(const Array& gradient, const Tensor& of) {
  return gradient.defined() ? gradient : Array::zeros(of.shape(), of.dtype());
}

/// One run: what came out, and the gradients of inputs and parameters, all named as in the file.
inline NamedArrays run_case(const std::string& name, nn::ModuleBase* module, const std::function<Out(const In&)>& call,
                            Dtype dtype) {
  const NnVectors& v = nn_vectors();
  if (module) {
    module->to(dtype);
    module->load_state_dict(v.state(name));
    module->zero_grad();
  }
  const In in = v.list(name, "in", dtype);
  const Out out = call(in);
  NamedArrays results;
  Tensor total = scalar(0.0, dtype);
  for (std::size_t i = 0; i < out.size(); ++i) {
    results.emplace_back(NnVectors::key(name, "out", static_cast<int>(i)), out[i].array());
    const Tensor seed(v[NnVectors::key(name, "seed", static_cast<int>(i))].to(dtype));
    REQUIRE(out[i].shape() == seed.shape());
    total = total + sum(out[i] * seed);
  }
  REQUIRE_FALSE(v.has(NnVectors::key(name, "out", static_cast<int>(out.size()))));
  total.backward();
  for (std::size_t i = 0; i < in.size(); ++i)
    if (in[i].is_leaf())
      results.emplace_back(NnVectors::key(name, "grad", static_cast<int>(i)), or_zeros(in[i].grad().array(), in[i]));
  if (module)
    for (const auto& [path, p] : module->named_parameters())
      results.emplace_back(name + "|grad|" + path, or_zeros(p.grad().array(), p));
  return results;
}

inline void check_case(const std::string& name, nn::ModuleBase* module, const std::function<Out(const In&)>& call,
                       bool differences = true) {
  INFO(name);
  const NamedArrays one_thread = [&] {
    set_threads(1);
    return run_case(name, module, call, f64);
  }();
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    const NamedArrays many = run_case(name, module, call, f64);
    for (std::size_t i = 0; i < many.size(); ++i) CHECK(norm_wise(many[i].second, one_thread[i].second) == 0);
  }
  set_threads(2);
  for (const auto& result : one_thread) {
    INFO(result.first);
    CHECK(norm_wise(result.second, nn_vectors()[result.first]) <= 1e-10);
  }
  for (const auto& result : run_case(name, module, call, f32)) {
    INFO(result.first);
    CHECK(result.second.dtype() == f32);
    CHECK(norm_wise(result.second.to(f64), nn_vectors()[result.first]) <= 1e-5);
  }
  if (!differences) return;
  if (module) module->to(f64);
  std::vector<Tensor> leaves = module ? module->parameters() : std::vector<Tensor>{};
  const In in = nn_vectors().list(name, "in", f64);
  for (const Tensor& t : in)
    if (t.is_leaf()) leaves.push_back(t);
  for (const bool training : {true, false}) {
    if (module) module->train(training);
    const GradcheckReport report = gradcheck([&] { return call(in); }, leaves, {.may_be_zero = true});
    CHECK_MESSAGE(report.passed, report.message);
    if (!module || module->modules().size() == 1) break;  // nothing within has a mode
  }
  if (module) module->train();
}

/// A layer whose parameters are those of the file; strictly, so that the names must be PyTorch's, too.
template <class Layer, class Call>
void check_layer(const std::string& name, Layer layer, Call call, bool differences = true) {
  check_case(
      name, &layer, [&](const In& x) -> Out { return call(layer, x); }, differences);
}
template <class Layer> void check_layer(const std::string& name, Layer layer) {
  check_layer(name, std::move(layer), [](Layer& l, const In& x) { return Out{l(x[0])}; });
}

}  // namespace gradus::testing
