#include <gradus/core/error.h>
#include <gradus/data/internal/stack.h>

#include <cstring>
#include <vector>

namespace gradus::data {
namespace {

bool alike(const Array& a, const Array& like, bool padded) {
  if (!a.defined() || !like.defined()) return a.defined() == like.defined();
  if (a.dtype() != like.dtype() || a.rank() != like.rank()) return false;
  for (int axis = padded ? 1 : 0; axis < a.rank(); ++axis)
    if (a.dim(axis) != like.dim(axis)) return false;
  return true;
}

void put(const char* name, const Array& from, std::int64_t number, const Array& like, std::int64_t like_number, bool padded,
         Array& batch, std::size_t row) {
  if (!alike(from, like, padded))
    throw DataError(
        "DataLoader",
        join("items ", like_number, " and ", number, " do not stack: ", name, " is ", describe(like), " and ",
             describe(from), "; every item of a data set must have the same shape and dtype",
             padded ? ", but for the length of its first axis" : ""),
        !padded && alike(from, like, true) ? "{.pad = data::PaddingValues{}}: sequences are padded to the longest" : "");
  if (!from.defined()) return;
  const Array dense = from.contiguous();
  const auto each = bytes_of(dense.dtype()), rows = static_cast<std::size_t>(batch.dim(0));
  std::memcpy(batch.uninitialized<char>() + row * (static_cast<std::size_t>(batch.size()) / rows * each), dense.bytes(),
              static_cast<std::size_t>(dense.size()) * each);
}

/// Room for the items' x or y (which `part` says), padded to the longest.
Array padded_room(std::span<const Example> items, Array Example::*part, const Array& like, double value) {
  if (!like.defined()) return {};
  Shape shape = like.shape();
  for (const Example& e : items)
    if ((e.*part).defined() && like.rank() > 0 && (e.*part).rank() > 0) shape[0] = std::max(shape[0], (e.*part).dim(0));
  return Array::full(shape.insert(0, static_cast<std::int64_t>(items.size())), value, like.dtype());
}

}  // namespace

void put_row(const Example& item, std::int64_t number, const Model& like, bool padded, Batch& batch, std::size_t row) {
  put("x", item.x, number, like.item.x, like.number, padded, batch.x, row);
  put("y", item.y, number, like.item.y, like.number, padded, batch.y, row);
}

Batch stack(std::span<const Example> items, const std::optional<PaddingValues>& pad, std::span<const std::int64_t> numbers,
            const Model& like) {
  const auto n = static_cast<std::int64_t>(items.size());
  Batch batch;
  if (pad) {
    if (like.item.x.rank() == 0)
      throw DataError("DataLoader", join("item ", like.number, " has x ", describe(like.item.x),
                                         "; what is padded must have a first axis that counts its steps"));
    batch.x = padded_room(items, &Example::x, items[0].x, pad->x);
    batch.y = padded_room(items, &Example::y, items[0].y, pad->y);
    batch.lengths = Array({n}, i64);
  } else {
    batch.x = Array(like.item.x.shape().insert(0, n), like.item.x.dtype());
    if (like.item.y.defined()) batch.y = Array(like.item.y.shape().insert(0, n), like.item.y.dtype());
  }
  for (std::size_t row = 0; row < items.size(); ++row) {
    put_row(items[row], numbers.empty() ? static_cast<std::int64_t>(row) : numbers[row], like, pad.has_value(), batch, row);
    if (pad) batch.lengths.uninitialized<std::int64_t>()[row] = items[row].x.dim(0);
  }
  return batch;
}

Batch collate(std::span<const Example> items, const std::optional<PaddingValues>& pad,
              std::span<const std::int64_t> numbers) {
  if (items.empty()) throw DataError("collate", "there is no item to make a batch of");
  if (!items[0].x.defined()) throw DataError("collate", "the first item has no x");
  return stack(items, pad, numbers, {items[0], numbers.empty() ? 0 : numbers[0]});
}

}  // namespace gradus::data
