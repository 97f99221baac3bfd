// What all batches of a loader are made by: the order of an epoch, and the loading of some items.
#pragma once

#include <gradus/data/internal/stack.h>
#include <gradus/data/loader.h>

#include <memory>
#include <vector>

namespace gradus::data {

struct LoaderPlan {
  std::unique_ptr<const Source> source;
  LoaderOptions options;
  std::int64_t size = 0;  // items an epoch
  Model like;             // item 0, as it is stacked: own Arrays, because an item may be a view of the data set's

  /// Errors: as DataLoader's.
  LoaderPlan(std::unique_ptr<const Source> source, LoaderOptions options);

  std::int64_t batches() const {
    const std::int64_t b = options.batch_size;
    return options.drop_last ? size / b : size / b + (size % b != 0);
  }
  std::vector<std::int64_t> order(std::int64_t epoch) const;
  std::span<const std::int64_t> items(const std::vector<std::int64_t>& order, std::int64_t batch) const {
    const std::int64_t begin = batch * options.batch_size;
    return std::span(order).subspan(static_cast<std::size_t>(begin),
                                    static_cast<std::size_t>(std::min(options.batch_size, size - begin)));
  }
  Batch room(std::size_t items) const;  // none, if how long the longest is will be known later
  void load(std::int64_t epoch, std::span<const std::int64_t> items, Batch& out) const;

 private:
  Example get(std::int64_t epoch, std::int64_t item) const;
};

}  // namespace gradus::data
