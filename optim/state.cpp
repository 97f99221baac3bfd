// What is saved, loaded and explained.
#include <gradus/core/error.h>
#include <gradus/core/memory/memory_error.h>
#include <gradus/optim/optimizer.h>
#include <gradus/optim/saved_state.h>
#include <gradus/optim/touched_rows.h>

#include <algorithm>
#include <sstream>

namespace gradus::optim {
namespace {

Array of_text(const std::string& s) {
  return Array::of<std::uint8_t>({static_cast<std::int64_t>(s.size())}, std::vector<std::uint8_t>(s.begin(), s.end()));
}
std::string text_of(const Array& a) {
  std::string s;
  for (std::int64_t i = 0; i < a.size(); ++i) {  // a stranger's may be numbers of any type
    const double x = a.element(i);
    s += x >= 0 && x <= 255 ? static_cast<char>(static_cast<std::uint8_t>(x)) : '\0';
  }
  return s;
}
Array of_count(std::int64_t n) { return Array::full({}, static_cast<double>(n), i64); }

std::string slot_key(const AnyRule& r, const std::string& slot, const std::string& parameter) {
  return r.name() + "/" + slot + "/" + parameter;
}

/// A pattern may hold what separates the parts of a line: a tab, the end of a line, and the backslash that stands for them.
std::string escaped(const std::string& s) {
  std::string e;
  for (const char c : s) e += c == '\t' ? std::string("\\t") : c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
  return e;
}
std::string unescaped(const std::string& e) {
  std::string s;
  for (std::size_t i = 0; i < e.size(); ++i) {
    const bool code = e[i] == '\\' && i + 1 < e.size();
    const char c = code ? e[++i] : e[i];
    s += code && c == 't' ? '\t' : code && c == 'n' ? '\n' : c;
  }
  return s;
}

std::vector<std::string> split(const std::string& s, char separator) {
  std::vector<std::string> parts;  // not by a stream: it would end early, and say nothing, where there is no memory
  for (std::size_t at = 0, end; at < s.size(); at = end + 1) {
    end = std::min(s.find(separator, at), s.size());
    parts.push_back(s.substr(at, end - at));
  }
  return parts;
}

/// user(0.1) becomes 0.1; the names of such options.
void take_users(SpecStage& stage, std::vector<std::string>& names) {
  for (auto& a : stage.arguments) {
    if (a.value.kind != SpecValue::Kind::stage) continue;
    SpecStage& inner = a.value.stage[0];
    if (a.key.empty()) take_users(inner, names);
    else if (inner.name == "user" && inner.arguments.size() == 1) {
      names.push_back(a.key);
      a.value = SpecValue(inner.arguments[0].value);
    }
  }
}

}  // namespace

// ---- options: a line for each group, "pattern <tab> own options <tab> spec" ------------------------------------------

std::string Optimizer::options_text() const {
  const AnyRule& first = rule();  // refuses an optimizer that was moved from
  std::string s = stages_text(true) + spec_with(first, groups_[0].schedules, true) + "\n";
  for (std::size_t i = 1; i < groups_.size(); ++i) {
    const Group& g = groups_[i];
    std::string own = g.own_rule ? "=" : "";
    for (const auto& name : g.own) own += name + ",";
    s += escaped(g.pattern) + "\t" + own + "\t" + spec_of(g, true) + "\n";
  }
  return s;
}

/// The function of the user's own that this option follows here: text cannot make it.
const Schedule& Optimizer::users_schedule(std::size_t group, const std::string& option) const {
  if (group < groups_.size())
    for (const Scheduled& s : groups_[group].schedules)
      if (s.option == option && s.schedule.users_own()) return s.schedule;
  throw OptimError(rule().name(),
                   join("in the state, ", option, " follows a function of the user's own; give it before loading"),
                   "opt.schedule(\"" + option + "\", f)");
}

std::vector<Optimizer::Group> Optimizer::groups_from(const std::string& saved) const {
  const auto lines = split(saved, '\n');
  const std::string op = rule().name();
  std::vector<Group> groups;
  if (lines.empty()) throw OptimError(op, "the state's options are empty; nothing was loaded");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::vector<std::string> parts;  // not by a list in a conditional: g++ 12 destroys it twice if memory fails meanwhile
    if (i > 0) parts = split(lines[i], '\t');
    else parts.emplace_back(), parts.emplace_back("="), parts.push_back(lines[0]);
    if (parts.size() != 3) throw OptimError(op, "the state's options cannot be read; nothing was loaded");
    Spec spec = parse_spec(parts[2]);
    std::vector<std::string> users;
    take_users(spec.stages.back(), users);
    Group g{unescaped(parts[0]), nullptr, {}, parts[1].starts_with("="), {}};
    g.rule = rule_from(spec, spec.stages.back(), g.schedules);
    for (auto& name : split(parts[1].substr(g.own_rule ? 1 : 0), ',')) g.own.push_back(std::move(name));
    if (i < groups_.size() && (g.rule->name() != groups_[i].rule->name() || g.pattern != groups_[i].pattern))
      throw OptimError(op, join("the state is of ", parts[2], i ? " for \"" + g.pattern + "\"" : "", ", this optimizer has ",
                                groups_[i].rule->spec(), i ? " for \"" + groups_[i].pattern + "\"" : ""));
    for (const auto& option : users) g.schedules.push_back({option, users_schedule(i, option)});
    groups.push_back(std::move(g));
  }
  if (groups.size() != groups_.size())
    throw OptimError(op, join("the state has ", groups.size() - 1, " parameter groups, this optimizer has ",
                              groups_.size() - 1));
  return groups;
}

