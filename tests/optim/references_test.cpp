// Trajectories of the rules that are not plain element rules, against other people's optimizers
// (tests/vectors/make_optim_shape_vectors.py names them and their versions). Bounds: 1e-11 in f64, 1e-5 in f32, but for
//   f32, prodigy and dadapt_adam   1e-4: d is a quotient of two sums that are rounded in f32 there and summed in double here
//   shampoo                        1e-8: the smallest eigenvalue of five is 1e-6 beside 1e1 at the first step, and its error
//   is raised
//                                  to -1/4; so is the reference's
//   soap                           1e-9: eigenvectors turn by rounding over the gap between eigenvalues
#include <gradus/tests/helpers/optim.h>

#include <gradus/core/io/safetensors.h>
#include <gradus/optim/averaged.h>

#include <doctest/doctest.h>

#include <map>

using namespace optim_testing;

namespace {

const std::map<std::string, Array>& vectors() {
  static const auto all = [] {
    std::map<std::string, Array> m;
    for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/optim_shapes.safetensors").tensors)
      m[name] = a;
    return m;
  }();
  return all;
}

struct Case {
  std::string spec, dtype;
  std::map<std::string, Array> kept, points;  // by parameter
};

/// The cases "SPEC|NAME|DTYPE" whose keys end in `suffix`.
std::map<std::string, Case> cases(const std::string& suffix) {
  std::map<std::string, Case> all;
  for (const auto& [key, a] : vectors()) {
    std::vector<std::string> part{""};
    for (const char c : key)
      if (c == '|') part.emplace_back();
      else part.back() += c;
    if (part.size() < 3 || part[1] == "rows") continue;
    const std::string end = part.size() > 3 ? part[3] : "";
    if (end != suffix && !(suffix.empty() && end == "x")) continue;
    Case& c = all[part[0] + "|" + part[2]];
    c.spec = part[0], c.dtype = part[2];
    (end == "x" ? c.points : c.kept)[part[1]] = a;
  }
  return all;
}

double bound(const Case& c) {
  const bool estimates = c.spec.starts_with("prodigy") || c.spec.starts_with("dadapt");
  if (c.dtype == "f32") return estimates ? 1e-4 : 1e-5;
  return c.spec.starts_with("shampoo") ? 1e-8 : c.spec.starts_with("soap") ? 1e-9 : 1e-11;
}

/// Runs a case; `step` takes step t with gradients in place.
template <class Step> double worst_error(const Case& c, Step step) {
  const Dtype dtype = c.dtype == "f64" ? f64 : f32;
  NamedTensors parameters;
  for (const auto& entry : c.kept)
    parameters.emplace_back(entry.first, leaf(vectors().at("start/" + entry.first).to(dtype)));
  auto opt = optim::make(c.spec, parameters);
  double worst = 0;
  int t = 0;
  for (const int until : {1, 2, 3, 10, 40}) {
    for (; t < until; ++t) step(opt, parameters, t);
    const int64_t k = until < 4 ? until - 1 : until == 10 ? 3 : 4;
    auto compare = [&](const std::map<std::string, Array>& expected) {
      for (const auto& [name, w] : parameters) worst = std::max(worst, error(w.array(), expected.at(name).select(0, k)));
    };
    compare(c.kept);
    if (c.points.empty()) continue;
    const auto before = values(opt);
    opt.eval();
    compare(c.points);
    opt.train();
    CHECK(same_bits(values(opt), before));
  }
  return worst;
}

Array gradient_of(const std::string& name, int t, Dtype dtype) {
  return vectors().at("gradients/" + name).select(0, t).to(dtype).copy();
}

}  // namespace

TEST_CASE("rules of other shapes follow other people's") {
  std::map<std::string, double> worst;
  int count = 0;
  for (const auto& item : cases("")) {
    const auto& key = item.first;  // clang 14 cannot capture a structured binding
    const auto& c = item.second;
    const double e = worst_error(c, [&](Optimizer& opt, const NamedTensors& parameters, int t) {
      if (opt.rule().needs_closure()) {  // a loss with this value and these gradients
        const Tensor value = scalar(vectors().at("losses").element(t), c.dtype == "f64" ? f64 : f32);
        opt.step([&] {
          Tensor loss = value;
          for (const auto& [name, w] : parameters)
            loss = loss + sum((w - w.detach()) * Tensor(gradient_of(name, t, w.dtype())));
          return loss;
        });
        return;
      }
      for (const auto& [name, w] : parameters) w.set_grad(gradient_of(name, t, w.dtype()));
      opt.step();
    });
    CHECK_MESSAGE(e <= bound(c), key, " error ", e);
    auto& w = worst[c.spec.substr(0, c.spec.find('(')) + " " + c.dtype];
    w = std::max(w, e);
    ++count;
  }
  CHECK(count == 48);
  for (const auto& [name, e] : worst) MESSAGE(name << " " << e);
}

