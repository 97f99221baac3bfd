#include <gradus/nn/losses/classification.h>

#include <gradus/nn/losses/internal/loss_parts.h>

#include <algorithm>
#include <limits>

namespace gradus {
namespace {

/// For losses whose every label counts: no label is so small.
constexpr int64_t nothing_ignored = std::numeric_limits<int64_t>::min();

/// Labels, which of them count, and their weights: 0 where ignored, that of the class, or 1.
struct Weighed {
  Tensor labels, counts, weights;
};

Weighed weigh(const char* op, const Tensor& rows, const Tensor& labels, const Tensor& weight, int64_t ignore_index) {
  const int64_t classes = rows.dim(1);
  check_class_weight(op, "weight", weight, classes, rows);
  const Shape wanted = rows.shape().erase(1);
  if (!(labels.shape() == wanted))
    throw ShapeError(op, join("one class number is needed for each row: input ", describe(rows), ", labels ",
                              describe(labels), "; the labels must be ", wanted));
  const Tensor chosen = checked_labels(op, labels, classes, ignore_index), counts = chosen != Tensor(ignore_index);
  const Tensor safe = where(counts, chosen, Tensor(int64_t(0)));
  if (!weight.defined()) return {safe, counts, counts.to(rows.dtype())};
  const Tensor each = reshape(index_select(weight, 0, flatten(safe)), wanted);
  return {safe, counts, where(counts, each, Tensor(0.0))};
}

/// What stands at the labels, along axis 1. An ignored row gives 0 even where it holds NaN or infinity.
Tensor at_labels(const Tensor& log_p, const Weighed& w) {
  const Tensor chosen = squeeze(gather(log_p, 1, unsqueeze(w.labels, 1)), 1);
  return where(w.counts, chosen, Tensor(0.0));
}

Tensor weighted_mean(const Tensor& losses, const Tensor& weights, Reduction reduction) {
  if (reduction != Reduction::mean) return reduced_loss(losses, reduction);
  return sum(losses) / sum(weights);
}

/// [C] as it broadcasts to rows [N, C, ..].
Tensor along_classes(const Tensor& weight, int rank) {
  Shape s{1, weight.size()};
  while (s.rank() < rank) s.push_back(1);
  return reshape(weight, s);
}

bool holds(const Array& labels, int64_t value) {
  if (labels.dtype() != i64) return labels.dtype() == u8 && value >= 0 && holds(labels.to(i64), value);
  const Array dense = labels.contiguous();
  const int64_t *p = dense.data<int64_t>(), *end = p + dense.size();
  return std::find(p, end, value) != end;
}

void check_rows(const char* op, const Tensor& x) {
  if (!is_real(x.dtype())) throw DtypeError(op, join("the input must be f32 or f64, got ", describe(x)));
  if (x.rank() < 2 || x.dim(1) < 1)
    throw ShapeError(op, join("the input must be [N, C, ..] with C at least 1, got ", describe(x)));
}

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& p, const CrossEntropyOptions& o) {
  const auto classes = static_cast<double>(logits.dim(1));
  check_class_weight("cross_entropy", "weight", o.weight, logits.dim(1), logits);
  Tensor target = o.label_smoothing == 0 ? p : p * (1 - o.label_smoothing) + o.label_smoothing / classes;
  if (o.weight.defined()) target = target * along_classes(o.weight, logits.rank());
  return reduced_loss(-sum(log_softmax(logits, 1) * target, {1}), o.reduction);
}

/// log p, at least -100; a slope of 1e12 where it is cut off, so that a sure mistake is still felt, as in PyTorch.
Tensor log_at_least_100(const Tensor& p) {
  const Tensor tiny = p <= Tensor(3.7200759760208361e-44);  // e^-100
  return where(tiny, p * 1e12 - 100.0, log(where(tiny, Tensor(1.0), p)));
}

Tensor times_weight(const char* op, const char* name, const Tensor& losses, const Tensor& weight) {
  if (!weight.defined()) return losses;
  Shape s;
  if (weight.dtype() != losses.dtype())
    throw DtypeError(op,
                     join("the ", name, " is ", describe(weight), ", the input ", describe(losses.detach()),
                          "; they must have one dtype"),
                     join(name, ".to(", losses.dtype(), ")"));
  if (!broadcasts(losses.shape(), weight.shape(), s) || !(s == losses.shape()))
    throw ShapeError(op, join("the ", name, " is ", describe(weight), ", the input ", losses.shape(), "; the ", name,
                              " must broadcast to it"));
  return losses * weight;
}

void check_probabilities(const Tensor& p) {
  const int64_t at = first_wrong(p, [](double v) { return v < 0 || v > 1; });
  if (at >= 0)
    throw Error(
        "binary_cross_entropy",
        join("probabilities must lie in [0, 1], got ", text(p.array().element(at)), " at element ", at, " of ", describe(p)),
        "binary_cross_entropy_with_logits, which applies sigmoid itself");
}

/// The option's tensor becomes a buffer of the module.
nn::Buffer taken(Tensor& weight) {
  nn::Buffer buffer = weight.defined() ? nn::Buffer(weight) : nn::Buffer();
  weight.reset();
  return buffer;
}

template <class Options> Options with_weight(Options options, const nn::Buffer& weight) {
  if (weight.defined()) options.weight = weight.tensor();
  return options;
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& o) {
  check_rows("cross_entropy", logits);
  if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1))
    throw Error("cross_entropy", join("label_smoothing must lie in [0, 1], got ", text(o.label_smoothing)));
  if (target.dtype() == logits.dtype() && target.shape() == logits.shape()) return soft_cross_entropy(logits, target, o);
  // Without options that matter the fused op does the same, and is quicker.
  if (!o.weight.defined() && o.label_smoothing == 0 && !holds(target.array(), o.ignore_index))
    return cross_entropy(logits, target, o.reduction);
  const Weighed w = weigh("cross_entropy", logits, target, o.weight, o.ignore_index);
  const Tensor log_p = log_softmax(logits, 1);
  Tensor losses = -at_labels(log_p, w) * w.weights;
  if (o.label_smoothing > 0) {
    const Tensor all = sum(o.weight.defined() ? log_p * along_classes(o.weight, log_p.rank()) : log_p, {1});
    const Tensor counted = where(w.counts, -all, Tensor(0.0));
    losses = losses * (1 - o.label_smoothing) + counted * (o.label_smoothing / static_cast<double>(logits.dim(1)));
  }
  return weighted_mean(losses, w.weights, o.reduction);
}

