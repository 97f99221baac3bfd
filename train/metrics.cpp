#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/train/metrics.h>

#include <algorithm>
#include <cmath>

namespace gradus::training {
namespace {

/// output as [N, C] f64 and target as [N] i64, dense.
struct Rows {
  Array scores, targets;
  std::int64_t n, classes;
  const double* row(std::int64_t i) const { return scores.data<double>() + i * classes; }
  std::int64_t target(std::int64_t i) const { return targets.data<std::int64_t>()[i]; }
};

Rows rows_of(const char* metric, const Tensor& output, const Tensor& target) {
  if (!output.defined() || !target.defined())
    throw DataError(metric, "needs the model's output and a target; a step returns {loss, output}, a batch has y");
  if (output.rank() < 1 || !(output.shape().erase(output.rank() - 1) == target.shape()) || output.shape().back() < 1)
    throw ShapeError(metric, join("output ", to_string(output.shape()), " and target ", to_string(target.shape()),
                                  " do not fit; output is [..., C], target [...]"));
  const std::int64_t classes = output.shape().back();
  Rows r{output.array().to(f64).contiguous(), target.array().to(i64).contiguous(), target.size(), classes};
  for (std::int64_t i = 0; i < r.n; ++i)
    if (r.target(i) < 0 || r.target(i) >= classes)
      throw IndexError(metric, join("target ", r.target(i), " at ", i, " is outside 0 .. ", classes - 1));
  return r;
}

/// How many of the row's numbers come before the target's: larger, or as large and further left. NaN comes before all.
std::int64_t rank_of_target(const Rows& r, std::int64_t i) {
  const double* x = r.row(i);
  const std::int64_t t = r.target(i);
  std::int64_t before = 0;
  for (std::int64_t c = 0; c < r.classes; ++c) {
    const bool larger = std::isnan(x[c]) ? !std::isnan(x[t]) : x[c] > x[t];
    const bool equal = x[c] == x[t] || (std::isnan(x[c]) && std::isnan(x[t]));
    before += larger || (equal && c < t);
  }
  return before;
}

double ratio(const std::vector<double>& s) { return s[0] / s[1]; }

/// The mean of f(rows that are of the class and named so, that are of it, that are named so); a class without any is left
/// out.
template <class F> double mean_over_classes(const std::vector<double>& counts, F f) {
  const auto classes = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(counts.size()))));
  double total = 0, present = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    double there = 0, named = 0;
    for (std::size_t o = 0; o < classes; ++o) there += counts[c * classes + o], named += counts[o * classes + c];
    if (there + named == 0) continue;
    total += f(counts[c * classes + c], there, named);
    ++present;
  }
  return total / present;
}

Array difference(const char* metric, const Tensor& output, const Tensor& target) {
  if (!output.defined() || !target.defined() || !(output.shape() == target.shape()))
    throw ShapeError(metric, join("output is ", describe(output.array()), ", target ", describe(target.array()),
                                  "; they must have one shape"));
  const NoGrad constants;
  return (output.detach().to(f64) - target.detach().to(f64)).array().contiguous();
}

}  // namespace

Metric top_k(int k) {
  if (k < 1) throw DataError("top_k", join("k is ", k, "; it must be at least 1"));
  const std::string name = k == 1 ? "accuracy" : join("top_", k);
  return {name, true,
          [name, k](const Tensor& output, const Tensor& target) {
            const Rows r = rows_of(name.c_str(), output, target);
            double right = 0;
            for (std::int64_t i = 0; i < r.n; ++i) right += rank_of_target(r, i) < k;
            return std::vector{right, static_cast<double>(r.n)};
          },
          ratio};
}

Metric accuracy() { return top_k(1); }

Metric error_rate() {
  return {"error_rate", false, accuracy().sums, [](const std::vector<double>& s) { return (s[1] - s[0]) / s[1]; }};
}

std::vector<double> confusion_matrix(const Tensor& output, const Tensor& target) {
  const Rows r = rows_of("confusion_matrix", output, target);
  std::vector<double> counts(static_cast<std::size_t>(r.classes * r.classes));
  for (std::int64_t i = 0; i < r.n; ++i) {
    const double* x = r.row(i);
    const auto named =
        std::max_element(x, x + r.classes, [](double a, double b) { return a < b || (b != b && a == a); }) - x;
    ++counts[static_cast<std::size_t>(r.target(i) * r.classes + named)];
  }
  return counts;
}

Metric f1() {
  return {"f1", true, confusion_matrix, [](const std::vector<double>& counts) {
            return mean_over_classes(counts,
                                     [](double right, double there, double named) { return 2 * right / (there + named); });
          }};
}

Metric mean_iou() {
  return {"mean_iou", true, confusion_matrix, [](const std::vector<double>& counts) {
            return mean_over_classes(
                counts, [](double right, double there, double named) { return right / (there + named - right); });
          }};
}

Metric perplexity() {
  return {"perplexity", false,
          [](const Tensor& output, const Tensor& target) {
            const Rows r = rows_of("perplexity", output, target);
            double sum = 0;
            for (std::int64_t i = 0; i < r.n; ++i) {
              const double *x = r.row(i), most = *std::max_element(x, x + r.classes);
              double all = 0;
              for (std::int64_t c = 0; c < r.classes; ++c) all += std::exp(x[c] - most);
              sum += std::log(all) + most - x[r.target(i)];
            }
            return std::vector{sum, static_cast<double>(r.n)};
          },
          [](const std::vector<double>& s) { return std::exp(ratio(s)); }};
}

Metric rmse() {
  return {"rmse", false,
          [](const Tensor& output, const Tensor& target) {
            const Array d = difference("rmse", output, target);
            double sum = 0;
            for (std::int64_t i = 0; i < d.size(); ++i) sum += d.data<double>()[i] * d.data<double>()[i];
            return std::vector{sum, static_cast<double>(d.size())};
          },
          [](const std::vector<double>& s) { return std::sqrt(ratio(s)); }};
}

Metric mae() {
  return {"mae", false,
          [](const Tensor& output, const Tensor& target) {
            const Array d = difference("mae", output, target);
            double sum = 0;
            for (std::int64_t i = 0; i < d.size(); ++i) sum += std::abs(d.data<double>()[i]);
            return std::vector{sum, static_cast<double>(d.size())};
          },
          ratio};
}

}  // namespace gradus::training
