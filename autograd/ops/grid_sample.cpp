// Sampling of images at any position: a bilinear position is four rows of pixels with weights, so that images, grids and
// gradients of every order use existing ops.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>

namespace gradus {
namespace {

Tensor number_like(const Tensor& like, double x) { return full({}, x, like.dtype()); }

/// Positions clipped to the borders, with slope 0 there and beyond.
Tensor clipped(const Tensor& at, int64_t n) {
  const auto last = static_cast<double>(n - 1);
  const Tensor border = clamp(at.detach(), 0.0, last);
  return where(border * (last - border) > 0.0, at, border);
}

/// Positions reflected as between two mirrors, at the middles of the outermost pixels or at their outer edges.
Tensor mirrored(const Tensor& at, int64_t n, bool middles) {
  const double low = middles ? 0 : -0.5, span = static_cast<double>(middles ? n - 1 : n);
  if (span == 0) return at * 0.0;
  const Tensor from_low = abs(at - low), rest = fmod(from_low, number_like(at, span));
  const Tensor turns = fmod(floor(from_low.detach() / span), number_like(at, 2));
  return where(turns == 0.0, rest, span - rest) + low;
}

/// Converts -1 .. 1 to pixels 0 .. n - 1 of an axis, and applies the padding to positions outside.
Tensor pixel_positions(const Tensor& grid, int64_t n, const GridSampleOptions& o) {
  const auto length = static_cast<double>(n);
  const Tensor at = o.align_corners ? (grid + 1.0) * ((length - 1) / 2) : ((grid + 1.0) * length - 1.0) * 0.5;
  switch (o.padding_mode) {
    case GridPadding::zeros: return clamp(at, -2.0, length + 1);  // all outside are equal; infinity has no fraction
    case GridPadding::border: return clipped(at, n);
    case GridPadding::reflection: return clipped(mirrored(at, n, o.align_corners), n);
  }
  return at;
}

/// The pixels at integer positions [N, P] -> [N, P, C]; zero outside.
Tensor pixels_at(const Tensor& rows, const Shape& image, const Tensor& y, const Tensor& x) {
  const int64_t n = y.dim(0), points = y.dim(1), h = image[2], w = image[3];
  Array index({n, points}, i64), inside({n, points, 1}, boolean);
  const Array at_y = y.array().to(f64).contiguous(), at_x = x.array().to(f64).contiguous();
  for (int64_t i = 0; i < n * points; ++i) {
    const double row = at_y.data<double>()[i], column = at_x.data<double>()[i];
    const bool there = row >= 0 && row < static_cast<double>(h) && column >= 0 && column < static_cast<double>(w);
    inside.uninitialized<bool>()[i] = there;
    index.uninitialized<int64_t>()[i] =
        there ? (i / points * h + static_cast<int64_t>(row)) * w + static_cast<int64_t>(column) : 0;
  }
  return where(Tensor(inside), embedding(rows, Tensor(index)), number_like(rows, 0));
}

/// The bilinear combination of the four pixels around a position, each weighted by the area of the opposite rectangle.
Tensor between_pixels(const Tensor& rows, const Shape& image, const Tensor& y, const Tensor& x) {
  const Tensor top = floor(y.detach()), left = floor(x.detach()), down = y - top, right = x - left;
  Tensor sum;
  for (const bool lower : {false, true})
    for (const bool righter : {false, true}) {
      const Tensor share = (lower ? down : 1.0 - down) * (righter ? right : 1.0 - right);
      const Tensor part =
          pixels_at(rows, image, lower ? top + 1.0 : top, righter ? left + 1.0 : left) * unsqueeze(share, -1);
      sum = sum.defined() ? sum + part : part;
    }
  return sum;
}

struct GridSample {
  static constexpr const char* name = "grid_sample";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::nan, 1, "a position that is NaN is outside, where no pixel gets a gradient"},
      {EdgeRule::digits, 0,
       "where a position far away is mirrored is up to its last digits; infinity times a share of 0 is NaN"},
      {EdgeRule::digits, 1, "a position that rounds onto a pixel, or far away to another, has that one's slope"},
      {EdgeRule::digits, 2, "a position far away is mirrored to another", EdgeException::largest}};
  static Samples samples() {
    Samples all;
    const auto add = [&](const char* label, GridSampleOptions o) {
      all.push_back(sample(label, {sample_values({2, 2, 3, 4}), sample_values({2, 2, 3, 2}, -1.7, 1.7, 2)},
                           [o](auto& x) { return grid_sample(x[0], x[1], o); }));
    };
    add("zeros", {});
    add("zeros, corners", {.align_corners = true});
    add("border", {.padding_mode = GridPadding::border});
    add("reflection", {.padding_mode = GridPadding::reflection});
    add("reflection, corners", {.padding_mode = GridPadding::reflection, .align_corners = true});
    all.push_back(sample("nearest", {sample_values({1, 2, 3, 4})}, [](auto& x) {
      const Tensor grid(sample_values({x[0].dim(0), 2, 3, 2}, -1.7, 1.7, 2).to(x[0].dtype()));
      return grid_sample(x[0], grid, {.mode = Interpolation::nearest});
    }));
    return all;
  }
};

