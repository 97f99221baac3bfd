// Norms along axes, accurate at any magnitude: where squares or powers would overflow or lose digits, ratios to the largest
// element are summed. Gradients are made of x / |x|, which is never out of range.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/kernels/reduce.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus {
namespace {

using NormCall = std::function<Tensor(const Tensor&, const std::vector<int>&, bool)>;
Samples norms_over_axes(const NormCall& call) {
  const auto at = [call](std::vector<int> axes, bool keep) { return [=](auto& x) { return call(x[0], axes, keep); }; };
  return {
      sample("all", {sample_values({3, 4})}, at({}, false)), sample("rows", {sample_values({3, 4})}, at({1}, false)),
      sample("columns, kept", {sample_values({3, 4})}, at({0}, true)),
      sample("two of three", {sample_values({3, 4, 2})}, at({0, -1}, false)),
      sample("transposed", {sample_values({3, 4})}, [call](auto& x) { return call(transpose(x[0], 0, 1), {0}, false); })};
}

/// The gradient of a norm from x, the norm y and its own gradient g: slope(x, y, g), on packs or in ops.
template <class Slope> Tensor norm_gradient(BackwardContext& b, const Array& x, const Array& y, Slope slope) {
  if (b.graph()) return slope(b.input(0, x), b.output(y), b.grad());
  const Shape& s = x.shape();
  return Tensor(std::in_place, [&] {
    return map([slope](auto v, auto n, auto g) { return slope(v, n, g); }, b.checked(x), b.checked(y).expand(s),
               b.grad().array().expand(s));
  });
}

/// True if these norms and their gradients have quotients g / |x| that keep all digits.
template <class T> bool quotients_suffice(const Array& norms, const Array& g) {
  const auto far = [](T v) { return v != 0 && (std::fabs(v) > T(0x1p60) || std::fabs(v) < T(0x1p-60)); };
  const auto near = [far](const Array& a) { return std::none_of(a.data<T>(), a.data<T>() + a.size(), far); };
  return near(norms) && near(g.contiguous());
}

/// The Euclidean norm. At 0 its gradient is 0, as in PyTorch, and so are the higher ones.
struct Norm2 {
  static constexpr const char* name = "norm";
  struct Saved {
    Array x, y;
  };  // y with the axes kept
  template <class V> static V slope(const V& x, const V& y, const V& g) {
    const auto none = y == V(0.0);
    return x / select(none, V(1.0), y) * select(none, V(0.0), g);
  }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] {
      const Array& g = b.grad().array();
      bool suffice = false;
      if (!b.graph()) visit_real(g.dtype(), [&]<class T>() { suffice = quotients_suffice<T>(s.y, g); });
      if (!suffice) return norm_gradient(b, s.x, s.y, [](auto x, auto y, auto h) { return slope(x, y, h); });
      const Array factor = map([](auto y, auto h) { return select(y == 0, decltype(y)(0), h / y); }, b.checked(s.y), g);
      return Tensor(map([](auto x, auto f) { return x * f; }, b.checked(s.x), factor.expand(s.x.shape())));
    });
  }
  static Samples samples() {
    return norms_over_axes([](const Tensor& x, const std::vector<int>& axes, bool keep) { return norm(x, 2, axes, keep); });
  }
};

/// |x|_p for p other than 0, 1, 2 and infinity. Where x is 0, or negligible beside y, its gradient is 0.
struct NormP {
  static constexpr const char* name = "norm_p";
  struct Saved {
    Array x, y;
    double p;
  };
  template <class V> static V slope(const V& x, const V& y, const V& g, double p) {
    const V part = abs(x) / y;
    const auto none = (part == V(0.0)) | (part == V(std::numeric_limits<double>::infinity())) | (y == V(0.0));
    const V ratio = select(none, V(1.0), abs(x)) / select(none, V(1.0), y);
    return select(none, V(0.0), sign(x) * pow(ratio, p - 1) * g);
  }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(
        0, [&] { return norm_gradient(b, s.x, s.y, [p = s.p](auto x, auto y, auto g) { return slope(x, y, g, p); }); });
  }
  static Samples samples() {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    Samples all;
    for (const double p : {1.0, 3.0, 1.5, -1.0, infinity, -infinity})
      for (Sample& s :
           norms_over_axes([p](const Tensor&x, const std::vector<int>&axes, bool keep) { return norm(x, p, axes, keep); }))
        all.push_back({join("p = ", text(p), ", ", s.label), s.inputs, s.call});
    return all;
  }
};

