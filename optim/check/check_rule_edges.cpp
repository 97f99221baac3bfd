// Invariants for gradients at the edges (NaN, infinite, huge, subnormal and 0), and for empty and 0-d parameters.
#include <gradus/core/error.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/optim/check/made_up.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus::optim::made_up {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

/// The elements of a parameter's gradient that are at the edge.
struct Place {
  const char* name;
  bool (*holds)(std::int64_t i, const Array& w);
};
const Place places[] = {
    {"one number", [](std::int64_t i, const Array&) { return i == 1; }},
    {"one row", [](std::int64_t i, const Array& w) { return w.rank() < 2 ? i == 1 : i / w.dim(1) == 1; }},
    {"every number", [](std::int64_t, const Array&) { return true; }},
};

Array with(const Array& g, const Place& place, double value) {
  Array edge = g.copy();
  visit_real(g.dtype(), [&]<class T>() {
    for (std::int64_t i = 0; i < g.size(); ++i)
      if (place.holds(i, g)) edge.write<T>("check_rule")[i] = static_cast<T>(value);
  });
  return edge;
}

/// The parameters before and after four steps, in the third of which `value` stands in the gradient of parameter `poisoned`.
struct FourSteps {
  NamedArrays before, after;
};
FourSteps run(const std::string& spec, Dtype dtype, std::size_t poisoned, const Place* place, double value) {
  auto opt = make(spec, leaves({{5, 4}, {3, 4}}, dtype));
  FourSteps all;
  for (int t = 1; t <= 4; ++t) {
    std::vector<Array> gradients;
    for (const auto& p : opt.parameters()) gradients.push_back(gradient_at(gradients.size(), t, p.second));
    if (t == 3) all.before = values(opt);
    if (t == 3 && place) gradients[poisoned] = with(gradients[poisoned], *place, value);
    step_with(opt, gradients);
  }
  opt.eval();
  all.after = values(opt);
  return all;
}

double widest_move(const FourSteps& r) {
  double most = 0;
  for (std::size_t p = 0; p < r.after.size(); ++p)
    for (std::int64_t i = 0; i < r.after[p].second.size(); ++i)
      most = std::max(most, std::fabs(r.after[p].second.element(i) - r.before[p].second.element(i)));
  return most;
}

/// Checks elements without an edge: they move as without it; or are NaN; or, where elements depend on each other, move no
/// further than a hundred times an ordinary step.
std::string harmed(const std::string& spec, double value, bool shows) {
  const auto opt = make(spec, leaves({{5, 4}, {3, 4}}));
  const bool alone = is<ElementRule>(opt.rule().moving()) && !opt.rule().evaluates_loss();
  for (const Dtype dtype : {f32, f64}) {
    const FourSteps usual = run(spec, dtype, 0, nullptr, 0);
    const double most = 100 * widest_move(usual);
    for (const Place& place : places)
      for (const std::size_t poisoned : {std::size_t(0), std::size_t(1)}) {
        const FourSteps edge = run(spec, dtype, poisoned, &place, value);
        for (std::size_t p = 0; p < edge.after.size(); ++p) {
          const Array& w = edge.after[p].second;
          for (std::int64_t i = 0; i < w.size(); ++i) {
            const double now = w.element(i), then = usual.after[p].second.element(i), was = edge.before[p].second.element(i);
            const std::string where =
                join(to_string(dtype), ", ", text(value), " in ", place.name, " of ", edge.after[poisoned].first, ": ",
                     edge.after[p].first, "[", i, "] is ", text(now));
            if (p == poisoned && place.holds(i, w)) {
              if (shows && !std::isnan(now)) return join(where, ", not NaN");
            } else if (!std::isnan(now) && now != then) {
              if (alone) return join(where, ", without it ", text(then));
              if (!(std::fabs(now - was) <= most)) return join(where, ", two steps before ", text(was));
            }
          }
        }
      }
  }
  return {};
}

}  // namespace

std::string nan_stays_visible(const std::string& spec) { return harmed(spec, nan, true); }

std::string infinity_harms_no_other(const std::string& spec) {
  const bool matrix = is<MatrixRule>(make(spec, leaves({{5, 4}, {3, 4}})).rule().moving());
  for (const double value : {infinity, -infinity, 1e38})
    if (value == 1e38 && matrix) continue;  // its eigenvalues leave no digits to those of the other parameters
    else if (const auto seen = harmed(spec, value, false); !seen.empty()) return seen;
  return {};
}

std::string extremes_are_finite(const std::string& spec) {
  for (const Dtype dtype : {f32, f64})
    for (const double value : {0.0, -0.0, dtype == f32 ? 0x1p-149 : 0x1p-1074})
      for (const Place& place : places)
        for (const bool from_the_first : {false, true}) {
          auto opt = make(spec, leaves({{5, 4}, {3, 4}}, dtype));
          for (int t = 1; t <= 4; ++t) {
            std::vector<Array> gradients;
            for (const auto& p : opt.parameters()) {
              Array g = gradient_at(gradients.size(), t, p.second);
              gradients.push_back(from_the_first || t == 3 ? with(g, place, value) : g);
            }
            step_with(opt, gradients);
          }
          opt.eval();
          for (const auto& [name, w] : values(opt))
            for (std::int64_t i = 0; i < w.size(); ++i)
              if (!std::isfinite(w.element(i)))
                return join(to_string(dtype), ", ", text(value), " in ", place.name, from_the_first ? " of every step" : "",
                            ": ", name, "[", i, "] is ", text(w.element(i)));
        }
  return {};
}

std::string empty_and_0d_are_parameters(const std::string& spec) {
  for (const Dtype dtype : {f32, f64}) {
    for (const std::vector<Shape>& shapes :
         {std::vector<Shape>{{0, 3}, {2, 2}}, {{3, 0}, {2, 2}}, {{0}, {2, 2}}, {{}, {2, 2}}}) {
      auto opt = make(spec, leaves(shapes, dtype));
      const auto& rule = opt.rule().moving();
      if (is<MatrixRule>(rule) && !static_cast<const MatrixRule&>(rule).throw_shape(shapes[0]).empty()) continue;
      const auto start = values(opt);
      for (int t = 1; t <= 3; ++t) step_at(opt, t);
      auto second = make(spec, leaves(shapes, dtype));
      const auto state = opt.state_dict();
      second.load_state_dict(state);
      for (const auto& [name, w] : values(opt))
        for (std::int64_t i = 0; i < w.size(); ++i)
          if (!std::isfinite(w.element(i)))
            return join(name, " of ", to_string(shapes[0]), " and [2,2] is ", text(w.element(i)));
      if (shapes[0].rank() == 0 && same_bits(values(opt)[0].second, start[0].second)) return "a 0-d parameter does not move";
    }
    if (!is<ElementRule>(make(spec, leaves({{}}, dtype)).rule().moving())) continue;
    auto none = make(spec, leaves({{}}, dtype)), one = make(spec, leaves({{1}}, dtype));
    for (int t = 1; t <= 3; ++t) step_at(none, t), step_at(one, t);
    if (!same_bits(values(none)[0].second.reshape({1}), values(one)[0].second))
      return "a 0-d parameter moves unlike one of [1]";
  }
  return {};
}

}  // namespace gradus::optim::made_up
