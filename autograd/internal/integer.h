// Helpers of ops for integers (i64, u8, bool) beside their formulas: common dtypes, and operands that are errors.
#pragma once

#include <gradus/autograd/op.h>

namespace gradus {

/// The common dtype of operands that are not all real. Errors: DtypeError.
Dtype common_dtype(const char* op, const Tensor* operands, int n, Integers integers);
/// A wrapped number, an integer or a bool as an operand of that dtype. Errors: DtypeError for a number that u8 cannot hold.
Tensor as_operand(const char* op, const Tensor& t, Dtype dtype);

/// Replaces two constants, one or both of integers, by their exact order (-1, 0, 1; NaN beside a NaN) and 0, as f64.
void put_order(const char* op, Tensor (&operands)[2]);

// Throws DtypeError for bools.
void throw_bools(const char* op, const Tensor& t, const char* hint);
/// Checks an integer division. Errors: DtypeError; ArithmeticError for a divisor of 0.
void check_integer_division(const char* op, const Tensor& a, const Tensor& b);
/// Checks an integer power. Errors: DtypeError; ArithmeticError for a negative exponent.
void check_integer_power(const char* op, const Tensor& a, const Tensor& exponent);

/// Running sums or products along an axis; for i64, u8 and bool in i64.
Tensor integer_scan(const Tensor& x, int axis, bool product);

}  // namespace gradus
