#include <gradus/core/error.h>
#include <gradus/optim/spec/optimizer_spec.h>
#include <gradus/optim/stages/gradient_pipeline.h>

#include <algorithm>

namespace gradus::optim {
namespace {

std::vector<StagedParameter> staged_parameters(const std::vector<ParameterState>& all) {
  std::vector<StagedParameter> seen;
  for (const auto& p : all) seen.push_back({&p.name, &p.leaf.array()});
  return seen;
}

}  // namespace

void check_stages(const Stages& stages, const AnyRule& rule) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string name = stages[i]->name();
    if (!rule.takes_gradients())
      throw OptimError(name, join(rule.name(), " searches along the true gradient; no stage can stand before it"));
    const bool once = name == "accumulate" || name == "skip_nonfinite";
    for (std::size_t j = 0; once && j < i; ++j)
      if (stages[j]->name() == name) throw OptimError(name, "stands in the spec twice; once is enough");
  }
}

bool pass_stages(Stages& stages, std::vector<ParameterState>& all, std::vector<ParameterState*>& ready) {
  std::vector<StagedGradient> gradients;
  for (auto& p : all) p.staged = {};
  for (ParameterState* p : ready)
    gradients.push_back({static_cast<std::size_t>(p - all.data()), p->gradient(), 1, -1, p->leaf.leaf()->touched});
  const auto parameters = staged_parameters(all);
  for (auto& stage : stages)
    if (!stage->apply(gradients, parameters)) return false;
  ready.clear();
  for (StagedGradient& g : gradients) {
    settle(g);
    ParameterState& p = all[g.place];
    if (p.leaf.leaf()->frozen) continue;  // frozen since its gradient was accumulated
    p.staged = std::move(g);
    ready.push_back(&p);
  }
  return true;
}

StagedGradient stage_one(const Stages& stages, std::vector<ParameterState>& all, std::size_t place, std::int64_t k) {
  std::vector<StagedGradient> gradients;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].leaf.leaf()->has_grad()) gradients.push_back({i, all[i].gradient(), 1, -1, all[i].leaf.leaf()->touched});
  for (const auto& stage : Stages(stages)) {
    stage->follow(k);
    if (!stage->apply(gradients, staged_parameters(all)))
      throw OptimError("explain", stage->name() + ": " + stage->held_back());
  }
  StagedGradient& found = *std::find_if(gradients.begin(), gradients.end(), [&](const auto& g) { return g.place == place; });
  settle(found);
  return found;
}

void archive_stages(StateArchive& a, Stages& stages, std::vector<ParameterState>& all) {
  const auto parameters = staged_parameters(all);
  for (auto& stage : stages) {
    archive_schedules(a, {"stages", stage->name()}, stage->schedules());
    stage->archive(a, parameters);
  }
}

}  // namespace gradus::optim
