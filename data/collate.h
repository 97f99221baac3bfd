// What makes a batch of items: stacking, and padding where they are sequences of unequal length.
#pragma once

#include <gradus/data/dataset.h>

#include <optional>

namespace gradus::data {

/// What stands behind the end of a sequence that is shorter than the longest of its batch.
struct PaddingValues {
  double x = 0;
  double y = 0;  ///< as x, if y is a sequence too; a class that the loss ignores, say
};

/// x [B, ...] and y [B, ...] of the items' x and y, as PyTorch's default_collate. With padding the first axes may differ in
/// length, of x and of y: shorter ones are padded at their end to the longest, and `lengths`, i64 [B], are those of the x.
/// `numbers` are what the items are called in messages (default: 0, 1, ...). Errors: DataError if there is no item, an x is
/// absent, or the items do not stack, with two of them and their shapes.
Batch collate(std::span<const Example> items, const std::optional<PaddingValues>& pad = {},
              std::span<const std::int64_t> numbers = {});

}  // namespace gradus::data
