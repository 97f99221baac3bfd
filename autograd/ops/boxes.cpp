// Boxes of detection: features inside them (roi_align), their overlap (box_iou), and their suppression (nms).
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/ops/internal/resample.h>
#include <gradus/autograd/ops/internal/sizes.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace gradus {
namespace {

struct RoiAlign {
  static constexpr const char* name = "roi_align";
  static Samples samples() {
    const auto call = [](RoiAlignOptions o) {
      return [o](auto& x) {
        const Tensor boxes = tensor<double>({3, 5}, {0, 0.3, 0.2, 3.1, 2.7, 0, -1, 1.1, 2.2, 6, 0, 2.1, 2.2, 2.4, 2.9});
        return roi_align(x[0], boxes.to(x[0].dtype()), {2, 3}, o);
      };
    };
    return {sample("two samples a side", {sample_values({1, 2, 4, 5})}, call({.sampling_ratio = 2, .aligned = true})),
            sample("as many as pixels, half the size", {sample_values({1, 1, 4, 5})}, call({.spatial_scale = 0.5}))};
  }
};

struct BoxIou {
  static constexpr const char* name = "box_iou";
  static constexpr EdgeException exceptions[] = {
      {EdgeRule::digits, 0, "areas overflow on their way", 1e20},
      {EdgeRule::digits, 0, "areas overflow on their way", EdgeException::largest},
      {EdgeRule::digits, 2, "areas overflow on their way", EdgeException::largest}};
  static Samples samples() {
    const Array a = Array::of<double>({2, 4}, {0.1, 0.2, 2.3, 2.4, 0.5, 1.1, 1.7, 3.2});
    const Array b = Array::of<double>({3, 4}, {0.3, 0.1, 1.9, 2.6, 1.1, 1.3, 3.1, 3.7, 5.2, 5.1, 6.3, 6.4});
    return {sample("two and three", {a, b}, [](auto& x) { return box_iou(x[0], x[1]); })};
  }
};

[[maybe_unused]] const bool box_composites = register_composites<RoiAlign, BoxIou>();

/// One box in pixels of its image, cut into size.h by size.w bins.
struct Bins {
  int64_t image;
  double top, left, bin_h, bin_w;
  int64_t samples_h, samples_w;

  Bins(const double* box, Pair size, const RoiAlignOptions& o) : image(static_cast<int64_t>(box[0])) {
    const double moved = o.aligned ? 0.5 : 0;
    left = box[1] * o.spatial_scale - moved, top = box[2] * o.spatial_scale - moved;
    double w = box[3] * o.spatial_scale - moved - left, h = box[4] * o.spatial_scale - moved - top;
    if (!o.aligned) w = std::max(w, 1.0), h = std::max(h, 1.0);
    bin_h = h / static_cast<double>(size.h), bin_w = w / static_cast<double>(size.w);
    const auto count = [&](double length) {
      return o.sampling_ratio > 0 ? o.sampling_ratio : static_cast<int64_t>(std::ceil(std::clamp(length, 0.0, 1e9)));
    };
    samples_h = count(bin_h), samples_w = count(bin_w);
  }
};

/// A position on one axis as two pixels and their weights; `outside`: more than a pixel beyond the image.
struct Between {
  int64_t pixel[2];
  double share[2];
  bool outside;

  Between(double at, int64_t n) {
    const auto last = static_cast<double>(n - 1);
    outside = at < -1 || at > static_cast<double>(n);
    at = std::clamp(at, 0.0, last);
    pixel[0] = static_cast<int64_t>(at), pixel[1] = std::min(pixel[0] + 1, n - 1);
    share[1] = at - static_cast<double>(pixel[0]), share[0] = 1 - share[1];
  }
};

/// Adds a row for each bin: the mean of its samples, each of four pixels.
void add_bins(RowWeights& table, const Bins& b, const Shape& x, Pair size) {
  const double share = 1 / static_cast<double>(b.samples_h * b.samples_w);
  const auto at = [](double start, double bin, int64_t i, int64_t k, int64_t samples) {
    return start + static_cast<double>(i) * bin + (static_cast<double>(k) + 0.5) * bin / static_cast<double>(samples);
  };
  for (int64_t i = 0; i < size.h; ++i)
    for (int64_t j = 0; j < size.w; ++j, table.end_row())
      for (int64_t k = 0; k < b.samples_h; ++k)
        for (int64_t l = 0; l < b.samples_w; ++l) {
          const Between y(at(b.top, b.bin_h, i, k, b.samples_h), x[2]), z(at(b.left, b.bin_w, j, l, b.samples_w), x[3]);
          if (y.outside || z.outside) continue;
          for (const int v : {0, 1})
            for (const int u : {0, 1})
              if (const double w = y.share[v] * z.share[u] * share; w != 0)
                table.add((b.image * x[2] + y.pixel[v]) * x[3] + z.pixel[u], w);
        }
}

void check_boxes(const char* op, const Tensor& boxes) {
  if (!is_real(boxes.dtype())) throw_dtype(op, boxes);
  if (boxes.rank() != 2 || boxes.dim(1) != 4)
    throw ShapeError(op, join("boxes must be [N,4], rows (x1, y1, x2, y2), got ", describe(boxes)));
}

void check_roi_align(const Tensor& x, const Tensor& boxes, Pair size) {
  if (!is_real(x.dtype())) throw_dtype("roi_align", x);
  if (!is_real(boxes.dtype())) throw_dtype("roi_align", boxes);
  if (x.rank() != 4 || x.dim(2) < 1 || x.dim(3) < 1)
    throw ShapeError("roi_align", join("the features must be [N,C,H,W], H and W at least 1, got ", describe(x)));
  if (boxes.rank() != 2 || boxes.dim(1) != 5)
    throw ShapeError("roi_align", join("boxes must be [K,5], rows (image, x1, y1, x2, y2), got ", describe(boxes)));
  check_option("roi_align", "size", size, 1);
  const Array numbers = boxes.array().to(f64).contiguous();
  for (int64_t i = 0; i < numbers.size(); ++i) {
    const double v = numbers.data<double>()[i];
    if (!std::isfinite(v)) throw Error("roi_align", join("box ", i / 5, " holds ", text(v), "; boxes must be finite"));
    if (i % 5 == 0 && !(v >= 0 && v < static_cast<double>(x.dim(0)) && v == std::floor(v)))
      throw IndexError("roi_align", join("box ", i / 5, " is of image ", text(v), "; ", describe(x), " has ", x.dim(0)));
  }
}

}  // namespace

