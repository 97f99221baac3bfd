// Every op that can be recorded, from the table of ops: nobody has to remember to test a new one.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/op.h>
#include <gradus/core/parallel.h>
#include <gradus/tools/gradcheck.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

using namespace gradus;

namespace {

using Arrays = std::vector<Array>;

/// Without those that tests have planted to be found wrong.
std::vector<const OpInfo*> library_ops() {
  auto ops = all_ops();
  std::erase_if(ops, [](const OpInfo* op) { return std::string_view(op->name).starts_with("planted"); });
  return ops;
}

template <class F>
void each_sample(F f) {
  for (const OpInfo* op : library_ops())
    for (const Sample& s : op->samples()) {
      INFO(std::string(op->name) << " / " << s.label);
      f(*op, s);
    }
}

struct Run {
  Arrays outputs, gradients;
};

/// Forward and back from fixed seeds. `lay` chooses the layout of the seeds.
template <class Lay>
Run run(const Sample& s, const Arrays& inputs, Lay lay) {
  std::vector<Tensor> x, leaves, roots, seeds;
  for (const Array& a : inputs) {
    x.push_back(Tensor(a));
    if (is_real(a.dtype())) leaves.push_back(x.back().requires_grad_());
  }
  Run r;
  for (const Tensor& y : s.call(x)) {
    r.outputs.push_back(y.array());
    if (!y.requires_grad()) continue;
    roots.push_back(y);
    seeds.push_back(Tensor(lay(sample_values(y.shape(), -1, 1, 77).to(y.dtype()))));
  }
  if (roots.empty()) return r;
  const auto grads = grad(roots, leaves, {.allow_unused = true}, seeds);
  for (std::size_t k = 0; k < grads.size(); ++k) {
    if (grads[k].defined()) CHECK(grads[k].shape() == leaves[k].shape());
    if (grads[k].defined()) CHECK(grads[k].dtype() == leaves[k].dtype());
    r.gradients.push_back(grads[k].array());
  }
  return r;
}
Run run(const Sample& s, const Arrays& inputs) {
  return run(s, inputs, [](const Array& a) { return a; });
}

bool same_bits(const Array& a, const Array& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const Array p = a.copy(), q = b.copy();
  return std::memcmp(p.bytes(), q.bytes(), static_cast<std::size_t>(p.size()) * bytes_of(p.dtype())) == 0;
}
bool same_bits(const Arrays& a, const Arrays& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](auto& p, auto& q) { return same_bits(p, q); });
}

double distance(const Array& a, const Array& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined() ? 0 : INFINITY;
  if (!(a.shape() == b.shape())) return INFINITY;
  double most = 0, top = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::fabs(a.element(i) - b.element(i)));
    top = std::max({top, std::fabs(a.element(i)), std::fabs(b.element(i))});
  }
  return top > 0 ? most / top : 0;
}
double distance(const Arrays& a, const Arrays& b) {
  double d = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) d = std::max(d, distance(a[i], b[i]));
  return d;
}

// ---- layouts: the same numbers, elsewhere ----

Array column_major(const Array& a) {
  std::vector<int> reverse;
  for (int i = a.rank(); i-- > 0;) reverse.push_back(i);
  return a.permute(reverse).copy().permute(reverse);
}
/// Every second element of a wider Array; what lies between is never to be read.
Array gaps(const Array& a) {
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
/// Rows behind another row: row-major, but not where packs start.
Array offset(const Array& a) {
  if (a.rank() == 0) return gaps(a);
  Shape tall = a.shape();
  tall[0] += 1;
  Array view = Array::full(tall, is_real(a.dtype()) ? std::nan("") : 1e6, a.dtype()).slice(0, 1, tall[0]);
  if (a.size() > 0) view.assign(a, "test");
  return view;
}
/// The first row repeated with stride 0: other numbers than `a`.
Array expanded(const Array& a) {
  return a.rank() == 0 || a.dim(0) == 0 ? a : a.slice(0, 0, 1).expand(a.shape());
}

Arrays each(const Arrays& a, Array (*f)(const Array&)) {
  Arrays b;
  for (const Array& x : a) b.push_back(f(x));
  return b;
}

}  // namespace

TEST_CASE("every op has samples and a name of its own") {
  std::set<std::string> names;
  std::size_t samples = 0, with_one = 0;
  for (const OpInfo* op : library_ops()) {
    INFO(std::string(op->name));
    CHECK(names.insert(op->name).second);
    const auto all = op->samples();
    CHECK_FALSE(all.empty());
    samples += all.size();
    with_one += all.size() == 1;
    std::set<std::string> labels;
    for (const Sample& s : all) CHECK(labels.insert(s.label).second);
  }
  CHECK(names.size() > 40);  // the table is the whole library's, not what this file happens to use
  CHECK(names.contains("tanh"));
  MESSAGE(names.size() << " ops, " << samples << " samples, " << with_one << " ops with a single one");
}

