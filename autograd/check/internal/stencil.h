// Slopes of a vector function along a line, by seven-point differences with the step chosen from their own error.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace gradus {

/// A line through a point: x[first] += h * second for every move.
struct Line {
  std::size_t block;     ///< the input that it belongs to
  std::int64_t element;  ///< the only element that moves; -1: a random direction
  std::vector<std::pair<std::size_t, double>> moves;
  /// The change of the argument per unit of h. A direction is not normalised: its slope is the product with it.
  double unit() const { return element < 0 ? 1 : moves[0].second; }
};

/// Slopes along a line, one for each row.
struct Slopes {
  std::vector<double> seven, five, left, right;
  double uncertain = 0;  ///< error bound of `seven`: its distance from `five`, and rounding
  double apart = 0;      ///< the largest distance of `seven` from `five`
  double coarse = 0;     ///< the largest distance of `five` from the three-point rule
  double noise = 0;      ///< error by rounding alone
  double step = 0;       ///< 0: nothing could be evaluated
};

double largest_of(const std::vector<double>& v);  ///< of the absolute values
/// The power of two at or below |x|, at least 1: the unit of a step at x.
double magnitude(double x);

/// The differences of f around the point x. Rows are its outputs, or their products with random seeds.
struct Stencil {
  using Vector = std::vector<double>;
  std::function<Vector(const Vector&)> value;
  Vector x, base;  ///< base = value(x)
  std::vector<Vector> seeds;
  bool each = false;          ///< seed r is output r
  double rounding = 0x1p-47;  ///< relative error of one evaluation: 32 units in the last place

  /// The slopes with step h. `changed`: outputs that changed, at this step or an earlier one.
  Slopes at(const Line& line, double h, std::vector<bool>* changed = nullptr) const;
  /// The slopes with the step at which they are least uncertain; a step is good enough at `accuracy` times the larger of
  /// `least` and the slopes.
  Slopes best(const Line& line, double accuracy, double least) const;
  /// The one-sided slopes of the row where they differ most, if they differ no less close to the point than at s.step: a
  /// smooth function's would differ by 1/512 at an eighth of the step. `beyond`: what must be exceeded near the point.
  struct Kink {
    bool found = false;
    std::size_t row = 0;
    double left = 0, right = 0;
  };
  Kink kink(const Line& line, const Slopes& s, double beyond) const;
};

}  // namespace gradus
