// Connectionist temporal classification, as a function and as a module.
#pragma once

#include <gradus/nn/module.h>

namespace gradus {

struct CtcOptions {
  int64_t blank = 0;           ///< the class that stands for no label
  bool zero_infinity = false;  ///< targets that do not fit their input count 0, instead of infinity
  Reduction reduction = Reduction::mean;
};
/// -log of the sum of the probabilities of all ways to read the target out of the input: Graves et al., "Connectionist
/// temporal classification", 2006, equation 7. log_probs [T, N, C] are log-probabilities; targets are [N, S], of which a
/// sample's first target_length count, or all of them in one row [sum of the lengths]; input_lengths and target_lengths are
/// [N]; all i64 or u8. Without N: [T, C], [S], [] and []. The mean divides each loss by its target's length (at least 1)
/// first. A target that does not fit for its repetitions gives infinity, with a gradient of 0. Errors: DtypeError;
/// ShapeError for shapes, for a length outside the tensor, and for a target longer than its input unless zero_infinity;
/// IndexError for a label that is no class, or the blank.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths,
                const CtcOptions& options = {});

namespace nn {

struct CTCLoss : Module<CTCLoss> {
  explicit CTCLoss(CtcOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths) {
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, options);
  }
  CtcOptions options;
};

}  // namespace nn
}  // namespace gradus
