#include <gradus/autograd/backward.h>
#include <gradus/autograd/check/internal/differences.h>
#include <gradus/core/random.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace gradus {
namespace {

constexpr double first_order_bound = 1e-8, second_order_bound = 1e-6;
constexpr double f32_bound = 1e-4, f32_differences_bound = 1e-3, f32_rounding = 0x1p-20;
using Vector = std::vector<double>;
/// A function that computes the outputs; `recorded`: they can be differentiated, otherwise only their values are wanted.
using Recorder = std::function<std::vector<Tensor>(bool recorded)>;

void check_leaf(const char* op, const std::string& name, const Tensor& t, bool allow_f32) {
  if (t.dtype() != f64 && !(allow_f32 && t.dtype() == f32))
    throw DtypeError(op, join(name, " is ", describe(t), "; differences need f64"), is_real(t.dtype()) ? "x.to(f64)" : "");
  if (!t.is_leaf()) throw GraphError(op, join(name, ", ", describe(t), ", is not a leaf"), "leaf(x.array())");
}

/// Writes values into leaves, and restores the old ones.
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
      std::copy_n(from, t.size(), in.uninitialized<double>());
      from += t.size();
      if (t.size() > 0) t.writable().assign(in.to(t.dtype()), "gradcheck");
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
  const Array dense = a.to(f64).contiguous();
  to.insert(to.end(), dense.data<double>(), dense.data<double>() + dense.size());
}

/// The f64 outputs; integer ones cannot be differentiated. Errors: DtypeError for f32, unless that is allowed.
std::vector<Tensor> real_outputs(const char* op, const std::vector<Tensor>& all, bool allow_f32) {
  std::vector<Tensor> real;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!all[k].defined()) continue;
    if (all[k].dtype() == f32 && !allow_f32)
      throw DtypeError(op, join("output ", k, " is ", describe(all[k]), "; differences need f64"), "compute in f64");
    if (is_real(all[k].dtype())) real.push_back(all[k]);
  }
  return real;
}

Vector numbers(const std::vector<Tensor>& outputs) {
  Vector y;
  for (const Tensor& t : outputs) append(y, t.array());
  return y;
}

/// Thrown for a gradient that does not fit its tensor.
struct Misfit {
  std::size_t leaf;
  Array gradient;
};

/// d(outputs . seed) / d leaves, concatenated; zeros where there is no path. Throws Misfit.
Vector pull_back(const std::vector<Tensor>& outputs, const std::vector<Tensor>& leaves, const Vector& seed) {
  std::vector<Tensor> roots, seeds;
  auto from = seed.begin();
  for (const Tensor& y : outputs) {
    const auto end = from + y.size();
    if (y.requires_grad())
      roots.push_back(y), seeds.push_back(Tensor(Array::of(y.shape(), Vector(from, end)).to(y.dtype())));
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
    if (!(grads[k].shape() == leaves[k].shape()) || grads[k].dtype() != leaves[k].dtype()) throw Misfit{k, grads[k].array()};
    append(g, grads[k].array());
  }
  return g;
}

/// The subject of a check: leaves, and outputs computed from them.
struct Problem {
  std::vector<Tensor> leaves;
  std::vector<std::string> names;
  Recorder outputs;
  /// Calls the function at another point and leaves the leaves unchanged; absent if it has leaves of its own.
  std::function<void(const Vector& x)> call = nullptr;
  bool f32 = false;                               ///< some leaves and outputs are f32
  std::shared_ptr<const Problem> wide = nullptr;  ///< the same with f64 in place of every f32, if that can be called
};

/// Makes a call whose result is not needed, and ignores errors: at some points the function has no value.
template <class F> void call_quietly(F f) {
  try {
    f();
  } catch (const Error&) {
  }
}

/// Computes a problem's outputs at any point, always the same number of elements.
class Caller {
 public:
  Caller(const char* op, const Problem& p) : op_(op), p_(p), values_(p.leaves) {}

  const Vector& point() const { return values_.before(); }
  int64_t count() const { return count_; }
  std::vector<Tensor> operator()(const Vector& x, bool recorded) {
    values_.write(x);
    auto y = real_outputs(op_, p_.outputs(recorded), p_.f32);
    int64_t n = 0;
    for (const Tensor& t : y) n += t.size();
    if (count_ >= 0 && n != count_)
      throw ShapeError(op_, join("the function returned ", count_, " numbers and then ", n,
                                 "; it must be a pure function of its inputs"));
    count_ = n;
    return y;
  }

 private:
  const char* op_;
  const Problem& p_;
  Values values_;
  int64_t count_ = -1;
};

