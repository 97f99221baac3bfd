// Trajectories against PyTorch (tests/vectors/make_optim_vectors.py names the version), and against plain loops.
#include <gradus/tests/helpers/optim.h>

#include <gradus/core/io/safetensors.h>

#include <doctest/doctest.h>

#include <map>

using namespace optim_testing;

namespace {

std::map<std::string, Array> vectors() {
  std::map<std::string, Array> all;
  for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/optim.safetensors").tensors) all[name] = a;
  return all;
}

/// The parameters after the steps that `expected` holds.
Array trajectory(const std::string& spec, const Array& start, const Array& gradients, const std::vector<int>& steps) {
  const Tensor w = leaf(start);
  auto opt = optim::make(spec, std::vector<Tensor>{w});
  Shape shape = start.shape().insert(0, static_cast<int64_t>(steps.size()));
  Array kept = Array::zeros(shape, start.dtype());
  int t = 0;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    for (; t < steps[k]; ++t) {
      w.set_grad(gradients.select(0, t).copy());
      opt.step();
    }
    kept.select(0, static_cast<int64_t>(k)).assign(w.array(), "test");
  }
  return kept;
}

}  // namespace

TEST_CASE("element rules follow PyTorch") {
  const auto all = vectors();
  double worst[2] = {};
  int cases = 0;
  for (const auto& entry : all) {
    const std::string& key = entry.first;
    const Array& expected = entry.second;
    const auto bar = key.find('|');
    if (bar == key.npos || key.find("|quadratic") != key.npos || key.find("|matrix") != key.npos) continue;
    const auto second = key.find('|', bar + 1);
    const std::string spec = key.substr(0, bar), kind = key.substr(bar + 1, second - bar - 1);
    const Dtype dtype = key.substr(second + 1) == "f64" ? f64 : f32;
    const Array got = trajectory(spec, all.at("start").to(dtype), all.at("gradients/" + kind).to(dtype), {1, 2, 3, 10, 100});
    for (int64_t k = 0; k < 5; ++k) {
      const double e = error(got.select(0, k), expected.select(0, k));
      CHECK_MESSAGE(e <= (dtype == f64 ? 1e-11 : 1e-5), key, " kept step ", k, " error ", e);
      worst[dtype == f32] = std::max(worst[dtype == f32], e);
    }
    ++cases;
  }
  CHECK(cases == 28 * 5 * 2);
  MESSAGE(cases << " trajectories; worst error f64 " << worst[0] << ", f32 " << worst[1]);
}

TEST_CASE("L-BFGS follows PyTorch on a quadratic") {
  const auto all = vectors();
  const Tensor a(all.at("quadratic/a")), b(all.at("quadratic/b"));
  int cases = 0;
  for (const auto& entry : all) {
    const std::string& key = entry.first;
    const Array& expected = entry.second;
    const auto bar = key.find("|quadratic");
    if (bar == key.npos) continue;
    const Tensor w = leaf(Array::zeros({6}, f64));
    auto opt = optim::make(key.substr(0, bar), std::vector<Tensor>{w});
    for (int64_t k = 0; k < 10; ++k) {
      opt.step([&] { return 0.5 * sum((w - b) * matmul(a, w - b)); });
      const double e = error(w.array(), expected.select(0, k));
      CHECK_MESSAGE(e <= 1e-9, key, " step ", k, " error ", e);
    }
    ++cases;
  }
  CHECK(cases == 3);
}

TEST_CASE("Muon follows PyTorch as far as its bfloat16 goes") {
  const auto all = vectors();
  int cases = 0;
  for (const auto& entry : all) {
    const std::string& key = entry.first;
    const Array& expected = entry.second;
    const auto bar = key.find("|matrix");
    if (bar == key.npos) continue;
    const Array got = trajectory(key.substr(0, bar), all.at("matrix/start"), all.at("matrix/gradients"), {1, 2, 3, 4, 5});
    CHECK_MESSAGE(error(got, expected) <= 1e-2, key, " error ", error(got, expected));
    ++cases;
  }
  CHECK(cases == 2);
}

TEST_CASE("Lion follows its algorithm in plain loops") {
  const Array start = numbers({13}, 3);
  const Tensor w = leaf(start);
  auto opt = optim::make("lion(lr=0.01, beta1=0.8, weight_decay=0.1)", std::vector<Tensor>{w});
  std::vector<double> x(13), m(13, 0.0);
  for (std::size_t i = 0; i < 13; ++i) x[i] = start.element(static_cast<int64_t>(i));
  for (int t = 1; t <= 10; ++t) {
    const Array g = numbers({13}, static_cast<unsigned>(t));
    w.set_grad(g);
    opt.step();
    for (std::size_t i = 0; i < 13; ++i) {
      const double gi = g.element(static_cast<int64_t>(i)), c = 0.8 * m[i] + 0.2 * gi;
      x[i] -= 0.01 * ((c > 0 ? 1 : c < 0 ? -1 : 0) + 0.1 * x[i]);
      m[i] = 0.99 * m[i] + 0.01 * gi;
      CHECK(std::fabs(w.array().element(static_cast<int64_t>(i)) - x[i]) <= 1e-14);
    }
  }
}

TEST_CASE("centered RMSprop does not take the root of a negative variance") {
  // A constant gradient: v and mean^2 meet, and their difference rounds below 0 (PyTorch gives NaN at step 1200).
  const Tensor w = leaf(Array::full({1}, 0.5, f32));
  auto opt = optim::make("rmsprop(lr=1e-12, centered=true)", std::vector<Tensor>{w});
  w.set_grad(Array::full({1}, 0.1, f32));
  for (int t = 0; t < 3000; ++t) opt.step();
  CHECK(std::isfinite(w.item()));
}

TEST_CASE("moments that fade into subnormals become zero") {
  const Tensor w = leaf(Array::full({40}, 0.5, f32));
  auto opt = optim::make("adamw", std::vector<Tensor>{w});
  w.set_grad(Array::full({40}, 1e-3, f32));
  opt.step();
  w.set_grad(Array::zeros({40}, f32));
  for (int t = 0; t < 1200; ++t) opt.step();
  for (const auto& [name, a] : opt.state_dict())
    if (name == "adamw/m/0") CHECK(a.element(39) == 0);
}
