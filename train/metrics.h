// Metrics: numbers about a model's answers over a whole data set.
#pragma once

#include <gradus/autograd/tensor.h>

#include <functional>
#include <string>
#include <vector>

namespace gradus::training {

/// What each batch adds to some sums, and the number that the sums give. One of your own is made the same way:
///
///   Metric bias{"bias", false,
///               [](const Tensor& out, const Tensor& y) { return std::vector{sum(out - y).item(), double(y.size())}; },
///               [](const std::vector<double>& s) { return s[0] / s[1]; }};
struct Metric {
  std::string name;
  bool higher_is_better = true;
  std::function<std::vector<double>(const Tensor& output, const Tensor& target)> sums;
  std::function<double(const std::vector<double>& total)> value;
};

/// Share of the rows of `output` [..., C] whose largest number stands at the target [...]. NaN without rows.
Metric accuracy();
Metric error_rate();  ///< the share of the others, 1 - accuracy
/// Share of the rows whose target is among the k largest numbers; of equal ones the first count, as in argmax. Errors:
/// DataError unless k >= 1.
Metric top_k(int k);
/// The mean over the classes of 2 P R / (P + R), P precision and R recall; a class that is neither named nor there is left
/// out (scikit-learn's f1_score(average="macro") over the labels that occur). output [..., C].
Metric f1();
/// The mean over the classes of rows that are both, of a class and named so, over those that are either (Jaccard, 1912); a
/// class that is neither named nor there is left out. output [..., C]: of pixels, logits.permute({0, 2, 3, 1}).
Metric mean_iou();
/// exp of the mean of -log softmax(output)[target]. output [..., C].
Metric perplexity();
/// Root of the mean squared difference, and the mean absolute one; output and target of one shape.
Metric rmse();
Metric mae();

/// counts[t * C + p]: rows of class t that the model called p. output [..., C] -> C * C numbers; they add up over batches.
/// Errors: ShapeError, IndexError for a target outside 0 .. C - 1; ours, as of all that compare with classes.
std::vector<double> confusion_matrix(const Tensor& output, const Tensor& target);

}  // namespace gradus::training