Tensor roi_align(const Tensor& x, const Tensor& boxes, Pair size, const RoiAlignOptions& options) {
  check_roi_align(x, boxes, size);
  check_option("roi_align", "sampling_ratio", options.sampling_ratio, -largest_option);
  if (!(options.spatial_scale > 0 && std::isfinite(options.spatial_scale)))
    throw Error("roi_align", join("spatial_scale must be finite and above 0, got ", text(options.spatial_scale)));
  const Array numbers = boxes.array().to(f64).contiguous();
  const int64_t count = boxes.dim(0), channels = x.dim(1);
  const auto table = std::make_shared<RowWeights>();
  table->columns = x.dim(0) * x.dim(2) * x.dim(3);
  constexpr double most = 0x1p31;  // samples, of 64 bytes each
  double samples = 0;
  for (const bool counting : {true, false})
    for (int64_t k = 0; k < count; ++k) {
      const Bins bins(numbers.data<double>() + 5 * k, size, options);
      if (!counting) add_bins(*table, bins, x.shape(), size);
      else samples += double(size.h) * double(size.w) * std::max(1.0, double(bins.samples_h) * double(bins.samples_w));
      if (samples > most)
        throw ResourceError("roi_align", join("box ", k,
                                              " makes it more than 2^31 samples; give a sampling_ratio or a size "
                                              "that is smaller"));
    }
  const Tensor pixels = reshape(permute(x, {0, 2, 3, 1}), {table->columns, channels});
  return permute(reshape(resample(pixels, 0, table), {count, size.h, size.w, channels}), {0, 3, 1, 2});
}

Tensor box_iou(const Tensor& a, const Tensor& b) {
  check_boxes("box_iou", a), check_boxes("box_iou", b);
  const auto area = [](const Tensor& x) {
    const Tensor sides = slice(x, 1, 2, 4) - slice(x, 1, 0, 2);
    return select(sides, 1, 0) * select(sides, 1, 1);
  };
  const Tensor first = unsqueeze(a, 1);
  const Tensor begin = maximum(slice(first, -1, 0, 2), slice(b, -1, 0, 2));
  const Tensor end = minimum(slice(first, -1, 2, 4), slice(b, -1, 2, 4));
  const Tensor sides = relu(end - begin);
  const Tensor shared = select(sides, -1, 0) * select(sides, -1, 1);
  const Tensor covered = unsqueeze(area(a), 1) + area(b) - shared;
  return shared / where(covered == 0.0, Tensor(1.0), covered);
}

Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  check_boxes("nms", boxes);
  if (!is_real(scores.dtype())) throw_dtype("nms", scores);
  const int64_t n = boxes.dim(0);
  if (scores.rank() != 1 || scores.dim(0) != n)
    throw ShapeError("nms",
                     join("the boxes are ", describe(boxes), ", the scores ", describe(scores), "; each box must have one"));
  const NoGrad guard;
  const Array order = argsort(scores, 0, true).array();
  std::vector<bool> gone(static_cast<std::size_t>(n));
  std::vector<int64_t> keep;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t i = order.data<int64_t>()[k];
    if (gone[static_cast<std::size_t>(i)]) continue;
    keep.push_back(i);
    const Array overlap = box_iou(slice(boxes, 0, i, i + 1), boxes).array();
    for (int64_t j = 0; j < n; ++j)
      if (overlap.element(j) > iou_threshold) gone[static_cast<std::size_t>(j)] = true;
  }
  return tensor({static_cast<int64_t>(keep.size())}, keep);
}

}  // namespace gradus
