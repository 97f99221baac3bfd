// Sorting along an axis. The indices are computed without recording; the values are gathered by them, so the gradient is
// gather's.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

/// True if a comes before b; NaN counts as the largest, as in PyTorch. Equal ones keep their order.
template <class T> bool before(T a, T b, bool descending) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b))
      return descending ? std::isnan(a) && !std::isnan(b) : !std::isnan(a) && std::isnan(b);
  }
  return descending ? a > b : a < b;
}

/// For every lane of the axis, the indices of its first `count` elements in order.
Array order(const Tensor& x, int axis, int64_t count, bool descending) {
  const Array from = x.array().contiguous();
  const AroundAxis a(x.shape(), axis);
  Shape shape = x.shape();
  shape[axis] = count;
  Array indices(shape, i64);
  visit(x.dtype(), [&]<class T>() {
    const T* in = from.data<T>();
    int64_t* out = indices.uninitialized<int64_t>();
    parallel_ranges(a.outer * a.inner, std::max<int64_t>(1, 2048 / std::max<int64_t>(1, a.length)),
                    [&](int64_t begin, int64_t end) {
                      std::vector<int64_t> at(static_cast<std::size_t>(a.length));
                      for (int64_t lane = begin; lane < end; ++lane) {
                        const T* values = in + lane / a.inner * a.length * a.inner + lane % a.inner;
                        for (std::size_t k = 0; k < at.size(); ++k) at[k] = static_cast<int64_t>(k);
                        const auto first = [&](int64_t p, int64_t q) {
                          const T u = values[p * a.inner], v = values[q * a.inner];
                          return before(u, v, descending) || (!before(v, u, descending) && p < q);
                        };
                        if (count < a.length / 4) std::partial_sort(at.begin(), at.begin() + count, at.end(), first);
                        else std::sort(at.begin(), at.end(), first);
                        int64_t* to = out + lane / a.inner * count * a.inner + lane % a.inner;
                        for (int64_t k = 0; k < count; ++k) to[k * a.inner] = at[static_cast<std::size_t>(k)];
                      }
                    });
  });
  return indices;
}

/// Replaces the index found in a lane by that of its first NaN, if there is one.
void nan_wins(const Tensor& x, int axis, Array& indices) {
  if (!is_real(x.dtype())) return;
  const Array from = x.array().contiguous();
  const AroundAxis a(x.shape(), axis);
  visit_real(x.dtype(), [&]<class T>() {
    for (int64_t lane = 0; lane < a.outer * a.inner; ++lane) {
      const T* values = from.data<T>() + lane / a.inner * a.length * a.inner + lane % a.inner;
      int64_t k = 0;
      while (k < a.length && !std::isnan(values[k * a.inner])) ++k;
      if (k < a.length) indices.uninitialized<int64_t>()[lane] = k;
    }
  });
}

ValuesAndIndices chosen(const Tensor& x, int axis, const Array& indices) {
  return {gather(x, axis, Tensor(indices)), Tensor(indices)};
}

/// The values at one index for each lane; the axis is removed unless `keep`.
ValuesAndIndices one_of_each(const Tensor& x, int axis, const Array& indices, bool keep) {
  const ValuesAndIndices one = chosen(x, axis, indices);
  return keep ? one : ValuesAndIndices{squeeze(one.values, axis), squeeze(one.indices, axis)};
}

/// The result for a 0-d tensor, which is sorted as one with one element.
ValuesAndIndices of_one(const ValuesAndIndices& v) { return {reshape(v.values, {}), reshape(v.indices, {})}; }

struct Sort {
  static constexpr const char* name = "sort";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::nan, 0, "NaN counts as the largest number and stands last, the others keep their order: as PyTorch's"}};
  static Samples samples() {
    return {sample("rows", {sample_values({3, 5})}, [](auto& x) { return sort(x[0]).values; }),
            sample("columns, descending", {sample_values({5, 3})}, [](auto& x) { return sort(x[0], 0, true).values; }),
            sample("middle axis", {sample_values({2, 4, 2})}, [](auto& x) { return sort(x[0], 1).values; }),
            sample("empty", {sample_values({2, 0})}, [](auto& x) { return sort(x[0]).values; })};
  }
};

