#include <fmt/format.h>
#include <gradus/tools/gradcheck/check_edges.h>
#include <gradus/tools/gradcheck/edges/closed_forms.h>
#include <gradus/tools/gradcheck/edges/points.h>
#include <gradus/tools/gradcheck/resize_sample.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace gradus::tools {
namespace {

bool finite(double x) { return std::isfinite(x); }

template <class Holds> bool all_inputs(const Arrays& inputs, Holds holds) {
  for (const Array& a : inputs)
    for (int64_t i = 0; i < a.size() && is_real(a.dtype()); ++i)
      if (!holds(a.element(i))) return false;
  return true;
}
template <class Holds> bool parts_hold(const EdgeRun& r, int order, Holds holds) {
  return std::all_of(r.parts.begin(), r.parts.end(), [&](const EdgePart& p) {
    return p.order != order || std::all_of(p.numbers.begin(), p.numbers.end(), holds);
  });
}

/// Which numbers of a run depend on one element: outputs that are not always the same; gradients that move with every little
/// step of it, and not only from one constant to another.
using Dependence = std::vector<std::vector<bool>>;
template <class Run> Dependence dependence(Run run) {
  constexpr double probes[] = {0, 1e-8, -1e-8, 0.31, -0.31, 1.07, -1.07, 3.3, -3.3, 21.7, -21.7, 1e8, -1e8};
  std::vector<EdgeRun> at, beside;
  for (const double v : probes) {
    at.push_back(run(v)), beside.push_back(run(v * (1 + 0x1p-10)));
    if (at.back().parts.empty() || beside.back().parts.empty()) at.pop_back(), beside.pop_back();
  }
  Dependence depends;
  if (at.empty()) return depends;
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (std::size_t p = 0; p < at[0].parts.size(); ++p) {
    depends.emplace_back();
    for (std::size_t i = 0; i < at[0].parts[p].numbers.size(); ++i) {
      int differs = 0, moves = 0;
      for (std::size_t k = 0; k < at.size(); ++k) {
        if (at[k].parts.size() != at[0].parts.size() || at[k].parts[p].numbers.size() <= i) continue;
        const double here = at[k].parts[p].numbers[i];
        differs += !same(here, at[0].parts[p].numbers[i]);
        moves += !same(here, beside[k].parts[p].numbers[i]);
      }
      depends.back().push_back(at[0].parts[p].order == 0 ? differs > 0 : moves > 1);
    }
  }
  return depends;
}

bool concerns(const EdgeException& e, EdgeRule rule, int order, const Arrays& inputs) {
  const double in_f64 = e.at == EdgeException::largest     ? std::numeric_limits<double>::max()
                        : e.at == EdgeException::subnormal ? std::numeric_limits<double>::denorm_min()
                                                           : e.at;
  const auto apart = [&](double x) {  // 1e20 is another number in f32
    return std::fabs(x) != e.at && std::fabs(x) != in_f64 && !(std::fabs(std::fabs(x) - e.at) < 1e-6 * e.at);
  };
  return e.rule == rule && e.order == order && (e.at == EdgeException::any || !all_inputs(inputs, apart));
}

std::vector<EdgeForm> forms_of(const OpInfo& op) {
  static const std::vector<EdgeForm> all = edge_forms();
  std::vector<EdgeForm> own;
  std::copy_if(all.begin(), all.end(), std::back_inserter(own),
               [&](const EdgeForm& f) { return std::string_view(f.op) == op.name; });
  return own;
}

class EdgeCheck {
 public:
  explicit EdgeCheck(const OpInfo& op) : op_(op), forms_(forms_of(op)) {
    row_.name = op.name;
    for (const EdgeForm& f : forms_) elementwise_form_ = elementwise_form_ || f.row == 0;
  }
  const std::vector<EdgeForm>& forms() const { return forms_; }

  void fail(EdgeRule rule, int order, const Arrays& inputs, std::string text) {
    for (const EdgeException& e : op_.exceptions)
      if (concerns(e, rule, order, inputs)) {
        ++row_.excused[&e];
        return;
      }
    row_.failures.push_back({rule, order, std::move(text)});
  }

