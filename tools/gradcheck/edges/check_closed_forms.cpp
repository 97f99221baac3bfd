#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gradus/autograd/backward.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>
#include <gradus/tools/gradcheck/edges/run_at_edges.h>

#include <algorithm>
#include <limits>

namespace gradus::tools {
namespace {

using Numbers = std::vector<double>;

/// The numbers of a dtype: as far as they go, and what one rounding is.
struct Range {
  double largest, normal, subnormal, rounding;
  explicit Range(Dtype t)
      : largest(t == f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max()),
        normal(t == f32 ? std::numeric_limits<float>::min() : std::numeric_limits<double>::min()),
        subnormal(t == f32 ? std::numeric_limits<float>::denorm_min() : std::numeric_limits<double>::denorm_min()),
        rounding(t == f32 ? 0x1p-24 : 0x1p-53) {}
};

void add_both_signs(Numbers& to, std::initializer_list<double> numbers, Dtype t) {
  for (const double v : numbers)
    for (const double x : {v, -v}) to.push_back(t == f32 ? static_cast<double>(static_cast<float>(x)) : x);
}

Numbers edges_of(Dtype t) {
  const Range r(t);
  Numbers all;
  add_both_signs(all, {0, r.subnormal, r.normal, 1e-30, 1e-20, 1e-8, 1, 1e8, 1e20, r.largest, inf}, t);
  if (t == f64) add_both_signs(all, {1e-300, 1e-160, 1e160, 1e300}, t);
  return all;
}
Numbers many_edges_of(Dtype t) {
  Numbers all = edges_of(t);
  add_both_signs(all, {1e-12, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9,  1.5,  2,    2.5,  3,   4,  5,
                       6,     7,    8,    9,    10,   12,  15,   17,  20,  25,  30,   36,   37,   40,   60,  80, 87,
                       88.5,  90,   100,  104,  150,  700, 709,  745, 1e4, 1e6, 1e10, 1e15, 1e17, 1e25, 1e30},
                 t);
  return all;
}

/// Rows of `width` numbers: all of one; of two, all pairs; of more, each edge everywhere, and pairs in the first two, and in
/// the first and last.
std::vector<Numbers> rows_for(int width, Dtype t) {
  std::vector<Numbers> rows;
  if (width == 1) {
    for (const double v : many_edges_of(t)) rows.push_back({v});
    return rows;
  }
  const Numbers all = edges_of(t);
  Numbers ordinary;
  for (int i = 0; i < width; ++i) ordinary.push_back(i % 2 ? -1.25 : 0.75 + i);
  for (const double v : all) rows.emplace_back(static_cast<std::size_t>(width), v);
  for (const double v : all)
    for (const double w : all)
      for (const int other : {1, width - 1}) {
        Numbers row = ordinary;
        row.front() = v, row[static_cast<std::size_t>(other)] = w;
        rows.push_back(row);
      }
  return rows;
}

/// What a row is in long double: results, gradients of their weighted sum, and of that along a direction.
struct Exact {
  std::vector<Wide> values, gradients, seconds;
  std::vector<Wide> value_sizes, gradient_sizes;  // of the terms, which rounding errors go by
};
double weight(std::size_t k) { return k % 3 == 0 ? 1 : k % 3 == 1 ? -0.5 : 0.75; }

/// Infinity, or, where the limit is asked for and infinity itself gives no number, one that is far out.
Wide read(double x, bool far_out) {
  return far_out && std::isinf(x) ? std::copysign(1e4000L, static_cast<Wide>(x)) : static_cast<Wide>(x);
}

Exact exact(const EdgeForm& form, const Numbers& row, const Range& r, bool far_out = false) {
  Exact e;
  std::vector<Jet> x(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    Wide gradient = 0, second = 0, size = 0;
    for (std::size_t j = 0; j < row.size(); ++j) {
      for (std::size_t k = 0; k < row.size(); ++k)
        x[k] = {read(row[k], far_out), k == i ? 1.0L : 0.0L, k == j ? 1.0L : 0.0L, 0};
      const std::vector<Jet> y = form.form(x);
      e.value_sizes.resize(y.size());
      for (std::size_t k = 0; k < y.size(); ++k) {
        const Wide w = weight(k);
        if (i == 0 && j == 0) e.values.push_back(y[k].f);
        if (form.row && j == 0 && row[i] != 0)
          size += 0x1p-58L / r.rounding * std::fabs(w * y[k].f / x[i].f);  // its own rounding
        if (j == 0)
          gradient += w * y[k].a, size += std::fabs(w * y[k].a), e.value_sizes[k] += std::fabs(times(x[i].f, y[k].a));
        second += times(weight(j + 1) * w, y[k].c), size += std::fabs(times(x[j].f, w * y[k].c));
      }
    }
    e.gradients.push_back(gradient), e.seconds.push_back(second), e.gradient_sizes.push_back(size);
  }
  const bool none = std::any_of(e.values.begin(), e.values.end(), [](Wide v) { return std::isnan(v); });
  const bool no_slope = std::any_of(e.gradients.begin(), e.gradients.end(), [](Wide v) { return std::isnan(v); });
  if (!form.limits || far_out || !(none || no_slope)) return e;
  Exact limit = exact(form, row, r, true);
  if (!none) limit.values = e.values;
  return limit;
}

/// What the op says: for each row values, gradients by kernels, recorded ones, second ones.
struct Said {
  Numbers values, gradients, recorded, seconds;
};

Numbers numbers(const Array& a) {
  const Array wide = a.to(f64).contiguous();
  return {wide.data<double>(), wide.data<double>() + wide.size()};
}

/// The gradients of all inputs, row after row.
Numbers by_rows(const std::vector<Tensor>& grads, std::size_t rows, std::size_t each) {
  Numbers all(rows * each * grads.size());
  for (std::size_t k = 0; k < grads.size(); ++k) {
    if (!grads[k].defined()) continue;
    const Numbers g = numbers(grads[k].array());
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < each; ++i) all[(r * grads.size() + k) * each + i] = g[r * each + i];
  }
  return all;
}

Said ask(const EdgeForm& form, Dtype dtype, const std::vector<Numbers>& rows) {
  const auto each = static_cast<std::size_t>(std::max(form.row, 1)), n = rows.size(),
             inputs = static_cast<std::size_t>(form.inputs);
  std::vector<Tensor> x, along;
  for (std::size_t k = 0; k < inputs; ++k) {
    Array a(form.row ? Shape{static_cast<int64_t>(n), form.row} : Shape{static_cast<int64_t>(n)}, f64), v = Array::like(a);
    for (std::size_t r = 0; r < n; ++r)
      for (std::size_t i = 0; i < each; ++i) {
        a.uninitialized<double>()[r * each + i] = rows[r][k * each + i];
        v.uninitialized<double>()[r * each + i] = weight(k * each + i + 1);
      }
    x.push_back(Tensor(a.to(dtype)).requires_grad_());
    along.push_back(Tensor(v.to(dtype)));
  }
  const Tensor y = form.call(x);
  const auto results = static_cast<std::size_t>(y.size()) / n;
  Array seed(y.shape(), f64);
  for (std::size_t i = 0; i < n * results; ++i) seed.uninitialized<double>()[i] = weight(i % results);
  const std::vector<Tensor> seeds = {Tensor(seed.to(dtype))};
  Said s{numbers(y.array()), {}, {}, {}};
  if (!y.requires_grad()) return s;
  s.gradients = by_rows(grad({y}, x, {.retain_graph = true, .allow_unused = true}, seeds), n, each);
  const auto g = grad({y}, x, {.create_graph = true, .allow_unused = true}, seeds);
  s.recorded = by_rows(g, n, each);
  std::vector<Tensor> roots, directions;
  for (std::size_t k = 0; k < inputs; ++k)
    if (g[k].defined() && g[k].requires_grad()) roots.push_back(g[k]), directions.push_back(along[k]);
  if (!roots.empty()) s.seconds = by_rows(grad(roots, x, {.allow_unused = true}, directions), n, each);
  return s;
}

/// Whether `got` is the exact number, so many rounding errors of it and of `size` allowed for, and a loss of `lost`;
/// with `headroom` what is within a factor of 1,000 of the largest may overflow on its way.
bool good(double got, Wide exact, Wide size, int roundings, double lost, const Range& r, bool headroom) {
  if (!std::isfinite(size)) size = 0;
  const Wide allowed = roundings * r.rounding * (std::fabs(exact) + size) + static_cast<Wide>(lost), top = r.largest;
  if (!std::isfinite(got) && headroom && std::fabs(exact) + size > top / 1000) return true;
  if (std::isinf(got)) return std::isinf(exact) || ((got > 0) == (exact > 0) && std::fabs(exact) + allowed > top);
  if (std::fabs(exact) > top) return got * (exact > 0 ? 1 : -1) >= r.largest * (1 - 0x1p-10);
  return std::fabs(got - exact) <= allowed;
}

}  // namespace

