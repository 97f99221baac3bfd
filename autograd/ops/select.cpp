// Slices selected by a list of indices, and ops made of that: flip, roll, take, and the paddings that repeat elements.
// index_select and index_sum are each other's backward pass.
#include <gradus/autograd/internal/indices.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>

namespace gradus {
namespace {

Tensor select_at(const Tensor& x, int axis, const Array& at);
Tensor sum_at(const Tensor& x, int axis, const Array& at, int64_t length);

struct IndexSelect {
  static constexpr const char* name = "index_select";
  struct Saved {
    int axis;
    int64_t length;
    Array at;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return sum_at(b.grad(), s.axis, s.at, s.length); });
  }
  static Samples samples() {
    const Array index = Array::of<int64_t>({5}, {2, 0, 0, 2, 1});
    return {sample("rows", {sample_values({3, 4}), index}, [](auto& x) { return index_select(x[0], 0, x[1]); }),
            sample("columns", {sample_values({2, 3}), index}, [](auto& x) { return index_select(x[0], 1, x[1]); }),
            sample("middle axis", {sample_values({2, 3, 2}), index}, [](auto& x) { return index_select(x[0], -2, x[1]); }),
            sample("transposed", {sample_values({4, 3}), index},
                   [](auto& x) { return index_select(transpose(x[0], 0, 1), 0, x[1]); }),
            sample("none", {sample_values({3, 4}), Array({0}, i64)}, [](auto& x) { return index_select(x[0], 0, x[1]); })};
  }
};

struct IndexSum {
  static constexpr const char* name = "index_sum";
  struct Saved {
    int axis;
    Array at;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return select_at(b.grad(), s.axis, s.at); });
  }
  static Samples samples() {
    const auto every_other = [](int64_t n) {  // 0 2 1 0 2 1 ..
      Array at({n}, i64);
      for (int64_t i = 0; i < n; ++i) at.uninitialized<int64_t>()[i] = 2 * i % 3;
      return at;
    };
    return {
        sample("rows", {sample_values({4, 3})}, [=](auto& x) { return sum_at(x[0], 0, every_other(x[0].dim(0)), 3); }),
        sample("columns", {sample_values({2, 4})}, [=](auto& x) { return sum_at(x[0], 1, every_other(x[0].dim(1)), 5); })};
  }
};

Tensor select_at(const Tensor& x, int axis, const Array& at) {
  Shape shape = x.shape();
  shape[axis] = at.size();
  const Array from = x.array().contiguous();
  Array y(shape, x.dtype());
  const AroundAxis in(x.shape(), axis);
  const int64_t n = at.size();
  visit(x.dtype(), [&]<class T>() {
    const T* source = from.data<T>();
    T* out = y.uninitialized<T>();
    const int64_t* index = at.data<int64_t>();
    parallel_ranges(in.outer, std::max<int64_t>(1, grain_elements / std::max<int64_t>(1, n * in.inner)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t o = begin; o < end; ++o)
                        for (int64_t k = 0; k < n; ++k) {
                          const T* row = source + (o * in.length + index[k]) * in.inner;
                          T* to = out + (o * n + k) * in.inner;
                          if (in.inner == 1) *to = *row;
                          else std::copy_n(row, in.inner, to);
                        }
                    });
  });
  return primitive<IndexSelect>(
      y,
      [&] {
        return IndexSelect::Saved{axis, in.length, at};
      },
      x);
}

Tensor sum_at(const Tensor& x, int axis, const Array& at, int64_t length) {
  Shape shape = x.shape();
  shape[axis] = length;
  const Array from = x.array().contiguous();
  Array y = Array::zeros(shape, x.dtype());
  const AroundAxis in(x.shape(), axis);
  visit_real(x.dtype(), [&]<class T>() {
    const T* source = from.data<T>();
    T* out = y.uninitialized<T>();
    const int64_t* index = at.data<int64_t>();
    parallel_ranges(in.outer, std::max<int64_t>(1, grain_elements / std::max<int64_t>(1, in.length * in.inner)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t o = begin; o < end; ++o)
                        for (int64_t k = 0; k < in.length; ++k) {
                          const T* row = source + (o * in.length + k) * in.inner;
                          T* to = out + (o * length + index[k]) * in.inner;
                          for (int64_t i = 0; i < in.inner; ++i) to[i] += row[i];
                        }
                    });
  });
  return primitive<IndexSum>(
      y,
      [&] {
        return IndexSum::Saved{axis, at};
      },
      x);
}

