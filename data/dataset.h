// What a data set is: size() and get(i). TensorDataset serves the rows of Arrays, ImageSet is what image files hold.
#pragma once

#include <gradus/core/array.h>

#include <concepts>
#include <cstdint>
#include <span>
#include <utility>

namespace gradus::data {

/// One item: x is what the model sees, y what it should answer; y may be absent.
struct Example {
  Array x, y;
};

/// Some items stacked along a new first axis: x [B, ...], y [B, ...]; y is absent if the items have none.
struct Batch {
  Array x, y;
  Array lengths = {};  ///< i64 [B]: where each x ends, if shorter ones were padded; else absent
};

/// Grey images as files hold them: images u8 [N, H, W], labels u8 [N].
struct ImageSet {
  Array images, labels;
};

/// Anything with size() and get(i), 0 <= i < size(). get() is called by the loader's workers, of which there may be several
/// at once (LoaderOptions::num_workers); it may return views of Arrays that the data set keeps.
template <class D>
concept Dataset = requires(const D& d, std::int64_t i) {
  { d.size() } -> std::convertible_to<std::int64_t>;
  { d.get(i) } -> std::convertible_to<Example>;
};

/// A data set that can also write many items at once into a batch made for them: faster than get() item by item.
template <class D>
concept BulkDataset = Dataset<D> && requires(const D& d, std::span<const std::int64_t> items, Batch& out) {
  d.load(items, out);
};

/// A data set of any type behind one table of functions. Users meet it only inside what takes data sets.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t size() const = 0;
  virtual Example get(std::int64_t item) const = 0;
  virtual bool load(std::span<const std::int64_t> items, Batch& out) const = 0;  ///< false: only get() is there
};

template <Dataset D> class SourceOf final : public Source {
 public:
  explicit SourceOf(D d) : d_(std::move(d)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(d_.size()); }
  Example get(std::int64_t item) const override { return d_.get(item); }
  bool load([[maybe_unused]] std::span<const std::int64_t> items, [[maybe_unused]] Batch& out) const override {
    if constexpr (requires { static_cast<bool>(d_.load(items, out)); }) return d_.load(items, out);
    else if constexpr (BulkDataset<D>) d_.load(items, out);
    return BulkDataset<D>;
  }

 private:
  D d_;
};

/// Item i is (x[i], y[i]). Pixels, u8, become f32 in [0, 1] (pixel / 255), and grey images [N, H, W] get a channel axis:
/// [1, H, W]. Labels of type u8 become i64. Everything else is served as it is. The numbers are shared, not copied; writing
/// to them later is seen by the data set.
class TensorDataset {
 public:
  /// y may be absent (unlabelled data). Errors: ShapeError if a 0-d Array is given or the first axes differ in length.
  explicit TensorDataset(const Array& x, const Array& y = {});
  explicit TensorDataset(const ImageSet& set) : TensorDataset(set.images, set.labels) {}

  std::int64_t size() const { return x_.dim(0); }
  /// Errors: IndexError unless 0 <= i < size().
  Example get(std::int64_t i) const;
  /// Writes `items` into out.x [items, ...] and out.y, which have the shapes and dtypes that get() gives.
  void load(std::span<const std::int64_t> items, Batch& out) const;

  const Array& x() const { return x_; }
  const Array& y() const { return y_; }

 private:
  Array room(std::int64_t n, const Array& from) const;
  Array x_, y_;
};

}  // namespace gradus::data
