// Convolution as a closed triple: y = conv2d(x, w), dx = conv2d_input(g, w), dw = conv2d_weight(x, g). Each is linear in
// both operands, and the gradients of each are the other two, so gradients of any order need no further rule.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/convolution.h>
#include <gradus/autograd/ops/internal/operands.h>
#include <gradus/autograd/ops/internal/sizes.h>

#include <algorithm>

namespace gradus {

using convolution::conv2d_input;
using convolution::correlate;

namespace {

Tensor conv2d_weight(const Tensor& x, const Tensor& dy, const Conv2dGeometry& g, Tensor* dbias = nullptr);

/// Checks a shape, since kernels rely on the geometry. Errors: ShapeError.
void check_shape(const char* op, const char* what, const Tensor& t, const Shape& wanted) {
  if (!(t.shape() == wanted)) throw ShapeError(op, join("the ", what, " is ", describe(t), "; it must be ", wanted));
}
void check_input(const char* op, const Tensor& x, const Conv2dGeometry& g) {
  check_shape(op, "input", x, {g.n, g.c_in, g.h, g.w});
}
void check_kernel(const char* op, const Tensor& w, const Conv2dGeometry& g) {
  if (g.kh < 1 || g.kw < 1 || g.c_in < 1 || g.c_out < 1 || g.c_in % g.groups != 0 || g.c_out % g.groups != 0)
    throw ShapeError(op, join(g.c_in, " channels to ", g.c_out, " in ", g.groups, " groups, kernel ", g.kh, " by ", g.kw,
                              "; groups must divide both, and no length may be 0"));
  if (w.defined()) check_shape(op, "weight", w, {g.c_out, g.c_in / g.groups, g.kh, g.kw});
}
void check_result(const char* op, const Tensor& y, const Conv2dGeometry& g) {
  check_shape(op, "gradient", y, {g.n, g.c_out, g.out_h(), g.out_w()});
}

/// The gradient of the bias: dy summed over images and positions.
Tensor bias_gradient(const BackwardContext& b, const Tensor& dy, const Conv2dGeometry& g) {
  if (b.graph() || dy.size() == 0) return sum(dy, {0, 2, 3});
  Array y({g.c_out}, dy.dtype());
  const Array from = dy.array().contiguous();
  visit_real(dy.dtype(), [&]<class T>() { conv2d_bias_gradient<T>(g, from.data<T>(), y.uninitialized<T>()); });
  return Tensor(y);
}

// The geometry of a sample for inputs of other sizes: unchanged where it fits, else the smallest that does.

Conv2dGeometry from_image(Conv2dGeometry g, const Shape& x) {
  g.n = x[0], g.c_in = x[1], g.h = x[2], g.w = x[3];
  return g;
}
Conv2dGeometry from_kernel(Conv2dGeometry g, const Shape& w) {
  g.c_out = w[0], g.c_in = w[1] * g.groups, g.kh = w[2], g.kw = w[3];
  return g;
}
Conv2dGeometry from_result(Conv2dGeometry g, const Shape& y) {
  g.n = y[0], g.c_out = y[1];
  if (g.out_h() != y[2]) g.h = (y[2] - 1) * g.stride_h - 2 * g.pad_h + g.dil_h * (g.kh - 1) + 1;
  if (g.out_w() != y[3]) g.w = (y[3] - 1) * g.stride_w - 2 * g.pad_w + g.dil_w * (g.kw - 1) + 1;
  return g;
}
Conv2dGeometry from_both(Conv2dGeometry g, const Shape& x, const Shape& y) {
  g = from_image(g, x);
  g.c_out = y[1];
  if (g.out_h() != y[2]) g.kh = (g.h + 2 * g.pad_h - (y[2] - 1) * g.stride_h - 1) / g.dil_h + 1;
  if (g.out_w() != y[3]) g.kw = (g.w + 2 * g.pad_w - (y[3] - 1) * g.stride_w - 1) / g.dil_w + 1;
  return g;
}
const Shape& four(const Tensor& t) {
  if (t.rank() != 4) throw ShapeError("conv2d", join("images and kernels have four axes, got ", describe(t)));
  return t.shape();
}

/// Sample geometries that together use every field.
template <class Call> Samples geometries(bool with_bias, Call call) {
  struct Case {
    const char* label;
    Conv2dGeometry g;
  };
  const Case cases[] = {
      {"3 by 3, padded", {.n = 2, .c_in = 2, .h = 5, .w = 4, .c_out = 3, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}},
      {"1 by 1", {.n = 2, .c_in = 3, .h = 2, .w = 3, .c_out = 2, .kh = 1, .kw = 1}},
      {"strides that leave a rest",
       {.n = 1, .c_in = 2, .h = 6, .w = 8, .c_out = 2, .kh = 3, .kw = 2, .stride_h = 2, .stride_w = 3}},
      {"dilated, unequal padding",
       {.n = 1, .c_in = 2, .h = 6, .w = 5, .c_out = 2, .kh = 2, .kw = 3, .pad_h = 2, .pad_w = 1, .dil_h = 3, .dil_w = 2}},
      {"two groups",
       {.n = 2, .c_in = 4, .h = 4, .w = 4, .c_out = 6, .kh = 3, .kw = 2, .stride_w = 2, .pad_h = 1, .groups = 2}},
      {"depthwise", {.n = 1, .c_in = 3, .h = 4, .w = 5, .c_out = 3, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1, .groups = 3}}};
  Samples all;
  for (const auto& [label, g] : cases) {
    const Array x = sample_values({g.n, g.c_in, g.h, g.w}),
                w = sample_values({g.c_out, g.c_in / g.groups, g.kh, g.kw}, -2, 2, 2);
    const Array y = sample_values({g.n, g.c_out, g.out_h(), g.out_w()}, -2, 2, 3), bias = sample_values({g.c_out}, -2, 2, 4);
    all.push_back(call(label, g, x, w, y, bias));
    if (!with_bias) continue;
    all.push_back(sample(join(label, ", with bias"), {x, w, bias}, [g = g](auto& in) {
      return correlate(in[0], in[1], in[2], from_image(from_kernel(g, four(in[1])), four(in[0])));
    }));
    with_bias = false;
  }
  return all;
}

OpOptions conv_options(const Conv2dGeometry& g) {
  const auto pair = [](int64_t h, int64_t w) { return std::vector<double>{double(h), double(w)}; };
  return {{"kernel", pair(g.kh, g.kw)},
          {"stride", pair(g.stride_h, g.stride_w)},
          {"padding", pair(g.pad_h, g.pad_w)},
          {"dilation", pair(g.dil_h, g.dil_w)},
          {"groups", {double(g.groups)}}};
}

struct Conv2d {
  static constexpr const char* name = "conv2d";
  struct Saved {
    Array x, weight;
    Conv2dGeometry g;
  };
  static OpOptions options(const Saved& s) { return conv_options(s.g); }
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor& dy = b.grad();
    b.accumulate(0, [&] { return conv2d_input(dy, b.input(1, s.weight), s.g); });
    const bool biased = b.inputs() > 2 && b.wants(2);
    Tensor dbias;  // a by-product, unless it is to be recorded
    b.accumulate(1, [&] { return conv2d_weight(b.input(0, s.x), dy, s.g, biased && !b.graph() ? &dbias : nullptr); });
    if (biased) b.accumulate(2, [&] { return dbias.defined() ? dbias : bias_gradient(b, dy, s.g); });
  }
  static Samples samples() {
    Samples all = geometries(true, [](const char* label, auto& g, auto& x, auto& w, auto&, auto&) {
      return sample(label, {x, w}, [g](auto& in) {
        return correlate(in[0], in[1], {}, from_image(from_kernel(g, four(in[1])), four(in[0])));
      });
    });
    all.push_back(sample("transposed image", {sample_values({2, 2, 5, 4}), sample_values({2, 2, 3, 3}, -2, 2, 2)},
                         [](auto& in) { return conv2d(transpose(in[0], 2, 3), in[1]); }));
    all.push_back(sample("image as its own kernel", {sample_values({2, 2, 3, 3})},
                         [](auto& in) { return conv2d(in[0], in[0], {}, {.padding = 1}); }));
    all.push_back(sample("no images", {sample_values({0, 2, 3, 3}), sample_values({2, 2, 2, 2}), sample_values({2})},
                         [](auto& in) { return conv2d(in[0], in[1], in[2]); }));
    return all;
  }
};

struct Conv2dInput {
  static constexpr const char* name = "conv2d_input";
  struct Saved {
    Array dy, weight;
    Conv2dGeometry g;
  };
  static OpOptions options(const Saved& s) { return conv_options(s.g); }
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor& u = b.grad();
    b.accumulate(0, [&] { return correlate(u, b.input(1, s.weight), {}, s.g); });
    b.accumulate(1, [&] { return conv2d_weight(u, b.input(0, s.dy), s.g); });
  }
  static Samples samples() {
    return geometries(false, [](const char* label, auto& g, auto&, auto& w, auto& y, auto&) {
      return sample(label, {y, w}, [g](auto& in) {
        return conv2d_input(in[0], in[1], from_result(from_kernel(g, four(in[1])), four(in[0])));
      });
    });
  }
};

