#include <gradus/core/shape.h>

#include <gradus/core/error.h>

#include <algorithm>

namespace gradus {

void Shape::too_many(int rank) { throw ShapeError("Shape", join("at most ", max_rank, " axes are supported, got ", rank)); }

Shape Shape::insert(int axis, int64_t dim) const {
  Shape s = *this;
  s.push_back(dim);
  for (int i = s.rank() - 1; i > axis; --i) s[i] = dims_[i - 1];
  s[axis] = dim;
  return s;
}

Shape Shape::erase(int axis) const {
  Shape s;
  for (int i = 0; i < rank_; ++i)
    if (i != axis) s.push_back(dims_[i]);
  return s;
}

std::string to_string(const Shape& s) {
  std::string out(1, '[');
  for (int i = 0; i < s.rank(); ++i) {
    if (i) out += ',';
    out += std::to_string(s[i]);
  }
  out += ']';
  return out;
}

namespace {

[[noreturn]] void throw_axis(const char* op, Axis axis, int rank, const std::string& of) {
  throw IndexError(op, rank == 0 ? join("axis ", axis.given, " was asked of a 0-d tensor, which has none")
                                 : join("axis ", axis.given, " is out of range for ", of, "; it must lie in [", -rank, ", ",
                                        rank - 1, "]"));
}

/// -1 if there is none.
int axis_or_none(Axis axis, int rank) {
  const int64_t normal = axis.given < 0 ? axis.given + rank : axis.given;
  return normal < 0 || normal >= rank ? -1 : static_cast<int>(normal);
}

}  // namespace

void Axes::no_such_axis(int64_t axis) {
  throw IndexError("axes", join("axis ", axis, " is out of range for any shape: there are at most ", max_rank, " axes"));
}

int normal_axis(const char* op, Axis axis, const Shape& shape) {
  const int normal = axis_or_none(axis, shape.rank());
  if (normal < 0) throw_axis(op, axis, shape.rank(), to_string(shape));
  return normal;
}
int normal_axis(const char* op, Axis axis, int rank) {
  const int normal = axis_or_none(axis, rank);
  if (normal < 0) throw_axis(op, axis, rank, join(rank, " axes"));
  return normal;
}

bool broadcasts(const Shape& a, const Shape& b, Shape& result) {
  const int rank = std::max(a.rank(), b.rank());
  result = Shape();
  for (int i = 0; i < rank; ++i) {
    const int ia = i - rank + a.rank(), ib = i - rank + b.rank();
    const int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    if (da != db && da != 1 && db != 1) return false;
    result.push_back(da == 1 ? db : da);
  }
  return true;
}

Shape broadcast(const char* op, const Shape& a, const Shape& b) {
  Shape result;
  if (broadcasts(a, b, result)) return result;
  const int axis = result.rank();  // broadcasts() stops at the first that does not fit
  const int from_end = axis - std::max(a.rank(), b.rank());
  std::string hint;
  Shape ignored;
  if (b.rank() < a.rank() && broadcasts(a, b.insert(b.rank(), 1), ignored))
    hint = join("b.unsqueeze(", b.rank(), "), which gives ", b.insert(b.rank(), 1));
  else if (a.rank() < b.rank() && broadcasts(a.insert(a.rank(), 1), b, ignored))
    hint = join("a.unsqueeze(", a.rank(), "), which gives ", a.insert(a.rank(), 1));
  throw ShapeError(op,
                   join(a, " and ", b, " do not broadcast: axis ", axis, " is ", a[a.rank() + from_end], " against ",
                        b[b.rank() + from_end]),
                   hint);
}

}  // namespace gradus
