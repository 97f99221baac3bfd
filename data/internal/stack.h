// One row of a batch after the other, for collate() and for the loader.
#pragma once

#include <gradus/data/collate.h>

namespace gradus::data {

/// An item that others must look like, and what it is called.
struct Model {
  Example item;
  std::int64_t number = 0;
};

/// Copies x and y of an item into row `row` of a batch; behind the end of a shorter sequence nothing is written. Errors:
/// DataError unless they are as the model's, the first axis left out if `padded`.
void put_row(const Example& item, std::int64_t number, const Model& like, bool padded, Batch& batch, std::size_t row);

/// collate(), where all items must be as the model.
Batch stack(std::span<const Example> items, const std::optional<PaddingValues>& pad, std::span<const std::int64_t> numbers,
            const Model& like);

}  // namespace gradus::data
