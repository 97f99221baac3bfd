// Integers: the common dtype of operands, their order, and ops that are not formulas.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/internal/integer.h>
#include <gradus/autograd/ops.h>

#include <algorithm>
#include <limits>

namespace gradus {
namespace {

/// The tensor that counts first for the common dtype: one with axes before one that is a single number.
const Tensor* more(const Tensor* known, const Tensor& t) {
  return known && (known->rank() > 0 || t.rank() == 0) ? known : &t;
}

/// out[i] = the sign of a[i] - b[i] as real numbers; NaN where b is.
template <class B> Tensor order_of(const Array& a, const Array& b) {
  Array out(a.shape(), f64);
  const auto* p = a.data<int64_t>();
  const auto* q = b.data<B>();
  double* to = out.uninitialized<double>();
  using Wide = std::conditional_t<std::is_same_v<B, double>, long double, int64_t>;
  static_assert(std::numeric_limits<long double>::digits >= 64, "a long double holds every i64 and every double");
  parallel_ranges(out.size(), grain_elements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto x = static_cast<Wide>(p[i]), y = static_cast<Wide>(q[i]);
      to[i] = y == y ? (x > y) - (x < y) : std::numeric_limits<double>::quiet_NaN();
    }
  });
  return Tensor(out);
}

/// The first index, in row-major order, for which `holds` is true of the element of an integer Array; -1 if there is none.
template <class F> int64_t first_where(const Array& a, F holds) {
  const Array all = a.contiguous();
  const auto look = [&](const auto* p) {
    const auto* end = p + all.size();
    const auto* at = std::find_if(p, end, holds);
    return at == end ? -1 : at - p;
  };
  return all.dtype() == i64 ? look(all.data<int64_t>()) : look(all.data<std::uint8_t>());
}

void throw_reals(const char* op, const Tensor& t) {
  if (is_real(t.dtype())) throw DtypeError(op, join("takes bools or integers, got ", describe(t)), "compare it, e.g. x > 0");
}

template <class F> Tensor bitwise(const char* op, const Tensor& a, const Tensor& b, F f) {
  throw_reals(op, a), throw_reals(op, b);
  Tensor both[2] = {a, b};
  fit(op, both, 2, Integers::exact);
  return Tensor(map_whole(f, both[0].array(), both[1].array()));
}

}  // namespace

Dtype common_dtype(const char* op, const Tensor* operands, int n, Integers integers) {
  const Tensor *real = nullptr, *integer = nullptr, *tensor = nullptr;
  Dtype most = boolean;  // of the tensors; bool < u8 < i64
  bool real_number = false, integer_number = false;
  for (int i = 0; i < n; ++i) {
    const Tensor& t = operands[i];
    if (t.is_wrapped_number()) {
      real_number |= is_real(t.dtype()), integer_number |= t.dtype() == i64;
      continue;
    }
    if (is_real(t.dtype())) real = more(real, t);
    else tensor = tensor ? tensor : &t;
    if (is_real(t.dtype()) || t.dtype() == boolean) continue;
    integer = more(integer, t);
    if (most != i64) most = t.dtype();
  }
  if (real) {
    if (integer && real->rank() > 0 && integer->rank() > 0)
      throw DtypeError(op,
                       join(describe(*real), " and ", describe(*integer), " do not mix: ", real->dtype(), " keeps ",
                            real->dtype() == f32 ? 24 : 53, " bits of an integer"),
                       join(n == 2 ? integer == operands ? "a" : "b" : "x", ".to(", real->dtype(), ")"));
    return real->dtype();
  }
  if (!tensor && real_number) return f64;  // wrapped numbers only
  if (integers == Integers::refused) throw_dtype(op, tensor ? *tensor : operands[0]);
  if (real_number || integers == Integers::as_f32) return f32;
  return most == boolean && integer_number ? i64 : most;
}

Tensor as_operand(const char* op, const Tensor& t, Dtype dtype) {
  if (t.is_wrapped_number() && t.dtype() == i64 && dtype == u8)
    if (const auto x = t.item<int64_t>(); x < 0 || x > 255)
      throw DtypeError(op, join("the other operand is of u8, which holds 0 to 255, not ", x), "x.to(i64)");
  return Tensor(t.array().to(dtype));
}