// ---- state ----------------------------------------------------------------------------------------------------------

/// Vectors over all parameters are saved in the parameters' shapes, under their names.
void Optimizer::closure_state(NamedArrays& to) const {
  const auto* closure = dynamic_cast<const ClosureRule*>(&rule());
  if (!closure) return;
  for (const auto& [key, all] : closure->state()) {
    if (all.rank() == 0) {
      to.emplace_back(rule().name() + "/" + key, all.copy());
      continue;
    }
    std::int64_t at = 0;
    for (const auto& e : entries_) {
      to.emplace_back(slot_key(rule(), key, e.name), all.slice(0, at, at + e.leaf.size()).copy().reshape(e.leaf.shape()));
      at += e.leaf.size();
    }
  }
}

NamedArrays Optimizer::state_dict() const try {
  follow_all();
  NamedArrays state{{"optimizer/options", of_text(options_text())}, {"optimizer/steps", of_count(steps_)}};
  for (const auto& e : entries_) {
    const AnyRule& r = rule_of(e);
    state.emplace_back(slot_key(r, "t", e.name), of_count(e.t));
    if (e.t == 0) continue;
    if (!e.step.empty())
      state.emplace_back(slot_key(r, "step", e.name), Array::of<double>({static_cast<std::int64_t>(e.step.size())}, e.step));
    const auto slots = r.slots();
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (e.slots[i].defined()) state.emplace_back(slot_key(r, slots[i].name, e.name), e.slots[i].copy());
    const AnyRule& whole = *groups_[e.group].rule;
    if (e.kept.defined() && whole.info().shape == RuleShape::wrapper)
      state.emplace_back(slot_key(whole, static_cast<const AfterRule&>(whole).kept_name(), e.name), e.kept.copy());
    if (e.training_point.defined()) state.emplace_back(slot_key(r, "training_point", e.name), e.training_point.copy());
  }
  for (const Shared& s : shared_) {
    state.emplace_back("optimizer/t/" + s.rule, of_count(s.t));
    state.emplace_back("optimizer/step/" + s.rule, Array::of<double>({static_cast<std::int64_t>(s.step.size())}, s.step));
  }
  closure_state(state);
  save_around(state);
  add_checksums(state);
  return state;
} catch (const std::bad_alloc&) {
  no_memory_for(rule().name());
}