/// The largest or smallest along all masked axes, which stay.
Tensor extreme_of_axes(Tensor x, std::uint32_t axes, bool largest) {
  for (int i = 0; i < x.rank(); ++i)
    if (axes >> i & 1) x = largest ? max(x, i, true) : min(x, i, true);
  return x;
}

/// The unit to divide by: a power of two near the largest element for norms whose squares left the range in which they keep
/// their digits; 1 for all others, which so keep their bits. Absent if all are 1.
template <class T> Array units(const Array& x, std::uint32_t axes, const Array& y) {
  constexpr T low = sizeof(T) == 4 ? T(0x1p-40) : T(0x1p-450), high = std::numeric_limits<T>::max();
  const T *from = y.data<T>(), *end = from + y.size();
  const auto outside = [](T v) { return v < low || v > high; };
  if (std::none_of(from, end, outside)) return {};
  const Tensor largest = extreme_of_axes(Tensor(map([](auto v) { return abs(v); }, x)), axes, true);
  const Array dense = largest.array().contiguous();
  Array unit = Array::ones(y.shape(), y.dtype());
  for (int64_t i = 0; i < y.size(); ++i) {
    const T top = dense.data<T>()[i];
    if (outside(from[i]) && top > 0 && top <= high) unit.uninitialized<T>()[i] = std::ldexp(T(1), std::ilogb(top));
  }
  return unit;
}

Array norms_by_squares(const Array& x, std::uint32_t axes) {
  return map([](auto s) { return sqrt(s); }, sum_axes(map([](auto v) { return v * v; }, x), axes));
}

Tensor norm2(const Tensor& t, std::uint32_t axes) {
  const Array& x = t.array();
  Array y = norms_by_squares(x, axes);
  if (x.size() > 0) {
    Array unit;
    visit_real(x.dtype(), [&]<class T>() { unit = units<T>(x, axes, y); });
    if (unit.defined()) {
      const Array squares = map([](auto v, auto u) { return (v / u) * (v / u); }, x, unit.expand(x.shape()));
      y = map([](auto s, auto u) { return sqrt(s) * u; }, sum_axes(squares, axes), unit);
    }
  }
  return primitive<Norm2>(
      y,
      [&] {
        return Norm2::Saved{kept(x), kept(y)};
      },
      t);
}

/// m (sum (|x| / m)^p)^(1 / p), m being the largest |x|, or the smallest for p < 0.
Tensor norm_p(const Tensor& t, double p, std::uint32_t axes) {
  const Array &x = t.array(), sizes = map([](auto v) { return abs(v); }, x);
  Array unit = Array::ones(reduced_shape(x.shape(), axes, true), x.dtype());
  if (x.size() > 0)
    unit = map([](auto m) { return select((m > 0) & (m - m == 0), m, decltype(m)(1)); },  // neither 0 nor infinite
               extreme_of_axes(Tensor(sizes), axes, p > 0).array());
  const Array powers = map([p](auto v, auto u) { return pow(v / u, p); }, sizes, unit.expand(x.shape()));
  const Array y = map([p](auto s, auto u) { return pow(s, 1 / p) * u; }, sum_axes(powers, axes), unit);
  return primitive<NormP>(
      y,
      [&] {
        return NormP::Saved{kept(x), kept(y), p};
      },
      t);
}

struct Normalize {
  static constexpr const char* name = "normalize";
  static Samples samples() {
    return {sample("rows", {sample_values({3, 4})}, [](auto& x) { return normalize(x[0]); }),
            sample("columns", {sample_values({3, 4})}, [](auto& x) { return normalize(x[0], 0); })};
  }
};

[[maybe_unused]] const bool norm_composites = register_composites<Normalize>();

}  // namespace

