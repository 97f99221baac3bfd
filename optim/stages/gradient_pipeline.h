// The stages of an optimizer, one behind the other: what they make of the gradients before the rule is given them.
#pragma once

#include <gradus/optim/stages/stages.h>

namespace gradus::optim {

using Stages = std::vector<Cloned<Stage>>;

/// Errors: OptimError if they cannot stand before this rule, or one of them stands there twice.
void check_stages(const Stages& stages, const AnyRule& rule);
/// Passes the gradients of `ready` through; these become the parameters whose gradients have come out, with what the stages
/// made of them as `staged`. False if a stage holds the step back.
bool pass_stages(Stages& stages, std::vector<ParameterState>& all, std::vector<ParameterState*>& ready);
/// What would come out for one parameter at step k; the stages learn nothing of it. Errors: OptimError if one would hold
/// it back.
StagedGradient stage_one(const Stages& stages, std::vector<ParameterState>& all, std::size_t place, std::int64_t k);
void archive_stages(StateArchive& a, Stages& stages, std::vector<ParameterState>& all);

}  // namespace gradus::optim
