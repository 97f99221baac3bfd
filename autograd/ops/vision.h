// Image ops for detection, segmentation and matching: patches, sampling at any position, boxes.
#pragma once

#include <gradus/autograd/ops/layers.h>

namespace gradus {

// ---- patches (ops/unfold.cpp) ----
struct UnfoldOptions {
  Pair dilation = 1, padding = 0, stride = 1;
};
/// im2col: x [N, C, H, W] -> [N, C KH KW, L], every window a column; L = H' W' windows, in the order of their corners, with
/// H' = (H + 2 p - d (KH - 1) - 1) / s + 1. PyTorch's F.unfold. Errors: ShapeError, DtypeError.
Tensor unfold(const Tensor& x, Pair kernel, const UnfoldOptions& options = {});
/// col2im: x [N, C KH KW, L] -> [N, C, size], every column added where unfold() would have read it.
Tensor fold(const Tensor& x, Pair size, Pair kernel, const UnfoldOptions& options = {});

// ---- sampling (ops/grid_sample.cpp); positions run from -1 to 1 over each axis of an image ----
enum class GridPadding { zeros, border, reflection };
struct GridSampleOptions {
  Interpolation mode = Interpolation::bilinear;  ///< or nearest, whose positions get no gradient
  GridPadding padding_mode = GridPadding::zeros;
  bool align_corners = false;  ///< -1 and 1 are the middles of the outermost pixels, otherwise their outer edges
};
/// Samples x [N, C, H, W] at grid [N, H', W', 2], whose last axis is (x, y) -> [N, C, H', W']. Jaderberg et al., "Spatial
/// transformer networks", 2015, equation 5. Errors: ShapeError, DtypeError; Error for mode bicubic.
Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridSampleOptions& options = {});
/// The grid [N, H', W', 2] of theta (x, y, 1), for theta [N, 2, 3] and size [N, C, H', W'], of which C is ignored.
Tensor affine_grid(const Tensor& theta, const Shape& size, bool align_corners = false);

// ---- boxes (ops/boxes.cpp): rows (x1, y1, x2, y2) ----
struct RoiAlignOptions {
  double spatial_scale = 1;    ///< factor from box coordinates to x's pixels
  int64_t sampling_ratio = 0;  ///< samples along each side of a bin; 0 or below: one for each pixel of the bin's length
  bool aligned = false;        ///< shifts boxes by half a pixel, and allows boxes smaller than one
};
/// Pools x [N, C, H, W] inside boxes [K, 5] = (image, x1, y1, x2, y2) -> [K, C, size]: each box is cut into bins, and a bin
/// is the mean of x at some positions. Boxes get no gradient. He et al., "Mask R-CNN", 2017, section 3; torchvision's
/// roi_align. Errors: ShapeError, DtypeError, IndexError for an image that x does not have.
Tensor roi_align(const Tensor& x, const Tensor& boxes, Pair size, const RoiAlignOptions& options = {});
/// The intersection over union [M, N] of boxes a [M, 4] and b [N, 4]; 0 for two empty boxes.
Tensor box_iou(const Tensor& a, const Tensor& b);
/// Non-maximum suppression: indices (i64) of the boxes [N, 4] that overlap no kept box of a higher score [N] by an IoU above
/// the threshold; highest score first, equal ones in their order. A constant. Errors: ShapeError, DtypeError.
Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold);

}  // namespace gradus
