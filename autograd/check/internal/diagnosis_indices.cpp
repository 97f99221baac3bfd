// Gradients whose values are right but stand at wrong indices.
#include <gradus/autograd/check/internal/diagnosis_case.h>

namespace gradus::diagnosing {
namespace {

using Places = std::vector<std::int64_t>;  // index into the other matrix; -1: none

/// The index of each element of `s` when axes p and q are exchanged and the elements are laid out again.
Places exchanged(const Shape& s, int p, int q) {
  Places to;
  for (int64_t i = 0; i < s.size(); ++i) {
    std::vector<int64_t> index(static_cast<std::size_t>(s.rank()));
    int64_t left = i, at = 0;
    for (int k = s.rank(); k-- > 0; left /= s[k]) index[static_cast<std::size_t>(k)] = left % s[k];
    for (int k = 0; k < s.rank(); ++k) {
      const int from = k == p ? q : k == q ? p : k;
      at = at * s[from] + index[static_cast<std::size_t>(from)];
    }
    to.push_back(at);
  }
  return to;
}

/// Indices shifted along an axis; axis -1: in row-major order.
Places shifted(const Shape& s, int axis, int by) {
  int64_t stride = 1;
  for (int k = axis + 1; axis >= 0 && k < s.rank(); ++k) stride *= s[k];
  const int64_t length = axis < 0 ? s.size() : s[axis];
  Places to;
  for (int64_t i = 0; i < s.size(); ++i) {
    const int64_t at = i / stride % length + by;
    to.push_back(at >= 0 && at < length ? i + by * stride : -1);
  }
  return to;
}

Places same(std::size_t n) {
  Places to;
  for (std::size_t i = 0; i < n; ++i) to.push_back(static_cast<std::int64_t>(i));
  return to;
}

/// The difference left if analytic (r, c) is numeric (row[r], column[c]), where those exist; half of the entries must.
double moved(const Case& c, const Places& row, const Places& column) {
  double most = 0;
  std::size_t compared = 0;
  for (std::size_t r = 0; r < c.rows; ++r)
    for (std::size_t k = 0; k < c.columns; ++k) {
      if (row[r] < 0 || column[k] < 0) continue;
      const double from = c.n[static_cast<std::size_t>(row[r]) * c.columns + static_cast<std::size_t>(column[k])];
      most = std::max(most, std::fabs(c.a[r * c.columns + k] - from));
      compared += !c.zero(from);
    }
  const std::size_t all = c.count([&](std::size_t i) { return !c.zero(c.n[i]); });
  return compared == 0 || 2 * compared < all ? INFINITY : c.share(most);
}

}  // namespace

Explanation transposed(const Case& c) {
  double rest = INFINITY;
  for (int p = 0; p < c.shape.rank(); ++p)
    for (int q = p + 1; q < c.shape.rank(); ++q) rest = std::min(rest, moved(c, same(c.rows), exchanged(c.shape, p, q)));
  const Shape& out = c.e.output;
  for (int p = 0; c.e.rows_are_outputs && p < out.rank(); ++p)
    for (int q = p + 1; q < out.rank(); ++q) {
      const Places to = exchanged(out, p, q);
      Places back(to.size());
      for (std::size_t i = 0; i < to.size(); ++i) back[static_cast<std::size_t>(to[i])] = static_cast<std::int64_t>(i);
      rest = std::min({rest, moved(c, to, same(c.columns)), moved(c, back, same(c.columns))});
    }
  if (c.e.rows_are_outputs && c.rows == c.columns)
    rest = std::min(rest, c.rest(c.a, [&](std::size_t i) { return c.n[i % c.columns * c.columns + i / c.columns]; }));
  return {rest, Cause::transposed, "the gradient is transposed"};
}

Explanation off_by_one(const Case& c) {
  double rest = INFINITY;
  for (const int by : {1, -1}) {
    for (int axis = -1; axis < c.shape.rank(); ++axis)
      rest = std::min(rest, moved(c, same(c.rows), shifted(c.shape, axis, by)));
    if (!c.e.rows_are_outputs) continue;
    for (int axis = -1; axis < c.e.output.rank(); ++axis)
      rest = std::min(rest, moved(c, shifted(c.e.output, axis, by), same(c.columns)));
    for (int axis = 0; axis < c.e.output.rank() && axis < c.shape.rank(); ++axis)
      rest = std::min(rest, moved(c, shifted(c.e.output, axis, by), shifted(c.shape, axis, by)));
  }
  return {rest, Cause::shifted, "the gradient stands one place beside where it should: is an index off by one?"};
}

/// The cause "misplaced": each row (or column) has the right values in another order; a quarter may have fallen off an edge.
Explanation misplaced(const Case& c) {
  const auto unmatched = [&](std::size_t lines, std::size_t step, std::size_t across) {
    std::size_t lost = 0, all = 0;
    for (std::size_t l = 0; l < lines; ++l) {
      Vector p, q;
      for (std::size_t i = 0; i < c.a.size() / lines; ++i) {
        const std::size_t at = l * step + i * across;
        if (!c.zero(c.a[at])) p.push_back(c.a[at]);
        if (!c.zero(c.n[at])) q.push_back(c.n[at]);
      }
      std::sort(p.begin(), p.end()), std::sort(q.begin(), q.end());
      all += std::max(p.size(), q.size());
      lost += std::max(p.size(), q.size());
      for (std::size_t i = 0, j = 0; i < p.size() && j < q.size();) {
        if (std::fabs(p[i] - q[j]) <= c.level() + 1e-6 * std::fabs(q[j])) --lost, ++i, ++j;
        else if (p[i] < q[j]) ++i;
        else ++j;
      }
    }
    return all == 0 || 4 * lost > all ? INFINITY : static_cast<double>(lost) / static_cast<double>(all);
  };
  const double rest = std::min(unmatched(c.rows, c.columns, 1), unmatched(c.columns, 1, c.columns));
  return {rest * 0.03, Cause::misplaced,
          "the numbers are right but stand at other places: check indices, strides, dilation, axes and order"};
}

}  // namespace gradus::diagnosing