Tensor norm(const Tensor& x, double p, const Axes& axes, bool keep) {
  if (!is_real(x.dtype())) throw_dtype("norm", x);
  if (!(p == p)) throw Error("norm", "p must be a number, got NaN");
  const std::uint32_t mask = axes_mask("norm", axes, x.shape());
  if (p == 0) return sum((x != 0.0).to(x.dtype()), axes, keep);  // NaN is not 0, and counts
  if (p == 1) return sum(abs(x), axes, keep);
  const Tensor y = p == 2 ? norm2(x, mask) : std::isinf(p) ? extreme_of_axes(abs(x), mask, p > 0) : norm_p(x, p, mask);
  return keep ? y : reshape(y, reduced_shape(y.shape(), mask, false));
}
Tensor norm(const Tensor& x) { return norm(x, 2); }

Tensor normalize(const Tensor& x, Axis along, double eps) {
  const int axis = normal_axis("normalize", along, std::max(1, x.rank()));  // a 0-d tensor has axis 0, too
  const Tensor size = norm(x, 2, {axis}, true);
  const auto by_size = [eps](const Tensor& v, const Tensor& n) { return v / where(n < eps, Tensor(eps), n); };
  if (all_finite(size.array())) return by_size(x, size);
  // Rows whose norm is too large for their dtype are scaled down, exactly, before it is computed.
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Tensor smaller = x * where(size.detach() == infinity, scalar(0x1p-64, x.dtype()), scalar(1, x.dtype()));
  return by_size(smaller, norm(smaller, 2, {axis}, true));
}

// ---- cosine similarity: kernels where both norms' squares are in range; else, and recorded, a product of units ----

namespace {

/// The sum of a / |a| times b / |b|, either norm at least eps. Rounding may carry it above 1; the gradient is the sum's.
Tensor product_of_units(const Tensor& a, const Tensor& b, int axis, double eps) {
  const Tensor y = sum(normalize(a, axis, eps) * normalize(b, axis, eps), {axis});
  return y + (min(max(y.detach(), Tensor(-1.0)), Tensor(1.0)) - y).detach();
}

/// True if no square left the range in which it keeps its digits, where the norm matters. Squares alone are never NaN.
template <class T> bool squares_suffice(const Array& norms, double eps) {
  constexpr T low = sizeof(T) == 4 ? T(0x1p-40) : T(0x1p-450), high = sizeof(T) == 4 ? T(0x1p60) : T(0x1p500);
  const T *from = norms.data<T>(), *end = from + norms.size();
  const bool small_count = !(eps >= 2 * static_cast<double>(low));
  return std::none_of(from, end, [=](T n) { return n > high || (n < low && small_count); });
}

struct CosineSimilarity {
  static constexpr const char* name = "cosine_similarity";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 1, "of one number it is 1 or -1: its slope is a difference of equal numbers"}};
  struct Side {
    Array x, over, slope;  // over = 1 / max(|x|, eps), slope the same or, where |x| < eps, 0; both with the axis kept
    Side(const Array& of, const Array& norms, const Shape& shape, double eps)
        : x(kept(of)),
          over(map([eps](auto n) { return 1.0 / select(n < eps, decltype(n)(eps), n); }, norms).expand(shape)),
          slope(map([eps](auto n) { return select(n < eps, decltype(n)(0), 1.0 / n); }, norms).expand(shape)) {}
  };
  struct Saved {
    Side a, b;
    Array y;
    int axis;
    double eps;
  };
  /// The gradient of x: g / |x| (other / |other| - y x / |x|).
  static Tensor gradient(BackwardContext& b, const Side& of, const Side& other, const Saved& s) {
    const Array &x = b.checked(of.x), g = b.grad().array().unsqueeze(s.axis);
    const Array tilt = map([](auto y, auto u) { return -(y * u); }, b.checked(s.y), of.slope),
                factor = map([](auto v, auto u) { return v * u; }, g, of.over);
    return Tensor(map([](auto v, auto w, auto u, auto t, auto f) { return f * fma(v, t, w * u); }, x, b.checked(other.x),
                      other.over.expand(x.shape()), tilt.expand(x.shape()), factor.expand(x.shape())));
  }
  static void kernel(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return gradient(b, s.a, s.b, s); });
    b.accumulate(1, [&] { return gradient(b, s.b, s.a, s); });
  }
  static std::vector<Tensor> inputs(BackwardContext& b, const Saved& s) { return {b.input(0, s.a.x), b.input(1, s.b.x)}; }
  static Tensor reference(const std::vector<Tensor>& in, const Saved& s) {
    return product_of_units(in[0], in[1], s.axis, s.eps);
  }
  static Samples samples() {
    const Array a = sample_values({3, 4}), b = sample_values({3, 4}, -2, 2, 2);
    return {sample("rows", {a, b}, [](auto& x) { return cosine_similarity(x[0], x[1], 1); }),
            sample("columns", {a, b}, [](auto& x) { return cosine_similarity(x[0], x[1], 0); }),
            sample("all pairs", {sample_values({3, 1, 4}), sample_values({1, 2, 4}, -2, 2, 2)},
                   [](auto& x) { return cosine_similarity(x[0], x[1], -1); }),
            sample("one has length 1 along the axis", {b},
                   [](auto& x) {
                     return cosine_similarity(ones({3, 1}, x[0].dtype()), x[0], 1);
                   }),
            sample("one has fewer axes", {sample_values({4}), b}, [](auto& x) { return cosine_similarity(x[0], x[1], 1); }),
            sample("of norms below eps", {a, b}, [](auto& x) { return cosine_similarity(x[0], x[1], 1, 100); })};
  }
};