TEST_CASE("curvature: Sophia-H and AdaHessian with given Hessian diagonals") {
  // The loss sum(g w + h w^2 / 2 - h w w0) has gradient g at w = w0 and Hessian diag(h): u*(Hu) = h for every u.
  int count = 0;
  for (const auto& item : cases("hessian")) {
    const auto& key = item.first;
    const auto& c = item.second;
    const double e = worst_error(c, [&](Optimizer& opt, const NamedTensors& parameters, int t) {
      opt.step([&] {
        Tensor loss;
        for (const auto& [name, w] : parameters) {
          const Tensor h(vectors().at("hessians/" + name).select(0, t).copy()), g(gradient_of(name, t, f64));
          const Tensor part = sum(g * w + 0.5 * h * square(w - w.detach()));
          loss = loss.defined() ? loss + part : part;
        }
        return loss;
      });
    });
    CHECK_MESSAGE(e <= 1e-11, key, " error ", e);
    MESSAGE(key << " " << e);
    ++count;
  }
  CHECK(count == 2);
}

TEST_CASE("lazy_adam moves the rows that torch.optim.SparseAdam moves, rows with a gradient of zero among them") {
  for (const Dtype dtype : {f64, f32}) {
    const Tensor w = leaf(vectors().at("start/m").to(dtype));
    const Array expected =
        vectors().at(std::string("lazy_adam(lr=0.1, beta1=0.8, beta2=0.95)|rows|") + (dtype == f64 ? "f64" : "f32"));
    auto opt = optim::make("lazy_adam(lr=0.1, beta1=0.8, beta2=0.95)", std::vector<Tensor>{w});
    int t = 0;
    double worst = 0;
    for (const int until : {1, 2, 3, 10, 40}) {
      for (; t < until; ++t) {
        const Tensor rows(vectors().at("rows").select(0, t).to(i64).copy()),
            weights(vectors().at("weights").select(0, t).to(dtype).copy());
        opt.step([&] { return sum(embedding(w, rows) * weights); });
      }
      const int64_t k = until < 4 ? until - 1 : until == 10 ? 3 : 4;
      worst = std::max(worst, error(w.array(), expected.select(0, k)));
    }
    CHECK(worst <= (dtype == f64 ? 1e-11 : 1e-5));
    MESSAGE("lazy_adam " << to_string(dtype) << " " << worst);
  }
}

TEST_CASE("averages of weights follow torch.optim.swa_utils") {
  Tensor w = leaf(vectors().at("start/m"), "w");
  const NamedTensors parameters{{"w", w}};
  auto ema = optim::Averaged::exponential(parameters, 0.9), equal = optim::Averaged::equal(parameters);
  for (int t = 0; t < 10; ++t) {
    w.writable().assign(gradient_of("m", t, f64), "test");
    ema.update();
    equal.update();
  }
  CHECK(error(ema.averages()[0].second, vectors().at("averaged/ema")) <= 1e-14);
  CHECK(error(equal.averages()[0].second, vectors().at("averaged/equal")) <= 1e-14);
}

TEST_CASE("L-BFGS follows PyTorch on quadratics") {
  for (const int n : {1, 2, 5, 10})
    for (const std::string search : {"none", "strong_wolfe"}) {
      const std::string at = "lbfgs/" + std::to_string(n) + "/";
      const Tensor a(vectors().at(at + "a")), b(vectors().at(at + "b"));
      const Array &expected = vectors().at(at + search), &counts = vectors().at(at + search + "/evaluations");
      const Tensor w = leaf(Array::zeros({n}, f64));
      auto opt = optim::make("lbfgs(max_iter=1, max_eval=30, line_search_fn=" + search + ")", std::vector<Tensor>{w});
      double worst = 0;
      for (int64_t k = 0; k < 20; ++k) {
        opt.step([&] { return 0.5 * sum((w - b) * matmul(a, w - b)); });
        worst = std::max(worst, error(w.array(), expected.select(0, k)));
        CHECK(static_cast<double>(opt.evaluations().gradient) <= counts.element(k));
      }
      CHECK_MESSAGE(worst <= 1e-8, at, search, " error ", worst);
      MESSAGE(at << search << " error " << worst);
    }
}

TEST_CASE("L-BFGS needs fewer evaluations than PyTorch on Rosenbrock from (-1.2, 1) to 1e-10") {
  const Array& torch = vectors().at("lbfgs/rosenbrock");
  const std::string specs[] = {"lbfgs(line_search_fn=strong_wolfe)",
                               "lbfgs(max_iter=100, max_eval=1000, line_search_fn=strong_wolfe, tolerance_change=0, "
                               "tolerance_grad=0)"};
  for (int64_t way = 0; way < 2; ++way) {
    const Tensor x = leaf(Array::full({1}, -1.2, f64)), y = leaf(Array::full({1}, 1, f64));
    auto opt = optim::make(specs[way], std::vector<Tensor>{x, y});
    int count = 0, needed = 0;
    const auto loss = [&] { return sum(100.0 * square(y - square(x)) + square(1.0 - x)); };
    while (needed == 0 && count < 1000)
      opt.step([&] {
        const Tensor f = loss();
        ++count;
        if (needed == 0 && f.item() <= 1e-10) needed = count;
        return f;
      });
    MESSAGE("evaluations: " << needed << ", PyTorch " << torch.element(0));
    CHECK(needed > 0);
    CHECK(needed < torch.element(0));
  }
}
