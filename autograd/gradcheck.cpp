#include <gradus/autograd/backward.h>
#include <gradus/autograd/differences.h>
#include <gradus/core/random.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

constexpr double first_order_bound = 1e-8, second_order_bound = 1e-6;
using Vector = std::vector<double>;
/// True: the outputs can be differentiated. False: only their numbers are wanted.
using Recorder = std::function<std::vector<Tensor>(bool recorded)>;

void check_leaf(const char* op, const std::string& name, const Tensor& t) {
  if (t.dtype() != f64)
    throw DtypeError(op, join(name, " is ", describe(t), "; differences need f64"), is_real(t.dtype()) ? "x.to(f64)" : "");
  if (!t.is_leaf()) throw GraphError(op, join(name, ", ", describe(t), ", is not a leaf"), "leaf(x.array())");
}

/// Writes numbers into leaves, and puts back what was there.
class Values {
 public:
  explicit Values(const std::vector<Tensor>& leaves) : leaves_(leaves), before_(read()) {}
  ~Values() { write(before_); }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  const Vector& before() const { return before_; }
  void write(const Vector& x) {
    const double* from = x.data();
    for (Tensor& t : leaves_) {
      Array in(t.shape(), f64);
      std::copy_n(from, t.size(), in.fresh<double>());
      from += t.size();
      if (t.size() > 0) t.writable().assign(in, "gradcheck");
    }
  }

 private:
  Vector read() const {
    Vector x;
    for (const Tensor& t : leaves_)
      for (int64_t i = 0; i < t.size(); ++i) x.push_back(t.array().element(i));
    return x;
  }
  std::vector<Tensor> leaves_;
  Vector before_;
};

void append(Vector& to, const Array& a) {
  const Array dense = a.contiguous();
  to.insert(to.end(), dense.data<double>(), dense.data<double>() + dense.size());
}

/// The f64 outputs; integer ones cannot be differentiated. Errors: DtypeError for f32.
std::vector<Tensor> real_outputs(const char* op, const std::vector<Tensor>& all) {
  std::vector<Tensor> real;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!all[k].defined()) continue;
    if (all[k].dtype() == f32)
      throw DtypeError(op, join("output ", k, " is ", describe(all[k]), "; differences need f64"), "compute in f64");
    if (all[k].dtype() == f64) real.push_back(all[k]);
  }
  return real;
}

Vector numbers(const std::vector<Tensor>& outputs) {
  Vector y;
  for (const Tensor& t : outputs) append(y, t.array());
  return y;
}

/// A gradient that does not fit its tensor.
struct Misfit {
  std::size_t leaf;
  Array gradient;
};

/// d(outputs . seed) / d leaves, one behind the other; zeros where there is no path. Throws Misfit.
Vector pull_back(const std::vector<Tensor>& outputs, const std::vector<Tensor>& leaves, const Vector& seed) {
  std::vector<Tensor> roots, seeds;
  auto from = seed.begin();
  for (const Tensor& y : outputs) {
    const auto end = from + y.size();
    if (y.requires_grad()) roots.push_back(y), seeds.push_back(Tensor(Array::of(y.shape(), Vector(from, end))));
    from = end;
  }
  std::vector<Tensor> grads(leaves.size());
  if (!roots.empty()) grads = grad(roots, leaves, {.retain_graph = true, .allow_unused = true}, seeds);
  Vector g;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    if (!grads[k].defined()) {
      g.insert(g.end(), static_cast<std::size_t>(leaves[k].size()), 0.0);
      continue;
    }
    if (!(grads[k].shape() == leaves[k].shape()) || grads[k].dtype() != f64) throw Misfit{k, grads[k].array()};
    append(g, grads[k].array());
  }
  return g;
}

/// What the checks work on: leaves and outputs computed from them.
struct Problem {
  std::vector<Tensor> leaves;
  std::vector<std::string> names;
  Recorder outputs;
};

GradcheckReport check(const char* op, const Problem& p, const GradcheckOptions& options, double bound, bool probe) {
  Values values(p.leaves);
  PlainFunction f;
  for (const Tensor& t : p.leaves) f.shapes.push_back(t.shape());
  f.names = p.names;
  f.x = values.before();
  std::size_t expected = 0;
  bool first = true;
  auto outputs = [&](const Vector& x, bool recorded) {
    values.write(x);
    auto y = real_outputs(op, p.outputs(recorded));
    std::size_t n = 0;
    for (const Tensor& t : y) n += static_cast<std::size_t>(t.size());
    if (!first && n != expected)
      throw ShapeError(op, join("the function returned ", expected, " numbers and then ", n,
                                "; it must be a pure function of its inputs"));
    expected = n, first = false;
    return y;
  };
  f.value = [&](const Vector& x) { return numbers(outputs(x, false)); };
  f.pull_back = [&](const Vector& x, const std::vector<Vector>& seeds) {
    const auto y = outputs(x, true);
    std::vector<Vector> g;
    for (const Vector& seed : seeds) g.push_back(pull_back(y, p.leaves, seed));
    return g;
  };
  try {
    return check_differences(op, f, options, bound, probe);
  } catch (const Misfit& m) {
    GradcheckReport r;
    r.bound = bound, r.input = static_cast<int>(m.leaf), r.error = INFINITY;
    r.message = join(op, ": the gradient of ", p.names[m.leaf], " is ", describe(m.gradient), ", the input ",
                     describe(p.leaves[m.leaf].array()),
                     m.gradient.size() > p.leaves[m.leaf].size() ? ": is a sum over a broadcast axis missing?" : "");
    return r;
  }
}