GradcheckReport check(const char* op, const Problem& p, const GradcheckOptions& options, double bound, bool probe) {
  Caller outputs(op, p), wide(op, p.wide ? *p.wide : p);
  Caller& numeric = p.wide ? wide : outputs;
  PlainFunction f;
  for (const Tensor& t : p.leaves) f.shapes.push_back(t.shape());
  f.names = p.names;
  f.x = outputs.point();
  if (p.f32) bound = p.wide ? f32_bound : f32_differences_bound, f.gradient_rounding = 1e-6;
  if (p.f32 && !p.wide) f.rounding = f32_rounding;
  Shape shape;
  f.output_shape = [&shape] { return shape; };
  f.value = [&](const Vector& x) { return numbers(numeric(x, false)); };
  f.pull_back = [&](const Vector& x, const std::vector<Vector>& seeds, const Vector* elsewhere) {
    if (elsewhere) call_quietly([&] { outputs(*elsewhere, false); });
    const auto y = outputs(x, true);
    shape = y.size() == 1 ? y[0].shape() : Shape{outputs.count()};
    if (elsewhere && p.call) call_quietly([&] { p.call(*elsewhere); });
    std::vector<Vector> g;
    for (const Vector& seed : seeds) g.push_back(pull_back(y, p.leaves, seed));
    return g;
  };
  try {
    return check_differences(op, f, options, bound, probe);
  } catch (const Misfit& m) {
    const bool larger = m.gradient.size() > p.leaves[m.leaf].size();
    GradcheckReport r;
    r.bound = bound, r.input = static_cast<int>(m.leaf), r.error = INFINITY;
    r.cause = larger ? Cause::missing_sum : Cause::not_recognised;
    r.message = join(op, ": the gradient of ", p.names[m.leaf], " is ", describe(m.gradient), ", the input ",
                     describe(p.leaves[m.leaf].array()), larger ? ": is a sum over a broadcast axis missing?" : "");
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

/// The gradient of a problem, contracted with seeds that are leaves of their own, as another problem.
Problem gradient_of(const char* op, const Problem& p, const GradcheckOptions& options) {
  Problem second = p;
  second.call = nullptr;
  std::vector<Tensor> seeds;
  const Philox random{options.seed, 1};
  std::uint64_t drawn = 0;
  for (const Tensor& y : real_outputs(op, p.outputs(true), false)) {
    Array v(y.shape(), f64);
    for (int64_t i = 0; i < v.size(); ++i) {
      const double u = random.uniform<double>(drawn++);
      v.uninitialized<double>()[i] = (u < 0.5 ? -1 : 1) * (0.5 + std::fabs(u - 0.5));
    }
    seeds.push_back(leaf(v));
    second.leaves.push_back(seeds.back());
    second.names.push_back(join("the gradient of output ", seeds.size() - 1));
  }
  second.outputs = [op, first = p, seeds](bool recorded) {
    std::vector<Tensor> roots, starts;
    const auto outputs = real_outputs(op, first.outputs(true), false);
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
    r.error = apart, r.bound = 1e-10, r.cause = Cause::kernel;
    r.message = join(op, ": the gradient recorded with create_graph is not the plain one: error ", text(apart),
                     ", allowed 1e-10; a fused op's kernel and its reference definition disagree");
    return r;
  }
  return check(op, second, options, second_order_bound, false);
}

/// True if input k is to be checked. Errors: ShapeError if an index in options.inputs is out of range.
bool chosen(const char* op, const GradcheckOptions& options, std::size_t k, std::size_t count) {
  for (const int i : options.inputs)
    if (i < 0 || static_cast<std::size_t>(i) >= count)
      throw ShapeError(op, join("inputs names ", i, ", but there are ", count, ", counted from 0"));
  return options.inputs.empty() ||
         std::find(options.inputs.begin(), options.inputs.end(), static_cast<int>(k)) != options.inputs.end();
}

/// The function called with f64 copies of its f32 inputs, if it accepts them and returns f64.
std::shared_ptr<const Problem> widened(const char* op, const TensorFunction& f, const std::vector<Tensor>& inputs,
                                       const GradcheckOptions& options);

/// The problem of a function whose f64 inputs are replaced by leaves.
Problem over_inputs(const char* op, const TensorFunction& f, const std::vector<Tensor>& inputs,
                    const GradcheckOptions& options) {
  Problem p;
  std::vector<Tensor> all = inputs;
  std::vector<bool> ours(all.size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!chosen(op, options, k, all.size()) || !all[k].defined() || !is_real(all[k].dtype())) continue;
    p.names.push_back(join("input ", k, all[k].name().empty() ? "" : " (\"" + all[k].name() + "\")"));
    all[k] = leaf(all[k].array(), all[k].name());
    check_leaf(op, p.names.back(), all[k], options.allow_f32);
    p.f32 = p.f32 || all[k].dtype() == f32;
    p.leaves.push_back(all[k]);
    ours[k] = true;
  }
  if (p.leaves.empty())
    throw DtypeError(op, join("none of the ", inputs.size(), " inputs is f64: nothing to differentiate"));
  p.outputs = [f, all](bool) { return f(all); };
  p.call = [f, all, ours](const Vector& x) {
    std::vector<Tensor> there;
    auto from = x.begin();
    for (std::size_t k = 0; k < all.size(); ++k) {
      const Tensor& t = all[k];
      there.push_back(t.defined() ? t.detach() : t);
      if (!ours[k]) continue;
      there.back() = Tensor(Array::of(t.shape(), Vector(from, from + t.size())).to(t.dtype()));
      from += t.size();
    }
    (void)f(there);
  };
  if (p.f32) p.wide = widened(op, f, inputs, options);
  return p;
}

std::shared_ptr<const Problem> widened(const char* op, const TensorFunction& f, const std::vector<Tensor>& inputs,
                                       const GradcheckOptions& options) {
  std::vector<Tensor> wide;
  for (const Tensor& t : inputs) wide.push_back(t.defined() && t.dtype() == f32 ? Tensor(t.array().to(f64)) : t);
  std::shared_ptr<const Problem> p;
  call_quietly([&] {
    const Problem q = over_inputs(op, f, wide, options);
    (void)real_outputs(op, q.outputs(false), false);
    p = std::make_shared<const Problem>(q);
  });
  return p;
}

Problem over_leaves(const char* op, const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                    const GradcheckOptions& options) {
  Problem p;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    if (!chosen(op, options, k, leaves.size())) continue;
    p.names.push_back(leaves[k].name().empty() ? join("leaf ", k) : "\"" + leaves[k].name() + "\"");
    if (!leaves[k].defined()) throw GraphError(op, join(p.names.back(), " is absent"));
    check_leaf(op, p.names.back(), leaves[k], options.allow_f32);
    p.f32 = p.f32 || leaves[k].dtype() == f32;
    p.leaves.push_back(leaves[k]);
  }
  if (leaves.empty()) throw DtypeError(op, "no leaf was given: nothing to differentiate");
  p.outputs = [f](bool) { return f(); };
  return p;
}

