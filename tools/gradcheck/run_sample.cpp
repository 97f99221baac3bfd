#include <gradus/autograd/backward.h>
#include <gradus/core/parallel.h>
#include <gradus/tools/gradcheck/run_sample.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus::tools {
namespace {

constexpr double own_rounding = 0x1p-24;  // of f32
constexpr int moves = 4;

void check_fits(const Tensor& gradient, const Tensor& input) {
  if (!(gradient.shape() == input.shape()) || gradient.dtype() != input.dtype())
    throw ShapeError("run_sample", join("a gradient is ", describe(gradient), ", its input ", describe(input)));
}

/// Some element is so large that f32 has no number for it, or so small that it has few digits.
bool beyond_f32(const Array& a) {
  if (!a.defined() || !is_real(a.dtype())) return false;
  double top = 0;
  for (int64_t i = 0; i < a.size(); ++i) top = std::max(top, std::fabs(a.element(i)));
  return top > std::numeric_limits<float>::max() || (top > 0 && top < 0x1p24 * std::numeric_limits<float>::min());
}

/// Each real element times 1 + u 2^-24, |u| <= 1.
Array moved(const Array& a, QuickRandom& random) {
  if (a.dtype() != f64) return a;
  Array b = a.copy();
  for (int64_t i = 0; i < b.size(); ++i) b.uninitialized<double>()[i] *= 1 + own_rounding * (2 * random.uniform() - 1);
  return b;
}

/// One for each result; zero for those beyond the range of f32, if they are to be left out.
std::vector<double> distances(const OpRun& a, const OpRun& b, bool only_f32 = true) {
  std::vector<double> d;
  for (const auto& [p, q] : {std::pair(&a.outputs, &b.outputs), std::pair(&a.gradients, &b.gradients)}) {
    if (p->size() != q->size()) return {INFINITY};
    for (std::size_t k = 0; k < p->size(); ++k)
      d.push_back(only_f32 && beyond_f32((*q)[k]) ? 0 : relative_distance((*p)[k], (*q)[k]));
  }
  return d;
}

}  // namespace

Array as_is(const Array& a) { return a; }

Array column_major(const Array& a) {
  std::vector<int> reverse;
  for (int i = a.rank(); i-- > 0;) reverse.push_back(i);
  return a.permute(reverse).copy().permute(reverse);
}

Array with_gaps(const Array& a) {
  Shape wide = a.shape();
  if (a.rank() == 0) wide.push_back(1);
  const int last = wide.rank() - 1;
  wide[last] *= 2;
  Array whole = Array::full(wide, is_real(a.dtype()) ? std::nan("") : 1e6, a.dtype());
  Array view = whole.slice(last, 1, wide[last], 2);
  if (a.rank() == 0) view = view.select(0, 0);
  if (a.size() > 0) view.assign(a, "test");
  return view;
}

Array behind_a_row(const Array& a) {
  if (a.rank() == 0) return with_gaps(a);
  Shape tall = a.shape();
  tall[0] += 1;
  Array view = Array::full(tall, is_real(a.dtype()) ? std::nan("") : 1e6, a.dtype()).slice(0, 1, tall[0]);
  if (a.size() > 0) view.assign(a, "test");
  return view;
}

Arrays each(const Arrays& a, Lay lay) {
  Arrays b;
  for (const Array& x : a) b.push_back(lay(x));
  return b;
}

OpRun run_sample(const Sample& s, const Arrays& inputs, const std::function<Array(const Array&)>& lay_seed) {
  std::vector<Tensor> x, leaves, roots, seeds;
  for (const Array& a : inputs) {
    x.push_back(Tensor(a));
    if (is_real(a.dtype())) leaves.push_back(x.back().requires_grad_());
  }
  OpRun r;
  for (const Tensor& y : s.call(x)) {
    r.outputs.push_back(y.array());
    if (!y.requires_grad()) continue;
    roots.push_back(y);
    seeds.push_back(Tensor(lay_seed(sample_values(y.shape(), -1, 1, 77).to(f32).to(y.dtype()))));
  }
  if (roots.empty()) return r;
  const auto grads = grad(roots, leaves, {.allow_unused = true}, seeds);
  for (std::size_t k = 0; k < grads.size(); ++k) {
    if (grads[k].defined()) check_fits(grads[k], leaves[k]);
    r.gradients.push_back(grads[k].array());
  }
  return r;
}

double f32_error(const Sample& s) {
  Arrays narrow, wide;
  for (const Array& a : s.inputs) {
    narrow.push_back(a.dtype() == f64 ? a.to(f32) : a);
    wide.push_back(a.dtype() == f64 ? a.to(f32).to(f64) : a);
  }
  const OpRun exact = run_sample(s, wide);
  const std::vector<double> error = distances(run_sample(s, narrow), exact);
  if (std::all_of(error.begin(), error.end(), [](double e) { return e <= 1e-7; }))  // no condition number is needed
    return error.empty() ? 0 : *std::max_element(error.begin(), error.end());
  std::vector<double> condition(error.size(), 1);
  QuickRandom random;
  for (int i = 0; i < moves; ++i) {
    const auto move = [&](const Array& a) { return moved(a, random); };
    Arrays inputs;
    for (const Array& a : wide) inputs.push_back(move(a));
    const std::vector<double> moved_by = distances(run_sample(s, inputs, move), exact);
    for (std::size_t k = 0; k < condition.size() && k < moved_by.size(); ++k)
      condition[k] = std::max(condition[k], moved_by[k] / own_rounding);
  }
  double worst = 0;
  for (std::size_t k = 0; k < error.size(); ++k) worst = std::max(worst, error[k] / condition[k]);
  return worst;
}

bool same_bits_at_any_threads(const Sample& s) {
  struct Restore {
    int before = threads();
    ~Restore() { set_threads(before); }
  } const restore;
  set_threads(1);
  const OpRun one = run_sample(s, s.inputs);
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    if (!same_bits(one, run_sample(s, s.inputs))) return false;
  }
  return true;
}

double layout_error(const Sample& s) {
  const OpRun dense = run_sample(s, s.inputs);
  double worst = 0;
  for (const Lay lay : {column_major, with_gaps, behind_a_row})
    if (const OpRun other = run_sample(s, each(s.inputs, lay), lay); !same_bits(dense, other))
      for (const double d : distances(other, dense, false)) worst = std::max({worst, d, 1e-300});
  return worst;
}

}  // namespace gradus::tools
