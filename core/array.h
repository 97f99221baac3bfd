// Array: elements with a shape. Its value takes two cache lines: copies and views share the elements, never the layout.
#pragma once

#include <gradus/core/dtype.h>
#include <gradus/core/error.h>
#include <gradus/core/memory/storage.h>
#include <gradus/core/shape.h>

#include <concepts>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace gradus {

class Array {
 public:
  Array() = default;  ///< an absent Array has no elements; defined() is false
  /// An uninitialised, row-major Array. `maker` (default: the caller) is the name in a ResourceError if memory is short.
  explicit Array(const Shape& shape, Dtype dtype = f32, const char* maker = __builtin_FUNCTION());

  /// An uninitialised, row-major Array of the shape and dtype of `a`.
  static Array like(const Array& a, const char* maker = __builtin_FUNCTION()) { return Array(Like(), a, maker); }
  static Array zeros(const Shape& shape, Dtype dtype = f32) { return full(shape, 0.0, dtype); }
  static Array ones(const Shape& shape, Dtype dtype = f32) { return full(shape, 1.0, dtype); }
  static Array full(const Shape& shape, double value, Dtype dtype = f32);
  template <std::integral I>
  static Array full(const Shape& shape, I value, Dtype dtype = f32) {  ///< exact for i64: a double would round above 2^53
    const auto n = static_cast<int64_t>(value);
    const bool fits = std::is_signed_v<I> || n >= 0;
    return dtype == i64 && fits ? full_i64(shape, n) : full(shape, static_cast<double>(value), dtype);
  }
  static Array arange(int64_t n, Dtype dtype = i64);  ///< the elements 0 1 ... n-1
  /// An Array of `values` in row-major order; their count must be shape.size().
  template <class T> static Array of(const Shape& shape, const std::vector<T>& values);

  bool defined() const { return bool(storage_); }
  void reset() {  ///< makes this Array absent
    this->~Array();
    ::new (this) Array;  // in place: a temporary would be moved through the stack
  }
  const Shape& shape() const { return layout_.shape; }
  int rank() const { return layout_.shape.rank(); }
  int64_t dim(Axis axis) const { return layout_.shape[normal_axis("dim", axis, shape())]; }
  int64_t size() const { return layout_.size; }
  Dtype dtype() const { return layout_.dtype; }
  int64_t stride(int axis) const { return layout_.strides[axis]; }  ///< in elements; 0 <= axis < rank
  const int64_t* strides() const { return layout_.strides; }
  /// True for row-major elements without gaps that start where packs do; packs may run over the end, into unseen elements.
  bool dense() const { return layout_.dense; }

  /// The address of the first element, read-only. T must be the dtype's type.
  template <class T> const T* data() const {
    check_type(dtype_of<T>());
    return reinterpret_cast<const T*>(data_);
  }
  /// The address for writing, the only way to write: bumps the version, so that backward() notices, and records the writer.
  template <class T> T* write(const char* writer) {
    check_type(dtype_of<T>());
    storage_->written(writer);
    return reinterpret_cast<T*>(data_);
  }
  /// The address for a kernel that fills an Array it has just made; the version stays: nobody can have read the elements.
  template <class T> T* uninitialized() { return reinterpret_cast<T*>(data_); }
  const char* bytes() const { return data_; }

  /// The only element. Errors: ShapeError; DtypeError for an i64 beyond 2^53 that no double equals.
  double item() const { return item_exactly("item"); }
  /// The only element as T: i64 exactly, a real towards zero if T is an integer. Errors: DtypeError if T cannot hold it.
  template <class T>
  requires std::is_arithmetic_v<T> T item()
  const { return item_as<T>("item"); }
  /// One element, as item().
  double at(std::initializer_list<int64_t> index) const { return place(index).item_exactly("at"); }
  template <class T>
  requires std::is_arithmetic_v<T> T at(std::initializer_list<int64_t> index)
  const { return place(index).item_as<T>("at"); }
  double element(int64_t i) const;  ///< element i in row-major order, as a double, rounded