/// The source index of each element i of the result, as a list for select_at.
template <class F> Array list(int64_t n, F f) {
  Array at({n}, i64);
  for (int64_t i = 0; i < n; ++i) at.uninitialized<int64_t>()[i] = f(i);
  return at;
}

int64_t modulo(int64_t a, int64_t n) { return ((a % n) + n) % n; }

// ---- composites -----------------------------------------------------------------------------------------------------

struct Flip {
  static constexpr const char* name = "flip";
  static Samples samples() {
    return {sample("one axis", {sample_values({3, 4})}, [](auto& x) { return flip(x[0], {1}); }),
            sample("two axes", {sample_values({2, 3, 2})},
                   [](auto& x) {
                     return flip(x[0], {0, -1});
                   }),
            sample("empty", {sample_values({0, 2})}, [](auto& x) { return flip(x[0], {0}); })};
  }
};

struct Roll {
  static constexpr const char* name = "roll";
  static Samples samples() {
    return {sample("forth", {sample_values({5, 2})}, [](auto& x) { return roll(x[0], {2}, {0}); }),
            sample("back, past the end", {sample_values({3, 4})},
                   [](auto& x) {
                     return roll(x[0], {-5, 1}, {1, 0});
                   }),
            sample("empty", {sample_values({0, 2})}, [](auto& x) { return roll(x[0], {1}, {0}); })};
  }
};

struct Take {
  static constexpr const char* name = "take";
  static Samples samples() {
    const auto call = [](auto& x) { return take(x[0], x[1]); };
    return {sample("matrix of indices", {sample_values({3, 4}), Array::of<int64_t>({2, 3}, {11, 0, 5, 5, -1, 2})}, call),
            sample("one place", {sample_values({3, 4}), Array::of<int64_t>({}, {7})}, call)};
  }
};

struct TakeAlong {
  static constexpr const char* name = "take_along_dim";
  static Samples samples() {
    const auto call = [](auto& x) { return take_along_dim(x[0], x[1], 1); };
    return {sample("own indices", {sample_values({2, 3}), Array::of<int64_t>({2, 4}, {0, 2, 2, 1, 1, 1, 0, 2})}, call),
            sample("indices broadcast", {sample_values({3, 4}), Array::of<int64_t>({1, 2}, {3, 1})}, call),
            sample("tensor broadcast", {sample_values({1, 3}), Array::of<int64_t>({2, 2}, {2, 0, 1, 1})}, call)};
  }
};

struct MaskedSelect {
  static constexpr const char* name = "masked_select";
  static Samples samples() {
    return {sample("some", {sample_values({4, 5})},
                   [](auto& x) {
                     Array mask(x[0].shape(), boolean);
                     for (int64_t i = 0; i < mask.size(); ++i) mask.uninitialized<bool>()[i] = i % 3 != 1;
                     return masked_select(x[0], Tensor(mask));
                   }),
            sample("mask broadcast", {sample_values({3, 4})},
                   [](auto& x) {
                     return masked_select(x[0], Tensor(Array::of<bool>({4}, {true, false, true, true})));
                   }),
            sample("none", {sample_values({3})}, [](auto& x) { return masked_select(x[0], x[0] > 5.0); })};
  }
};

struct IndexAdd {
  static constexpr const char* name = "index_add";
  static Samples samples() {
    const Array at = Array::of<int64_t>({4}, {2, 0, 0, 2});
    return {sample("rows", {sample_values({3, 2}), at, sample_values({4, 2}, -2, 2, 2)},
                   [](auto& x) { return index_add(x[0], 0, x[1], x[2]); })};
  }
};

[[maybe_unused]] const bool select_composites = register_composites<Flip, Roll, Take, TakeAlong, MaskedSelect, IndexAdd>();

}  // namespace

Tensor index_select(const Tensor& x, Axis along, const Tensor& index) {
  if (x.rank() == 0 && index.size() == 1) return reshape(index_select(reshape(x, {1}), along, reshape(index, {1})), {});
  const int axis = normal_axis("index_select", along, x.shape());
  if (index.rank() != 1)
    throw ShapeError("index_select", join("the index must have one axis, got ", describe(index)),
                     "take_along_dim(x, index, axis)");
  return select_at(x, axis, checked_indices("index_select", index, x.shape()[axis]));
}

