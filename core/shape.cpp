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

int normal_axis(const char* op, Axis axis, int rank) {
  const int64_t given = axis.given, normal = given < 0 ? given + rank : given;
  if (normal < 0 || normal >= rank)
    throw IndexError(op, rank == 0 ? join("axis ", given, " was asked of a 0-d tensor, which has none")
                                   : join("axis ", given, " is out of range for ", rank, " axes; it must lie in [", -rank,
                                          ", ", rank - 1, "]"));
  return static_cast<int>(normal);
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
  std::string hint;
  Shape ignored;
  if (b.rank() < a.rank() && broadcasts(a, b.insert(b.rank(), 1), ignored))
    hint = join("unsqueeze the second operand at the end, to ", b.insert(b.rank(), 1));
  throw ShapeError(
      op, join("shapes ", a, " and ", b, " do not broadcast; counted from the right, lengths must be equal or 1"), hint);
}

}  // namespace gradus
