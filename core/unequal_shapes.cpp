#include <gradus/core/error.h>
#include <gradus/core/unequal_shapes.h>

namespace gradus {

void throw_unequal_shapes(const char* op, const std::string& both, const Shape& first, const Shape& second,
                          const char* second_name) {
  std::string hint;
  for (int axis = 0; axis < first.rank(); ++axis)
    if (first.rank() == second.rank() + 1 && second.insert(axis, 1) == first)
      hint = join(second_name, ".unsqueeze(", axis, ")");
  for (int axis = 0; axis < second.rank(); ++axis)
    if (second.rank() == first.rank() + 1 && first.insert(axis, 1) == second)
      hint = join(second_name, ".squeeze(", axis, ")");
  Shape together;
  const bool fit = broadcasts(first, second, together);
  throw ShapeError(
      op, join(both, fit ? join(" would broadcast to ", together) : " differ in shape", "; the shapes must be equal"), hint);
}

}  // namespace gradus
