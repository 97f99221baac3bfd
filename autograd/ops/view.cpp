// Views and their inverses: other layouts of the same elements, concatenation and slices.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/sizes.h>

#include <algorithm>

namespace gradus {
namespace {

struct Expand {
  static constexpr const char* name = "expand";
  struct Saved {
    Shape from;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return sum_to(b.grad(), s.from); });
  }
  static Samples samples() {
    return {sample("new axis", {sample_values({3})},
                   [](auto& x) {
                     return expand(x[0], {4, x[0].dim(0)});
                   }),
            sample("middle axis", {sample_values({2, 1, 3})},
                   [](auto& x) {
                     return expand(x[0], {2, 4, 3});
                   }),
            sample("0-d", {sample_values({})}, [](auto& x) {
              return expand(x[0], {2, 2});
            })};
  }
};

struct Reshape {
  static constexpr const char* name = "reshape";
  struct Saved {
    Shape from;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return reshape(b.grad(), s.from); });
  }
  static Samples samples() {
    return {sample("view", {sample_values({2, 6})},
                   [](auto& x) {
                     return reshape(x[0], {3, -1});
                   }),
            sample("of a transpose", {sample_values({2, 6})},
                   [](auto& x) {
                     return reshape(transpose(x[0], 0, 1), {4, 3});
                   }),
            sample("flatten", {sample_values({2, 3, 2})}, [](auto& x) { return flatten(x[0], 1); }),
            sample("unsqueeze", {sample_values({2, 3})}, [](auto& x) { return unsqueeze(x[0], 1); }),
            sample("squeeze", {sample_values({2, 1})}, [](auto& x) { return squeeze(x[0], 1); })};
  }
};

struct Permute {
  static constexpr const char* name = "permute";
  struct Saved {
    std::vector<int> inverse;
  };
  static OpOptions options(const Saved& s) { return {{"inverse", {s.inverse.begin(), s.inverse.end()}}}; }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return permute(b.grad(), s.inverse); });
  }
  static Samples samples() {
    return {sample("three axes", {sample_values({2, 3, 4})},
                   [](auto& x) {
                     return permute(x[0], {2, 0, 1});
                   }),
            sample("transpose", {sample_values({3, 4})}, [](auto& x) { return transpose(x[0], 0, -1); })};
  }
};

/// The source of a slice; the inverse writes it back among zeros.
struct Window {
  Shape from;
  int axis;
  int64_t start, step;
};
Tensor unslice(const Tensor& g, const Window& w);

Array cut(const Array& x, const Window& w, int64_t length) {
  return x.slice(w.axis, w.start, w.start + length * w.step, w.step).slice(w.axis, 0, length);
}

struct Slice {
  static constexpr const char* name = "slice";
  struct Saved {
    Window window;
  };
  static OpOptions options(const Saved& s) {
    return {{"axis", {double(s.window.axis)}}, {"start", {double(s.window.start)}}, {"step", {double(s.window.step)}}};
  }
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate_part(
        0, [&] { return unslice(b.grad(), s.window); },
        [&](const Array& whole) { return cut(whole, s.window, b.grad().shape()[s.window.axis]); });
  }
  static Samples samples() {
    return {sample("rows", {sample_values({5, 3})}, [](auto& x) { return slice(x[0], 0, 1, 4); }),
            sample("every second column", {sample_values({3, 7})}, [](auto& x) { return slice(x[0], 1, 1, 7, 2); }),
            sample("negative", {sample_values({6})}, [](auto& x) { return slice(x[0], 0, -3, -1); }),
            sample("empty", {sample_values({4, 2})}, [](auto& x) { return slice(x[0], 0, 2, 2); }),
            sample("select", {sample_values({3, 4})}, [](auto& x) { return select(x[0], 1, -1); })};
  }
};

struct Unslice {
  static constexpr const char* name = "unslice";
  struct Saved {
    Window window;
    int64_t length;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const int64_t span = s.length > 0 ? (s.length - 1) * s.window.step + 1 : 0;
    b.accumulate(0, [&] { return slice(b.grad(), s.window.axis, s.window.start, s.window.start + span, s.window.step); });
  }
  static Samples samples() {
    return {sample("among zeros", {sample_values({2, 3})},
                   [](auto& x) {
                     return unslice(x[0], {{2 * x[0].dim(0) + 1, x[0].dim(1)}, 0, 1, 2});
                   }),
            sample("empty", {sample_values({0, 3})}, [](auto& x) {
              return unslice(x[0], {{2 * x[0].dim(0) + 5, x[0].dim(1)}, 0, 0, 2});
            })};
  }
};

Tensor unslice(const Tensor& g, const Window& w) {
  Array whole = Array::zeros(w.from, g.dtype());
  const int64_t length = g.shape()[w.axis];
  if (length > 0) cut(whole, w, length).assign(g.array(), "unslice");
  return primitive<Unslice>(
      whole,
      [&] {
        return Unslice::Saved{w, length};
      },
      g);
}

std::vector<Tensor> cut_up(const Tensor& x, int axis, const std::vector<int64_t>& lengths);

