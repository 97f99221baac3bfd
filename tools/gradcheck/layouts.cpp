#include <gradus/autograd/ops.h>
#include <gradus/tools/gradcheck/layouts.h>
#include <gradus/tools/gradcheck/resize_sample.h>

#include <algorithm>
#include <cmath>

namespace gradus::tools {
namespace {

using Undo = std::function<Tensor(const Tensor&)>;

bool real(const Array& a) { return is_real(a.dtype()); }

std::vector<std::size_t> real_inputs(const Sample& s) {
  std::vector<std::size_t> at;
  for (std::size_t k = 0; k < s.inputs.size(); ++k)
    if (real(s.inputs[k])) at.push_back(k);
  return at;
}

/// The sample with other leaves, each seen by the op through its `undo` (empty: as it is).
Sample through(const Sample& s, const std::string& how, std::vector<Array> leaves, std::vector<Undo> undo) {
  return {s.label + ", " + how, std::move(leaves), [call = s.call, undo = std::move(undo)](const std::vector<Tensor>& x) {
            std::vector<Tensor> seen = x;
            for (std::size_t k = 0; k < x.size(); ++k)
              if (undo[k]) seen[k] = undo[k](x[k]);
            return call(seen);
          }};
}

/// Other results, made from those of the sample.
Sample behind(const Sample& s, const std::string& how, Undo after) {
  return {s.label + ", " + how, s.inputs, [call = s.call, after](const std::vector<Tensor>& x) {
            auto y = call(x);
            for (Tensor& t : y)
              if (t.defined() && is_real(t.dtype())) t = after(t);
            return y;
          }};
}

std::vector<int> reversed_axes(int rank) {
  std::vector<int> axes;
  for (int i = rank; i-- > 0;) axes.push_back(i);
  return axes;
}

Samples transposed(const Sample& s) {
  std::vector<Array> leaves = s.inputs;
  std::vector<Undo> undo(leaves.size());
  bool any = false;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    const auto axes = reversed_axes(leaves[k].rank());
    if (axes.size() < 2) continue;
    leaves[k] = leaves[k].permute(axes).copy();
    any = any || real(leaves[k]);
    undo[k] = [axes](const Tensor& t) { return permute(t, axes); };
  }
  if (any) return {through(s, "transposed", std::move(leaves), std::move(undo))};
  Sample wider{s.label + ", two axes", s.inputs, s.call};  // does it take them?
  for (const std::size_t k : real_inputs(s))
    if (s.inputs[k].rank() == 1 && s.inputs[k].size() > 0) {
      wider.inputs[k] = s.inputs[k].unsqueeze(1).expand({s.inputs[k].size(), 2}).copy();
      any = true;
    }
  return any ? transposed(wider) : Samples();
}

Samples strided(const Sample& s) {
  std::vector<Array> leaves = s.inputs;
  std::vector<Undo> undo(leaves.size());
  for (const std::size_t k : real_inputs(s)) {
    const Array& a = s.inputs[k];
    Shape wide = a.shape();
    if (a.rank() == 0) wide.push_back(1);
    const int last = wide.rank() - 1;
    const int64_t length = wide[last] *= 2;
    leaves[k] = Array::full(wide, 7, a.dtype());
    Array view = leaves[k].slice(last, 1, length, 2);
    if (a.rank() == 0) view = view.select(0, 0);
    if (a.size() > 0) view.assign(a, "sample");
    undo[k] = [last, length, rank = a.rank()](const Tensor& t) {
      return rank == 0 ? select(t, 0, 1) : slice(t, last, 1, length, 2);
    };
  }
  return {through(s, "strided", std::move(leaves), std::move(undo))};
}

/// Adds the sample in which `axis` (which may count from the end) of the inputs that have it is their first slice, repeated.
void expand_along(Samples& to, const Sample& s, int axis, const std::vector<std::size_t>& inputs) {
  std::vector<Array> leaves = s.inputs;
  std::vector<Undo> undo(leaves.size());
  bool any = false;
  for (const std::size_t k : inputs) {
    const Array& a = s.inputs[k];
    const int at = axis < 0 ? axis + a.rank() : axis;
    if (at < 0 || at >= a.rank() || a.dim(at) < 2 || a.size() == 0) continue;
    leaves[k] = a.slice(at, 0, 1).copy();
    undo[k] = [shape = a.shape()](const Tensor& t) { return expand(t, shape); };
    any = true;
  }
  if (any) to.push_back(through(s, join("axis ", axis, " expanded"), std::move(leaves), std::move(undo)));
}

Samples expanded(const Sample& s) {
  Samples all;
  for (const int axis : {0, -1, 1, -2}) expand_along(all, s, axis, real_inputs(s));
  for (const std::size_t k : real_inputs(s))
    for (const int axis : {0, -1}) expand_along(all, s, axis, {k});
  return all;
}

/// The inputs in `free` are differentiated, the others constants.
Sample with_constants(const Sample& s, const std::vector<std::size_t>& free) {
  std::vector<Array> inputs;
  std::string which;
  for (const std::size_t k : free) inputs.push_back(s.inputs[k]), which += join(which.empty() ? "" : " and ", k);
  return {s.label + ", only input " + which, inputs, [call = s.call, all = s.inputs, free](const std::vector<Tensor>& x) {
            std::vector<Tensor> seen;
            for (const Array& a : all) seen.push_back(Tensor(real(a) ? a.to(x[0].dtype()) : a));
            for (std::size_t i = 0; i < free.size(); ++i) seen[free[i]] = x[i];
            return call(seen);
          }};
}

/// All subsets of up to three inputs; of more, each alone and each left out.
Samples subsets(const Sample& s) {
  const auto inputs = real_inputs(s);
  const auto n = static_cast<unsigned>(inputs.size());
  if (n < 2) return {};
  Samples all;
  for (unsigned mask = 1; mask + 1 < 1u << n; ++mask) {
    if (const int count = std::popcount(mask); n > 3 && count != 1 && count + 1 != static_cast<int>(n)) continue;
    std::vector<std::size_t> free;
    for (unsigned k = 0; k < n; ++k)
      if (mask >> k & 1) free.push_back(inputs[k]);
    all.push_back(with_constants(s, free));
  }
  return all;
}

/// Input j is input i.
Sample merged(const Sample& s, std::size_t i, std::size_t j) {
  std::vector<Array> inputs = s.inputs;
  inputs.erase(inputs.begin() + static_cast<std::ptrdiff_t>(j));
  return {join(s.label, ", input ", j, " is input ", i), inputs, [call = s.call, i, j](const std::vector<Tensor>& x) {
            std::vector<Tensor> seen = x;
            seen.insert(seen.begin() + static_cast<std::ptrdiff_t>(j), x[i]);
            return call(seen);
          }};
}

Samples twice(const Sample& s) {
  Samples all;
  std::vector<Sample> sources = {s};
  for (const int64_t n : {3, 2, 4, 1}) sources.push_back(resized_all(s, n));
  for (const Sample& from : sources) {
    const auto inputs = real_inputs(from);
    for (std::size_t a = 0; a < inputs.size(); ++a)
      for (std::size_t b = a + 1; b < inputs.size(); ++b)
        if (from.inputs[inputs[a]].shape() == from.inputs[inputs[b]].shape() && from.inputs[inputs[a]].size() > 0)
          all.push_back(merged(from, inputs[a], inputs[b]));
  }
  return all;
}

/// Between every two numbers of `t` a constant, behind the last axis.
Tensor interleaved(const Tensor& t) { return stack({t, Tensor(Array::zeros(t.shape(), t.dtype()))}, t.rank()); }

Samples seeds(const Sample& s) {
  Samples all;
  all.push_back(behind(s, "gradient strided and transposed", [](const Tensor& y) {
    return y.rank() < max_rank ? interleaved(permute(y, reversed_axes(y.rank()))) : y;
  }));
  all.push_back(
      behind(s, "gradient expanded", [](const Tensor& y) { return y.rank() > 0 && y.size() > 0 ? sum(y, {0}) : y; }));
  return all;
}

Samples extreme(const Sample& s) {
  Samples all;
  const auto inputs = real_inputs(s);
  if (std::all_of(inputs.begin(), inputs.end(), [&](std::size_t k) { return s.inputs[k].size() == 0; })) return {};
  for (const double factor : {1e-150, 1e-8, 30.0, 1e8, 1e150}) {  // leaves stay near 1: differences take relative steps
    std::vector<Undo> undo(s.inputs.size());
    for (const std::size_t k : inputs) undo[k] = [factor](const Tensor& t) { return t * factor; };
    all.push_back(through(s, join("times ", text(factor)), s.inputs, std::move(undo)));
  }
  return all;
}

}  // namespace

Samples candidates(const Sample& s, Layout layout) {
  switch (layout) {
    case Layout::contiguous: return {s};
    case Layout::transposed: return transposed(s);
    case Layout::strided: return strided(s);
    case Layout::expanded: return expanded(s);
    case Layout::empty: return resized_to(s, 0);
    case Layout::one: return resized_to(s, 1);
    case Layout::scalar: return without_axes(s);
    case Layout::large: return enlarged(s);
    case Layout::twice: return twice(s);
    case Layout::subsets: return subsets(s);
    case Layout::seed: return seeds(s);
    case Layout::extreme: return extreme(s);
  }
  return {};
}

const char* why_not(Layout layout, const Samples& samples) {
  const bool one_input =
      std::all_of(samples.begin(), samples.end(), [](const Sample& s) { return real_inputs(s).size() < 2; });
  switch (layout) {
    case Layout::transposed: return "its inputs have no axes";
    case Layout::expanded: return "its inputs have no axis longer than 1";
    case Layout::twice: return one_input ? "it has one real input" : "its inputs never have one shape";
    case Layout::subsets: return one_input ? "it has one real input" : "none of its samples has two";
    default: return "none of its samples can be changed so";
  }
}

}  // namespace gradus::tools
