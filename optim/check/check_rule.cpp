#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/core/parallel.h>
#include <gradus/core/warning.h>
#include <gradus/optim/check/check_rule.h>
#include <gradus/optim/check/made_up.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

namespace gradus::optim {

namespace {

using namespace made_up;

/// The first name whose Arrays differ, "" if none.
std::string difference(const NamedArrays& a, const NamedArrays& b) {
  if (a.size() != b.size()) return join(a.size(), " arrays and ", b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || !same_bits(a[i].second, b[i].second)) return a[i].first + " differs";
  return {};
}

NamedArrays after(const std::string& spec, const std::vector<Shape>& shapes, Dtype dtype, int steps) {
  auto opt = make(spec, leaves(shapes, dtype));
  for (int t = 1; t <= steps; ++t) step_at(opt, t);
  auto all = opt.state_dict();
  for (auto& v : values(opt)) all.push_back(std::move(v));
  return all;
}

const std::vector<Shape> matrices{{3, 5}, {1, 1}, {7, 6}};

// ---- invariants: each returns "" or a description of the failure --------------------------------------------------------

std::string reads_as_it_prints(const std::string& spec) {
  const auto opt = make(spec, leaves(matrices));
  if (opt.equations().size() <= 10) return "prints no equations";
  return opt.spec() == spec ? "" : join("prints as ", opt.spec());
}

std::string pass_is_one_number_at_a_time(const std::string& spec) {
  for (const Dtype dtype : {f32, f64}) {
    const auto parameters = leaves({{3, 7}, {1}, {67}}, dtype);
    auto opt = make(spec, parameters);
    for (int t = 1; t <= 4; ++t) {
      for (std::size_t i = 0; i < parameters.size(); ++i)
        parameters[i].second.set_grad(gradient_at(i, t, parameters[i].second));
      std::vector<Explanation> expected;
      for (const auto& p : parameters)
        for (std::int64_t i = 0; i < p.second.size(); ++i) expected.push_back(opt.explain(p.first, i));
      opt.step();
      const auto state = opt.state_dict();
      for (const auto& e : expected)
        for (const auto& v : e.values.after) {
          double got = 0;
          for (const auto& p : parameters)
            if (v.name == "w" && p.first == e.parameter) got = p.second.array().element(e.index);
          for (const auto& [name, a] : state)
            if (name.ends_with("/" + v.name + "/" + e.parameter)) got = a.element(e.index);
          if (std::memcmp(&got, &v.value, sizeof got) != 0)
            return join(v.name, " of ", e.parameter, "[", e.index, "] is ", text(got), " after step ", t, ", by itself ",
                        text(v.value));
        }
    }
  }
  return {};
}

std::string threads_do_not_matter(const std::string& spec) {
  struct Restore {
    int before = threads();
    ~Restore() { set_threads(before); }
  } restore;
  const bool whole = is<MatrixRule>(make(spec, leaves(matrices)).rule());
  const std::vector<Shape> shapes{whole ? Shape{120, 90} : Shape{300, 250}, {3, 5}, {2, 2}, {100, 17}};
  set_threads(1);
  const auto one = after(spec, shapes, f32, 2);
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    if (const auto d = difference(after(spec, shapes, f32, 2), one); !d.empty()) return join(d, " with ", n, " threads");
  }
  return {};
}

std::string gradients_are_read_only(const std::string& spec) {
  const auto parameters = leaves(matrices);
  auto opt = make(spec, parameters);
  for (int t = 1; t <= 3; ++t) {
    const Array g = gradient_at(0, t, parameters[0].second), kept = g.copy(), before = parameters[1].second.array().copy();
    parameters[0].second.set_grad(g);
    parameters[1].second.zero_grad();
    parameters[2].second.set_grad(gradient_at(2, t, parameters[2].second));
    opt.step();
    if (!same_bits(g, kept) || !parameters[0].second.grad().array().shares_storage(g)) return "a gradient was changed";
    if (!same_bits(parameters[1].second.array(), before) || parameters[1].second.grad().defined())
      return "a parameter without a gradient was changed";
  }
  if (opt.steps("a") != 3 || opt.steps("b") != 0) return "steps are miscounted";
  return {};
}

std::string gradients_may_be_views(const std::string& spec) {
  const Tensor a = leaf(numbers({4, 6}, 1, f64)), b = leaf(numbers({4, 6}, 1, f64));
  auto opt_a = make(spec, std::vector<Tensor>{a}), opt_b = make(spec, std::vector<Tensor>{b});
  for (std::uint64_t t = 0; t < 3; ++t) {
    b.set_grad(b.array().copy());
    a.set_grad(a.array());
    opt_a.step(), opt_b.step();
    const Array wide = numbers({6, 4}, 9 + t, f64);
    a.set_grad(wide.transpose(0, 1));
    b.set_grad(wide.transpose(0, 1).contiguous());
    opt_a.step(), opt_b.step();
  }
  return same_bits(a.array(), b.array()) ? ""
                                         : "a gradient that is a view, or the parameter's own numbers, gives another step";
}

std::string groups_are_one_group(const std::string& spec) {
  auto whole = make(spec, leaves(matrices)), split = make(spec, leaves(matrices));
  if (whole.rule().has("lr")) split.group("b", "lr=" + text(whole.lr()));
  split.group("c*", "");
  for (int t = 1; t <= 4; ++t) step_at(whole, t), step_at(split, t);
  return difference(values(whole), values(split));
}

std::string saved_is_uninterrupted(const std::string& spec) {
  const auto expected = after(spec, matrices, f64, 5);
  for (int stop = 0; stop <= 4; ++stop) {
    auto first = make(spec, leaves(matrices));
    for (int t = 1; t <= stop; ++t) step_at(first, t);
    if (stop % 2) first.eval();
    const auto state = first.state_dict();
    const auto at_stop = values(first);
    first.train();
    step_at(first, 99);  // the saved state is a copy

    const auto parameters = leaves(matrices);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      Tensor(parameters[i].second).writable().assign(at_stop[i].second, "check_rule");
    auto second = make(spec, parameters);
    second.load_state_dict(state);
    if (const auto d = difference(second.state_dict(), state); !d.empty()) return join(d, " once loaded at step ", stop);
    second.train();
    for (int t = stop + 1; t <= 5; ++t) step_at(second, t);
    auto got = second.state_dict();
    for (auto& v : values(second)) got.push_back(std::move(v));
    if (const auto d = difference(got, expected); !d.empty()) return join(d, " at step 5, loaded at step ", stop);
  }
  return {};
}

std::string tensors_make_the_same_step(const std::string& spec) {
  const auto parameters = leaves({{3, 4}});
  auto opt = make(spec, parameters);
  const auto& rule = static_cast<const ElementRule&>(opt.rule());
  TensorState state{Tensor(parameters[0].second.array().copy()), {}, {}, 0};
  for (int t = 1; t <= 4; ++t) {
    rule.step_tensors(state, Tensor(gradient_at(0, t, parameters[0].second)), {});
    step_at(opt, t);
    if (const double d = relative_distance(state.w.array(), parameters[0].second.array()); !(d <= 1e-14))
      return join("off by ", text(d), " at step ", t);
  }
  return {};
}

std::string maximize_turns_the_sign(const std::string& spec) {
  const Tensor a = leaf(numbers({3, 5}, 1, f64)), b = leaf(numbers({3, 5}, 1, f64));
  auto up = make(spec, std::vector<Tensor>{a}), down = make(spec, std::vector<Tensor>{b});
  up.set("maximize", 1 - up.get("maximize"));
  for (std::uint64_t t = 1; t <= 3; ++t) {
    const Array g = numbers({3, 5}, 70 + t, f64);
    a.set_grad(g);
    b.set_grad((-Tensor(g)).array());
    up.step(), down.step();
  }
  return same_bits(a.array(), b.array()) ? "" : "not the step of the negated gradient";
}

/// A copy with the rows in reverse order.
Array reversed(const Array& a) {
  Array r = Array::like(a);
  for (std::int64_t i = 0; i < a.dim(0); ++i) r.select(0, i).assign(a.select(0, a.dim(0) - 1 - i), "check_rule");
  return r;
}
std::string permuted_rows_move_alike(const std::string& spec) {
  const Tensor a = leaf(numbers({5, 5}, 1, f64)), b = leaf(reversed(a.array()));
  auto opt_a = make(spec, std::vector<Tensor>{a}), opt_b = make(spec, std::vector<Tensor>{b});
  const bool exact = is<ElementRule>(opt_a.rule().moving());
  for (std::uint64_t t = 1; t <= 5; ++t) {
    const Array g = numbers({5, 5}, 70 + t, f64);
    step_with(opt_a, {g}), step_with(opt_b, {reversed(g)});
    const double d = relative_distance(reversed(a.array()), b.array());
    if (!(d <= (exact ? 0 : 1e-9))) return join("off by ", text(d), " at step ", t);
  }
  return {};
}

/// Checks that the rule with an option near 0 approaches the rule with 0.
std::string vanishing_is_none(const std::string& spec) {
  for (const std::string option : {"weight_decay", "momentum"}) {
    NamedArrays ends[2];
    bool allowed = true;
    for (int i = 0; i < 2 && allowed; ++i) {
      auto opt = make(spec, leaves(matrices));
      const AnyRule& r = opt.rule();
      allowed = r.has(option) && !(r.has("dampening") && r.get("dampening") != 0);  // PyTorch dampens only with a momentum
      try {
        if (allowed) opt.set(option, i ? 1e-30 : 0);
      } catch (const OptimError&) {
        allowed = false;  // nesterov without momentum
      }
      for (int t = 1; t <= 3 && allowed; ++t) step_at(opt, t);
      ends[i] = values(opt);
    }
    for (std::size_t k = 0; k < ends[0].size() && allowed; ++k)
      if (const double d = relative_distance(ends[0][k].second, ends[1][k].second); !(d <= 1e-13))
        return join(option, "=1e-30 is off by ", text(d));
  }
  return {};
}

std::string evaluation_changes_nothing(const std::string& spec) {
  auto opt = make(spec, leaves(matrices)), other = make(spec, leaves(matrices));
  for (int t = 1; t <= 4; ++t) {
    step_at(opt, t), step_at(other, t);
    opt.eval();
    opt.train();
  }
  return difference(values(opt), values(other));
}

struct Check {
  const char* name;
  std::string (*run)(const std::string& spec);
  bool (*applies)(const AnyRule& rule);
};

bool always_applies(const AnyRule&) { return true; }
bool by_gradients(const AnyRule& r) { return !r.needs_closure(); }
bool searches_nothing(const AnyRule& r) { return r.takes_gradients(); }
bool evaluates_no_loss(const AnyRule& r) { return !r.evaluates_loss(); }

const Check checks[] = {
    {"its spec reads back, and it prints equations", reads_as_it_prints, always_applies},
    {"the pass gives the bits of one number at a time", pass_is_one_number_at_a_time,
     [](const AnyRule& r) { return by_gradients(r) && r.explains_elements(); }},
    {"the same bits with 1, 2, 3 and 7 threads", threads_do_not_matter, always_applies},
    {"gradients are only read; without one nothing moves", gradients_are_read_only, by_gradients},
    {"gradients may be views", gradients_may_be_views, by_gradients},
    {"groups are one group", groups_are_one_group, searches_nothing},
    {"saved and loaded at any step is uninterrupted", saved_is_uninterrupted, always_applies},
    {"a step in tensors is the same step", tensors_make_the_same_step,
     [](const AnyRule& r) { return by_gradients(r) && is<ElementRule>(r); }},
    {"maximize is the sign of the gradient", maximize_turns_the_sign, by_gradients},
    {"permuted rows move alike", permuted_rows_move_alike,
     [](const AnyRule& r) { return evaluates_no_loss(r) && r.moving().curvature(0) == Curvature::none; }},
    {"a vanishing weight_decay or momentum is none", vanishing_is_none, evaluates_no_loss},
    {"eval() and train() change nothing", evaluation_changes_nothing, always_applies},
    {"a NaN gradient shows in its weight and harms no other", nan_stays_visible, searches_nothing},
    {"an infinite or huge gradient harms no other", infinity_harms_no_other, searches_nothing},
    {"gradients of 0 and subnormal ones leave finite weights", extremes_are_finite, always_applies},
    {"empty and 0-d parameters are parameters", empty_and_0d_are_parameters, always_applies},
};

}  // namespace

RuleReport check_rule(const std::string& name) {
  const NoWarnings on_purpose;
  const auto rule = new_rule(name);
  RuleReport report{name, {}, {{"every option can be turned on", 1, {}}}};
  report.specs = specs_of(name, rule->options(), report.invariants[0].broken);
  for (const Check& check : checks) {
    Invariant seen{check.name, 0, {}};
    for (const auto& spec : report.specs) {
      const Tensor w = leaf(Array::zeros({2, 2}, f64));
      if (!check.applies(make(spec, std::vector<Tensor>{w}).rule())) continue;
      ++seen.checked;
      std::string what;
      try {
        what = check.run(spec);
      } catch (const std::exception& e) {
        what = e.what();
      }
      if (!what.empty()) seen.broken.push_back(spec + ": " + what);
    }
    report.invariants.push_back(std::move(seen));
  }
  return report;
}

}  // namespace gradus::optim