Tensor nll_loss(const Tensor& log_p, const Tensor& labels, const NllLossOptions& o) {
  if (log_p.rank() == 1 && labels.rank() == 0) {
    const Tensor one = nll_loss(unsqueeze(log_p, 0), unsqueeze(labels, 0), o);
    return o.reduction == Reduction::none ? squeeze(one, 0) : one;
  }
  check_rows("nll_loss", log_p);
  const Weighed w = weigh("nll_loss", log_p, labels, o.weight, o.ignore_index);
  return weighted_mean(-at_labels(log_p, w) * w.weights, w.weights, o.reduction);
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& target, const BceOptions& o) {
  check_alike("binary_cross_entropy", {{"input", &p}, {"target", &target}});
  check_probabilities(p);
  const Tensor losses = -(target * log_at_least_100(p) + (1.0 - target) * log_at_least_100(1.0 - p));
  return reduced_loss(times_weight("binary_cross_entropy", "weight", losses, o.weight), o.reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target, const BceWithLogitsOptions& o) {
  const char* op = "binary_cross_entropy_with_logits";
  check_alike(op, {{"input", &x}, {"target", &target}});
  const Tensor positive = times_weight(op, "pos_weight", target * logsigmoid(x), o.pos_weight);
  return reduced_loss(times_weight(op, "weight", -(positive + (1.0 - target) * logsigmoid(-x)), o.weight), o.reduction);
}

Tensor kl_div(const Tensor& log_p, const Tensor& target, const KlDivOptions& o) {
  check_alike("kl_div", {{"input", &log_p}, {"target", &target}});
  const Tensor losses = o.log_target ? exp(target) * (target - log_p) : xlogy(target, target) - target * log_p;
  if (!o.batchmean) return reduced_loss(losses, o.reduction);
  if (losses.rank() == 0) throw ShapeError("kl_div", "batchmean divides by the length of axis 0; the input has no axis");
  return sum(losses) / static_cast<double>(losses.dim(0));
}

Tensor multi_margin_loss(const Tensor& x, const Tensor& labels, const MultiMarginOptions& o) {
  const char* op = "multi_margin_loss";
  check_rows(op, x);
  if (x.rank() != 2) throw ShapeError(op, join("the input must be [N, C], got ", describe(x)));
  if (o.p != 1 && o.p != 2) throw Error(op, join("p must be 1 or 2, got ", o.p));
  const Weighed w = weigh(op, x, labels, o.weight, nothing_ignored);
  const Tensor own = unsqueeze(w.labels, 1), over = relu(o.margin - gather(x, 1, own) + x);
  const Tensor others = where(arange(x.dim(1)).unsqueeze(0) == own, Tensor(0.0), o.p == 1 ? over : square(over));
  return reduced_loss(mean(others, {1}) * w.weights, o.reduction);
}

namespace nn {

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyOptions& how) : options(how), weight(taken(options.weight)) {}
Tensor CrossEntropyLoss::forward(const Tensor& logits, const Tensor& target) {
  return cross_entropy(logits, target, with_weight(options, weight));
}
NLLLoss::NLLLoss(const NllLossOptions& how) : options(how), weight(taken(options.weight)) {}
Tensor NLLLoss::forward(const Tensor& log_p, const Tensor& labels) {
  return nll_loss(log_p, labels, with_weight(options, weight));
}
BCELoss::BCELoss(const BceOptions& how) : options(how), weight(taken(options.weight)) {}
Tensor BCELoss::forward(const Tensor& p, const Tensor& target) {
  return binary_cross_entropy(p, target, with_weight(options, weight));
}
BCEWithLogitsLoss::BCEWithLogitsLoss(const BceWithLogitsOptions& how)
    : options(how), weight(taken(options.weight)), pos_weight(taken(options.pos_weight)) {}
Tensor BCEWithLogitsLoss::forward(const Tensor& x, const Tensor& target) {
  BceWithLogitsOptions all = with_weight(options, weight);
  if (pos_weight.defined()) all.pos_weight = pos_weight.tensor();
  return binary_cross_entropy_with_logits(x, target, all);
}
MultiMarginLoss::MultiMarginLoss(const MultiMarginOptions& how) : options(how), weight(taken(options.weight)) {}
Tensor MultiMarginLoss::forward(const Tensor& x, const Tensor& labels) {
  return multi_margin_loss(x, labels, with_weight(options, weight));
}

}  // namespace nn
}  // namespace gradus
