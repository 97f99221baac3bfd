// Which rows of a gradient an op has handed something to.
//
// embedding_add() leaves -0 in the rows that no index names: the number that changes nothing it is added to, where 0 would
// turn a -0 into 0. A sum of gradients keeps that, so after any backward a row of nothing but -0 is one that no op touched,
// and a row whose gradient happens to be 0 is not.
#pragma once

#include <gradus/core/array.h>

#include <vector>

namespace gradus::optim {

/// Elements begin..end-1.
struct Run {
  std::int64_t begin, end;
};
/// Rows along the first axis, neighbours joined; all of an Array of rank 0 or 1. g is dense, f32 or f64.
std::vector<Run> touched_rows(const Array& g);
/// Whether the row of this element is one of them.
bool row_is_touched(const Array& g, std::int64_t element);

}  // namespace gradus::optim
