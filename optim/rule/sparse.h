// Rules that can step a sparse gradient (of an embedding with {.sparse = true}), which exists for some rows only.
#pragma once

#include <gradus/optim/rule/any_rule.h>

namespace gradus::optim {

/// True if moving only rows with a gradient is this rule, with its options in force: it is lazy (lazy_adam), or zero
/// gradients move neither elements nor state (sgd without momentum and weight_decay, adagrad), which a trial step tells.
bool steps_sparse(const AnyRule& rule);

/// Throws OptimError unless steps_sparse(rule), naming the rules for which that holds.
void check_sparse(const AnyRule& rule, const std::string& parameter);

}  // namespace gradus::optim
