// A sample of an op at a point of its edges: run in f32 or f64, forward, back, and back twice, as plain numbers.
#pragma once

#include <gradus/tools/gradcheck/run_sample.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

namespace gradus::tools {

/// What every real input gets. `largest` and `subnormal` are those of f32, so that f64 sees the same numbers.
inline constexpr double largest = std::numeric_limits<float>::max(), subnormal = 0x1p-149;
inline constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double edges[] = {0.0, -0.0, subnormal, -subnormal, 1e-30,   -1e-30,   1e-8, -1e-8, 1,  -1,
                                   1e8, -1e8, 1e20,      -1e20,      largest, -largest, inf,  -inf,  nan};
/// For pairs: two inputs, or two elements of one.
inline constexpr double few_edges[] = {0.0, -0.0, 1e-30, -1e-8, 1, 1e20, -1e20, largest, inf, -inf, nan};

/// The numbers of one result: an output, a gradient, or a gradient of a gradient.
struct EdgePart {
  int order = 0;
  std::size_t place = 0;  ///< number of the output or input
  std::string name;
  std::vector<double> numbers;
};

struct EdgeRun {
  std::string refusal;  ///< what the op says, if it refuses
  std::vector<EdgePart> parts;
};

/// Inputs that are f64, in f32 or f64 (always numbers of f32), under fixed seeds, which `lay_seed` may change. Gradients
/// twice: by kernels, and recorded.
EdgeRun run_at_edge(const Sample& s, const Arrays& inputs, Dtype dtype, int orders = 2,
                    const std::function<Array(const Array&)>& lay_seed = as_is);

/// For each number of `exact`, a run in f64: by how much it moves if inputs and seeds move by one part in 2^24, divided by
/// that.
std::vector<std::vector<double>> slopes_at_edge(const Sample& s, const Arrays& inputs, const EdgeRun& exact);

/// Whether `a`, a result in f32, is as good as can be where f64 says `b`: within eight roundings, each as large as what one
/// part in 2^24 of inputs, seeds and result moves. Of gradients what is below the smallest normal number may be lost, and
/// within a factor of 1,000 from the largest anything may overflow on its way.
bool f32_is_good(double a, double b, double slope, int order);

/// 1, 1e-30, -0, nan
std::string edge_text(double x);

}  // namespace gradus::tools
