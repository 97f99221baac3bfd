#include <fmt/format.h>
#include <gradus/autograd/backward.h>
#include <gradus/tools/gradcheck/edges/run_at_edges.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace gradus::tools {
namespace {

std::vector<double> as_doubles(const Array& a) {
  const Array wide = a.to(f64).contiguous();
  return {wide.data<double>(), wide.data<double>() + wide.size()};
}

/// One run: what it needs, and what came of it.
struct Run {
  const std::function<Array(const Array&)>& lay_seed;
  std::vector<Tensor> leaves = {};
  std::vector<std::size_t> places = {};  // of the leaves among the inputs
  EdgeRun result = {};

  /// The gradients of `roots` for fixed seeds, as parts; they themselves if wanted.
  std::vector<Tensor> differentiate(const std::vector<Tensor>& roots, int order, const char* what, GradOptions options) {
    std::vector<Tensor> seeds;
    for (const Tensor& y : roots)
      seeds.push_back(
          Tensor(lay_seed(sample_values(y.shape(), -1, 1, 76 + static_cast<unsigned>(order)).to(f32).to(y.dtype()))));
    options.allow_unused = true;
    const auto grads = grad(roots, leaves, options, seeds);
    for (std::size_t k = 0; k < grads.size(); ++k)
      if (grads[k].defined())
        result.parts.push_back(
            {order, places[k], fmt::format("{} of input {}", what, places[k]), as_doubles(grads[k].array())});
    return grads;
  }

  void operator()(const Sample& s, const Arrays& inputs, Dtype dtype, int orders) {
    std::vector<Tensor> x, roots, slopes;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const bool real = is_real(inputs[k].dtype());
      x.push_back(Tensor(real ? inputs[k].to(dtype) : inputs[k]));
      if (real) leaves.push_back(x.back().requires_grad_()), places.push_back(k);
    }
    std::size_t k = 0;
    for (const Tensor& y : s.call(x)) {
      if (y.defined() && is_real(y.dtype()))
        result.parts.push_back({0, k, fmt::format("output {}", k), as_doubles(y.array())});
      if (y.requires_grad()) roots.push_back(y);
      ++k;
    }
    if (roots.empty() || orders < 1) return;
    differentiate(roots, 1, "gradient", {.retain_graph = orders > 1});
    if (orders < 2) return;
    for (const Tensor& g : differentiate(roots, 1, "recorded gradient", {.create_graph = true}))
      if (g.defined() && g.requires_grad()) slopes.push_back(g);
    if (!slopes.empty()) differentiate(slopes, 2, "second gradient", {});
  }
};

/// Each real number times 1 + 2^-24 or 1 - 2^-24.
Array moved(const Array& a, QuickRandom& random) {
  if (a.dtype() != f64) return a;
  Array b = a.copy();
  for (int64_t j = 0; j < b.size(); ++j) b.uninitialized<double>()[j] *= 1 + 0x1p-24 * (random.uniform() < 0.5 ? -1 : 1);
  return b;
}

}  // namespace

EdgeRun run_at_edge(const Sample& s, const Arrays& inputs, Dtype dtype, int orders,
                    const std::function<Array(const Array&)>& lay_seed) {
  Run run{lay_seed};
  EdgeRun& r = run.result;
  try {
    run(s, inputs, dtype, orders);
  } catch (const Error& e) {
    r.refusal = e.what();
    r.parts.clear();
  } catch (const std::out_of_range&) {
    r.refusal = "the sample takes a part that is not there";
    r.parts.clear();
  }
  return r;
}

std::vector<std::vector<double>> slopes_at_edge(const Sample& s, const Arrays& inputs, const EdgeRun& exact) {
  constexpr double step = 0x1p-24;
  constexpr int moves = 16;
  std::vector<std::vector<double>> slopes;
  for (const EdgePart& p : exact.parts) slopes.emplace_back(p.numbers.size(), 0.0);
  QuickRandom random;
  for (int i = 0; i < moves; ++i) {
    const auto move = [&](const Array& a) { return moved(a, random); };
    Arrays beside;
    for (const Array& a : inputs) beside.push_back(move(a));
    const EdgeRun r = run_at_edge(s, beside, f64, 2, move);
    if (r.parts.size() != exact.parts.size()) continue;
    for (std::size_t p = 0; p < r.parts.size(); ++p)
      for (std::size_t j = 0; j < slopes[p].size() && j < r.parts[p].numbers.size(); ++j) {
        const double by = std::fabs(r.parts[p].numbers[j] - exact.parts[p].numbers[j]) / step;
        slopes[p][j] = std::isnan(by) ? slopes[p][j] : std::max(slopes[p][j], by);
      }
  }
  return slopes;
}

bool f32_is_good(double a, double b, double slope, int order) {
  constexpr double roundings = 8, rounding = 0x1p-24, headroom = 1000;
  if (std::isinf(slope)) return true;
  if (std::isnan(b)) return std::isnan(a);
  if (std::isinf(b)) return a == b;
  if (!std::isfinite(a)) return std::fabs(b) + slope > largest / headroom && !(std::isnan(a) && slope < largest / headroom);
  const double lost = order == 0 ? roundings * subnormal : std::numeric_limits<float>::min();
  if (std::fabs(a - b) <= roundings * rounding * (std::fabs(b) + slope) + lost) return true;
  return std::fabs(b) > largest && a * b > 0 && std::fabs(a) >= largest * (1 - 0x1p-10);
}

std::string edge_text(double x) {
  if (std::fabs(x) == largest) return x < 0 ? "-largest" : "largest";
  if (std::fabs(x) == subnormal) return x < 0 ? "-subnormal" : "subnormal";
  return fmt::format("{}", x);
}

}  // namespace gradus::tools
