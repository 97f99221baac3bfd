// The Optimizer's stages: how gradients pass through them, and what is saved of them and of schedules.
#include <gradus/core/error.h>
#include <gradus/optim/optimizer.h>
#include <gradus/optim/saved_state.h>
#include <gradus/optim/stages/stage_kinds.h>

#include <algorithm>

namespace gradus::optim {
namespace {

using Stages = std::vector<std::unique_ptr<Stage>>;

Stages stages_from(const Spec& spec, std::size_t count) {
  Stages stages;
  for (std::size_t i = 0; i < count; ++i) stages.push_back(stage_from(spec, spec.stages[i]));
  return stages;
}

}  // namespace

void Optimizer::check_stages(const Stages& stages) const {
  if (groups_.empty()) throw_moved_from();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string name = stages[i]->name();
    if (rule().info().shape == RuleShape::closure && !rule().inner())
      throw OptimError(name, join(rule().name(), " searches along the true gradient; no stage can stand before it"));
    const bool once = name == "accumulate" || name == "skip_nonfinite";
    for (std::size_t j = 0; once && j < i; ++j)
      if (stages[j]->name() == name) throw OptimError(name, "stands in the spec twice; once is enough");
  }
}

void Optimizer::stages(const std::string& text) {
  Stages stages;
  if (text.find_first_not_of(" \t\n") != text.npos) {
    const Spec spec = parse_spec(text);
    stages = stages_from(spec, spec.stages.size());
  }
  check_stages(stages);
  stages_ = std::move(stages);
}

void Optimizer::clip_norm(double max_norm) {
  if (!(max_norm >= 0)) throw OptimError("clip_norm", join("max_norm must be > 0, or 0 for none, got ", text(max_norm)));
  const auto at = std::find_if(stages_.begin(), stages_.end(), [](const auto& s) { return s->name() == "clip_norm"; });
  if (max_norm == 0) {
    if (at != stages_.end()) stages_.erase(at);
    return;
  }
  const StageKind& kind = *find_stage_kind("clip_norm");
  auto stage = kind.make(kind);
  stage->set(0, max_norm);
  Stages one;
  one.push_back(std::move(stage));
  check_stages(one);
  if (at == stages_.end()) stages_.push_back(std::move(one[0]));
  else *at = std::move(one[0]);
}

Skipped Optimizer::skipped() const {
  for (const auto& s : stages_)
    if (const auto* guard = dynamic_cast<const SkipNonfinite*>(s.get())) return guard->skipped();
  return {};
}

std::string Optimizer::stages_text(bool saved) const {
  std::string s;
  for (const auto& stage : stages_) s += stage->spec(saved) + " | ";
  return s;
}

Optimizer make(const std::string& text, NamedTensors parameters) {
  const Spec spec = parse_spec(text);
  const auto last = spec.stages.size() - 1;
  std::string before;
  for (std::size_t i = 0; i < last; ++i) {
    stage_from(spec, spec.stages[i]);  // refuses with the place in the whole text
    before += (i > 0 ? " | " : "") + print({{}, {spec.stages[i]}});
  }
  std::vector<Scheduled> scheduled;
  Optimizer opt(rule_from(spec, spec.stages[last], scheduled), std::move(parameters));
  for (auto& s : scheduled) opt.schedule(s.option, std::move(s.schedule));
  opt.stages(before);
  return opt;
}

// ---- a step ----------------------------------------------------------------------------------------------------------

std::vector<FlowParameter> Optimizer::flow_parameters() const {
  std::vector<FlowParameter> all;
  for (const Entry& e : entries_) all.push_back({&e.name, &e.leaf.array()});
  return all;
}