struct Conv2dWeight {
  static constexpr const char* name = "conv2d_weight";
  struct Saved {
    Array x, dy;
    Conv2dGeometry g;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    const Tensor& u = b.grad();
    b.accumulate(0, [&] { return conv2d_input(b.input(1, s.dy), u, s.g); });
    b.accumulate(1, [&] { return correlate(b.input(0, s.x), u, {}, s.g); });
  }
  static Samples samples() {
    return geometries(false, [](const char* label, auto& g, auto& x, auto&, auto& y, auto&) {
      return sample(label, {x, y},
                    [g](auto& in) { return conv2d_weight(in[0], in[1], from_both(g, four(in[0]), four(in[1]))); });
    });
  }
};

// A view is made dense once, and the dense Array is kept, so that the backward pass need not do it again.

Tensor conv2d_weight(const Tensor& x, const Tensor& dy, const Conv2dGeometry& g, Tensor* dbias) {
  check_input("conv2d_weight", x, g), check_kernel("conv2d_weight", {}, g), check_result("conv2d_weight", dy, g);
  const Array in = x.array().contiguous(), from = dy.array().contiguous();
  const Shape shape{g.c_out, g.c_in / g.groups, g.kh, g.kw};
  const bool any = in.size() > 0 && from.size() > 0;
  Array dw = !any ? Array::zeros(shape, x.dtype()) : Array(shape, x.dtype());
  Array db = dbias && any ? Array({g.c_out}, x.dtype()) : Array();
  visit_real(x.dtype(), [&]<class T>() {
    T* const bias = db.defined() ? db.uninitialized<T>() : nullptr;
    if (any) conv2d_weight_gradient<T>(g, in.data<T>(), from.data<T>(), dw.uninitialized<T>(), bias);
  });
  if (db.defined()) *dbias = Tensor(std::move(db));
  return primitive<Conv2dWeight>(
      dw,
      [&] {
        return Conv2dWeight::Saved{kept(in), kept(from), g};
      },
      x, dy);
}

}  // namespace

