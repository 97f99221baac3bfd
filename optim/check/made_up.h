// What check_rule() takes its steps with: made-up parameters, gradients and specs.
#pragma once

#include <gradus/optim/optimizer.h>

#include <string>
#include <vector>

namespace gradus::optim::made_up {

/// Whether the rule is of this kind.
template <class Kind> bool is(const AnyRule& rule) { return dynamic_cast<const Kind*>(&rule) != nullptr; }

/// In [-1, 1], a function of stream and place.
Array numbers(const Shape& shape, std::uint64_t stream, Dtype dtype);
/// Named a, b, c, ...
NamedTensors leaves(const std::vector<Shape>& shapes, Dtype dtype = f64);
Array gradient_at(std::size_t parameter, int t, const Tensor& w);
/// Copies of the parameters' numbers.
NamedArrays values(const Optimizer& opt);
/// One step with these gradients, through a closure where the rule wants one: there they are those of a quadratic.
void step_with(Optimizer& opt, const std::vector<Array>& gradients);
void step_at(Optimizer& opt, int t);

/// The defaults; then each flag turned, each word of a choice, and each number that is 0 raised, alone or with what it
/// needs. What cannot be turned on is added to `stuck`.
std::vector<std::string> specs_of(const std::string& name, const std::vector<Option>& defaults,
                                  std::vector<std::string>& stuck);

// Invariants of check_rule_edges.cpp: "" or what was seen.
std::string nan_stays_visible(const std::string& spec);
std::string infinity_harms_no_other(const std::string& spec);
std::string extremes_are_finite(const std::string& spec);
std::string empty_and_0d_are_parameters(const std::string& spec);

}  // namespace gradus::optim::made_up
