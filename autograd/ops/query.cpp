// Tests and counts of elements, and random draws: ops without a gradient.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/sizes.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gradus {
namespace {

/// A bool for each element: f(T).
template <class F> Tensor ask_each(const Tensor& x, F f) {
  const Array in = x.array().contiguous();
  Array y(x.shape(), boolean);
  visit(x.dtype(), [&]<class T>() { std::transform(in.data<T>(), in.data<T>() + in.size(), y.uninitialized<bool>(), f); });
  return Tensor(y);
}

/// True where any element along the axis is; `negated`: the negated any of negated elements, which is all.
Tensor any_of(const char* op, const Tensor& x, Axis along, bool keep, bool negated) {
  if (x.rank() == 0) return any_of(op, reshape(x, {1}), along, false, negated);
  const int axis = normal_axis(op, along, x.shape());
  const Tensor truth = ask_each(x, [](auto v) { return v != decltype(v)(0); });
  const AroundAxis a(x.shape(), axis);
  Shape shape = x.shape();
  shape[axis] = 1;
  Array y(shape, boolean);
  const bool* in = truth.array().data<bool>();
  bool* out = y.uninitialized<bool>();
  for (int64_t o = 0; o < a.outer; ++o)
    for (int64_t i = 0; i < a.inner; ++i) {
      bool found = false;
      for (int64_t k = 0; k < a.length; ++k) found |= in[(o * a.length + k) * a.inner + i] != negated;
      out[o * a.inner + i] = found != negated;
    }
  return Tensor(keep ? y : y.reshape(x.shape().erase(axis)));
}

/// True if a comes before b in ascending order; NaN comes last.
template <class T> bool ascends(T a, T b) {
  if (a != a || b != b) return a == a && b != b;
  return a < b;
}

Array numbers_at_least_0(const char* op, const Tensor& x) {
  if (x.rank() != 1) throw ShapeError(op, join("takes one axis, got ", describe(x)));
  if (is_real(x.dtype())) throw DtypeError(op, join("counts integers, got ", describe(x)), "x.to(i64)");
  const Array in = x.array().to(i64).contiguous();
  for (int64_t i = 0; i < in.size(); ++i)
    if (const int64_t v = in.data<int64_t>()[i]; v < 0 || v >= largest_option)
      throw IndexError(op, join("numbers must lie in [0, ", largest_option - 1, "], got ", v, " at ", i));
  return in;
}

}  // namespace

Tensor isnan(const Tensor& x) {
  return ask_each(x, [](auto v) { return v != v; });
}
Tensor isinf(const Tensor& x) {
  return ask_each(x, [](auto v) { return std::isinf(static_cast<double>(v)); });
}
Tensor isfinite(const Tensor& x) {
  return ask_each(x, [](auto v) { return std::isfinite(static_cast<double>(v)); });
}

Tensor any(const Tensor& x) { return any_of("any", reshape(x, {x.size()}).detach(), 0, false, false); }
Tensor all(const Tensor& x) { return any_of("all", reshape(x, {x.size()}).detach(), 0, false, true); }
Tensor any(const Tensor& x, Axis axis, bool keep) { return any_of("any", x.detach(), axis, keep, false); }
Tensor all(const Tensor& x, Axis axis, bool keep) { return any_of("all", x.detach(), axis, keep, true); }

Tensor nonzero(const Tensor& x) {
  const Tensor truth = ask_each(x, [](auto v) { return v != decltype(v)(0); });
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < truth.size(); ++i) {
    if (!truth.array().data<bool>()[i]) continue;
    const auto first = indices.size();
    indices.resize(first + static_cast<std::size_t>(x.rank()));
    int64_t rest = i;
    for (int axis = x.rank(); axis-- > 0; rest /= x.shape()[axis])
      indices[first + static_cast<std::size_t>(axis)] = rest % x.shape()[axis];
  }
  const int64_t found = x.rank() > 0 ? static_cast<int64_t>(indices.size()) / x.rank() : sum(truth).item<int64_t>();
  return Tensor(Array::of<int64_t>({found, x.rank()}, indices));
}

Tensor bincount(const Tensor& x, const Tensor& weights, int64_t minlength) {
  const Array in = numbers_at_least_0("bincount", x);
  if (minlength < 0 || minlength > largest_option)
    throw ShapeError("bincount", join("minlength must lie in [0, ", largest_option, "], got ", minlength));
  const int64_t* p = in.data<int64_t>();
  const int64_t n = std::max(minlength, in.size() > 0 ? *std::max_element(p, p + in.size()) + 1 : 0);
  if (weights.defined()) {
    if (!(weights.shape() == x.shape()))
      throw ShapeError("bincount", join("the weights are ", describe(weights), ", the numbers ", describe(x)));
    return scatter_add(weights, 0, Tensor(in), {n});
  }
  Array counts = Array::zeros({n}, i64);
  for (int64_t i = 0; i < in.size(); ++i) ++counts.uninitialized<int64_t>()[p[i]];
  return Tensor(counts);
}

