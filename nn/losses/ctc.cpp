#include <gradus/nn/losses/ctc.h>

#include <gradus/nn/losses/internal/loss_parts.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace gradus {
namespace {

using Numbers = std::vector<int64_t>;

/// So unlikely that nothing adds up to it, and finite: its slopes are numbers.
constexpr double never = -1e30;

Numbers whole_numbers(const char* name, const Tensor& t, int64_t count) {
  if (t.dtype() != i64 && t.dtype() != u8)
    throw DtypeError("ctc_loss", join(name, " must be integers (i64 or u8), got ", describe(t)));
  if (count >= 0 && !(t.shape() == Shape{count}))
    throw ShapeError("ctc_loss", join(name, " must be [", count, "], one for each sample, got ", describe(t)));
  const Array dense = t.array().to(i64).contiguous();
  return Numbers(dense.data<int64_t>(), dense.data<int64_t>() + dense.size());
}

void check_lengths(const char* name, const Numbers& lengths, int64_t low, int64_t high) {
  for (std::size_t n = 0; n < lengths.size(); ++n)
    if (lengths[n] < low || lengths[n] > high)
      throw ShapeError("ctc_loss", join(name, " must lie in [", low, ", ", high, "], got ", lengths[n], " of sample ", n));
}

/// Each sample's labels.
std::vector<Numbers> labels_by_sample(const Tensor& targets, const Numbers& lengths, int64_t classes, int64_t blank) {
  const auto count = static_cast<int64_t>(lengths.size());
  const Numbers all = whole_numbers("targets", targets, -1);
  int64_t total = 0;
  for (const int64_t n : lengths) total += std::max<int64_t>(n, 0);
  const bool padded = targets.rank() == 2 && targets.dim(0) == count;
  if (!padded && !(targets.shape() == Shape{total}))
    throw ShapeError("ctc_loss", join("targets must be [", count, ", S], or [", total, "], all labels in one row, got ",
                                      describe(targets)));
  check_lengths("target_lengths", lengths, 0, padded ? targets.dim(1) : total);
  std::vector<Numbers> labels;
  auto at = all.begin();
  for (const int64_t length : lengths) {
    labels.emplace_back(at, at + length);
    at += padded ? targets.dim(1) : length;
    for (const int64_t l : labels.back())
      if (l < 0 || l >= classes || l == blank)
        throw IndexError("ctc_loss", join("label ", l, " of sample ", labels.size() - 1, "; labels run from 0 to ",
                                          classes - 1, " without the blank, ", blank));
  }
  return labels;
}

/// The labels with a blank before, between and behind them: [N, L], the rest blanks.
struct Trellis {
  Tensor classes;  // i64
  Tensor skip;     // bool: this state may follow the one two before
  Tensor ends;     // bool: the last two states of each sample
  Tensor fits;     // bool [N]
  int64_t length = 1;
};

Trellis trellis_of(const std::vector<Numbers>& labels, const Numbers& input_lengths, int64_t blank) {
  Trellis t;
  for (const Numbers& l : labels) t.length = std::max(t.length, 2 * static_cast<int64_t>(l.size()) + 1);
  const auto count = static_cast<int64_t>(labels.size());
  Array classes = Array::full({count, t.length}, blank, i64), skip = Array::zeros({count, t.length}, boolean);
  Array ends = Array::zeros({count, t.length}, boolean), fits = Array::zeros({count}, boolean);
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const Numbers& l = labels[n];
    const int64_t row = static_cast<int64_t>(n) * t.length, last = 2 * static_cast<int64_t>(l.size());
    int64_t steps = static_cast<int64_t>(l.size());
    for (std::size_t i = 0; i < l.size(); ++i) {
      const int64_t at = row + 2 * static_cast<int64_t>(i) + 1;
      classes.uninitialized<int64_t>()[at] = l[i];
      skip.uninitialized<bool>()[at] = i > 0 && l[i] != l[i - 1];
      steps += i > 0 && l[i] == l[i - 1];
    }
    ends.uninitialized<bool>()[row + last] = true;
    if (last > 0) ends.uninitialized<bool>()[row + last - 1] = true;
    fits.uninitialized<bool>()[n] = steps <= input_lengths[n];
  }
  t.classes = Tensor(classes), t.skip = Tensor(skip), t.ends = Tensor(ends), t.fits = Tensor(fits);
  return t;
}