Tensor convolution::correlate(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dGeometry& g) {
  check_input("conv2d", x, g), check_kernel("conv2d", weight, g);
  if (bias.defined()) check_shape("conv2d", "bias", bias, {g.c_out});
  const Array in = x.array().contiguous(), w = weight.array().contiguous();
  const Array added = bias.defined() ? bias.array().contiguous() : Array();
  Array y({g.n, g.c_out, g.out_h(), g.out_w()}, x.dtype(), "conv2d");
  visit_real(x.dtype(), [&]<class T>() {
    if (y.size() > 0)
      conv2d_forward<T>(g, in.data<T>(), w.data<T>(), added.defined() ? added.data<T>() : nullptr, y.uninitialized<T>());
  });
  const auto saved = [&] { return Conv2d::Saved{kept(in), kept(w), g}; };
  return bias.defined() ? primitive<Conv2d>(y, saved, x, weight, bias) : primitive<Conv2d>(y, saved, x, weight);
}

Tensor convolution::conv2d_input(const Tensor& dy, const Tensor& weight, const Conv2dGeometry& g) {
  check_result("conv2d_input", dy, g), check_kernel("conv2d_input", weight, g);
  const Array from = dy.array().contiguous(), w = weight.array().contiguous();
  Array dx({g.n, g.c_in, g.h, g.w}, dy.dtype());
  visit_real(dy.dtype(), [&]<class T>() {
    if (dx.size() > 0) conv2d_input_gradient<T>(g, from.data<T>(), w.data<T>(), dx.uninitialized<T>());
  });
  return primitive<Conv2dInput>(
      dx,
      [&] {
        return Conv2dInput::Saved{kept(from), kept(w), g};
      },
      dy, weight);
}