  // Views copy no elements.
  Array permute(const std::vector<int>& axes) const;
  Array transpose(Axis a, Axis b) const;
  Array slice(Axis axis, int64_t start, int64_t stop, int64_t step = 1) const;  ///< clamped as in Python, step > 0
  Array select(Axis axis, int64_t index) const;                                 ///< the view at `index`, without `axis`
  Array expand(const Shape& shape) const;                                       ///< axes of length 1 repeat
  Array unsqueeze(Axis axis) const;
  Array squeeze(Axis axis) const;
  /// The same elements in another shape; one length may be -1. Always dense: a view of a dense Array, a copy of any other.
  Array reshape(const Shape& shape) const;
  Array flatten(Axis start_axis = 0) const;
  /// The same storage seen through another layout, for windows and for the views of kernels.
  Array as_strided(const Shape& shape, const int64_t* strides, int64_t offset) const;

  Array contiguous() const { return layout_.dense ? *this : copy(); }
  Array copy() const;  ///< a dense Array with elements of its own; absent if this is
  /// A copy converted to `dtype`; this Array if the dtype is the same. Reals become integers towards zero, clamped to the
  /// range, NaN becomes 0; i64 becomes u8 modulo 256.
  Array to(Dtype dtype) const;
  /// Overwrites the elements with those of `from` (broadcast to this shape, same dtype).
  void assign(const Array& from, const char* writer);

  /// How often the elements were overwritten; `writer` is the last one to do so. 0 and null for an absent Array.
  std::uint32_t version() const { return storage_ ? storage_->version() : 0; }
  const char* writer() const { return storage_ ? storage_->writer() : nullptr; }
  bool unique() const { return storage_ && storage_->unique(); }  ///< no other Array shares these elements
  bool shares_storage(const Array& o) const { return storage_.get() == o.storage_.get(); }
  /// Stores the present version, which stale() compares with; the Array must not be absent.
  void remember_version() { layout_.seen = storage_->version(); }
  bool stale() const { return layout_.seen != storage_->version(); }

 private:
  struct Like {};
  Array(Like, const Array& a, const char* maker);
  /// Everything but the elements. A Layout is trivially copied as one piece: fields written one by one and then read as a
  /// vector would cost a failed store forwarding at every op.
  struct Layout {
    int64_t size = 0;
    int64_t strides[max_rank] = {};
    [[no_unique_address]] Shape shape;
    Dtype dtype = f32;
    bool dense = true;
    std::uint32_t seen = 0;

    Layout() = default;
    Layout(const Shape& of, Dtype type);  ///< a row-major layout
  };
  void set_row_major();
  bool is_row_major() const;
  static Array full_i64(const Shape& shape, int64_t value);
  Array place(std::initializer_list<int64_t> index) const;
  double item_exactly(const char* op) const;
  double item_rounded(const char* op) const;
  int64_t item_in(const char* op, int64_t least, std::uint64_t most) const;
  template <class T> T item_as(const char* op) const {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      return static_cast<T>(item_in(op, static_cast<int64_t>(Limits::min()), static_cast<std::uint64_t>(Limits::max())));
    else return static_cast<T>(item_rounded(op));
  }
  void check_type(Dtype t) const {
    if (t != layout_.dtype || !storage_) [[unlikely]]
      wrong_type(t);
  }
  [[noreturn]] void wrong_type(Dtype t) const;

  Ref<Storage> storage_;
  char* data_ = nullptr;
  Layout layout_;
};

using NamedArrays = std::vector<std::pair<std::string, Array>>;  ///< arrays with their names, in the order of listing

/// "f32[32,784]": dtype and shape, for messages.
std::string describe(const Array& a);

/// The elements as a person reads them: at most 1000, otherwise the corners.
std::string to_string(const Array& a);

inline Array::Array(Like, const Array& a, const char* maker)
    : storage_(Storage::make(static_cast<std::size_t>(a.size()) * bytes_of(a.dtype()), maker)),
      data_(storage_->data()),
      layout_(a.layout_) {
  if (!a.dense()) [[unlikely]]
    set_row_major();
}

template <class T> Array Array::of(const Shape& shape, const std::vector<T>& values) {
  if (shape.size() != static_cast<int64_t>(values.size()))
    throw ShapeError("Array::of", join("shape ", shape, " holds ", shape.size(), " elements, got ", values.size()));
  Array a(shape, dtype_of<T>());
  T* out = a.uninitialized<T>();
  for (const T& v : values) *out++ = v;
  return a;
}

}  // namespace gradus