/// Options for f64 alone: second-order differences of f32 would show nothing.
GradcheckOptions in_f64(GradcheckOptions options) {
  options.allow_f32 = false;
  return options;
}

}  // namespace

const char* cause_name(Cause cause) {
  constexpr const char* names[] = {"none",         "not recognised", "sign",    "factor",    "transposed", "missing sum",
                                   "detached",     "stale",          "shifted", "misplaced", "swapped",    "mask",
                                   "missing term", "constant",       "edge",    "kernel",    "not finite"};
  return names[static_cast<std::size_t>(cause)];
}

GradcheckReport gradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                   const GradcheckOptions& options) {
  return check("gradcheck", over_inputs("gradcheck", f, inputs, options), options, first_order_bound, true);
}
GradcheckReport gradgradcheck_function(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                       const GradcheckOptions& options) {
  return check_second("gradgradcheck", over_inputs("gradgradcheck", f, inputs, in_f64(options)), options);
}
GradcheckReport gradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                 const GradcheckOptions& options) {
  return check("gradcheck", over_leaves("gradcheck", f, leaves, options), options, first_order_bound, true);
}
GradcheckReport gradgradcheck_leaves(const std::function<std::vector<Tensor>()>& f, const std::vector<Tensor>& leaves,
                                     const GradcheckOptions& options) {
  return check_second("gradgradcheck", over_leaves("gradgradcheck", f, leaves, in_f64(options)), options);
}

GradcheckReport gradcheck(const std::function<double(std::span<const double>)>& f,
                          const std::function<void(std::span<const double>, std::span<double>)>& gradient,
                          const std::vector<double>& x, const GradcheckOptions& options) {
  PlainFunction plain;
  plain.shapes = {Shape{static_cast<int64_t>(x.size())}};
  plain.names = {"x"};
  plain.x = x;
  plain.value = [&f](const Vector& at) { return Vector{f(at)}; };
  plain.output_shape = [] { return Shape{}; };
  plain.pull_back = [&](const Vector& at, const std::vector<Vector>& seeds, const Vector* elsewhere) {
    if (elsewhere) (void)f(*elsewhere);
    std::vector<Vector> all;
    for (const Vector& seed : seeds) {
      all.emplace_back(at.size(), std::nan(""));  // so that an entry that was not written is found
      gradient(at, all.back());
      for (double& g : all.back()) g *= seed[0];
    }
    return all;
  };
  return check_differences("gradcheck", plain, options, first_order_bound, true);
}

}  // namespace gradus
