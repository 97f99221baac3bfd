#include <gradus/autograd/ops/rotary.h>

#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <cmath>

namespace gradus {
namespace {

struct RotaryAngles {
  int64_t first;
  double base;
  bool back;  ///< the transposed rotation, which is also the inverse
};

/// The table of cos and sin [length, features / 2] of the rotations.
template <class T> struct TurnTable {
  std::vector<T> cos, sin;

  TurnTable(int64_t length, int64_t half, const RotaryAngles& r) {
    std::vector<double> speed;
    for (int64_t k = 0; k < half; ++k)
      speed.push_back(std::pow(r.base, -static_cast<double>(k) / static_cast<double>(half)));
    for (int64_t i = 0; i < length; ++i)
      for (const double s : speed) {
        const double angle = (static_cast<double>(r.first) + static_cast<double>(i)) * s;
        cos.push_back(static_cast<T>(std::cos(angle)));
        sin.push_back(static_cast<T>(r.back ? -std::sin(angle) : std::sin(angle)));
      }
  }
};

template <class T> void turn_row(int64_t half, const T* x, const T* cos, const T* sin, T* y) {
  for (int64_t k = 0; k < half; ++k) {
    const T a = x[k], b = x[k + half];
    y[k] = a * cos[k] - b * sin[k];
    y[k + half] = b * cos[k] + a * sin[k];
  }
}

Array turn(const Array& given, const RotaryAngles& r) {
  const Array x = given.contiguous();
  Array y = Array::like(x, "rotary_embedding");
  const int64_t features = x.dim(-1), heads = x.dim(-2), length = x.dim(-3), half = features / 2;
  visit_real(x.dtype(), [&]<class T>() {
    const TurnTable<T> table(length, half, r);
    const T* from = x.data<T>();
    T* to = y.uninitialized<T>();
    const int64_t row = std::max<int64_t>(1, heads * features), tokens = x.size() / row;
    parallel_ranges(tokens, std::max<int64_t>(1, grain_elements / row), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        for (int64_t h = 0; h < heads; ++h) {
          const int64_t at = t * row + h * features, angle = t % length * half;
          turn_row(half, from + at, table.cos.data() + angle, table.sin.data() + angle, to + at);
        }
    });
  });
  return y;
}

Tensor turned_by(const Tensor& x, const RotaryAngles& r);

struct RotaryEmbedding {
  static constexpr const char* name = "rotary_embedding";
  using Saved = RotaryAngles;
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return turned_by(b.grad(), {s.first, s.base, !s.back}); });
  }
  static Samples samples() {
    return {
        sample("three tokens", {sample_values({3, 2, 4})}, [](auto& x) { return rotary_embedding(x[0]); }),
        sample("from the seventh", {sample_values({2, 3, 1, 6})}, [](auto& x) { return rotary_embedding(x[0], 7, 100); }),
        sample("heads first", {sample_values({2, 3, 2})},
               [](auto& x) { return rotary_embedding(transpose(x[0], 0, 1), 1); }),
        sample("no tokens", {sample_values({0, 2, 2})}, [](auto& x) { return rotary_embedding(x[0]); })};
  }
};

Tensor turned_by(const Tensor& x, const RotaryAngles& r) {
  return primitive<RotaryEmbedding>(
      turn(x.array(), r), [&] { return r; }, x);
}

}  // namespace

Tensor rotary_embedding(const Tensor& x, int64_t first, double base) {
  const char* op = RotaryEmbedding::name;
  if (!is_real(x.dtype())) throw_dtype(op, x);
  if (x.rank() < 3 || x.dim(-1) % 2 != 0)
    throw ShapeError(
        op, join("the input must be [.., length, heads, features] with an even number of features, got ", describe(x)));
  if (!(base > 0) || !std::isfinite(base)) throw Error(op, join("the base must be positive and finite, got ", text(base)));
  return turned_by(x, {first, base, false});
}

}  // namespace gradus