// cat and split are the gradients of each other, so that a million pieces cost one node in derivatives of any order.

struct Cat {
  static constexpr const char* name = "cat";
  struct Saved {
    int axis;
    std::vector<int64_t> lengths;
  };
  static OpOptions options(const Saved& s) { return {{"axis", {double(s.axis)}}}; }
  static void backward(BackwardContext& b, const Saved& s) {
    const std::vector<Tensor> pieces = cut_up(b.grad(), s.axis, s.lengths);
    for (int k = 0; k < b.inputs(); ++k) b.accumulate(k, [&] { return pieces[static_cast<std::size_t>(k)]; });
  }
  static Samples samples() {
    return {sample("three rows", {sample_values({1, 3}), sample_values({2, 3}, -2, 2, 2), sample_values({1, 3}, -2, 2, 3)},
                   [](auto& x) { return cat(x, 0); }),
            sample("columns", {sample_values({2, 3}), sample_values({2, 2}, -2, 2, 2)}, [](auto& x) { return cat(x, 1); }),
            sample("with itself", {sample_values({2, 2})},
                   [](auto& x) {
                     return cat({x[0], x[0]}, -1);
                   }),
            sample("with an empty one", {sample_values({2, 0}), sample_values({2, 3})}, [](auto& x) { return cat(x, 1); }),
            sample("stack", {sample_values({2, 3}), sample_values({2, 3}, -2, 2, 2)}, [](auto& x) { return stack(x, 1); })};
  }
};

struct Split {
  static constexpr const char* name = "split";
  struct Saved {
    int axis;
    std::vector<Shape> shapes;
  };
  static OpOptions options(const Saved& s) { return {{"axis", {double(s.axis)}}}; }
  static void backward(BackwardContext& b, const Saved& s) {
    std::vector<Tensor> pieces;
    int used = 0;
    while (!b.grad(used).defined()) ++used;
    for (std::size_t k = 0; k < s.shapes.size(); ++k) {
      const Tensor& g = b.grad(static_cast<int>(k));
      pieces.push_back(g.defined() ? g : zeros(s.shapes[k], b.grad(used).dtype()));
    }
    b.accumulate(0, [&] { return cat(pieces, s.axis); });
  }
  static Samples samples() {
    return {sample("uneven", {sample_values({5, 2})}, [](auto& x) { return split(x[0], 2, 0); }),
            sample("only one piece used", {sample_values({2, 6})}, [](auto& x) { return split(x[0], 3, 1).at(1); }),
            sample("pieces multiplied", {sample_values({4})}, [](auto& x) {
              auto p = split(x[0], 2);
              return p.at(0) * p.at(1);
            })};
  }
};

std::vector<Tensor> cut_up(const Tensor& x, int axis, const std::vector<int64_t>& lengths) {
  std::vector<Array> pieces;
  pieces.reserve(lengths.size());
  int64_t at = 0;
  for (const int64_t n : lengths) pieces.push_back(x.array().slice(axis, at, at + n)), at += n;
  return primitive_many<Split>(pieces,
                               [&] {
                                 Split::Saved s{axis, {}};
                                 for (const Array& p : pieces) s.shapes.push_back(p.shape());
                                 return s;
                               },
                               {x});
}

struct To {
  static constexpr const char* name = "to";
  struct Saved {
    Dtype from;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return to(b.grad(), s.from); });
  }
  static Samples samples() {
    return {sample("to itself and back", {sample_values({3})}, [](auto& x) { return to(x[0], f64) * 2.0; })};
  }
};

struct Contiguous {
  static constexpr const char* name = "contiguous";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    b.accumulate(0, [&] { return b.grad(); });
  }
  static Samples samples() {
    return {sample("transposed", {sample_values({2, 3})}, [](auto& x) { return contiguous(transpose(x[0], 0, 1)); })};
  }
};

/// ": [2,3], [2,4] <-, [2,3]": the first eight and the odd one, which is marked; nothing where two are all there are.
std::string shapes_marking(const std::vector<Tensor>& xs, std::size_t odd) {
  if (xs.size() < 3) return "";
  std::string all;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    if (k >= 8 && k != odd) continue;
    all += join(k == 0 ? ": " : k > 8 && k == odd ? ", .., " : ", ", xs[k].shape(), k == odd ? " <-" : "");
  }
  return all + (xs.size() > std::max<std::size_t>(8, odd + 1) ? ", .." : "");
}

}  // namespace

Tensor expand(const Tensor& x, const Shape& shape) {
  return primitive<Expand>(
      x.array().expand(shape), [&] { return Expand::Saved{x.shape()}; }, x);
}