/// `entries` become those whose gradients have come through; false if a stage holds the step back.
bool Optimizer::pass_stages(std::vector<Entry*>& entries) {
  std::vector<Flow> flows;
  for (auto& e : entries_) e.flow = {}, e.factor = 1;
  for (Entry* e : entries) flows.push_back({static_cast<std::size_t>(e - entries_.data()), gradient_of(*e), 1, -1});
  const auto parameters = flow_parameters();
  for (auto& stage : stages_)
    if (!stage->apply(flows, parameters)) return false;
  entries.clear();
  for (Flow& f : flows) {
    settle(f);
    Entry& e = entries_[f.place];
    if (e.leaf.leaf()->frozen) continue;  // since its gradient was gathered
    e.flow = std::move(f.g);
    e.factor = f.factor;
    entries.push_back(&e);
  }
  return true;
}

/// What the rule would be given now; the stages themselves learn nothing of it.
Flow Optimizer::flow_of(const Entry& e) const {
  const auto place = static_cast<std::size_t>(&e - entries_.data());
  if (stages_.empty()) return {place, gradient_of(e), 1, -1};
  std::vector<Flow> flows;
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].leaf.grad().defined()) flows.push_back({i, gradient_of(entries_[i]), 1, -1});
  for (const auto& s : stages_) {
    const auto copy = s->clone();
    copy->follow(steps_);
    if (!copy->apply(flows, flow_parameters())) throw OptimError("explain", s->name() + ": " + copy->held_back());
  }
  Flow& found = *std::find_if(flows.begin(), flows.end(), [&](const Flow& f) { return f.place == place; });
  settle(found);
  return found;
}

// ---- what is saved ---------------------------------------------------------------------------------------------------

namespace {

std::string schedule_key(const std::string& of, const std::string& option) {
  return "optimizer/schedule/" + (of.empty() ? "" : of + "/") + option;
}

void save(const std::string& of, const std::vector<Scheduled>& schedules, NamedArrays& to) {
  for (const auto& s : schedules)
    if (const auto state = s.schedule.state(); !state.empty())
      to.emplace_back(schedule_key(of, s.option), Array::of<double>({static_cast<std::int64_t>(state.size())}, state));
}

void load(const std::string& of, std::vector<Scheduled>& schedules, SavedState& from) {
  for (auto& s : schedules) {
    const auto n = s.schedule.state().size();
    if (n == 0) continue;
    const Array* a = from.find(schedule_key(of, s.option), {static_cast<std::int64_t>(n)}, f64);
    if (a) s.schedule.load_state(std::vector<double>(a->data<double>(), a->data<double>() + n));
  }
}

}  // namespace

void Optimizer::save_around(NamedArrays& to) const {
  for (const auto& g : groups_) save(g.pattern, g.schedules, to);
  for (const auto& s : stages_) {
    save(s->name(), s->schedules(), to);
    for (auto& [name, array] : s->state(flow_parameters())) to.emplace_back(s->name() + "/" + name, std::move(array));
  }
}

/// The stages that the spec names, with their state; the state of the groups' schedules goes into `groups`, and what is
/// scheduled gets the value of the last step.
Stages Optimizer::load_around(SavedState& from, const Spec& spec, std::vector<Group>& groups, std::int64_t steps) const {
  auto stages = stages_from(spec, spec.stages.size() - 1);
  check_stages(stages);
  for (auto& s : stages) {
    load(s->name(), s->schedules(), from);
    from.under(s->name() + "/");
    s->load_state(from, flow_parameters());
    from.under("");
  }
  const std::int64_t last = std::max<std::int64_t>(0, steps - 1);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    load(groups[i].pattern, groups[i].schedules, from);
    for (const Scheduled& s : groups[i].schedules)
      for (std::size_t j = 0; j < groups.size(); ++j) {
        Group& g = groups[j];
        const bool follows = i == 0 && !g.own_rule && std::find(g.own.begin(), g.own.end(), s.option) == g.own.end();
        if (i == j || follows) g.rule->set(s.option, s.schedule.at(last));
      }
  }
  return stages;
}

}  // namespace gradus::optim
