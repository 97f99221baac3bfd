// Answers: what a model said of the items of a validation, for a page.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/core/io/json.h>
#include <gradus/data/dataset.h>

#include <cstdint>
#include <vector>

namespace gradus::training {

/// Looks at outputs [N, C], scores before a softmax, with classes [N] as targets; or at numbers of one shape. Of a batch with
/// anything else (sequences, targets that are left out) nothing is taken.
class Answers {
 public:
  /// `items`: where the batch's rows stand in their data set.
  void add(const data::Batch& batch, const Tensor& output, const std::vector<std::int64_t>& items);

  /// Adds "confusion" ({"classes", "counts"}; of at most 40 classes) and "worst": the 24 items of the largest loss
  /// (cross-entropy, or mean squared error), each {"item", "loss", "target", "answer", "confidence", "image"}. The image, a
  /// PNG as a data: URL, is there if the item is [1, H, W] or [3, H, W].
  void put(JsonValue& page) const;

 private:
  struct Item {
    std::int64_t index;
    double loss, target, answer, confidence;  // NaN: there is none
    Array x;
  };
  void add_classes(const data::Batch& batch, const Tensor& output, const std::vector<std::int64_t>& items);
  void add_numbers(const data::Batch& batch, const Tensor& output, const std::vector<std::int64_t>& items);
  void keep(Item item, const Array& x, std::int64_t row);

  std::vector<double> confusion_;
  std::vector<Item> worst_;  // the largest loss first
};

}  // namespace gradus::training
