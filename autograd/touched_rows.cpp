#include <gradus/autograd/touched_rows.h>

namespace gradus {

TouchedRows TouchedRows::only(std::int64_t rows, const Array& index) {
  TouchedRows t;
  const Array dense = index.contiguous();
  t.rows_.assign(static_cast<std::size_t>(rows), 0);
  for (std::int64_t i = 0; i < dense.size(); ++i) t.rows_[static_cast<std::size_t>(dense.data<std::int64_t>()[i])] = 1;
  return t;
}

void TouchedRows::add(const TouchedRows& others) {
  if (others.all()) set_all();
  for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i] |= others.rows_[i];
}

bool TouchedRows::holds_element(const Shape& shape, std::int64_t element) const {
  return all() || holds(element / (shape.size() / shape[0]));
}

std::vector<TouchedRows::Run> TouchedRows::runs(const Shape& shape) const {
  if (all()) return {{0, shape.size()}};
  std::vector<Run> found;
  const std::int64_t length = shape.size() / shape[0];
  for (std::int64_t row = 0, at = 0; row < shape[0]; ++row, at += length) {
    if (!holds(row)) continue;
    if (!found.empty() && found.back().end == at) found.back().end += length;
    else found.push_back({at, at + length});
  }
  return found;
}

Array TouchedRows::flags() const {
  return all() ? Array() : Array::of<std::uint8_t>({static_cast<std::int64_t>(rows_.size())}, rows_);
}

TouchedRows TouchedRows::from_flags(const Array& flags) {
  TouchedRows t;
  const Array dense = flags.contiguous();
  for (std::int64_t i = 0; i < dense.size(); ++i) t.rows_.push_back(dense.data<std::uint8_t>()[i]);
  return t;
}

}  // namespace gradus
