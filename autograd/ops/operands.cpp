#include <gradus/autograd/ops/internal/operands.h>
#include <gradus/core/error.h>

namespace gradus {

void check_same_dtype(const char* op, const Tensor& x, const char* what, const Tensor& t) {
  if (t.defined() && t.dtype() != x.dtype())
    throw DtypeError(op, join("the input is ", describe(x), ", the ", what, " ", describe(t), "; they must have one dtype"),
                     join(what, ".to(", x.dtype(), ")"));
}

void check_operand(const char* op, const Tensor& x, const char* what, const Tensor& t, const Shape& shape,
                   const char* axes) {
  check_same_dtype(op, x, what, t);
  if (t.defined() && !(t.shape() == shape))
    throw ShapeError(op, join("the ", what, " is ", describe(t), "; it must be ", shape, ", ", axes));
}

}  // namespace gradus
