#include <gradus/optim/touched_rows.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {
namespace {

std::int64_t row_length(const Array& g) { return g.rank() < 2 || g.dim(0) == 0 ? g.size() : g.size() / g.dim(0); }

bool touched(const Array& g, std::int64_t begin, std::int64_t length) {
  return g.rank() < 2 || visit_real(g.dtype(), [&]<class T>() {
    const T* row = g.data<T>() + begin;
    return std::any_of(row, row + length, [](T x) { return x != 0 || !std::signbit(x); });
  });
}

}  // namespace

std::vector<Run> touched_rows(const Array& g) {
  std::vector<Run> runs;
  const std::int64_t length = row_length(g);
  for (std::int64_t at = 0; at < g.size(); at += length) {
    if (!touched(g, at, length)) continue;
    if (!runs.empty() && runs.back().end == at) runs.back().end += length;
    else runs.push_back({at, at + length});
  }
  return runs;
}

bool row_is_touched(const Array& g, std::int64_t element) {
  const std::int64_t length = row_length(g);
  return touched(g, element / length * length, length);
}

}  // namespace gradus::optim
