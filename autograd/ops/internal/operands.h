// Checks of the operands beside an op's input: weights, biases, states.
#pragma once

#include <gradus/autograd/tensor.h>

namespace gradus {

/// Throws DtypeError "op: the input is f32[2,3], the bias f64[3]; they must have one dtype" unless t, called `what`, has the
/// dtype of x or is absent.
void check_same_dtype(const char* op, const Tensor& x, const char* what, const Tensor& t);

/// As check_same_dtype(), and throws ShapeError "op: the h is f32[2,3]; it must be [4,3], [batch, hidden]" unless t has this
/// shape or is absent. `axes` names the axes of the shape.
void check_operand(const char* op, const Tensor& x, const char* what, const Tensor& t, const Shape& shape, const char* axes);

}  // namespace gradus
