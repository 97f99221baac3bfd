// Pooling over windows of an image, on plain pointers.
#pragma once

#include <cstdint>

namespace gradus {

/// A pooling of `planes` images of h by w (batch times channels) by windows of kh by kw. Positions in the padding count as
/// minus infinity (max) or as zero (average).
struct PoolGeometry {
  std::int64_t planes, h, w;
  std::int64_t kh, kw;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;  ///< a window wholly in the padding has the maximum minus infinity and no position
  std::int64_t dil_h = 1, dil_w = 1;  ///< max pooling only
  std::int64_t out_h() const { return (h + 2 * pad_h - dil_h * (kh - 1) - 1) / stride_h + 1; }
  std::int64_t out_w() const { return (w + 2 * pad_w - dil_w * (kw - 1) - 1) / stride_w + 1; }

  /// The rows or columns begin .. end - 1 of a window that may lie inside the image. Positions are counted among these, row
  /// by row, so that a kernel of 2^31 rows in as much padding costs no more than they do.
  struct Seen {
    std::int64_t begin, end;
    std::int64_t count() const { return end - begin; }
  };
  Seen rows() const { return seen(h, kh, stride_h, pad_h, dil_h, out_h()); }
  Seen columns() const { return seen(w, kw, stride_w, pad_w, dil_w, out_w()); }

 private:
  static Seen seen(std::int64_t n, std::int64_t k, std::int64_t stride, std::int64_t pad, std::int64_t dil,
                   std::int64_t out) {
    const std::int64_t hidden = pad - (out - 1) * stride;  // of padding that even the last output sees
    const std::int64_t begin = hidden > 0 ? (hidden + dil - 1) / dil : 0, last = (n - 1 + pad) / dil,
                       end = last < k ? last + 1 : k;
    return {begin, end > begin ? end : begin};
  }
};

/// y[planes, out_h, out_w] = the largest element of each window; `where`, which may be null, its position in the window, the
/// first of equals. A NaN in the window is the result, with the position of the last NaN, as in PyTorch. Position is
/// uint8_t, if `fits_a_byte`, or int64_t.
template <class T, class Position> void max_pool2d_forward(const PoolGeometry& g, const T* x, T* y, Position* where);

/// dx[planes, h, w] = for every element the sum of dy over the windows that chose it.
template <class T, class Position>
void max_pool2d_backward(const PoolGeometry& g, const T* dy, const Position* where, T* dx);

/// Turns positions into indices y * w + x of the input plane; -1 for a window wholly in the padding.
template <class Position> void max_pool2d_places(const PoolGeometry& g, const Position* where, std::int64_t* places);

inline bool fits_a_byte(const PoolGeometry& g) {
  const std::int64_t rows = g.rows().count(), columns = g.columns().count();
  return rows < 256 && columns < 256 && rows * columns < 256;
}

/// y = the mean of each window, over all kh * kw positions or, unless `count_padding`, over those inside the image.
template <class T> void avg_pool2d_forward(const PoolGeometry& g, bool count_padding, const T* x, T* y);

/// dx = every dy spread evenly over its window.
template <class T> void avg_pool2d_backward(const PoolGeometry& g, bool count_padding, const T* dy, T* dx);

}  // namespace gradus