Tensor reshape(const Tensor& x, const Shape& shape) {
  return primitive<Reshape>(
      x.array().reshape(shape), [&] { return Reshape::Saved{x.shape()}; }, x);
}
Tensor flatten(const Tensor& x, Axis start_axis) {
  return primitive<Reshape>(
      x.array().flatten(start_axis), [&] { return Reshape::Saved{x.shape()}; }, x);
}
Tensor unsqueeze(const Tensor& x, Axis axis) {
  return primitive<Reshape>(
      x.array().unsqueeze(axis), [&] { return Reshape::Saved{x.shape()}; }, x);
}
Tensor squeeze(const Tensor& x, Axis axis) {
  if (x.rank() == 0) return (void)normal_axis("squeeze", axis, 1), x;
  return primitive<Reshape>(
      x.array().squeeze(axis), [&] { return Reshape::Saved{x.shape()}; }, x);
}

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  return primitive<Permute>(
      x.array().permute(axes),
      [&] {
        std::vector<int> inverse(axes.size());
        for (std::size_t i = 0; i < axes.size(); ++i)
          inverse[static_cast<std::size_t>(normal_axis("permute", axes[i], x.shape()))] = static_cast<int>(i);
        return Permute::Saved{std::move(inverse)};
      },
      x);
}

Tensor transpose(const Tensor& x, Axis a, Axis b) {
  if (x.rank() == 0) return (void)normal_axis("transpose", a, 1), (void)normal_axis("transpose", b, 1), x;
  std::vector<int> axes(static_cast<std::size_t>(x.rank()));
  for (int i = 0; i < x.rank(); ++i) axes[static_cast<std::size_t>(i)] = i;
  std::swap(axes[static_cast<std::size_t>(normal_axis("transpose", a, x.shape()))],
            axes[static_cast<std::size_t>(normal_axis("transpose", b, x.shape()))]);
  return permute(x, axes);
}

Tensor slice(const Tensor& x, Axis along, int64_t start, int64_t stop, int64_t step) {
  const Array y = x.array().slice(along, start, stop, step);
  const int axis = normal_axis("slice", along, x.shape());
  const int64_t n = x.shape()[axis];
  start = std::clamp<int64_t>(start < 0 ? start + n : start, 0, n);
  step = std::min(step, std::max<int64_t>(1, n));  // a longer step also ends behind the axis
  return primitive<Slice>(
      y,
      [&] {
        return Slice::Saved{{x.shape(), axis, start, step}};
      },
      x);
}

Tensor select(const Tensor& x, Axis along, int64_t index) {
  const int axis = normal_axis("select", along, x.shape());
  const int64_t n = x.shape()[axis], i = index < 0 ? index + n : index;
  if (i < 0 || i >= n)
    throw IndexError("select", join("index ", index, " is out of range on axis ", axis, " of ", describe(x)));
  return squeeze(slice(x, axis, i, i + 1), axis);
}

Tensor to(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  if (!is_real(dtype) || !is_real(x.dtype())) return Tensor(x.array().to(dtype));
  return primitive<To>(
      x.array().to(dtype), [&] { return To::Saved{x.dtype()}; }, x);
}

Tensor contiguous(const Tensor& x) {
  if (x.array().dense()) return x;
  return primitive<Contiguous>(
      x.array().copy(), [] { return Contiguous::Saved{}; }, x);
}

Tensor cat(const std::vector<Tensor>& xs, Axis along) {
  if (xs.empty()) throw ShapeError("cat", "no tensors were given");
  const int axis = normal_axis("cat", along, xs[0].shape());
  Shape shape = xs[0].shape();
  shape[axis] = 0;
  std::vector<int64_t> lengths;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    Shape other = xs[k].shape();
    if (xs[k].dtype() != xs[0].dtype())
      throw DtypeError("cat", join("tensor ", k, " is ", describe(xs[k]), ", tensor 0 is ", describe(xs[0])));
    if (other.rank() == shape.rank()) other[axis] = shape[axis];
    if (!(other == shape))
      throw ShapeError("cat", join("tensor ", k, " is ", describe(xs[k]), ", tensor 0 is ", describe(xs[0]), "; only axis ",
                                   axis, " may differ", shapes_marking(xs, k)));
    lengths.push_back(xs[k].shape()[axis]);
    shape[axis] += lengths.back();
  }
  Array y(shape, xs[0].dtype());
  int64_t at = 0;
  for (std::size_t k = 0; k < xs.size(); ++k, at += lengths[k - 1])
    if (xs[k].size() > 0) y.slice(axis, at, at + lengths[k]).assign(xs[k].array(), "cat");
  return primitive_many<Cat>(
      {y},
      [&] {
        return Cat::Saved{axis, lengths};
      },
      xs)[0];
}

Tensor stack(const std::vector<Tensor>& xs, Axis axis) {
  std::vector<Tensor> wider;
  for (const Tensor& x : xs) wider.push_back(unsqueeze(x, axis));
  return cat(wider, axis);
}

std::vector<Tensor> split(const Tensor& x, int64_t length, Axis along) {
  check_option("split", "length of a piece", length, 1, most_elements);
  const int axis = normal_axis("split", along, x.shape());
  const int64_t n = x.shape()[axis];
  if (n / length > Node::most)
    throw ResourceError("split", join(n, " elements in pieces of ", length, " are ", n / length, " tensors; at most ",
                                      Node::most, " are made"));
  std::vector<int64_t> lengths(static_cast<std::size_t>(n / length), length);
  if (n % length > 0) lengths.push_back(n % length);
  return cut_up(x, axis, lengths);
}

}  // namespace gradus