struct TopK {
  static constexpr const char* name = "topk";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::nan, 0, "NaN counts as the largest number: the others follow it, as PyTorch's"}};
  static Samples samples() {
    return {
        sample("largest", {sample_values({3, 9})}, [](auto& x) { return topk(x[0], 2).values; }),
        sample("smallest, along columns", {sample_values({6, 3})}, [](auto& x) { return topk(x[0], 3, 0, false).values; }),
        sample("none", {sample_values({2, 3})}, [](auto& x) { return topk(x[0], 0).values; })};
  }
};

struct KthValue {
  static constexpr const char* name = "kthvalue";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::nan, 0, "NaN counts as the largest number: what is below it is a number, as PyTorch's"}};
  static Samples samples() {
    return {
        sample("second of rows", {sample_values({3, 5})}, [](auto& x) { return kthvalue(x[0], 2).values; }),
        sample("last of columns, kept", {sample_values({4, 3})}, [](auto& x) { return kthvalue(x[0], 4, 0, true).values; })};
  }
};

struct Median {
  static constexpr const char* name = "median";
  static Samples samples() {
    return {sample("odd", {sample_values({3, 5})}, [](auto& x) { return median(x[0], 1).values; }),
            sample("even: the lower", {sample_values({4, 3})}, [](auto& x) { return median(x[0], 0).values; })};
  }
};

[[maybe_unused]] const bool sort_composites = register_composites<Sort, TopK, KthValue, Median>();

}  // namespace

ValuesAndIndices sort(const Tensor& x, Axis along, bool descending) {
  if (x.rank() == 0) return of_one(sort(reshape(x, {1}), along, descending));
  const int axis = normal_axis("sort", along, x.shape());
  return chosen(x, axis, order(x, axis, x.shape()[axis], descending));
}
Tensor argsort(const Tensor& x, Axis axis, bool descending) { return sort(x.detach(), axis, descending).indices; }

ValuesAndIndices topk(const Tensor& x, int64_t k, Axis along, bool largest) {
  if (x.rank() == 0 && k == 1) return of_one(topk(reshape(x, {1}), k, along, largest));
  const int axis = normal_axis("topk", along, x.shape());
  if (k < 0 || k > x.shape()[axis])
    throw IndexError("topk", join("k is ", k, ", axis ", axis, " of ", describe(x), " has length ", x.shape()[axis],
                                  "; k must lie in [0, ", x.shape()[axis], "]"));
  return chosen(x, axis, order(x, axis, k, largest));
}

ValuesAndIndices kthvalue(const Tensor& x, int64_t k, Axis along, bool keep) {
  if (x.rank() == 0) return of_one(kthvalue(reshape(x, {1}), k, along, true));
  const int axis = normal_axis("kthvalue", along, x.shape());
  const int64_t n = x.shape()[axis];
  if (k < 1 || k > n)
    throw IndexError("kthvalue", join("k is ", k, ", axis ", axis, " of ", describe(x), " has length ", n,
                                      "; k must lie in [1, ", n, "]"));
  return one_of_each(x, axis, order(x, axis, k, false).slice(axis, k - 1, k), keep);
}

ValuesAndIndices median(const Tensor& x, Axis along, bool keep) {
  if (x.rank() == 0) return of_one(median(reshape(x, {1}), along, true));
  const int axis = normal_axis("median", along, x.shape());
  if (x.shape()[axis] == 0)
    throw ShapeError("median", join("axis ", axis, " of ", describe(x), " is empty; it must have at least one element"));
  const int64_t k = (x.shape()[axis] + 1) / 2;
  Array indices = order(x, axis, k, false).slice(axis, k - 1, k).copy();
  nan_wins(x, axis, indices);
  return one_of_each(x, axis, indices, keep);
}

}  // namespace gradus