Tensor index_add(const Tensor& x, Axis along, const Tensor& index, const Tensor& source) {
  if (x.rank() == 0 && index.size() == 1 && source.rank() == 0)
    return reshape(index_add(reshape(x, {1}), along, reshape(index, {1}), reshape(source, {1})), {});
  const int axis = normal_axis("index_add", along, x.shape());
  Shape expected = x.shape();
  if (index.rank() == 1) expected[axis] = index.size();
  if (index.rank() != 1 || !(source.shape() == expected))
    throw ShapeError("index_add",
                     join("the tensor is ", describe(x), ", the index ", describe(index), ", the source ", describe(source),
                          "; the source must be the tensor's shape, with the index's length on axis ", axis));
  if (!is_real(source.dtype())) throw_dtype("index_add", source);
  return x + sum_at(source, axis, checked_indices("index_add", index, x.shape()[axis]), x.shape()[axis]);
}

Tensor flip(const Tensor& x, const std::vector<int>& axes) {
  if (x.rank() == 0 && axes.size() > 0) return reshape(flip(reshape(x, {1}), axes), {});
  Tensor y = x;
  std::uint32_t seen = 0;
  for (int a : axes) {
    const int axis = normal_axis("flip", a, x.shape());
    if (seen >> axis & 1) throw ShapeError("flip", join("axis ", axis, " is named twice"));
    seen |= 1u << axis;
    const int64_t n = x.shape()[axis];
    y = select_at(y, axis, list(n, [n](int64_t i) { return n - 1 - i; }));
  }
  return y;
}

Tensor roll(const Tensor& x, const std::vector<int64_t>& shifts, const std::vector<int>& axes) {
  if (shifts.size() != axes.size())
    throw ShapeError("roll", join("got ", shifts.size(), " shifts for ", axes.size(), " axes; there must be one for each"));
  if (x.rank() == 0 && axes.size() > 0) return reshape(roll(reshape(x, {1}), shifts, axes), {});
  for (int a : axes) normal_axis("roll", a, x.shape());
  Tensor y = x;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const int axis = normal_axis("roll", axes[k], x.shape());
    const int64_t n = x.shape()[axis], shift = shifts[k];
    if (n > 0) y = select_at(y, axis, list(n, [=](int64_t i) { return modulo(i - shift % n, n); }));
  }
  return y;
}

Tensor take(const Tensor& x, const Tensor& index) {
  const Array at = checked_indices("take", index, x.size(), Negative::from_the_end);
  return reshape(select_at(reshape(x, {x.size()}), 0, at.reshape({at.size()})), index.shape());
}

Tensor take_along_dim(const Tensor& x, const Tensor& index, Axis along) {
  if (x.rank() != index.rank())
    throw ShapeError("take_along_dim",
                     join("the tensor is ", describe(x), ", the index ", describe(index), "; they must have as many axes"));
  if (x.rank() == 0) return gather(x, along, index);
  const int axis = normal_axis("take_along_dim", along, x.shape());
  Shape one = x.shape(), other = index.shape();
  one[axis] = other[axis] = 1;
  Shape wide = broadcast("take_along_dim", one, other), at = wide;
  wide[axis] = x.shape()[axis], at[axis] = index.shape()[axis];
  return gather(expand(x, wide), axis, expand(index, at));
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  if (mask.dtype() != boolean)
    throw DtypeError("masked_select", join("the mask must be bool, got ", describe(mask)), "compare it, e.g. x > 0");
  const Shape shape = broadcast("masked_select", x.shape(), mask.shape());
  const Array chosen = mask.array().expand(shape).contiguous();
  std::vector<int64_t> at;
  for (int64_t i = 0; i < chosen.size(); ++i)
    if (chosen.data<bool>()[i]) at.push_back(i);
  const auto n = static_cast<int64_t>(at.size());
  return select_at(reshape(expand(x, shape), {shape.size()}), 0, Array::of<int64_t>({n}, at));
}

Tensor pad_by_reading(const Tensor& x, int axis, int64_t before, int64_t after, Padding mode) {
  const int64_t n = x.shape()[axis];
  return select_at(x, axis, list(before + n + after, [=](int64_t i) {
                     const int64_t at = i - before;
                     if (mode == Padding::replicate) return std::clamp<int64_t>(at, 0, n - 1);
                     if (mode == Padding::circular) return modulo(at, n);
                     return at < 0 ? -at : at < n ? at : 2 * (n - 1) - at;
                   }));
}

}  // namespace gradus
