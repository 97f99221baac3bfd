// Data sets made of data sets: a part of one, several in a row, one with changed items, one that is kept in memory.
#pragma once

#include <gradus/data/dataset.h>

#include <functional>
#include <memory>
#include <vector>

namespace gradus::data {

/// Item i is item items[i] of the data set; as PyTorch's Subset.
class Subset {
 public:
  /// Errors: DataError naming an item that the data set does not have.
  template <Dataset D>
  Subset(D dataset, std::vector<std::int64_t> items)
      : Subset(std::make_shared<const SourceOf<D>>(std::move(dataset)), std::move(items)) {}
  Subset(std::shared_ptr<const Source> source, std::vector<std::int64_t> items);

  std::int64_t size() const { return static_cast<std::int64_t>(items_.size()); }
  const std::vector<std::int64_t>& items() const { return items_; }
  Example get(std::int64_t i) const;
  bool load(std::span<const std::int64_t> items, Batch& out) const;  ///< false: the data set has only get()

 private:
  std::shared_ptr<const Source> source_;
  std::vector<std::int64_t> items_;
};

/// The items of the first data set, then those of the second, ...; as PyTorch's ConcatDataset.
class ConcatDataset {
 public:
  template <Dataset... D> explicit ConcatDataset(D... datasets) {
    (add(std::make_shared<const SourceOf<D>>(std::move(datasets))), ...);
  }
  std::int64_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  Example get(std::int64_t i) const;

 private:
  void add(std::shared_ptr<const Source> source);
  std::vector<std::shared_ptr<const Source>> sources_;
  std::vector<std::int64_t> ends_;
};

/// Item i is f(item i of the data set). What is random belongs into LoaderOptions::transform, which has a stream for it.
class MapDataset {
 public:
  using Function = std::function<Example(Example)>;
  template <Dataset D>
  MapDataset(D dataset, Function f) : source_(std::make_shared<const SourceOf<D>>(std::move(dataset))), f_(std::move(f)) {}
  std::int64_t size() const { return source_->size(); }
  Example get(std::int64_t i) const { return f_(source_->get(i)); }

 private:
  std::shared_ptr<const Source> source_;
  Function f_;
};

/// Keeps every item from when it was first read. Copies share what is kept; any number of workers may ask at once.
class CachedDataset {
 public:
  template <Dataset D>
  explicit CachedDataset(D dataset) : CachedDataset(std::make_shared<const SourceOf<D>>(std::move(dataset))) {}
  explicit CachedDataset(std::shared_ptr<const Source> source);
  std::int64_t size() const { return source_->size(); }
  Example get(std::int64_t i) const;

 private:
  struct Kept;
  std::shared_ptr<const Source> source_;
  std::shared_ptr<Kept> kept_;
};

/// Parts of these lengths, or of these fractions of it, of a data set in random order; as PyTorch's random_split: what the
/// rounding down of fractions leaves over goes to the first parts, one item each. Errors: DataError unless the lengths are
/// whole numbers that sum to the size, or the fractions sum to 1.
std::vector<Subset> random_split(std::shared_ptr<const Source> source, const std::vector<double>& lengths,
                                 std::uint64_t seed);
template <Dataset D>
std::vector<Subset> random_split(D dataset, const std::vector<double>& lengths, std::uint64_t seed = 7) {
  return random_split(std::make_shared<const SourceOf<D>>(std::move(dataset)), lengths, seed);
}

struct TrainTestSplit {
  Subset train, test;
};
/// `test_fraction` of the items, rounded, and the others, both in random order. With `labels`, u8 or i64 [N], each class is
/// divided so, to one item, as by scikit-learn's `stratify`. Errors: DataError unless both parts have an item.
TrainTestSplit train_test_split(std::shared_ptr<const Source> source, double test_fraction, std::uint64_t seed,
                                const Array& labels);
template <Dataset D>
TrainTestSplit train_test_split(D dataset, double test_fraction = 0.25, std::uint64_t seed = 7, const Array& labels = {}) {
  return train_test_split(std::make_shared<const SourceOf<D>>(std::move(dataset)), test_fraction, seed, labels);
}

}  // namespace gradus::data