  /// F32 against f64, and no NaN from numbers.
  void look(const Sample& s, const std::string& what, const Arrays& inputs) {
    ++row_.points;
    const EdgeRun wide = run_at_edge(s, inputs, f64), narrow = run_at_edge(s, inputs, f32);
    const std::string where = join(s.label, ", ", what);
    if (wide.parts.size() != narrow.parts.size()) {
      const std::string& refusal = wide.refusal.empty() ? narrow.refusal : wide.refusal;
      return fail(EdgeRule::digits, 0, inputs, join(where, ": f32 and f64 give different results: ", refusal));
    }
    compare(s, where, inputs, narrow, wide);
    if (all_inputs(inputs, finite)) look_for_nan(s, where, inputs, wide);
  }

  /// An element that is NaN: whatever changes with that element must be NaN.
  void look_through_nan(const Sample& s) {
    const Arrays own = rounded_inputs(s);
    for (const std::size_t k : real_inputs_of(s))
      for (const int64_t at : std::set<int64_t>{0, own[k].size() / 2}) look_through_nan(s, own, k, at);
  }

  /// Values and derivatives against the closed form.
  void compare(const EdgeForm& form) {
    for (const Dtype dtype : {f32, f64})
      for (FormFailure& f : check_form(form, dtype, row_.forms))
        fail(EdgeRule::form, f.order, {Array::of<double>({static_cast<int64_t>(f.inputs.size())}, f.inputs)},
             std::move(f.text));
  }

  EdgeRow finish() {
    for (const EdgeException& e : op_.exceptions)
      if (e.rule != EdgeRule::ordinary && !row_.excused.contains(&e))
        row_.unneeded.push_back(fmt::format("{}: the exception from \"{}\", order {} ({}) is not needed", row_.name,
                                            rule_name(e.rule), e.order, e.reason));
    return std::move(row_);
  }

 private:
  void compare(const Sample& s, const std::string& where, const Arrays& inputs, const EdgeRun& narrow, const EdgeRun& wide) {
    std::vector<std::vector<double>> slopes;
    const bool beyond =
        !parts_hold(wide, 0, [](double x) { return x == 0 || !(std::fabs(x) > largest || std::fabs(x) < 0x1p-126); });
    const bool all_may_overflow = !all_inputs(inputs, [](double x) { return std::fabs(x) != largest; });
    const bool slope_beyond = !parts_hold(wide, 1, [](double x) { return std::fabs(x) <= largest; });
    for (std::size_t p = 0; p < wide.parts.size(); ++p) {
      const EdgePart &a = narrow.parts[p], &b = wide.parts[p];
      if ((beyond && b.order > 0) || (slope_beyond && b.order > 1)) continue;
      double size = 0;  // gradients are as good as the largest of them
      for (const double y : b.numbers) size = b.order == 1 && finite(y) ? std::max(size, std::fabs(y)) : size;
      for (std::size_t i = 0; i < b.numbers.size(); ++i) {
        const double x = a.numbers[i], y = b.numbers[i];
        if (b.order == 2) {
          if (!finite(y) || std::fabs(y) > largest / 1000 || finite(x)) continue;
        } else if (f32_is_good(x, y, size, b.order)) continue;
        if (std::isnan(x) && std::isinf(y) && all_may_overflow) continue;  // largest + largest - inf
        if (slopes.empty()) slopes = slopes_at_edge(s, inputs, wide);
        if (b.order == 2 ? slopes[p][i] > largest / 1000 : f32_is_good(x, y, slopes[p][i] + size, b.order)) continue;
        fail(EdgeRule::digits, b.order, inputs, fmt::format("{}: {}[{}] is {} in f32, {} in f64", where, b.name, i, x, y));
        break;
      }
    }
  }

