#include <gradus/autograd/ops/internal/sizes.h>

namespace gradus {

std::string text_of(Pair p) { return p.h == p.w ? join(p.h) : join("{", p.h, ", ", p.w, "}"); }

void check_option(const char* op, const char* what, Pair p, int64_t low, int64_t high) {
  const auto throw_error = [&](const char* bound, int64_t limit) {
    throw ShapeError(op, join("the ", what, " must be at ", bound, " ", limit, ", got ", text_of(p)));
  };
  if (p.h < low || p.w < low) throw_error("least", low);
  if (p.h > high || p.w > high) throw_error("most", high);
}

int64_t product(const char* op, int64_t a, int64_t b) {
  int64_t n = 0;
  if (__builtin_mul_overflow(a, b, &n))
    throw ResourceError(op, join(a, " times ", b, " elements are more than an address can count"));
  return n;
}

int64_t Window1d::transposed(const char* op, int64_t n, int64_t extra) const {
  int64_t length = 0;  // n - 1 steps: all that can be too long
  if (__builtin_mul_overflow(n - 1, stride, &length) ||
      __builtin_add_overflow(length, extent() + extra - 2 * padding, &length))
    throw ResourceError(op, join("a result of ", n, " times the stride ", stride, " is longer than an address can count"));
  if (length < 1)
    throw ShapeError(
        op, join("the padding leaves nothing: ", n, " elements, kernel ", kernel, ", stride ", stride, ", padding ", padding,
                 ", dilation ", dilation, " and output_padding ", extra, " would give ", length));
  return length;
}

}  // namespace gradus