/// `x` with `rank` axes, of which `axis` has length n.
Tensor stretched(const Tensor& x, int rank, int axis, int64_t n) {
  Shape shape = x.shape();
  while (shape.rank() < rank) shape = shape.insert(0, 1);
  const Tensor y = x.rank() == rank ? x : reshape(x, shape);
  if (shape[axis] == n) return y;
  shape[axis] = n;
  return expand(y, shape);
}

}  // namespace

Tensor cosine_similarity(const Tensor& a, const Tensor& b, Axis along, double eps) {
  const char* op = CosineSimilarity::name;
  for (const Tensor* t : {&a, &b})
    if (!is_real(t->dtype())) throw_dtype(op, *t);
  if (a.dtype() != b.dtype())
    throw DtypeError(op, join(describe(a), " and ", describe(b), " do not mix"), join("b.to(", a.dtype(), ")"));
  const Shape wide = broadcast(op, a.shape(), b.shape());
  const int rank = wide.rank();
  if (rank == 0) return reshape(cosine_similarity(reshape(a, {1}), reshape(b, {1}), along, eps), {});
  const int axis = normal_axis(op, along, rank);
  const std::uint32_t mask = 1u << axis;
  const Tensor u = stretched(a, rank, axis, wide[axis]), v = stretched(b, rank, axis, wide[axis]);
  const Array a_norms = norms_by_squares(u.array(), mask), b_norms = norms_by_squares(v.array(), mask);
  bool suffice = false;
  visit_real(a.dtype(), [&]<class T>() { suffice = squares_suffice<T>(a_norms, eps) && squares_suffice<T>(b_norms, eps); });
  if (!suffice) return product_of_units(u, v, axis, eps);
  const auto whole = [&](const Tensor& x) { return x.shape() == wide ? x : expand(x, wide); };
  const Tensor p = whole(u), q = whole(v);
  const Shape reduced = reduced_shape(wide, mask, true);
  const CosineSimilarity::Side first(p.array(), a_norms, reduced, eps), second(q.array(), b_norms, reduced, eps);
  const Array products = map([](auto x, auto y, auto s, auto t) { return (x * s) * (y * t); }, p.array(), q.array(),
                             first.over.expand(wide), second.over.expand(wide));
  const Array y = map([](auto s) { return max(decltype(s)(-1), min(decltype(s)(1), s)); }, sum_axes(products, mask));
  return fused<CosineSimilarity>(
      y.reshape(reduced_shape(wide, mask, false)),
      [&] {
        return CosineSimilarity::Saved{first, second, kept(y), axis, eps};
      },
      p, q);
}

}  // namespace gradus
