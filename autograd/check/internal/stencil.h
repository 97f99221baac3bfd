// Slopes of a vector function along a line, by seven-point differences with the step chosen from their own error.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace gradus {

/// A line through a point: x[first] += h * second for every move.
struct Line {
  std::size_t block;     ///< the input it belongs to
  std::int64_t element;  ///< the only one that moves; -1: a random direction
  std::vector<std::pair<std::size_t, double>> moves;
  /// By how much the argument changes where h does by 1. A direction is not normed: its slope is the product with it.
  double unit() const { return element < 0 ? 1 : moves[0].second; }
};

/// Slopes along a line, a number for each row.
struct Slopes {
  std::vector<double> seven, five, left, right;
  double uncertain = 0;  ///< what `seven` may be wrong by: its distance from `five`, and rounding
  double apart = 0;      ///< the largest distance of `seven` from `five`
  double coarse = 0;     ///< the largest distance of `five` from the three-point rule
  double noise = 0;      ///< rounding alone
  double step = 0;       ///< 0: nothing could be evaluated
};

double largest_of(const std::vector<double>& v);  ///< of the absolute values
/// The power of two at |x| or below it, at least 1: the unit of a step at x.
double magnitude(double x);

/// f around the point x. Rows are its outputs, or their products with random seeds.
struct Stencil {
  using Vector = std::vector<double>;
  std::function<Vector(const Vector&)> value;
  Vector x, base;  ///< base = value(x)
  std::vector<Vector> seeds;
  bool each = false;          ///< seed r is output r
  double rounding = 0x1p-47;  ///< of one evaluation, relative: 32 units in the last place

  /// `changed`: which outputs did, at this step or an earlier one.
  Slopes at(const Line& line, double h, std::vector<bool>* changed = nullptr) const;
  /// With the step at which they are least uncertain; a step is good enough at `accuracy` times the larger of `least` and
  /// the slopes.
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