  void look_for_nan(const Sample& s, const std::string& where, const Arrays& inputs, const EdgeRun& r) {
    const bool values = parts_hold(r, 0, finite), gradients = parts_hold(r, 1, finite);
    for (const EdgePart& p : r.parts)
      for (std::size_t i = 0; i < p.numbers.size(); ++i) {
        const double x = p.numbers[i];
        bool wrong = std::isnan(x) && forms_.empty();  // a form knows where there is no value
        if (p.order == 1)
          wrong = values && !elementwise_form_ &&
                  (std::isnan(x) || (std::isinf(x) && !vertical(s, inputs, r, p.place, static_cast<int64_t>(i))));
        if (p.order == 2) wrong = values && gradients && std::isnan(x);
        if (!wrong) continue;
        fail(EdgeRule::finite, p.order, inputs, fmt::format("{}: {}[{}] is {}", where, p.name, i, x));
        break;
      }
  }

  /// Difference quotients that grow without end as element `at` of input k moves: the tangent is vertical there.
  static bool vertical(const Sample& s, const Arrays& inputs, const EdgeRun& here, std::size_t k, int64_t at) {
    for (const double side : {1.0, -1.0}) {
      const auto quotient = [&](double h) {
        const double v = inputs[k].element(at);
        Arrays x = inputs;
        x[k] = with_element(inputs[k], at, v + side * h * (v == 0 ? 0x1p-20 : std::fabs(v)));
        double by = 0;
        const EdgeRun there = run_at_edge(s, x, f64, 0);
        for (std::size_t p = 0; p < there.parts.size(); ++p)
          for (std::size_t i = 0; i < there.parts[p].numbers.size(); ++i)
            by = std::max(by, std::fabs(there.parts[p].numbers[i] - here.parts[p].numbers[i]) / h);
        return by;
      };
      if (const double near = quotient(0x1p-40); finite(near) && near > 30 * quotient(0x1p-20)) return true;
    }
    return false;
  }

  void look_through_nan(const Sample& s, const Arrays& own, std::size_t k, int64_t at) {
    Arrays x = own;
    const auto run = [&](double v, Dtype dtype) {
      x[k] = with_element(own[k], at, v);
      return run_at_edge(s, x, dtype, 1);
    };
    const Dependence depends = dependence([&](double v) { return run(v, f64); });
    for (const Dtype dtype : {f32, f64}) {
      const EdgeRun r = run(nan, dtype);
      if (r.parts.size() != depends.size()) continue;
      for (std::size_t p = 0; p < r.parts.size(); ++p)
        for (std::size_t i = 0; i < r.parts[p].numbers.size(); ++i)
          if (depends[p][i] && !std::isnan(r.parts[p].numbers[i])) {
            fail(EdgeRule::nan, r.parts[p].order, x,
                 fmt::format("{}, input {}[{}] = nan: {}[{}] depends on it and is {} in {}", s.label, k, at, r.parts[p].name,
                             i, r.parts[p].numbers[i], name_of(dtype)));
            break;
          }
    }
  }

  const OpInfo& op_;
  std::vector<EdgeForm> forms_;
  bool elementwise_form_ = false;
  EdgeRow row_;
};

}  // namespace

const char* rule_name(EdgeRule rule) {
  switch (rule) {
    case EdgeRule::nan: return "nan";
    case EdgeRule::digits: return "digits";
    case EdgeRule::finite: return "finite";
    case EdgeRule::form: return "form";
    case EdgeRule::ordinary: return "ordinary";
  }
  return "";
}

int EdgeRow::count(EdgeRule rule, int order) const {
  return static_cast<int>(std::count_if(failures.begin(), failures.end(),
                                        [&](const EdgeFailure& f) { return f.rule == rule && f.order == order; }));
}

EdgeRow check_edges(const OpInfo& op) {
  EdgeCheck check(op);
  bool paired = false;
  for (const Sample& s : op.samples()) {
    const Visit look = [&](const std::string& what, const Arrays& inputs) { check.look(s, what, inputs); };
    visit_edges(s, look);
    check.look_through_nan(s);
    if (real_inputs_of(s).empty()) continue;
    if (!paired) visit_pairs(s, look);
    paired = true;
    for (const int64_t length : {0, 1})
      for (const Sample& small : resized_to(s, length)) check.look(small, "", rounded_inputs(small));
  }
  for (const EdgeForm& form : check.forms()) check.compare(form);
  return check.finish();
}

}  // namespace gradus::tools