double difference(const Vector& a, const Vector& b) {
  double most = 0, top = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::fabs(a[i] - b[i]));
    top = std::max({top, std::fabs(a[i]), std::fabs(b[i])});
  }
  return top > 0 ? most / top : 0;
}

/// The problem's gradient, contracted with seeds that are leaves of their own, as a problem.
Problem gradient_of(const char* op, const Problem& p, const GradcheckOptions& options) {
  Problem second = p;
  std::vector<Tensor> seeds;
  const Philox random{options.seed, 1};
  std::uint64_t drawn = 0;
  for (const Tensor& y : real_outputs(op, p.outputs(true))) {
    Array v(y.shape(), f64);
    for (int64_t i = 0; i < v.size(); ++i) {
      const double u = random.uniform<double>(drawn++);
      v.fresh<double>()[i] = (u < 0.5 ? -1 : 1) * (0.5 + std::fabs(u - 0.5));
    }
    seeds.push_back(leaf(v));
    second.leaves.push_back(seeds.back());
    second.names.push_back(join("the gradient of output ", seeds.size() - 1));
  }
  second.outputs = [op, first = p, seeds](bool recorded) {
    std::vector<Tensor> roots, starts;
    const auto outputs = real_outputs(op, first.outputs(true));
    for (std::size_t k = 0; k < outputs.size() && k < seeds.size(); ++k)
      if (outputs[k].requires_grad()) roots.push_back(outputs[k]), starts.push_back(seeds[k]);
    std::vector<Tensor> grads(first.leaves.size());
    if (!roots.empty()) grads = grad(roots, first.leaves, {.create_graph = recorded, .allow_unused = true}, starts);
    for (std::size_t k = 0; k < grads.size(); ++k)
      if (!grads[k].defined()) grads[k] = zeros(first.leaves[k].shape(), f64);
    return grads;
  };
  return second;
}

GradcheckReport check_second(const char* op, const Problem& p, const GradcheckOptions& options) {
  const Problem second = gradient_of(op, p, options);
  const double apart = difference(numbers(second.outputs(false)), numbers(second.outputs(true)));
  if (!(apart <= 1e-10)) {
    GradcheckReport r;
    r.error = apart, r.bound = 1e-10;
    r.message = join(op, ": the gradient recorded with create_graph is not the plain one: error ", text(apart),
                     ", allowed 1e-10; a fused op's kernel and its meaning disagree");
    return r;
  }
  return check(op, second, options, second_order_bound, false);
}

/// Leaves of our own in place of the f64 inputs.
Problem over_inputs(const char* op, const TensorFunction& f, const std::vector<Tensor>& inputs) {
  Problem p;
  std::vector<Tensor> all = inputs;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!all[k].defined() || (!is_real(all[k].dtype()))) continue;
    if (all[k].dtype() == f64) all[k] = leaf(all[k].array(), all[k].name());
    p.names.push_back(join("input ", k, all[k].name().empty() ? "" : " (\"" + all[k].name() + "\")"));
    check_leaf(op, p.names.back(), all[k]);
    p.leaves.push_back(all[k]);
  }
  if (p.leaves.empty())
    throw DtypeError(op, join("none of the ", inputs.size(), " inputs is f64: nothing to differentiate"));
  p.outputs = [f, all](bool) { return f(all); };
  return p;
}

Problem over_leaves(const char* op, const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves) {
  Problem p;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    p.names.push_back(leaves[k].name().empty() ? join("leaf ", k) : "\"" + leaves[k].name() + "\"");
    if (!leaves[k].defined()) throw GraphError(op, join(p.names.back(), " is absent"));
    check_leaf(op, p.names.back(), leaves[k]);
  }
  if (leaves.empty()) throw DtypeError(op, "no leaf was given: nothing to differentiate");
  p.leaves = leaves;
  p.outputs = [f](bool) { return f(); };
  return p;
}

}  // namespace

GradcheckReport gradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                   const GradcheckOptions& options) {
  return check("gradcheck", over_inputs("gradcheck", f, inputs), options, first_order_bound, true);
}
GradcheckReport gradgradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                       const GradcheckOptions& options) {
  return check_second("gradgradcheck", over_inputs("gradgradcheck", f, inputs), options);
}
GradcheckReport gradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                 const GradcheckOptions& options) {
  return check("gradcheck", over_leaves("gradcheck", f, leaves), options, first_order_bound, true);
}
GradcheckReport gradgradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                     const GradcheckOptions& options) {
  return check_second("gradgradcheck", over_leaves("gradgradcheck", f, leaves), options);
}

GradcheckReport gradcheck(const std::function<double(std::span<const double>)>& f,
                          const std::function<void(std::span<const double>, std::span<double>)>& gradient,
                          const std::vector<double>& x, const GradcheckOptions& options) {
  PlainFunction plain;
  plain.shapes = {Shape{static_cast<int64_t>(x.size())}};
  plain.names = {"x"};
  plain.x = x;
  plain.value = [&f](const Vector& at) { return Vector{f(at)}; };
  plain.pull_back = [&gradient](const Vector& at, const std::vector<Vector>& seeds) {
    std::vector<Vector> all;
    for (const Vector& seed : seeds) {
      all.emplace_back(at.size(), std::nan(""));  // an entry nobody writes is found
      gradient(at, all.back());
      for (double& g : all.back()) g *= seed[0];
    }
    return all;
  };
  return check_differences("gradcheck", plain, options, first_order_bound, true);
}

}  // namespace gradus
