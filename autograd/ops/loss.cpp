// Losses: fused ops.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/reduce.h>
#include <gradus/core/simd/softmax_rows.h>
#include <gradus/core/unequal_shapes.h>
#include <gradus/core/warning.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

/// The sum or mean of all losses; the losses themselves for `none`.
Array reduced(const Array& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  const Array total = sum_axes(losses, (1u << losses.rank()) - 1).reshape({});
  if (reduction == Reduction::sum) return total;
  return map([n = static_cast<double>(losses.size())](auto x) { return x / n; }, total);
}
Tensor reduced(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

// ---- cross-entropy --------------------------------------------------------------------------------------------------

/// [N,C,...] as dense [N,...,C], and back as a view.
Array classes_last(const Array& x) {
  std::vector<int> axes{0};
  for (int i = 2; i < x.rank(); ++i) axes.push_back(i);
  axes.push_back(1);
  return x.permute(axes).contiguous();
}
Array classes_second(const Array& x) {
  std::vector<int> axes{0, x.rank() - 1};
  for (int i = 1; i + 1 < x.rank(); ++i) axes.push_back(i);
  return x.permute(axes);
}

/// The values of a row of logits that the backward pass needs: p_c = e^(x_c - largest) / total.
template <class T> struct RowStats { T largest, total; };

struct CrossEntropy {
  static constexpr const char* name = "cross_entropy";
  struct Saved {
    Array logits, labels, stats;
    Reduction reduction;
  };  // logits with the classes last

  /// losses [rows]; label k belongs to row k.
  template <class T>
  static void forward(int64_t rows, int64_t classes, const T* x, const int64_t* label, T* loss, RowStats<T>* stats) {
    parallel_ranges(rows, exp_grain(classes), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T *row = x + r * classes, top = row_largest(row, classes);
        const T total = row_exp_sum<T>(
            classes, [&](int64_t i, const auto& lanes) { return lanes.load(row + i) - pack<T>(top); },
            [](int64_t, const auto&, pack<T>) {});
        loss[r] = std::log(total) - (row[label[r]] - top);
        stats[r] = {top, total};
      }
    });
  }

  /// The gradient g (p - onehot), g being one number or one for each row.
  template <class T>
  static void backward(int64_t rows, int64_t classes, const T* x, const int64_t* label, const RowStats<T>* stats, const T* g,
                       int64_t g_step, T scale, T* dx) {
    parallel_ranges(rows, exp_grain(classes), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T *row = x + r * classes, weight = g[r * g_step] * scale;
        const pack<T> factor(weight / stats[r].total), top(stats[r].largest);
        for_packs<T>(classes, [&](int64_t i, const auto& lanes, int) {
          lanes.store(dx + r * classes + i, exp(lanes.load(row + i) - top) * factor);
        });
        dx[r * classes + label[r]] -= weight;
      }
    });
  }

  static void kernel(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Array &x = b.checked(s.logits), g = b.grad().array().contiguous();
      const int64_t rows = s.labels.size();
      Array dx = Array::like(x);
      visit_real(x.dtype(), [&]<class T>() {
        const T scale = s.reduction == Reduction::mean ? T(1) / static_cast<T>(rows) : T(1);
        if (rows > 0)
          backward<T>(rows, x.size() / rows, x.data<T>(), s.labels.data<int64_t>(),
                      reinterpret_cast<const RowStats<T>*>(s.stats.bytes()), g.data<T>(), s.reduction == Reduction::none,
                      scale, dx.uninitialized<T>());
      });
      return Tensor(classes_second(dx));
    });
  }
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) {
    b.checked(s.logits);
    return {b.input(0, kept(classes_second(s.logits)))};
  }
  static Tensor reference(const std::vector<Tensor>& x, const Saved& s) {
    const Tensor chosen = gather(log_softmax(x[0], 1), 1, Tensor(s.labels.unsqueeze(1)));
    return reduced(-squeeze(chosen, 1), s.reduction);
  }
  static Samples samples() {
    const auto call = [](Reduction r) { return [r](auto& x) { return cross_entropy(x[0], x[1], r); }; };
    const Array three = Array::of<int64_t>({4}, {2, 0, 1, 2});
    return {
        sample("mean", {sample_values({4, 3}), three}, call(Reduction::mean)),
        sample("sum", {sample_values({4, 3}), three}, call(Reduction::sum)),
        sample("none", {sample_values({4, 3}), three}, call(Reduction::none)),
        sample("u8 labels, more classes than a pack", {sample_values({2, 21}), Array::of<std::uint8_t>({2}, {20, 3})},
               call(Reduction::mean)),
        sample("pixels", {sample_values({2, 3, 2, 2}), Array::of<int64_t>({2, 2, 2}, {0, 1, 2, 1, 1, 0, 2, 2})},
               call(Reduction::mean)),
        sample("pixels, none", {sample_values({2, 3, 2}), Array::of<int64_t>({2, 2}, {0, 1, 2, 2})}, call(Reduction::none)),
        sample("transposed", {sample_values({3, 4}), three},
               [](auto& x) { return cross_entropy(transpose(x[0], 0, 1), x[1]); }),
        sample("sure", {sample_values({2, 3}, 500, 520), Array::arange(2)}, call(Reduction::mean))};
  }
};

