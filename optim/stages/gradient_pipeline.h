// The gradient pipeline: applies the stages of an optimizer in order, before the rule gets the gradients.
#pragma once

#include <gradus/optim/stages/stages.h>

namespace gradus::optim {

using Stages = std::vector<Cloned<Stage>>;

/// Checks the stages. Errors: OptimError if they cannot precede this rule, or if one is given twice.
void check_stages(const Stages& stages, const AnyRule& rule);
/// Passes the gradients of `ready` through the stages; afterwards `ready` has the parameters whose gradients came out, each
/// as its `staged`. False if a stage holds the step back.
bool pass_stages(Stages& stages, std::vector<ParameterState>& all, std::vector<ParameterState*>& ready);
/// The gradient that would come out for one parameter at step k; the stages keep their state. Errors: OptimError if a stage
/// would hold the step back.
StagedGradient stage_one(const Stages& stages, std::vector<ParameterState>& all, std::size_t place, std::int64_t k);
void archive_stages(StateArchive& a, Stages& stages, std::vector<ParameterState>& all);

}  // namespace gradus::optim