std::vector<FormFailure> check_form(const EdgeForm& form, Dtype dtype, int& points) {
  const Range range(dtype);
  auto rows = rows_for(form.inputs * std::max(form.row, 1), dtype);
  std::erase_if(rows, [&](const Numbers& row) {
    return std::any_of(row.begin(), row.end(), [&](double x) { return std::fabs(x) > form.most; });
  });
  const Said said = ask(form, dtype, rows);
  const std::size_t width = rows[0].size(), results = said.values.size() / rows.size();
  std::vector<FormFailure> failures;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    ++points;
    const Exact e = exact(form, rows[r], range);
    const auto fail = [&](int order, const char* what, std::size_t i, double got, Wide wanted) {
      failures.push_back({order,
                          fmt::format("{}{}{} at {}: {}[{}] is {}, right is {}", form.label, *form.label ? ", " : "",
                                      name_of(dtype), fmt::join(rows[r], ", "), what, i, got, static_cast<double>(wanted)),
                          rows[r]});
    };
    bool beyond = false;
    for (std::size_t k = 0; k < results; ++k) {
      const double got = said.values[r * results + k];
      const Wide size = form.row ? e.value_sizes[k] : 0;
      beyond = beyond || !(std::fabs(e.values[k]) <= static_cast<Wide>(range.largest));
      beyond = beyond || (form.row && e.values[k] != 0 && std::fabs(e.values[k]) < static_cast<Wide>(range.normal));
      const bool none = std::isnan(e.values[k]);
      if (none ? !std::isnan(got) : !good(got, e.values[k], size, 8, 8 * range.subnormal, range, form.row > 0))
        fail(0, "value", k, got, e.values[k]);
    }
    if (beyond) continue;
    Wide row_size = 0;  // gradients of a row are as good as the largest of them
    for (std::size_t i = 0; i < width && form.row; ++i)
      if (std::isfinite(e.gradient_sizes[i])) row_size = std::max(row_size, e.gradient_sizes[i]);
    bool no_second = false;
    for (std::size_t i = 0; i < width; ++i) {
      no_second = no_second || std::isinf(rows[r][i]) || !(std::fabs(e.gradients[i]) <= static_cast<Wide>(range.largest));
      const Wide wanted = e.gradients[i];
      for (const auto& [what, all] :
           {std::pair("gradient", &said.gradients), std::pair("recorded gradient", &said.recorded)})
        if (!all->empty() && !std::isnan(wanted) &&
            !good((*all)[r * width + i], wanted, e.gradient_sizes[i] + row_size, 16, range.normal, range, form.row > 0))
          fail(1, what, i, (*all)[r * width + i], wanted);
    }
    for (std::size_t i = 0; i < width && !no_second && !said.seconds.empty(); ++i) {
      const double got = said.seconds[r * width + i];
      if (std::fabs(e.seconds[i]) < static_cast<Wide>(range.largest / 1000) && !std::isfinite(got))
        fail(2, "second gradient", i, got, e.seconds[i]);
    }
  }
  return failures;
}

}  // namespace gradus::tools