// ---- errors of cross_entropy -----------------------------------------------------------------------------------------

/// True if every run along `axis` has a single one and zeros otherwise.
bool one_hot(const Array& a, int axis) {
  std::vector<int> order;
  for (int i = 0; i < a.rank(); ++i)
    if (i != axis) order.push_back(i);
  order.push_back(axis);
  const Array runs = a.permute(order).to(f64).contiguous();
  const double* p = runs.data<double>();
  const int64_t n = a.shape()[axis];
  for (int64_t i = 0; i < runs.size(); i += n)
    if (std::count(p + i, p + i + n, 1.0) != 1 || std::count(p + i, p + i + n, 0.0) != n - 1) return false;
  return runs.size() > 0;
}

bool class_numbers(const Array& a, int64_t classes) {
  const Array labels = a.to(f64).contiguous();
  return std::all_of(labels.data<double>(), labels.data<double>() + labels.size(),
                     [&](double v) { return v >= 0 && v < static_cast<double>(classes) && v == std::floor(v); });
}

void check_logits(const Tensor& logits) {
  if (!is_real(logits.dtype())) throw_dtype("cross_entropy", logits);
  if (logits.rank() < 2)
    throw ShapeError("cross_entropy", join("the logits must be [N,C] or [N,C,...], got ", describe(logits)),
                     logits.rank() == 1 ? "logits.unsqueeze(0), with labels of shape [1]" : "");
  if (logits.shape()[1] < 1)
    throw ShapeError("cross_entropy", join("the logits have no classes (axis 1): ", describe(logits)));
}

void check_labels(const Tensor& logits, const Tensor& labels, const Shape& wanted) {
  const int64_t classes = logits.shape()[1];
  const bool like_logits = labels.shape() == logits.shape();
  const std::string both = join("logits ", describe(logits), ", labels ", describe(labels));
  if (labels.dtype() != i64 && labels.dtype() != u8) {
    std::string hint;
    if (like_logits && one_hot(labels.array(), 1)) hint = "labels.argmax(1)";
    else if (like_logits && labels.dtype() == logits.dtype())
      hint = "for probabilities: cross_entropy(logits, labels, CrossEntropyOptions{})";
    else if (labels.shape() == wanted && class_numbers(labels.array(), classes)) hint = "labels.to(i64)";
    const std::string soft = like_logits ? "" : join("; probabilities would be ", describe(logits.detach()));
    throw DtypeError("cross_entropy", join("class labels must be integers (i64 or u8), got ", describe(labels), soft), hint);
  }
  if (labels.shape() == wanted) return;
  if (like_logits && one_hot(labels.array(), 1))
    throw ShapeError("cross_entropy", join("the labels look one-hot (each row is a single 1): ", both), "labels.argmax(1)");
  if (labels.rank() > 0 && labels.shape()[0] != logits.shape()[0])
    throw ShapeError("cross_entropy", join("the batch sizes differ, ", logits.shape()[0], " against ", labels.shape()[0],
                                           ": ", both, "; the labels must be ", wanted));
  std::string hint;
  if (labels.shape() == wanted.insert(1, 1)) hint = "labels.squeeze(1)";
  else if (like_logits) hint = "for probabilities: cross_entropy(logits, labels.to(f32), CrossEntropyOptions{})";
  else if (labels.rank() == 2 && logits.rank() == 3 && labels.dim(1) == logits.dim(1))
    hint = "permute(logits, {0, 2, 1}): the classes are axis 1";
  throw ShapeError("cross_entropy",
                   join("one class number is needed for each row of logits: ", both, "; the labels must be ", wanted), hint);
}

void check_range(const Array& labels, int64_t classes) {
  const int64_t *p = labels.data<int64_t>(), *end = p + labels.size();
  const auto outside = [classes](int64_t l) { return l < 0 || l >= classes; };
  const int64_t* first = std::find_if(p, end, outside);
  if (first == end) return;
  const auto [low, high] = std::minmax_element(p, end);
  const bool from_one = *low == 1 && *high == classes;
  throw IndexError(
      "cross_entropy",
      join("label ", *first, " at sample ", first - p, "; the logits have ", classes, " classes, so labels run from 0 to ",
           classes - 1, "; ", std::count_if(p, end, outside), " of ", labels.size(), " labels are out of range (smallest ",
           *low, ", largest ", *high, ")", from_one ? "; they seem to start at 1" : ""),
      *first < 0 ? join("{.ignore_index = ", *first, "}, which skips such samples") : "");
}