/// [N, L] moved by `steps` states to the right.
Tensor moved(const Tensor& alpha, int64_t steps) {
  return pad(alpha.slice(1, 0, alpha.dim(1) - steps), {steps, 0}, Padding::constant, never);
}

/// Losses [N], by the forward variables of equation 6.
Tensor losses_of(const Tensor& log_probs, const Trellis& t, const Tensor& input_lengths) {
  const int64_t steps = log_probs.dim(0), count = log_probs.dim(1);
  const Tensor emitted = gather(log_probs, 2, expand(unsqueeze(t.classes, 0), {steps, count, t.length}));
  const Tensor start = unsqueeze(arange(t.length), 0) < Tensor(int64_t(2));
  Tensor alpha = where(start, select(emitted, 0, 0), Tensor(never));
  for (int64_t i = 1; i < steps; ++i) {
    Tensor next = t.length > 1 ? logaddexp(alpha, moved(alpha, 1)) : alpha;
    if (t.length > 2) next = logaddexp(next, where(t.skip, moved(alpha, 2), Tensor(never)));
    alpha = where(unsqueeze(input_lengths > Tensor(i), 1), next + select(emitted, 0, i), alpha);
  }
  return -logsumexp(where(t.ends, alpha, Tensor(never)), 1);
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths, const Tensor& target_lengths,
                const CtcOptions& o) {
  if (!is_real(log_probs.dtype()))
    throw DtypeError("ctc_loss", join("log_probs must be f32 or f64, got ", describe(log_probs)));
  if (log_probs.rank() == 2 && input_lengths.rank() == 0 && target_lengths.rank() == 0) {
    const Tensor one =
        ctc_loss(unsqueeze(log_probs, 1), targets, unsqueeze(input_lengths, 0), unsqueeze(target_lengths, 0), o);
    return o.reduction == Reduction::none ? squeeze(one, 0) : one;
  }
  if (log_probs.rank() != 3 || log_probs.size() == 0)
    throw ShapeError("ctc_loss", join("log_probs must be [T, N, C] with no length 0, got ", describe(log_probs)));
  const int64_t steps = log_probs.dim(0), count = log_probs.dim(1), classes = log_probs.dim(2);
  if (o.blank < 0 || o.blank >= classes)
    throw IndexError("ctc_loss", join("the blank must lie in [0, ", classes - 1, "], got ", o.blank));
  if (input_lengths.shape() == Shape{steps} && steps != count)
    throw ShapeError(
        "ctc_loss",
        join("log_probs must be [T, N, C]: ", describe(log_probs), " has ", count, " samples, input_lengths ", steps),
        "permute(log_probs, {1, 0, 2})");
  const Numbers inputs = whole_numbers("input_lengths", input_lengths, count);
  const Numbers lengths = whole_numbers("target_lengths", target_lengths, count);
  check_lengths("input_lengths", inputs, 1, steps);
  const std::vector<Numbers> labels = labels_by_sample(targets, lengths, classes, o.blank);
  for (std::size_t n = 0; n < labels.size(); ++n)
    if (lengths[n] > inputs[n] && !o.zero_infinity)
      throw ShapeError(
          "ctc_loss", join("the target of sample ", n, " has ", lengths[n], " labels, its input only ", inputs[n], " steps"),
          "{.zero_infinity = true}, which lets such samples count 0");
  const Trellis trellis = trellis_of(labels, inputs, o.blank);
  const Tensor unfit(o.zero_infinity ? 0.0 : std::numeric_limits<double>::infinity());
  const Tensor losses = where(trellis.fits, losses_of(log_probs, trellis, input_lengths.to(i64)), unfit);
  if (o.reduction != Reduction::mean) return reduced_loss(losses, o.reduction);
  return mean(losses / max(target_lengths.to(log_probs.dtype()), 1.0));
}

}  // namespace gradus
