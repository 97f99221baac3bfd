#include <gradus/data/dataset.h>
#include <gradus/data/internal/check_item.h>

#include <cstring>

namespace gradus::data {
namespace {

/// Rows `items` of `from` into `to`, both dense; pixels are scaled, labels widened.
void gather(const Array& from, std::span<const std::int64_t> items, Array& to, bool pixels) {
  const std::int64_t row = from.dim(0) ? from.size() / from.dim(0) : 0;
  std::int64_t at = 0;
  if (from.dtype() == u8 && pixels) {
    float* out = to.uninitialized<float>();
    for (const std::int64_t i : items) {
      const std::uint8_t* in = from.data<std::uint8_t>() + i * row;
      for (std::int64_t k = 0; k < row; ++k) out[at + k] = static_cast<float>(in[k]) / 255.0f;
      at += row;
    }
  } else if (from.dtype() == u8) {
    std::int64_t* out = to.uninitialized<std::int64_t>();
    for (const std::int64_t i : items)
      for (std::int64_t k = 0; k < row; ++k) out[at++] = from.data<std::uint8_t>()[i * row + k];
  } else {
    const auto bytes = static_cast<std::size_t>(row) * bytes_of(from.dtype());
    char* out = to.uninitialized<char>();
    for (const std::int64_t i : items) {
      std::memcpy(out, from.bytes() + static_cast<std::size_t>(i) * bytes, bytes);
      out += bytes;
    }
  }
}

}  // namespace

TensorDataset::TensorDataset(const Array& x, const Array& y) {
  if (!x.defined()) throw DataError("TensorDataset", "x is absent; it must be an Array [N, ...]");
  if (x.rank() == 0 || (y.defined() && y.rank() == 0))
    throw ShapeError("TensorDataset",
                     join("x is ", describe(x), ", y is ", describe(y), "; both need a first axis that counts the items"));
  if (y.defined() && x.dim(0) != y.dim(0))
    throw ShapeError("TensorDataset", join(x.dim(0), x.dtype() == u8 ? " images, " : " items, ", y.dim(0), " labels; x is ",
                                           describe(x), ", y is ", describe(y), "; their first axes must be equal"));
  x_ = x.contiguous();
  y_ = y.defined() ? y.contiguous() : y;
}

Array TensorDataset::room(std::int64_t n, const Array& from) const {
  Shape shape = from.shape();
  shape[0] = n;
  if (from.dtype() != u8) return Array(shape, from.dtype());
  if (&from == &y_) return Array(shape, i64);
  return Array(from.rank() == 3 ? shape.insert(1, 1) : shape, f32);
}

Example TensorDataset::get(std::int64_t i) const {
  check_item("TensorDataset", i, size());
  Batch one{room(1, x_), y_.defined() ? room(1, y_) : Array()};
  load(std::span(&i, 1), one);
  return {one.x.select(0, 0), one.y.defined() ? one.y.select(0, 0) : Array()};
}

void TensorDataset::load(std::span<const std::int64_t> items, Batch& out) const {
  gather(x_, items, out.x, true);
  if (y_.defined()) gather(y_, items, out.y, false);
}

}  // namespace gradus::data
