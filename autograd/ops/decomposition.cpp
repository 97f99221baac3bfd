// Decompositions without a gradient, which is infinite where values agree and which no optimizer here needs.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/linalg.h>

namespace gradus {
namespace {

const Array& without_gradient(const char* op, const Tensor& a) {
  if (recorded(a))
    throw GraphError(op, join("its results have no gradient, and ", describe(a), " wants one"), join(op, "(a.detach())"));
  return a.array();
}

}  // namespace

QrTensors qr(const Tensor& a) {
  Qr made = qr(without_gradient("qr", a));
  return {std::move(made.q), std::move(made.r)};
}

EigenTensors eigh(const Tensor& a) {
  Eigen made = eigh(without_gradient("eigh", a));
  return {std::move(made.values), std::move(made.vectors)};
}

}  // namespace gradus
