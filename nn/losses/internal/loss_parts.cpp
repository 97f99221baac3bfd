#include <gradus/core/unequal_shapes.h>
#include <gradus/nn/losses/internal/loss_parts.h>

#include <algorithm>

namespace gradus {

Tensor reduced_loss(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

void check_alike(const char* op, std::initializer_list<NamedInput> inputs) {
  std::string all;
  for (const auto& [name, t] : inputs) all += join(all.empty() ? "" : ", ", name, " ", describe(*t));
  const Tensor& first = *inputs.begin()->second;
  for (const auto& [name, t] : inputs) {
    if (!is_real(t->dtype()))
      throw DtypeError(op, join("the ", name, " must be f32 or f64, got ", describe(*t)),
                       join(name, ".to(", is_real(first.dtype()) ? first.dtype() : f32, ")"));
    if (t->dtype() != first.dtype())
      throw DtypeError(op, join("all must have one dtype: ", all), join(name, ".to(", first.dtype(), ")"));
    if (!(t->shape() == first.shape()))
      throw_unequal_shapes(op, join(inputs.begin()->first, " ", describe(first), " and ", name, " ", describe(*t)),
                           first.shape(), t->shape(), name);
  }
  if (first.size() == 0) throw ShapeError(op, join("there is nothing to compare: ", all));
}

void check_class_weight(const char* op, const char* name, const Tensor& weight, int64_t classes, const Tensor& like) {
  if (!weight.defined()) return;
  if (weight.dtype() != like.dtype())
    throw DtypeError(
        op, join("the ", name, " is ", describe(weight), ", the input ", describe(like), "; they must have one dtype"),
        join(name, ".to(", like.dtype(), ")"));
  if (!(weight.shape() == Shape{classes}))
    throw ShapeError(op, join("the ", name, " must be [", classes, "], one number for each class, got ", describe(weight),
                              ": input ", describe(like)));
}

Tensor checked_labels(const char* op, const Tensor& labels, int64_t classes, int64_t ignore_index) {
  if (labels.dtype() != i64 && labels.dtype() != u8)
    throw DtypeError(op, join("class labels must be integers (i64 or u8), got ", describe(labels)),
                     is_real(labels.dtype()) ? "labels.to(i64)" : "");
  const Array chosen = labels.array().to(i64).contiguous();
  const int64_t *p = chosen.data<int64_t>(), *end = p + chosen.size();
  const auto outside = [&](int64_t l) { return l != ignore_index && (l < 0 || l >= classes); };
  const int64_t* first = std::find_if(p, end, outside);
  if (first != end)
    throw IndexError(op, join("label ", *first, " at element ", first - p, " of ", describe(labels), "; there are ", classes,
                              " classes, so labels run from 0 to ", classes - 1,
                              ignore_index < -1'000'000 ? "" : join(", or are ignore_index, ", ignore_index)));
  return Tensor(chosen);
}

void check_signs(const char* op, const Tensor& y) {
  const int64_t at = first_wrong(y, [](double v) { return v != 1 && v != -1; });
  if (at >= 0)
    throw Error(
        op, join("the target must be 1 or -1, got ", text(y.array().element(at)), " at element ", at, " of ", describe(y)));
}

}  // namespace gradus
