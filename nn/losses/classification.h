// Losses of classes and probabilities, as functions and as modules. Each takes {.reduction = Reduction::mean, sum or none}.
// Errors of all: DtypeError, ShapeError naming the inputs; a class weight is [C] of the input's dtype.
#pragma once

#include <gradus/nn/module.h>

namespace gradus {

struct CrossEntropyOptions {
  Tensor weight = {};           ///< [C], of each class; the mean divides by the weights of the labels
  int64_t ignore_index = -100;  ///< a label that counts for nothing
  double label_smoothing = 0;   ///< share of the uniform distribution in the target, in [0, 1]
  Reduction reduction = Reduction::mean;
};
/// logits [N, C, ..] against labels [N, ..] (i64 or u8), or against probabilities of the logits' shape and dtype, whose mean
/// is over all rows. NaN, as PyTorch's, if the mean is of ignored labels only. Smoothing: Szegedy et al., "Rethinking the
/// inception architecture", 2016. Errors: IndexError for a label that is neither a class nor ignore_index.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options);

struct NllLossOptions {
  Tensor weight = {};
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
/// -log_p[label] of log-probabilities [N, C, ..]; labels and options as of cross_entropy, or both without N.
Tensor nll_loss(const Tensor& log_p, const Tensor& labels, const NllLossOptions& options = {});

struct BceOptions {
  Tensor weight = {};  ///< broadcasts to the input
  Reduction reduction = Reduction::mean;
};
/// -(t log p + (1 - t) log(1 - p)), a logarithm at least -100. Errors: Error unless p lies in [0, 1].
Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, const BceOptions& options = {});

struct BceWithLogitsOptions {
  Tensor weight = {};
  Tensor pos_weight = {};  ///< of the targets' part t; broadcasts to the input
  Reduction reduction = Reduction::mean;
};
/// binary_cross_entropy of sigmoid(x), exact for any x.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const BceWithLogitsOptions& options = {});

struct KlDivOptions {
  bool log_target = false;  ///< the target, too, is given by logarithms
  Reduction reduction = Reduction::mean;
  bool batchmean = false;  ///< the sum divided by the length of axis 0: the divergence itself, averaged
};
/// t (log t - log_p), 0 where t is 0: Kullback and Leibler, 1951.
Tensor kl_div(const Tensor& log_p, const Tensor& target, const KlDivOptions& options = {});

struct MultiMarginOptions {
  int p = 1;  ///< 1 or 2
  double margin = 1;
  Tensor weight = {};
  Reduction reduction = Reduction::mean;
};
/// The sum over c other than the label of max(0, margin - x[label] + x[c])^p / C, for x [N, C] and labels [N].
Tensor multi_margin_loss(const Tensor& x, const Tensor& labels, const MultiMarginOptions& options = {});

namespace nn {

/// cross_entropy as a module; the weight is a buffer.
struct CrossEntropyLoss : Module<CrossEntropyLoss> {
  explicit CrossEntropyLoss(Reduction how = Reduction::mean) { options.reduction = how; }
  explicit CrossEntropyLoss(const CrossEntropyOptions& how);
  Tensor forward(const Tensor& logits, const Tensor& target);
  CrossEntropyOptions options;  ///< without the weight
  Buffer weight;
  GRADUS_FIELDS(weight)
};

struct NLLLoss : Module<NLLLoss> {
  explicit NLLLoss(const NllLossOptions& how = {});
  Tensor forward(const Tensor& log_p, const Tensor& labels);
  NllLossOptions options;  ///< without the weight
  Buffer weight;
  GRADUS_FIELDS(weight)
};

struct BCELoss : Module<BCELoss> {
  explicit BCELoss(const BceOptions& how = {});
  Tensor forward(const Tensor& p, const Tensor& target);
  BceOptions options;  ///< without the weight
  Buffer weight;
  GRADUS_FIELDS(weight)
};

struct BCEWithLogitsLoss : Module<BCEWithLogitsLoss> {
  explicit BCEWithLogitsLoss(const BceWithLogitsOptions& how = {});
  Tensor forward(const Tensor& x, const Tensor& target);
  BceWithLogitsOptions options;  ///< without the weights
  Buffer weight, pos_weight;
  GRADUS_FIELDS(weight, pos_weight)
};

struct KLDivLoss : Module<KLDivLoss> {
  explicit KLDivLoss(const KlDivOptions& how = {}) : options(how) {}
  Tensor forward(const Tensor& log_p, const Tensor& target) { return kl_div(log_p, target, options); }
  KlDivOptions options;
};

struct MultiMarginLoss : Module<MultiMarginLoss> {
  explicit MultiMarginLoss(const MultiMarginOptions& how = {});
  Tensor forward(const Tensor& x, const Tensor& labels);
  MultiMarginOptions options;  ///< without the weight
  Buffer weight;
  GRADUS_FIELDS(weight)
};

}  // namespace nn
}  // namespace gradus