void put_order(const char* op, Tensor (&operands)[2]) {
  Tensor &a = operands[0], &b = operands[1];
  for (Tensor* t : {&a, &b})  // beside reals a wrapped number is real
    if (const Tensor& other = t == &a ? b : a;
        t->is_wrapped_number() && is_real(other.dtype()) && !other.is_wrapped_number()) {
      *t = Tensor(t->array().to(other.dtype()));
      return;
    }
  const Shape shape = broadcast(op, a.shape(), b.shape());
  const auto wide = [&](const Tensor& t) { return t.array().expand(shape).to(is_real(t.dtype()) ? f64 : i64).contiguous(); };
  const Array x = wide(a), y = wide(b);
  if (x.dtype() == f64) a = -order_of<double>(y, x);
  else a = y.dtype() == f64 ? order_of<double>(x, y) : order_of<int64_t>(x, y);
  b = Tensor(0.0);
}

void throw_bools(const char* op, const Tensor& t, const char* hint) {
  if (t.dtype() == boolean) throw DtypeError(op, join("not of bools, got ", describe(t)), hint);
}

void check_integer_division(const char* op, const Tensor& a, const Tensor& b) {
  throw_bools(op, a, "x.to(i64)");
  if (const int64_t at = first_where(b.array(), [](auto x) { return x == 0; }); at >= 0)
    throw ArithmeticError(op, join(describe(a), " is divided by integers, of which number ", at, " is 0"),
                          "a / b, which is real");
}

void check_integer_power(const char* op, const Tensor& a, const Tensor& exponent) {
  throw_bools(op, a, "x.to(i64)");
  if (const int64_t at = first_where(exponent.array(), [](auto n) { return n < 0; }); at >= 0)
    throw ArithmeticError(op,
                          join(describe(a), " to a negative power is not of integers; number ", at, " of the exponents is ",
                               exponent.array().contiguous().data<int64_t>()[at]),
                          "pow(x.to(f32), exponent)");
}

Tensor integer_scan(const Tensor& x, int axis, bool product) {
  const Array from = x.array().to(i64).contiguous();
  Array y = Array::like(from);
  const AroundAxis a(x.shape(), axis);
  const auto* in = reinterpret_cast<const std::uint64_t*>(from.data<int64_t>());  // unsigned numbers, which wrap around
  auto* out = reinterpret_cast<std::uint64_t*>(y.uninitialized<int64_t>());
  const int64_t each = a.length * a.inner, grain = std::max<int64_t>(1, grain_elements / std::max<int64_t>(1, each));
  parallel_ranges(a.outer, grain, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t k = 0, at = o * each; k < each; ++k, ++at) {
        const bool first = k < a.inner;
        out[at] = first ? in[at] : product ? out[at - a.inner] * in[at] : out[at - a.inner] + in[at];
      }
  });
  return Tensor(y);
}

Tensor clamp_integers(const Tensor& x, int64_t low, int64_t high) {
  if (low > high) throw IndexError("clamp", join("low ", low, " must not exceed high ", high));
  if (x.dtype() != u8) return min(max(x, Tensor(low)), Tensor(high));
  if (high < 0 || low > 255)
    throw DtypeError("clamp", join(describe(x), " holds 0 to 255, nothing in [", low, ", ", high, "]"),
                     "clamp(x.to(i64), ...)");
  return min(max(x, Tensor(std::max<int64_t>(low, 0))), Tensor(std::min<int64_t>(high, 255)));
}

Tensor operator%(const Tensor& a, const Tensor& b) { return remainder(a, b); }

Tensor operator&(const Tensor& a, const Tensor& b) {
  return bitwise("&", a, b, [](auto x, auto y) { return x & y; });
}
Tensor operator|(const Tensor& a, const Tensor& b) {
  return bitwise("|", a, b, [](auto x, auto y) { return x | y; });
}
Tensor operator^(const Tensor& a, const Tensor& b) {
  return bitwise("^", a, b, [](auto x, auto y) { return x ^ y; });
}
Tensor operator~(const Tensor& a) {
  throw_reals("~", a);
  return a ^ (a.dtype() == boolean ? Tensor(true) : Tensor(a.dtype() == u8 ? 255 : -1));
}
Tensor operator!(const Tensor& a) { return a == 0; }

}  // namespace gradus
