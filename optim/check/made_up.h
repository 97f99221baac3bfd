// Made-up parameters, gradients and specs, with which check_rule() takes its steps.
#pragma once

#include <gradus/optim/optimizer.h>

#include <string>
#include <vector>

namespace gradus::optim::made_up {

/// True if the rule is of this kind.
template <class Kind> bool is(const AnyRule& rule) { return dynamic_cast<const Kind*>(&rule) != nullptr; }

/// Values in [-1, 1], a function of stream and index.
Array numbers(const Shape& shape, std::uint64_t stream, Dtype dtype);
/// Leaves of these shapes, named a, b, c, ...
NamedTensors leaves(const std::vector<Shape>& shapes, Dtype dtype = f64);
Array gradient_at(std::size_t parameter, int t, const Tensor& w);
/// Copies of the parameters' values.
NamedArrays values(const Optimizer& opt);
/// Takes one step with these gradients; a rule that wants a closure gets the gradients of a quadratic.
void step_with(Optimizer& opt, const std::vector<Array>& gradients);
void step_at(Optimizer& opt, int t);

/// Specs to check: the defaults; then each flag inverted, each word of a choice, and each number that is 0 raised, alone or
/// with the options it needs. Options that cannot be turned on are added to `stuck`.
std::vector<std::string> specs_of(const std::string& name, const std::vector<Option>& defaults,
                                  std::vector<std::string>& stuck);

// Invariants of check_rule_edges.cpp: each returns "" or a description of the failure.
std::string nan_stays_visible(const std::string& spec);
std::string infinity_harms_no_other(const std::string& spec);
std::string extremes_are_finite(const std::string& spec);
std::string empty_and_0d_are_parameters(const std::string& spec);

}  // namespace gradus::optim::made_up