void Optimizer::load_state_dict(const NamedArrays& state) try {
  follow_all();
  SavedState from(state);
  const std::string op = rule().name();
  const Array* options = from.find_text("optimizer/options");
  const auto steps = from.find_count("optimizer/steps");
  if (!options || !steps) from.check(op);
  from.check_changed(op, {"optimizer/options", "optimizer/steps"});
  auto groups = groups_from(text_of(*options));

  struct Loaded {
    std::int64_t t = 0;
    std::vector<Array> slots;
    std::vector<double> step;
    Array kept, training_point;
  };
  std::vector<Loaded> loaded(entries_.size());
  std::vector<Shared> shared;
  bool evaluating = false;
  const auto numbers = [&](const std::string& key, std::size_t count, std::vector<double>& to) {
    if (const Array* a = from.find(key, {static_cast<std::int64_t>(count)}, f64))
      for (std::int64_t i = 0; i < a->size(); ++i) to.push_back(a->element(i));
  };
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    const Entry& e = entries_[k];
    const AnyRule& r = groups[e.group].rule->moving();
    const auto t = from.find_count(slot_key(r, "t", e.name));
    if (!t || *t == 0) continue;
    loaded[k].t = *t;
    if (r.info().shape == RuleShape::global) {
      const bool known = std::any_of(shared.begin(), shared.end(), [&](const Shared& s) { return s.rule == r.name(); });
      if (const auto n = known ? std::nullopt : from.find_count("optimizer/t/" + r.name())) {
        shared.push_back({r.name(), *n, {}});
        numbers("optimizer/step/" + r.name(), r.first_step().size(), shared.back().step);
      }
    } else if (const auto first = r.first_step(); !first.empty()) {
      numbers(slot_key(r, "step", e.name), first.size(), loaded[k].step);
    }
    const auto array = [&](const std::string& key, const Shape& of, bool needed) {
      const Array* a = needed || from.has(key) ? from.find(key, of, e.leaf.dtype()) : nullptr;
      return a ? a->copy() : Array();
    };
    for (const Slot& s : r.slots_of(e.leaf.shape()))
      loaded[k].slots.push_back(array(slot_key(r, s.name, e.name), s.shape, s.kept));
    const AnyRule& whole = *groups[e.group].rule;
    if (whole.info().shape == RuleShape::wrapper)
      loaded[k].kept =
          array(slot_key(whole, static_cast<const AfterRule&>(whole).kept_name(), e.name), e.leaf.shape(), true);
    if (r.two_points()) loaded[k].training_point = array(slot_key(r, "training_point", e.name), e.leaf.shape(), false);
    evaluating |= loaded[k].training_point.defined();
  }

  auto* closure = dynamic_cast<ClosureRule*>(groups[0].rule.get());
  NamedArrays vectors;
  if (closure) {
    for (const auto& name : from.names()) {
      const auto parts = split(name, '/');
      if (parts[0] != op || parts.size() < 2 || parts[1] == "t") continue;
      if (parts.size() == 2) {
        if (const Array* a = from.find(name, {}, f64)) vectors.emplace_back(parts[1], a->copy());
      } else if (name == slot_key(rule(), parts[1], entries_[0].name)) {
        std::vector<double> all;
        for (const auto& e : entries_)
          if (const Array* a = from.find(slot_key(rule(), parts[1], e.name), e.leaf.shape(), f64))
            for (std::int64_t i = 0; i < a->size(); ++i) all.push_back(a->element(i));
        vectors.emplace_back(parts[1], Array::of<double>({static_cast<std::int64_t>(all.size())}, all));
      }
    }
  }
  const Spec spec = parse_spec(split(text_of(*options), '\n')[0]);
  auto stages = load_around(from, spec, groups, *steps);
  from.check(op);

  if (closure) closure->load_state(vectors);
  stages_ = std::move(stages);
  groups_ = std::move(groups);
  steps_ = *steps;
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    entries_[k].t = loaded[k].t;
    entries_[k].prepared = false;
    entries_[k].slots = std::move(loaded[k].slots);
    entries_[k].step = std::move(loaded[k].step);
    entries_[k].kept = std::move(loaded[k].kept);
    entries_[k].training_point = std::move(loaded[k].training_point);
  }
  shared_ = std::move(shared);
  evaluating_ = evaluating;
} catch (const std::bad_alloc&) {
  no_memory_for(rule().name());
}

// ---- explanation ----------------------------------------------------------------------------------------------------

Explanation Optimizer::explain(const std::string& parameter, std::initializer_list<std::int64_t> index) const {
  const Shape& shape = find(parameter).leaf.shape();
  if (static_cast<int>(index.size()) != shape.rank())
    throw IndexError("explain", join("\"", parameter, "\" is ", to_string(shape), ", got ", index.size(), " indices"));
  std::int64_t flat = 0;
  int axis = 0;
  for (const std::int64_t i : index) {
    if (i < 0 || i >= shape[axis])
      throw IndexError("explain",
                       join("index ", i, " of axis ", axis, " is outside \"", parameter, "\" ", to_string(shape)));
    flat = flat * shape[axis++] + i;
  }
  return explain(parameter, flat);
}

