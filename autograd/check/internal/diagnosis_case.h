// The wrong input's matrices, and the difference that each cause leaves: for diagnosis.cpp and diagnosis_indices.cpp.
#pragma once

#include <gradus/autograd/check/internal/diagnosis.h>

#include <algorithm>
#include <cmath>

namespace gradus::diagnosing {

using Vector = std::vector<double>;

/// A cause, and the largest difference it leaves unexplained, as a share of the largest there is.
struct Explanation {
  double unexplained = INFINITY;
  Cause cause = Cause::not_recognised;
  std::string sentence;
};

/// The wrong input's matrices and their scale.
struct Case {
  const Evidence& e;
  const Vector &a, &n;
  std::size_t rows, columns;
  const Shape& shape;
  double error = 0, top = 0;

  explicit Case(const Evidence& evidence)
      : e(evidence),
        a(e.of[e.wrong].analytic),
        n(e.of[e.wrong].numeric),
        rows(e.rows),
        columns(a.size() / e.rows),
        shape(e.inputs[e.wrong]) {
    for (std::size_t i = 0; i < a.size(); ++i)
      error = std::max(error, std::fabs(a[i] - n[i])), top = std::max({top, std::fabs(a[i]), std::fabs(n[i])});
  }
  double level() const { return 4 * e.noise + 1e-12 * top; }  // numbers below it count as zero
  bool zero(double v) const { return std::fabs(v) <= level(); }
  bool differs(std::size_t i) const { return std::fabs(a[i] - n[i]) > std::max(level(), 1e-6 * error); }
  double share(double rest) const { return std::max(0.0, rest - level()) / error; }
  /// The distance of `x` from like(i), the entries that a cause predicts.
  template <class F> double rest(const Vector& x, F like) const {
    double most = 0;
    for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::fabs(x[i] - like(i)));
    return share(most);
  }
  template <class F> std::size_t count(F holds) const {
    std::size_t k = 0;
    for (std::size_t i = 0; i < a.size(); ++i) k += holds(i);
    return k;
  }
  /// True if no output depends on two elements, and no element affects two outputs.
  bool one_by_one(const Vector& m) const {
    std::vector<int> in_row(rows), in_column(columns);
    for (std::size_t i = 0; i < m.size(); ++i)
      if (!zero(m[i]) && (++in_row[i / columns] > 1 || ++in_column[i % columns] > 1)) return false;
    return true;
  }
};

// Causes with the right values at wrong indices (diagnosis_indices.cpp).
Explanation transposed(const Case& c);
Explanation off_by_one(const Case& c);
Explanation misplaced(const Case& c);

}  // namespace gradus::diagnosing