namespace {

// ---- errors of conv2d ------------------------------------------------------------------------------------------------

std::string counted(int64_t n, const char* what) { return join(n, " ", what, n == 1 ? "" : "s"); }

Conv2dGeometry geometry(const Shape& x, const Shape& weight, const ConvOptions& o) {
  return {.n = x[0],
          .c_in = x[1],
          .h = x[2],
          .w = x[3],
          .c_out = weight[0],
          .kh = weight[2],
          .kw = weight[3],
          .stride_h = o.stride.h,
          .stride_w = o.stride.w,
          .pad_h = o.padding.h,
          .pad_w = o.padding.w,
          .dil_h = o.dilation.h,
          .dil_w = o.dilation.w,
          .groups = o.groups};
}

Window1d rows_of(const Conv2dGeometry& g) { return {g.kh, g.stride_h, g.pad_h, g.dil_h}; }
Window1d columns_of(const Conv2dGeometry& g) { return {g.kw, g.stride_w, g.pad_w, g.dil_w}; }
bool covers(const Conv2dGeometry& g) { return rows_of(g).fits(g.h) && columns_of(g).fits(g.w); }
bool fits(const Shape& x, const Shape& weight, const ConvOptions& o) {
  return x[1] == weight[1] * o.groups && covers(geometry(x, weight, o));
}

void check_rank(const Tensor& x, const Shape& weight, const ConvOptions& o) {
  if (x.rank() == 4) return;
  const Shape& s = x.shape();
  std::string hint;
  Shape batched{1, 1, 1, 1};
  if (x.rank() == 3 && s[0] == weight[1] * o.groups) batched = {1, s[0], s[1], s[2]};
  else if (x.rank() == 3) batched = {s[0], 1, s[1], s[2]};
  else if (x.rank() == 2) batched = {1, 1, s[0], s[1]};
  if ((x.rank() == 2 || x.rank() == 3) && fits(batched, weight, o))
    hint = join("x.reshape({", batched[0], ", ", batched[1], ", ", batched[2], ", ", batched[3], "})");
  const char* axes = x.rank() == 1 ? " axis: " : " axes: ";
  throw ShapeError("conv2d", join("the input must be [N,C,H,W], got ", x.rank(), axes, describe(x)), hint);
}

void check_channels(const Tensor& x, const Tensor& weight, const ConvOptions& o) {
  const Shape& s = x.shape();
  const int64_t wanted = weight.shape()[1] * o.groups;
  if (s[1] == wanted) return;
  const bool looks_nhwc = s[3] == wanted && fits({s[0], s[3], s[1], s[2]}, weight.shape(), o);
  throw ShapeError(
      "conv2d",
      join("the input has ", counted(s[1], "channel"), " (axis 1), the weight wants ", wanted,
           o.groups > 1 ? join(" (", o.groups, " groups of ", weight.shape()[1], ")") : "", ": input ", describe(x),
           ", weight ", describe(weight),
           looks_nhwc ? "; the layout is [N,C,H,W], the input looks like [N,H,W,C]" : "; the layout is [N,C,H,W]"),
      looks_nhwc ? "x.permute({0, 3, 1, 2})" : "");
}

void check_size(const Tensor& x, const Tensor& weight, const ConvOptions& o) {
  const Conv2dGeometry g = geometry(x.shape(), weight.shape(), o);
  if (covers(g)) return;
  const Window1d rows = rows_of(g), columns = columns_of(g);
  const auto needed = [](const Window1d& w, int64_t n) { return std::max(w.padding, (w.extent() - n + 1) / 2); };
  const Pair padding{needed(rows, g.h), needed(columns, g.w)};
  throw ShapeError("conv2d",
                   join("the kernel is larger than the padded input: kernel ", g.kh, " by ", g.kw, ", dilation ",
                        text_of(o.dilation), ", stride ", text_of(o.stride), ", padding ", text_of(o.padding), " on ",
                        describe(x), " would give ", rows.results(g.h), " by ", columns.results(g.w)),
                   join(".padding = ", text_of(padding), ", or a smaller kernel"));
}

void check_weight(const Tensor& weight, const Tensor& bias, const ConvOptions& o) {
  const Shape& s = weight.shape();
  if (weight.rank() != 4 || s[0] < 1 || s[1] < 1 || s[2] < 1 || s[3] < 1)
    throw ShapeError("conv2d", join("the weight must be [O,C/groups,KH,KW] with no length 0, got ", describe(weight)));
  check_option("conv2d", "kernel", {s[2], s[3]}, 1);
  check_option("conv2d", "stride", o.stride, 1), check_option("conv2d", "padding", o.padding, 0);
  check_option("conv2d", "dilation", o.dilation, 1), check_option("conv2d", "number of groups", o.groups, 1);
  if (s[0] % o.groups != 0)
    throw ShapeError("conv2d", join("the weight's ", counted(s[0], "output channel"), " cannot be shared out among ",
                                    o.groups, " groups: weight ", describe(weight)));
  if (bias.defined() && !(bias.shape() == Shape{s[0]}))
    throw ShapeError("conv2d", join("the bias is ", describe(bias), ", it must be [", s[0],
                                    "], one for each output channel of ", describe(weight)));
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  if (!is_real(x.dtype())) throw_dtype("conv2d", x);
  if (x.dtype() != weight.dtype())
    throw DtypeError("conv2d",
                     join("the input is ", describe(x), ", the weight ", describe(weight), "; they must have one dtype"),
                     is_real(weight.dtype()) ? join("x.to(", weight.dtype(), ")") : "");
  check_same_dtype("conv2d", x, "bias", bias);
  check_weight(weight, bias, options);
  check_rank(x, weight.shape(), options);
  check_channels(x, weight, options);
  check_size(x, weight, options);
  return correlate(x, weight, bias, geometry(x.shape(), weight.shape(), options));
}

}  // namespace gradus