struct AffineGrid {
  static constexpr const char* name = "affine_grid";
  static constexpr OpKind kind = OpKind::product;
  static Samples samples() {
    return {sample("outer edges", {sample_values({2, 2, 3})},
                   [](auto& x) {
                     return affine_grid(x[0], {x[0].dim(0), 1, 2, 3});
                   }),
            sample("corners", {sample_values({1, 2, 3})}, [](auto& x) {
              return affine_grid(x[0], {x[0].dim(0), 1, 3, 2}, true);
            })};
  }
};

[[maybe_unused]] const bool sampling_composites = register_composites<GridSample, AffineGrid>();

/// n positions over -1 .. 1.
std::vector<double> positions_of(int64_t n, bool corners) {
  std::vector<double> all;
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<double>(i), length = static_cast<double>(n);
    if (corners) all.push_back(n > 1 ? 2 * at / (length - 1) - 1 : 0);
    else all.push_back((2 * at + 1) / length - 1);
  }
  return all;
}

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridSampleOptions& options) {
  if (!is_real(x.dtype())) throw_dtype("grid_sample", x);
  if (grid.dtype() != x.dtype())
    throw DtypeError("grid_sample", join("the image is ", describe(x), ", the grid ", describe(grid), "; they do not mix"),
                     join("grid.to(", x.dtype(), ")"));
  if (x.rank() != 4 || grid.rank() != 4 || grid.dim(0) != x.dim(0) || grid.dim(3) != 2)
    throw ShapeError("grid_sample", join("takes images [N,C,H,W] and a grid [N,H',W',2] of as many, got ", describe(x),
                                         " and ", describe(grid)));
  if (x.dim(2) < 1 || x.dim(3) < 1)
    throw ShapeError("grid_sample", join("the images of ", describe(x), " are empty; they must be at least 1 by 1"));
  if (options.mode == Interpolation::bicubic)
    throw Error("grid_sample", "mode bicubic is not known; it must be nearest or bilinear");
  const int64_t n = x.dim(0), channels = x.dim(1), h = grid.dim(1), w = grid.dim(2);
  const Tensor rows = reshape(permute(x, {0, 2, 3, 1}), {n * x.dim(2) * x.dim(3), channels});
  const bool nearest = options.mode == Interpolation::nearest;
  const Tensor positions = reshape(nearest ? grid.detach() : grid, {n, h * w, 2});
  const Tensor at_x = pixel_positions(select(positions, -1, 0), x.dim(3), options);
  const Tensor at_y = pixel_positions(select(positions, -1, 1), x.dim(2), options);
  const Tensor y = nearest ? pixels_at(rows, x.shape(), round(at_y), round(at_x)) + 0.0 * unsqueeze(at_y + at_x, -1)
                           : between_pixels(rows, x.shape(), at_y, at_x);
  return permute(reshape(y, {n, h, w, channels}), {0, 3, 1, 2});
}

Tensor affine_grid(const Tensor& theta, const Shape& size, bool align_corners) {
  if (!is_real(theta.dtype())) throw_dtype("affine_grid", theta);
  if (theta.rank() != 3 || theta.dim(1) != 2 || theta.dim(2) != 3 || size.rank() != 4 || size[0] != theta.dim(0) ||
      size[2] < 1 || size[3] < 1)
    throw ShapeError("affine_grid", join("takes theta [N,2,3] and a size [N,C,H,W] with H and W at least 1, got ",
                                         describe(theta), " and ", size));
  const int64_t h = size[2], w = size[3];
  const Tensor x = expand(tensor({1, w}, positions_of(w, align_corners)), {h, w});
  const Tensor y = expand(tensor({h, 1}, positions_of(h, align_corners)), {h, w});
  const Tensor positions = reshape(stack({x, y, ones({h, w}, f64)}, -1), {h * w, 3}).to(theta.dtype());
  return reshape(matmul(positions, transpose(theta, 1, 2)), {size[0], h, w, 2});
}

}  // namespace gradus
