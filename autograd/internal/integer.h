// What ops do with integers (i64, u8, bool) beside their formulas: dtypes that meet, and what has to be refused.
#pragma once

#include <gradus/autograd/op.h>

namespace gradus {

/// The dtype in which operands meet, of which not all are real. Errors: DtypeError.
Dtype common_dtype(const char* op, const Tensor* operands, int n, Integers integers);
/// A plain number, an integer or a bool as an operand of that dtype. Errors: DtypeError for a number that u8 cannot hold.
Tensor as_operand(const char* op, const Tensor& t, Dtype dtype);

/// Two constants, one or both of integers, become their exact order (-1, 0, 1; NaN beside a NaN) and 0, as f64.
void put_order(const char* op, Tensor (&operands)[2]);

// Errors: DtypeError.
void throw_bools(const char* op, const Tensor& t, const char* hint);
/// Also ArithmeticError for a divisor of 0.
void check_integer_division(const char* op, const Tensor& a, const Tensor& b);
/// Also ArithmeticError for a negative exponent.
void check_integer_power(const char* op, const Tensor& a, const Tensor& exponent);

/// Running sums or products along an axis: of i64, u8 and bool in i64.
Tensor integer_scan(const Tensor& x, int axis, bool product);

}  // namespace gradus