Explanation Optimizer::explain(const std::string& parameter, std::int64_t index) const {
  follow_all();
  const Entry& e = find(parameter);
  const auto now = rule_now(e.group);
  const AnyRule& r = now->moving();
  const RuleShape shape = r.info().shape;
  if (shape != RuleShape::element && shape != RuleShape::layer)
    throw OptimError("explain", join(r.name(), " moves a whole ", shape == RuleShape::matrix ? "parameter" : "model",
                                     " at once; no element has values of its own"));
  check_mode("explain");
  if (r.curvature(steps_) != Curvature::none)
    throw OptimError("explain", join(r.name(), " estimates the curvature at this step, from the loss itself"));
  if (index < 0 || index >= e.leaf.size())
    throw IndexError("explain", join("element ", index, " is outside \"", parameter, "\" ", describe(e.leaf.array())));
  if (!e.leaf.leaf()->grad.defined())
    throw OptimError("explain", join("\"", parameter, "\" has no gradient; call backward() first"));

  Entry copy = e;  // shares the numbers of the slots; what is missing is made beside the optimizer
  copy.prepared = false;
  prepare(copy, r);
  Explanation x{r.spec(), parameter, index, e.t + 1, {}, {}};
  r.advance(copy.step.data(), x.t);
  auto once = r.first_step();
  for (std::size_t i = 0; i < once.size(); ++i) x.once.push_back({once[i].name, copy.step[i]});
  const Flow flow = flow_of(e);
  const double factor = flow.factor;
  Piece p{const_cast<char*>(e.leaf.array().bytes()), flow.g.bytes(), copy.pointers.data(), copy.step.data(),
          r.maximize() ? -factor : factor, index, index + 1};
  const Dtype dtype = e.leaf.dtype();
  if (r.touched_rows_only() && !row_is_touched(flow.g, index))
    throw OptimError("explain", join("no op has handed a gradient to the row of element ", index, " of \"", parameter,
                                     "\"; the step leaves it as it is"));
  const auto* layer = dynamic_cast<const LayerRule*>(&r);
  LayerNorms norms{0, 0};
  if (layer) {  // the norms need the whole parameter: on copies
    Piece all = p;
    std::vector<Array> slots;
    std::vector<void*> pointers;
    for (const Array& a : copy.slots) slots.push_back(a.copy());
    for (const Array& a : slots) pointers.push_back(const_cast<char*>(a.bytes()));
    all.slots = pointers.data();
    all.begin = 0, all.end = e.leaf.size();
    const Array direction = Array::like(e.leaf.array());
    norms = find_directions({{layer, dtype, all, const_cast<char*>(direction.bytes())}})[0];
  }
  const FlushSubnormals guard;
  x.values = layer ? layer->explain(dtype, p, norms.w, norms.direction)
                   : static_cast<const ElementRule&>(r).explain(dtype, p);
  if (groups_[e.group].rule->info().shape == RuleShape::wrapper) {
    const auto& whole = static_cast<const AfterRule&>(*groups_[e.group].rule);
    const Array& was = e.kept.defined() ? e.kept : e.leaf.array();
    Tensor w = scalar(x.values.after.back().value, dtype), kept = scalar(was.element(index), dtype);
    x.values.before.push_back({whole.kept_name(), kept.item()});
    whole.after(w, kept, x.t);
    x.values.after.back().value = w.item();
    x.values.after.insert(x.values.after.end() - 1, {whole.kept_name(), kept.item()});
  }
  return x;
}

std::string to_string(const Explanation& e) {
  auto list = [](const std::vector<NamedValue>& values) {
    std::string s;
    for (const auto& v : values) {
      std::ostringstream o;
      o.precision(6);
      o << v.value;
      s += "  " + v.name + " " + o.str();
    }
    return s;
  };
  return join(e.rule, "  ", e.parameter, "[", e.index, "]  t = ", e.t, list(e.once), "\n before:", list(e.values.before),
              "\n shown: ", list(e.values.shown), "\n after: ", list(e.values.after), "\n");
}

}  // namespace gradus::optim
