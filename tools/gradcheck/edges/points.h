// The points at which --edges looks: a sample whose real inputs hold edges.
#pragma once

#include <gradus/tools/gradcheck/edges/run_at_edges.h>

#include <functional>

namespace gradus::tools {

using Visit = std::function<void(const std::string& what, const Arrays& inputs)>;

std::vector<std::size_t> real_inputs_of(const Sample& s);
/// The Array with `value` in all elements, or in one.
Array filled_with(const Array& a, double value);
Array with_element(const Array& a, int64_t at, double value);
/// The f64 inputs rounded to numbers of f32.
Arrays rounded_inputs(const Sample& s);

/// Each edge in each real input, in all its elements and in the middle one.
void visit_edges(const Sample& s, const Visit& visit);
/// Pairs of edges in two real inputs, whole, and in the first two elements of one.
void visit_pairs(const Sample& s, const Visit& visit);

}  // namespace gradus::tools
