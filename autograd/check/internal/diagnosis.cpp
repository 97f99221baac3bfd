#include <gradus/autograd/check/internal/diagnosis_case.h>

#include <fmt/format.h>

namespace gradus {

using namespace diagnosing;

namespace {

// ---- one factor for all entries -------------------------------------------------------------------------------------

Explanation buffer(const Case& c) {
  if (!c.e.changes_with_calls) return {};
  return {0, Cause::stale,
          "the gradient is another when the function is called again in between: does it read a buffer that calls share?"};
}

Explanation cut(const Case& c) {
  if (std::any_of(c.a.begin(), c.a.end(), [](double x) { return x != 0; })) return {};
  return {0, Cause::detached, "the analytic gradient is zero everywhere: is the path cut (detach(), array(), NoGrad)?"};
}

Explanation sign(const Case& c) {
  const double rest = c.rest(c.a, [&](std::size_t i) { return std::copysign(c.n[i], c.a[i]); });
  const std::size_t turned = c.count([&](std::size_t i) { return c.differs(i); });
  const std::size_t all = c.count([&](std::size_t i) { return !c.zero(c.n[i]); });
  return {rest, Cause::sign,
          turned == all ? "every entry has the wrong sign" : join(turned, " of ", all, " have the wrong sign")};
}

/// True if 1/k is the share of each of the k parts of a broadcast.
bool replicas(const Case& c, int64_t k) {
  const auto size = static_cast<int64_t>(c.columns);
  if (c.e.output.size() == k * size) return true;
  return std::any_of(c.e.inputs.begin(), c.e.inputs.end(), [&](const Shape& s) { return s.size() == k * size; });
}

Explanation factor(const Case& c) {
  double ab = 0, bb = 0;
  for (std::size_t i = 0; i < c.a.size(); ++i) ab += c.a[i] * c.n[i], bb += c.n[i] * c.n[i];
  if (bb == 0) return {};
  const double f = ab / bb, k = 1 / f;
  const double rest = c.rest(c.a, [&](std::size_t i) { return f * c.n[i]; });
  if (!(k >= 1.5 && k <= 1e6) || std::fabs(k - std::round(k)) > 1e-6)  // also where k is infinite
    return {rest, Cause::factor, join("every entry is ", fmt::format("{:.8g}", f), " times what it should be")};
  const std::string part = join("every entry is 1/", std::llround(k), " of what it should be");
  if (replicas(c, std::llround(k))) return {rest, Cause::missing_sum, part + ": is a sum over a broadcast axis missing?"};
  return {rest, Cause::factor, part};
}

/// The cause "factor": one for each row or column, or the value of an input or of the result.
Explanation own_factor(const Case& c) {
  const auto along = [&](std::size_t lines, auto line_of, const char* what) -> Explanation {
    Vector ab(lines), bb(lines), several(lines);
    for (std::size_t i = 0; i < c.a.size(); ++i)
      ab[line_of(i)] += c.a[i] * c.n[i], bb[line_of(i)] += c.n[i] * c.n[i], several[line_of(i)] += !c.zero(c.n[i]);
    const auto full = std::count_if(several.begin(), several.end(), [](double k) { return k >= 2; });
    if (2 * full < std::count_if(
                       several.begin(), several.end(), [](double k) { return k >= 1; }) ||
        full < 2)
      return {};
    const double rest =
        c.rest(c.a, [&](std::size_t i) { return bb[line_of(i)] > 0 ? ab[line_of(i)] / bb[line_of(i)] * c.n[i] : 0; });
    return {rest, Cause::factor, join("every ", what, " has a factor of its own: is one missing, or one too many?")};
  };
  const auto row = [&](std::size_t i) { return i / c.columns; };
  const auto column = [&](std::size_t i) { return i % c.columns; };
  Explanation best = along(c.columns, column, "element");
  const auto better = [&best](Explanation other) {
    if (other.unexplained < best.unexplained) best = std::move(other);
  };
  if (c.e.rows_are_outputs) better(along(c.rows, row, "output"));
  const auto times = [&](const double* v, auto place, const std::string& name) {
    const auto value = [&](std::size_t i) { return v[place(i)]; };
    better({c.rest(c.a, [&](std::size_t i) { return c.n[i] * value(i); }), Cause::factor,
            join("every entry is ", name, " times what it should be")});
    better({c.rest(c.n, [&](std::size_t i) { return c.a[i] * value(i); }), Cause::factor,
            join("every entry lacks the factor ", name)});
  };
  std::size_t at = 0;
  for (std::size_t k = 0; k < c.e.inputs.size(); at += static_cast<std::size_t>(c.e.inputs[k].size()), ++k) {
    const auto size = static_cast<std::size_t>(c.e.inputs[k].size());
    if (size == c.columns) times(c.e.x.data() + at, column, c.e.names[k]);
    if (size == c.rows && c.e.rows_are_outputs) times(c.e.x.data() + at, row, c.e.names[k]);
  }
  if (c.e.rows_are_outputs) times(c.e.y.data(), row, "the result");
  return best;
}

Explanation swapped(const Case& c) {
  Explanation best;
  for (std::size_t k = 0; k < c.e.of.size(); ++k) {
    if (k == c.e.wrong || c.e.of[k].numeric.size() != c.a.size()) continue;
    const double rest = c.rest(c.a, [&](std::size_t i) { return c.e.of[k].numeric[i]; });
    if (rest < best.unexplained) best = {rest, Cause::swapped, join("it is the gradient of ", c.e.names[k])};
  }
  return best;
}

// ---- entries that are missing, or should be -------------------------------------------------------------------------

/// Calls f(stride, length) for every axis.
template <class F> void each_axis(const Shape& s, F f) {
  std::size_t stride = 1;
  for (int axis = s.rank(); axis-- > 0; stride *= static_cast<std::size_t>(s[axis]))
    f(stride, static_cast<std::size_t>(s[axis]));
}

/// The cause that only one slice of the outputs of a broadcast contributes.
Explanation one_slice(const Case& c) {
  Explanation best;
  if (!c.e.rows_are_outputs) return best;
  each_axis(c.e.output, [&](std::size_t stride, std::size_t length) {
    for (std::size_t kept = 0; length > 1 && kept < length; ++kept) {
      std::vector<int> uses(c.columns * length);
      const auto slice = [&](std::size_t i) { return i / c.columns / stride % length; };
      for (std::size_t i = 0; i < c.n.size(); ++i) uses[i % c.columns * length + slice(i)] |= !c.zero(c.n[i]);
      if (std::count(uses.begin(), uses.end(), 1) < static_cast<std::ptrdiff_t>(uses.size())) continue;
      const double rest = c.rest(c.a, [&](std::size_t i) { return slice(i) == kept ? c.n[i] : 0; });
      if (rest < best.unexplained)
        best = {rest, Cause::missing_sum,
                join("only slice ", kept, " of ", length, " arrives: is a sum over a broadcast axis missing?")};
    }
  });
  return best;
}

/// The cause "edge": the wrong entries are in the first or last slice of an axis.
Explanation edge(const Case& c) {
  const auto within = [&](const Shape& s, auto place) {
    bool found = false;
    each_axis(s, [&](std::size_t stride, std::size_t length) {
      const auto at = [&](std::size_t i) { return place(i) / stride % length; };
      const auto inside = [&](std::size_t i) { return c.differs(i) && at(i) > 0 && at(i) + 1 < length; };
      found = found || (length > 3 && c.count(inside) == 0);
    });
    return found;
  };
  if (!within(c.shape, [&](std::size_t i) { return i % c.columns; }) &&
      !(c.e.rows_are_outputs && within(c.e.output, [&](std::size_t i) { return i / c.columns; })))
    return {};
  return {0, Cause::edge, "only the ends of an axis are wrong: check padding, counts and the bounds of loops"};
}

bool lost(const Case& c, std::size_t i) { return c.a[i] == 0 && c.differs(i); }
bool only_lost(const Case& c) {
  return c.count([&](std::size_t i) { return c.differs(i) && !lost(c, i); }) == 0;
}

/// The cause that some outputs contribute nothing; or only x of x + g(x).
Explanation lost_outputs(const Case& c) {
  if (!c.e.rows_are_outputs || c.one_by_one(c.n)) return {};
  const auto identity = [&](std::size_t i) { return i / c.columns == i % c.columns ? 1 : 0; };
  if (c.rows == c.columns && c.rest(c.a, identity) < 1e-6)
    return {0, Cause::detached, "the gradient passes straight through: is the path beside it cut?"};
  std::vector<bool> row(c.rows);
  for (std::size_t i = 0; i < c.a.size(); ++i) row[i / c.columns] = row[i / c.columns] || lost(c, i);
  if (!only_lost(c) || c.count([&](std::size_t i) { return c.a[i] != 0 && row[i / c.columns]; }) > 0) return {};
  return {0, Cause::detached, "some outputs give no gradient: is a path cut, or one use overwritten by another?"};
}

/// The cause that slices of an axis of the input, from one of its ends, get no gradient.
Explanation lost_part(const Case& c) {
  if (!only_lost(c)) return {};
  std::vector<bool> column(c.columns);
  for (std::size_t i = 0; i < c.a.size(); ++i) column[i % c.columns] = column[i % c.columns] || lost(c, i);
  bool part = false;
  if (c.count([&](std::size_t i) { return c.a[i] != 0 && column[i % c.columns]; }) > 0) return {};
  each_axis(c.shape, [&](std::size_t stride, std::size_t length) {
    std::vector<bool> slices(length);
    bool whole = true;
    for (std::size_t k = 0; k < c.columns; ++k) slices[k / stride % length] = slices[k / stride % length] || column[k];
    for (std::size_t k = 0; k < c.columns; ++k) whole = whole && column[k] == slices[k / stride % length];
    part = part || (whole && (slices.front() || slices.back()));
  });
  if (!part) return {};
  return {0, Cause::detached, "a whole part of the input gets no gradient: is its path cut?"};
}

Explanation masked(const Case& c) {
  const auto one_sided = [&](std::size_t i) { return c.zero(c.a[i]) != c.zero(c.n[i]); };
  const double rest = c.rest(c.a, [&](std::size_t i) { return one_sided(i) ? c.a[i] : c.n[i]; });
  return {rest, Cause::mask,
          "the gradient passes where the function is flat, or is stopped where it is not: check masks and branches"};
}

// ---- other formulas -------------------------------------------------------------------------------------------------

std::size_t rank_of(Vector m, std::size_t rows, std::size_t columns, double tolerance) {
  std::size_t rank = 0;
  std::vector<bool> used(rows);
  for (; rank < std::min(rows, columns); ++rank) {
    std::size_t best = 0;
    double top = 0;
    for (std::size_t i = 0; i < m.size(); ++i)
      if (!used[i / columns] && std::fabs(m[i]) > top) top = std::fabs(m[i]), best = i;
    if (top <= tolerance) break;
    const std::size_t r = best / columns, k = best % columns;
    used[r] = true;
    for (std::size_t s = 0; s < rows; ++s) {
      if (used[s]) continue;
      const double f = m[s * columns + k] / m[best];
      for (std::size_t j = 0; j < columns; ++j) m[s * columns + j] -= f * m[r * columns + j];
    }
  }
  return rank;
}

/// The cause "missing term": the difference has low rank, as sums and means have; or only the function mixes elements.
Explanation missing_term(const Case& c) {
  const std::size_t wrong = c.count([&](std::size_t i) { return c.differs(i); });
  if (2 * wrong < c.count([&](std::size_t i) { return !c.zero(c.n[i]); })) return {};
  Vector e(c.a);
  for (std::size_t i = 0; i < e.size(); ++i) e[i] -= c.n[i];
  const double tolerance = std::max(10 * c.level(), 1e-6 * c.error);
  const std::size_t rank = rank_of(std::move(e), c.rows, c.columns, tolerance);
  const std::size_t full = std::min(rank_of(c.a, c.rows, c.columns, tolerance), rank_of(c.n, c.rows, c.columns, tolerance));
  const bool low = rank >= 1 && 2 * rank <= full, alone = c.one_by_one(c.a) && !c.one_by_one(c.n);
  if (!low && !alone) return {};
  return {0.005, Cause::missing_term,
          "a term that elements share is missing or superfluous: a sum, mean or variance over an axis"};
}

/// The cause "stale": the gradient belongs to a point with the result in place of an input, or the other way round.
Explanation stale(const Case& c) {
  double rest = INFINITY;
  std::size_t at = 0;
  for (std::size_t k = 0; k < c.e.inputs.size(); at += static_cast<std::size_t>(c.e.inputs[k].size()), ++k) {
    if (static_cast<std::size_t>(c.e.inputs[k].size()) != c.e.y.size()) continue;
    Vector x = c.e.x;
    std::copy(c.e.y.begin(), c.e.y.end(), x.begin() + static_cast<std::ptrdiff_t>(at));
    const Vector numeric = c.e.numeric_at(x), analytic = c.e.analytic_at(x);
    if (numeric.size() == c.a.size()) rest = std::min(rest, c.rest(c.a, [&](std::size_t i) { return numeric[i]; }));
    if (analytic.size() == c.a.size()) rest = std::min(rest, c.rest(c.n, [&](std::size_t i) { return analytic[i]; }));
  }
  return {rest, Cause::stale,
          "a result stands where an input was meant, or the value after an update for the one before, or vice versa"};
}

Explanation constant(const Case& c) {
  const std::size_t wrong = c.count([&](std::size_t i) { return c.differs(i); });
  if (c.columns < 2 || c.error > 0.01 * c.top || 2 * wrong < c.count([&](std::size_t i) { return !c.zero(c.n[i]); }))
    return {};
  return {0.009, Cause::constant, "nearly right everywhere: does a constant differ, such as eps?"};
}

}  // namespace

Diagnosis diagnose(const Evidence& evidence) {
  const Case c(evidence);
  if (c.a.empty() || !(c.error > 20 * evidence.noise)) return {};
  Explanation best;
  for (const auto explain : {buffer, cut, sign, factor, transposed, one_slice, lost_outputs, edge, lost_part, off_by_one,
                             misplaced, masked, swapped, own_factor, missing_term, stale, constant}) {
    Explanation other = explain(c);
    if (other.unexplained <= 0.01 && other.unexplained < best.unexplained - 1e-3) best = std::move(other);
    if (best.unexplained <= 1e-3) break;
  }
  return {best.cause, best.sentence};
}

}  // namespace gradus
