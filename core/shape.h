// Shape: up to six axis lengths, a plain value that never touches the heap.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace gradus {

using std::int64_t;

inline constexpr int max_rank = 6;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(dims.begin(), static_cast<int>(dims.size())) {}
  Shape(const int64_t* dims, int rank) {
    check_rank(rank);
    rank_ = static_cast<std::int8_t>(rank);
    for (int i = 0; i < rank; ++i) dims_[i] = dims[i];
  }

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[axis]; }
  int64_t& operator[](int axis) { return dims_[axis]; }
  int64_t back() const { return dims_[rank_ - 1]; }
  const int64_t* begin() const { return dims_; }
  const int64_t* end() const { return dims_ + rank_; }

  /// Number of elements; 1 for a 0-d shape.
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  void push_back(int64_t dim) {
    check_rank(rank_ + 1);
    dims_[rank_++] = dim;
  }
  Shape insert(int axis, int64_t dim) const;  ///< a copy with a new axis before `axis`
  Shape erase(int axis) const;                ///< a copy without `axis`

  friend bool operator==(const Shape& a, const Shape& b) {
    int64_t difference = a.rank_ ^ b.rank_;
    for (int i = 0; i < max_rank; ++i) difference |= a.dims_[i] ^ b.dims_[i];
    return difference == 0;
  }

 private:
  static void check_rank(int rank) {
    if (rank > max_rank) [[unlikely]]
      too_many(rank);
  }
  [[noreturn]] static void too_many(int rank);
  int64_t dims_[max_rank] = {};  // unused axes are zero, so that == compares words
  std::int8_t rank_ = 0;
};

/// The shape for messages: "[32,784]".
std::string to_string(const Shape& s);

/// An axis index in any integer type: the given value is checked, not what an int keeps of it.
struct Axis {
  int64_t given;
  template <std::integral I> constexpr Axis(I axis) : given(static_cast<int64_t>(axis)) {}
};

/// Axes to reduce over: {0, -1}, or one by itself as in sum(x, 1); {} means all. Errors: IndexError for one that no int holds.
struct Axes : std::vector<int> {
  Axes() = default;
  Axes(std::initializer_list<int> axes) : std::vector<int>(axes) {}
  Axes(std::vector<int> axes) : std::vector<int>(std::move(axes)) {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) Axes(I axis) : std::vector<int>{checked(axis)} {}

 private:
  template <std::integral I> static int checked(I axis) {
    if (!std::in_range<int>(axis)) no_such_axis(static_cast<int64_t>(axis));
    return static_cast<int>(axis);
  }
  [[noreturn]] static void no_such_axis(int64_t axis);
};

/// The axis in 0..rank-1 for `axis`, which may count from the end. Errors: IndexError naming the shape.
int normal_axis(const char* op, Axis axis, const Shape& shape);
int normal_axis(const char* op, Axis axis, int rank);  ///< where no tensor has the shape

/// NumPy's broadcasting of two shapes. Errors: ShapeError naming both.
Shape broadcast(const char* op, const Shape& a, const Shape& b);
bool broadcasts(const Shape& a, const Shape& b, Shape& result);

}  // namespace gradus