TEST_CASE("every op: first order within 1e-8, second order within 1e-6, at most 1 % of the draws inconclusive") {
  for (const OpInfo* op : library_ops()) {
    const auto v = tools::check_op(*op);
    CAPTURE(v.name);
    for (const auto& c : v.complaints) FAIL_CHECK(c);
    CHECK(v.passed);
    CHECK(v.first_order <= 1e-8);
    CHECK(v.second_order <= 1e-6);
  }
}

TEST_CASE("every op: f32 is f64 within 1e-5") {
  each_sample([](const OpInfo& op, const Sample& s) {
    Arrays narrow, wide;
    for (const Array& a : s.inputs) {
      narrow.push_back(a.dtype() == f64 ? a.to(f32) : a);
      wide.push_back(a.dtype() == f64 ? a.to(f32).to(f64) : a);
    }
    const Run f = run(s, narrow), d = run(s, wide);
    CHECK(distance(f.outputs, d.outputs) <= 1e-5);
    // 1 - y^2 of a saturated y: near 4 the result has lost four of its digits, whoever computes it.
    const bool saturated = std::string_view(op.name) == "tanh" && s.label == "far from zero";
    CHECK(distance(f.gradients, d.gradients) <= (saturated ? 1e-4 : 1e-5));
  });
}

TEST_CASE("every op: the layout of inputs and seeds does not matter") {
  each_sample([](const OpInfo&, const Sample& s) {
    const Run dense = run(s, s.inputs);
    for (const auto lay : {column_major, gaps, offset}) {
      const Run other = run(s, each(s.inputs, lay), lay);
      CHECK(same_bits(dense.outputs, other.outputs));
      CHECK(same_bits(dense.gradients, other.gradients));
    }
    const Arrays rows = each(s.inputs, expanded);
    const Run from_view = run(s, rows), from_copy = run(s, each(rows, [](const Array& a) { return a.copy(); }));
    CHECK(same_bits(from_view.outputs, from_copy.outputs));
    CHECK(same_bits(from_view.gradients, from_copy.gradients));
  });
}

TEST_CASE("every op: inputs are not modified") {
  each_sample([](const OpInfo&, const Sample& s) {
    const Arrays before = each(s.inputs, [](const Array& a) { return a.copy(); });
    std::vector<std::uint32_t> versions;
    for (const Array& a : s.inputs) versions.push_back(a.version());
    run(s, s.inputs);
    CHECK(same_bits(before, s.inputs));
    for (std::size_t k = 0; k < versions.size(); ++k) CHECK(s.inputs[k].version() == versions[k]);
  });
}

TEST_CASE("every op: nothing is recorded for constants, and the numbers are the same") {
  each_sample([](const OpInfo&, const Sample& s) {
    const std::vector<Tensor> constants(s.inputs.begin(), s.inputs.end());
    Arrays outputs;
    for (const Tensor& y : s.call(constants)) {
      CHECK_FALSE(y.requires_grad());
      outputs.push_back(y.array());
    }
    CHECK(same_bits(outputs, run(s, s.inputs).outputs));
  });
}

TEST_CASE("every op: each input alone gets the gradient it gets beside the others") {
  each_sample([](const OpInfo&, const Sample& s) {
    const Run all = run(s, s.inputs);
    std::size_t at = 0;
    for (std::size_t k = 0; k < s.inputs.size(); ++k) {
      if (!is_real(s.inputs[k].dtype())) continue;
      CAPTURE(k);
      std::vector<Tensor> x(s.inputs.begin(), s.inputs.end()), roots, seeds;
      x[k].requires_grad_();
      for (const Tensor& y : s.call(x))
        if (y.requires_grad())
          roots.push_back(y), seeds.push_back(Tensor(sample_values(y.shape(), -1, 1, 77).to(y.dtype())));
      Array alone;
      if (!roots.empty()) alone = grad(roots, {x[k]}, {.allow_unused = true}, seeds)[0].array();
      const Array beside = at < all.gradients.size() ? all.gradients[at] : Array();
      ++at;
      CHECK(same_bits(alone, beside));
    }
  });
}

TEST_CASE("every op: the same bits with 1, 2, 3 and 7 threads") {
  const int before = threads();
  each_sample([](const OpInfo&, const Sample& s) {
    set_threads(1);
    const Run one = run(s, s.inputs);
    for (const int n : {2, 3, 7}) {
      CAPTURE(n);
      set_threads(n);
      const Run many = run(s, s.inputs);
      CHECK(same_bits(one.outputs, many.outputs));
      CHECK(same_bits(one.gradients, many.gradients));
    }
  });
  set_threads(before);
}
