// Which rules step a sparse gradient, that of an embedding with {.sparse = true}: only its rows have a gradient at all.
#pragma once

#include <gradus/optim/rule/any_rule.h>

namespace gradus::optim {

/// Whether moving only rows with a gradient is this rule, with its options in force: it is lazy (lazy_adam), or a number whose
/// gradient is zero stays where it is, and its state too (sgd without momentum and weight_decay, adagrad). That is tried out.
bool steps_sparse(const AnyRule& rule);

/// Errors: OptimError unless steps_sparse(), naming the rules that do.
void check_sparse(const AnyRule& rule, const std::string& parameter);

}  // namespace gradus::optim
