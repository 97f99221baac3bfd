// A sample of an op, run once from fixed seeds, and what must not change its numbers: threads, layouts, precision.
#pragma once

#include <gradus/autograd/op.h>
#include <gradus/core/kernels/compare.h>

#include <functional>
#include <string_view>
#include <vector>

namespace gradus::tools {

using Arrays = std::vector<Array>;

/// Knuth's 64-bit congruential numbers: enough for samples, and the test of large ones spends no time in them.
class QuickRandom {
 public:
  double uniform() {  ///< [0, 1)
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state_ >> 11) * 0x1p-53;
  }

 private:
  std::uint64_t state_ = 1;
};

struct OpRun {
  Arrays outputs;
  Arrays gradients;  ///< one for each f32 or f64 input; absent where there is no path
};

/// How an Array lies: the same numbers (or, for some, others of the same shape) elsewhere.
using Lay = Array (*)(const Array&);
Array as_is(const Array& a);
Array column_major(const Array& a);
/// Every second element of a wider Array; what lies between is NaN, and never to be read.
Array with_gaps(const Array& a);
/// Rows behind another row: row-major, but not where packs start.
Array behind_a_row(const Array& a);
Arrays each(const Arrays& a, Lay lay);

/// Forward and back from fixed seeds (numbers of f32), which `lay_seed` lays out or changes. Errors: what the op throws;
/// ShapeError for a gradient that does not fit its input.
OpRun run_sample(const Sample& s, const Arrays& inputs, const std::function<Array(const Array&)>& lay_seed = as_is);

inline bool same_bits(const OpRun& a, const OpRun& b) {
  return same_bits(a.outputs, b.outputs) && same_bits(a.gradients, b.gradients);
}
/// What f32 may lose: 1e-5, times the sample's condition number.
inline constexpr double f32_bound = 1e-5;
/// What the op's record allows instead, with its reason.
inline double f32_bound_of(const OpInfo& op) {
  for (const EdgeException& e : op.exceptions)
    if (e.rule == EdgeRule::ordinary) return e.bound;
  return f32_bound;
}

/// F32 against f64 at the same (f32) inputs, norm-wise, divided by the sample's condition number where that is above 1: by
/// how much a tensor of results moves, relatively, if its inputs and seeds move by one part in 2^24 each (the largest of
/// several random moves). Results beyond the range of f32 are left out.
double f32_error(const Sample& s);

/// The same bits, forward and back, with 1, 2, 3 and 7 threads. The number of threads is put back.
bool same_bits_at_any_threads(const Sample& s);

/// Inputs and seeds that are column-major, with gaps, behind a row, against dense ones: 0 if all bits are the same, else the
/// largest distance of results.
double layout_error(const Sample& s);

}  // namespace gradus::tools
