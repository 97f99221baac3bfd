#include <gradus/autograd/ops.h>
#include <gradus/core/parallel.h>
#include <gradus/tools/gradcheck/resize_sample.h>
#include <gradus/tools/gradcheck/run_sample.h>

#include <algorithm>
#include <set>

namespace gradus::tools {
namespace {

using Axes = std::vector<std::pair<std::size_t, int>>;  // input, axis

struct Change {
  std::string what;
  Axes axes;
  friend bool operator==(const Change& a, const Change& b) { return a.axes == b.axes; }
};

/// Numbers for a new shape: those of `a` (of a single number: from its middle on), then more between them, so that they
/// stay where the op accepts them. Integers: those of `a` again and again, or zeros.
Array filled(const Array& a, const Shape& shape, bool zero_integers) {
  if (shape == a.shape() && !zero_integers) return a;
  if (!is_real(a.dtype())) {
    Array out = Array::zeros(shape, i64);
    for (int64_t i = 0; i < out.size() && a.size() > 0 && !zero_integers; ++i)
      out.uninitialized<int64_t>()[i] = static_cast<int64_t>(a.element(i % a.size()));
    return out.to(a.dtype());
  }
  if (a.size() == 0) return sample_values(shape);
  Array out(shape, f64);
  QuickRandom random;
  std::vector<double> own;
  for (int64_t i = 0; i < a.size(); ++i) own.push_back(a.element(i));
  const auto any = [&] { return own[static_cast<std::size_t>(random.uniform() * static_cast<double>(own.size()))]; };
  for (int64_t i = 0; i < out.size(); ++i) {
    const double from = any(), to = any();
    const int64_t at = out.size() == 1 ? a.size() / 2 : i;
    out.uninitialized<double>()[i] =
        at < a.size() ? own[static_cast<std::size_t>(at)] : from + random.uniform() * (to - from);
  }
  return out;
}

Sample resized(const Sample& s, const Change& c, int64_t length, bool zero_integers) {
  Sample r{join(s.label, ", ", c.what, " ", length, zero_integers ? ", index 0" : ""), s.inputs, s.call};
  for (std::size_t k = 0; k < s.inputs.size(); ++k) {
    Shape shape = s.inputs[k].shape();
    for (const auto& [input, axis] : c.axes)
      if (input == k) shape[axis] = length;
    r.inputs[k] = filled(s.inputs[k], shape, zero_integers);
  }
  return r;
}

/// The axes of real inputs of which `wanted` holds, and those of integer inputs beside them.
template <class Wanted> Change change(const Sample& s, std::string what, Wanted wanted) {
  Change c{std::move(what), {}};
  bool any = false;
  for (std::size_t k = 0; k < s.inputs.size(); ++k)
    for (int i = 0; i < s.inputs[k].rank(); ++i)
      if (wanted(k, i, s.inputs[k].dim(i))) {
        c.axes.push_back({k, i});
        any = any || is_real(s.inputs[k].dtype());
      }
  if (!any) c.axes.clear();
  return c;
}

std::vector<Change> changes(const Sample& s) {
  std::vector<Change> all;
  const auto add = [&](Change c) {
    if (!c.axes.empty() && std::find(all.begin(), all.end(), c) == all.end()) all.push_back(std::move(c));
  };
  add(change(s, "all axes", [](std::size_t, int, int64_t) { return true; }));
  add(change(s, "first axes", [](std::size_t, int i, int64_t) { return i == 0; }));
  std::set<int64_t> lengths;
  for (const Array& a : s.inputs) lengths.insert(a.shape().begin(), a.shape().end());
  for (const int64_t length : lengths)
    add(change(s, join("axes of length ", length, " now"), [=](std::size_t, int, int64_t n) { return n == length; }));
  for (std::size_t k = 0; k < s.inputs.size(); ++k)
    for (int i = 0; i < s.inputs[k].rank(); ++i)
      add(change(s, join("axis ", i, " of input ", k),
                 [=](std::size_t input, int axis, int64_t) { return input == k && axis == i; }));
  return all;
}

bool has_integers(const Sample& s) {
  return std::any_of(s.inputs.begin(), s.inputs.end(), [](const Array& a) { return !is_real(a.dtype()); });
}

/// Elements of the largest input or result; 0 if the op refuses, or gives too many results.
int64_t largest(const Sample& s) {
  const NoGrad guard;
  int64_t n = 0;
  try {
    for (const Array& a : s.inputs) n = std::max(n, a.size());
    const auto results = s.call({s.inputs.begin(), s.inputs.end()});
    if (results.size() > 12) return 0;  // pieces of one row each: not what is meant by large
    for (const Tensor& y : results)
      if (y.defined()) n = std::max(n, y.size());
  } catch (const Error&) {
    return 0;
  }
  return n;
}

/// How long the axes must be for a tensor of more elements than one thread takes; 0 if it cannot be had.
int64_t length_for_threads(const Sample& s, const Change& c, bool zero_integers) {
  constexpr int64_t wanted = grain_elements + 1000;
  std::vector<int64_t> sizes;
  int64_t length = 8;
  for (; sizes.size() < 3; length *= 2) {
    sizes.push_back(largest(resized(s, c, length, zero_integers)));
    if (sizes.back() == 0) return 0;
    if (sizes.back() >= wanted) return length;
  }
  length /= 2;
  double size = static_cast<double>(sizes[2]), step = static_cast<double>(sizes[2] - sizes[1]);
  const double factor = step / static_cast<double>(sizes[1] - sizes[0]);  // 2: linear, 4: quadratic
  if (sizes[1] == sizes[0] || !(factor > 1)) return 0;
  for (; size < wanted; length *= 2) size += step *= factor;
  return length + 3;
}

}  // namespace

Sample resized_all(const Sample& s, std::int64_t length) {
  return resized(s, change(s, "all axes", [](std::size_t, int, int64_t) { return true; }), length, false);
}

Samples resized_to(const Sample& s, std::int64_t length) {
  Samples all;
  const auto fits = [=](const Array& a) { return is_real(a.dtype()) && a.size() == length; };
  if (std::any_of(s.inputs.begin(), s.inputs.end(), fits)) all.push_back(s);
  for (const Change& c : changes(s)) {
    Sample r = resized(s, c, length, false);
    if (std::none_of(r.inputs.begin(), r.inputs.end(), fits)) continue;
    all.push_back(std::move(r));
    if (has_integers(s)) all.push_back(resized(s, c, length, true));
  }
  return all;
}

Samples enlarged(const Sample& s) {
  Samples all;
  auto ways = changes(s);  // a single axis first, the first input's: a batch costs least
  std::stable_partition(ways.begin(), ways.end(), [](const Change& c) { return c.axes.size() == 1; });
  for (const Change& c : ways)
    for (const bool zero_integers : {false, true}) {
      const bool solid = std::any_of(s.inputs.begin(), s.inputs.end(), [](const Array& a) { return a.rank() > 2; });
      if (c.what == "all axes" && solid) continue;  // more work than the others show
      if (zero_integers && !has_integers(s)) continue;
      if (const int64_t length = length_for_threads(s, c, zero_integers))
        all.push_back(resized(s, c, length, zero_integers));
    }
  return all;
}

Sample few_of(const Sample& s) {
  constexpr int64_t few = 48;
  Sample r{s.label + ", 48 elements of each", s.inputs, nullptr};
  std::vector<std::function<Tensor(const Tensor&)>> whole(s.inputs.size());
  for (std::size_t k = 0; k < s.inputs.size(); ++k) {
    const Array& a = s.inputs[k];
    if (!is_real(a.dtype()) || a.size() <= few) continue;
    Array at({few}, i64), rest = a.copy();
    r.inputs[k] = Array({few}, f64);
    for (int64_t i = 0; i < few; ++i) {
      const int64_t place = at.uninitialized<int64_t>()[i] = i * (a.size() - 1) / (few - 1);
      r.inputs[k].uninitialized<double>()[i] = a.element(place);
      rest.uninitialized<double>()[place] = 0;
    }
    whole[k] = [at, rest](const Tensor& x) {
      return reshape(scatter_add(x, 0, Tensor(at), {rest.size()}), rest.shape()) + Tensor(rest.to(x.dtype()));
    };
  }
  r.call = [whole, call = s.call](const std::vector<Tensor>& x) {
    std::vector<Tensor> seen = x;
    for (std::size_t k = 0; k < x.size(); ++k)
      if (whole[k]) seen[k] = whole[k](x[k]);
    return call(seen);
  };
  return r;
}

Samples without_axes(const Sample& s) {
  Samples all;
  if (std::any_of(s.inputs.begin(), s.inputs.end(), [](const Array& a) { return is_real(a.dtype()) && a.rank() == 0; }))
    all.push_back(s);
  const auto add = [&](const std::string& what, auto wanted) {
    Sample r{s.label + ", 0-d " + what, s.inputs, s.call};
    for (std::size_t k = 0; k < s.inputs.size(); ++k)
      if (wanted(k)) r.inputs[k] = filled(s.inputs[k], {}, false);
    all.push_back(std::move(r));
  };
  const auto real = [&](std::size_t k) { return is_real(s.inputs[k].dtype()); };
  add("inputs", [](std::size_t) { return true; });
  if (has_integers(s)) add("real inputs", real);
  for (std::size_t k = 0; k < s.inputs.size() && s.inputs.size() > 1; ++k)
    if (real(k)) add(join("input ", k), [=](std::size_t i) { return i == k; });
  return all;
}

}  // namespace gradus::tools
