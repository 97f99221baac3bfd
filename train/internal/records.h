// What fit remembers of a run, as JSON for checkpoints and pages: its rows, and the curve of its losses.
#pragma once

#include <gradus/core/io/json.h>
#include <gradus/train/fit.h>

#include <vector>

namespace gradus::training {

JsonValue json_of(const Record& r);
Record record_of(const JsonValue& v);

/// The number of this name; NaN, which JSON does not have, was written as null.
double number_in(const JsonValue& v, const char* name);

/// The losses of all steps in at most 512 points: when there are so many, each two become their mean.
class LossCurve {
 public:
  void add(double loss);
  JsonValue json() const;  ///< "every", "loss"; "sum" and "count" of the point to come
  void load(const JsonValue& v);
  const std::vector<double>& points() const { return points_; }
  std::int64_t every() const { return every_; }  ///< steps a point

 private:
  std::vector<double> points_;
  std::int64_t every_ = 1, count_ = 0;
  double sum_ = 0;
};

}  // namespace gradus::training