/// True if all rows are in [0, 1] and sum to 1. Other logits fail at their first element or two.
template <class T> bool probabilities(const T* x, int64_t rows, int64_t classes) {
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c, ++x) {
      if (!(*x >= 0 && *x <= 1)) return false;
      sum += static_cast<double>(*x);
    }
    if (!(std::fabs(sum - 1) <= 1e-4)) return false;
  }
  return rows > 0 && classes > 1;
}

void warn_of_softmax(const Tensor& logits, const Array& x, int64_t rows, int64_t classes) {
  if (!recorded(logits) || !warning_due(Warning::softmax_before_cross_entropy)) return;
  const bool found = visit_real(x.dtype(), [&]<class T>() { return probabilities(x.data<T>(), rows, classes); });
  if (found)
    warn_once(Warning::softmax_before_cross_entropy, "cross_entropy",
              join("all ", rows, " rows of ", describe(logits),
                   " lie in [0, 1] and sum to 1: they look like the result of "
                   "softmax, which cross_entropy applies itself"),
              "cross_entropy(logits, labels), without softmax before it");
}

// ---- mean squared error ---------------------------------------------------------------------------------------------

struct MseLoss {
  static constexpr const char* name = "mse_loss";
  struct Saved {
    Array prediction, target;
    Reduction reduction;
  };
  static void kernel(BackwardContext& b, const Saved& s) {
    const Array &p = b.checked(s.prediction), &t = b.checked(s.target);
    const double scale = 2 * b.grad().item() / (s.reduction == Reduction::mean ? static_cast<double>(p.size()) : 1);
    b.accumulate(0, [&] { return Tensor(map([scale](auto x, auto y) { return scale * (x - y); }, p, t)); });
    b.accumulate(1, [&] { return Tensor(map([scale](auto x, auto y) { return scale * (y - x); }, p, t)); });
  }
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) {
    return {b.input(0, s.prediction), b.input(1, s.target)};
  }
  static Tensor reference(const std::vector<Tensor>& x, const Saved& s) { return reduced(square(x[0] - x[1]), s.reduction); }
  static Samples samples() {
    const auto call = [](Reduction r) { return [r](auto& x) { return mse_loss(x[0], x[1], r); }; };
    const Array p = sample_values({3, 4}), t = sample_values({3, 4}, -2, 2, 2);
    return {sample("mean", {p, t}, call(Reduction::mean)), sample("sum", {p, t}, call(Reduction::sum)),
            sample("none", {p, t}, call(Reduction::none)),
            sample("transposed", {sample_values({4, 3}), t}, [](auto& x) { return mse_loss(transpose(x[0], 0, 1), x[1]); })};
  }
};

void check_mse(const Tensor& prediction, const Tensor& target) {
  if (!is_real(prediction.dtype())) throw_dtype("mse_loss", prediction);
  const std::string both = join("prediction ", describe(prediction), " and target ", describe(target));
  if (prediction.dtype() != target.dtype())
    throw DtypeError("mse_loss", join(both, " must have one dtype"), join("target.to(", prediction.dtype(), ")"));
  const Shape &p = prediction.shape(), &t = target.shape();
  if (p == t && target.size() > 0) return;
  if (p == t) throw ShapeError("mse_loss", join("there is nothing to compare: ", both));
  throw_unequal_shapes("mse_loss", both, p, t, "target");
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, Reduction reduction) {
  check_logits(logits);
  const Shape wanted = logits.shape().erase(1);
  check_labels(logits, labels, wanted);
  if (labels.size() == 0 && reduction == Reduction::mean)
    throw ShapeError("cross_entropy", join("the batch is empty: logits ", describe(logits)));
  const int64_t rows = labels.size(), classes = logits.shape()[1];
  const Array chosen = labels.dtype() == i64 ? labels.array().copy() : labels.array().to(i64).contiguous();
  check_range(chosen, classes);
  const Array x = classes_last(logits.array());
  warn_of_softmax(logits, x, rows, classes);
  Array losses(wanted, x.dtype()), stats({rows, 2}, x.dtype());
  visit_real(x.dtype(), [&]<class T>() {
    CrossEntropy::forward<T>(rows, classes, x.data<T>(), chosen.data<int64_t>(), losses.uninitialized<T>(),
                             reinterpret_cast<RowStats<T>*>(stats.uninitialized<T>()));
  });
  return fused<CrossEntropy>(
      reduced(losses, reduction),
      [&] {
        return CrossEntropy::Saved{kept(x), chosen, stats, reduction};
      },
      logits);
}

Tensor mse_loss(const Tensor& prediction, const Tensor& target, Reduction reduction) {
  check_mse(prediction, target);
  if (reduction == Reduction::none) return square(prediction - target);
  const Array &p = prediction.array(), &t = target.array();
  const Array squares = map([](auto x, auto y) { return (x - y) * (x - y); }, p, t);
  return fused<MseLoss>(
      reduced(squares, reduction),
      [&] {
        return MseLoss::Saved{kept(p), kept(t), reduction};
      },
      prediction, target);
}

}  // namespace gradus