UniqueResult unique(const Tensor& x) {
  const Array in = x.array().contiguous();
  std::vector<int64_t> order(static_cast<std::size_t>(in.size())), counts;
  std::iota(order.begin(), order.end(), 0);
  Array inverse(x.shape(), i64), values;
  visit(x.dtype(), [&]<class T>() {
    const T* p = in.data<T>();
    std::stable_sort(order.begin(), order.end(), [p](int64_t a, int64_t b) { return ascends(p[a], p[b]); });
    std::vector<int64_t> first;
    for (const int64_t i : order) {
      if (first.empty() || !(p[first.back()] == p[i])) first.push_back(i), counts.push_back(0);
      ++counts.back();
      inverse.uninitialized<int64_t>()[i] = static_cast<int64_t>(first.size()) - 1;
    }
    values = Array({static_cast<int64_t>(first.size())}, x.dtype());
    std::transform(first.begin(), first.end(), values.uninitialized<T>(), [p](int64_t i) { return p[i]; });
  });
  const auto n = static_cast<int64_t>(counts.size());
  return {Tensor(values), Tensor(inverse), Tensor(Array::of<int64_t>({n}, counts))};
}

// ---- draws -----------------------------------------------------------------------------------------------------------

namespace {

/// One index drawn with these weights, whose sum is `total`, by u in [0, 1).
int64_t drawn_index(const std::vector<double>& weights, double total, double u) {
  double left = u * total;
  int64_t last = -1;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    last = static_cast<int64_t>(i);
    if ((left -= weights[i]) < 0) break;
  }
  return last;
}

}  // namespace

Tensor multinomial(const Tensor& p, int64_t samples, bool replacement, Generator& generator) {
  if (!is_real(p.dtype())) throw_dtype("multinomial", p);
  if (p.rank() != 1 && p.rank() != 2)
    throw ShapeError("multinomial", join("the weights must be [N] or [B, N], got ", describe(p)));
  if (samples < 1 || samples > largest_option)
    throw ShapeError("multinomial", join("samples must be at least 1, got ", samples));
  const int64_t n = p.shape().back(), rows = p.rank() == 2 ? p.dim(0) : 1;
  const Array from = p.array().to(f64).contiguous();
  const Philox random = generator.next_stream();
  std::vector<int64_t> indices;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<double> weights(from.data<double>() + row * n, from.data<double>() + (row + 1) * n);
    const auto wrong = std::find_if(weights.begin(), weights.end(), [](double w) { return !(w >= 0 && std::isfinite(w)); });
    if (wrong != weights.end())
      throw Error("multinomial", join("weights must be finite and not below 0, got ", text(*wrong), " in row ", row));
    const auto choices = static_cast<int64_t>(weights.size()) - std::count(weights.begin(), weights.end(), 0.0);
    if (choices == 0 || (!replacement && choices < samples))
      throw Error("multinomial", join("row ", row, " has ", choices, " weights above 0, too few for ", samples, " samples",
                                      replacement ? "" : " without replacement"));
    for (int64_t k = 0; k < samples; ++k) {
      const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
      const int64_t index = drawn_index(weights, total, random.uniform(static_cast<std::uint64_t>(row * samples + k)));
      indices.push_back(index);
      if (!replacement) weights[static_cast<std::size_t>(index)] = 0;
    }
  }
  const Tensor all(Array::of<int64_t>({rows, samples}, indices));
  return p.rank() == 1 ? reshape(all, {samples}) : all;
}

Tensor bernoulli(const Tensor& p, Generator& generator) {
  if (!is_real(p.dtype())) throw_dtype("bernoulli", p);
  const Array from = p.array().contiguous();
  Array y = Array::like(from);
  const Philox random = generator.next_stream();
  visit_real(p.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < y.size(); ++i) {
      const auto chance = static_cast<double>(from.data<T>()[i]);
      if (!(chance >= 0 && chance <= 1))
        throw Error("bernoulli", join("probabilities must lie in [0, 1], got ", text(chance)));
      y.uninitialized<T>()[i] = random.uniform(static_cast<std::uint64_t>(i)) < chance ? T(1) : T(0);
    }
  });
  return Tensor(y);
}

}  // namespace gradus
