// DataLoader: batches of a data set, in an order that is a pure function of (seed, epoch).
#pragma once

#include <gradus/data/dataset.h>

#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace gradus::data {

struct LoaderOptions {
  std::int64_t batch_size = 64;
  bool shuffle = true;
  std::uint64_t seed = 7;  ///< of the order; epoch e of seed s is always the same
  bool drop_last = false;  ///< leave out a last batch that is not full
  bool prefetch = true;    ///< a thread prepares the next batch while this one is used; same batches, same order
};

/// A data set behind one table of functions. Users meet it only in the loader's interior.
class Source {
 public:
  virtual ~Source() = default;
  virtual std::int64_t size() const = 0;
  virtual Example get(std::int64_t item) const = 0;
  virtual bool load(std::span<const std::int64_t> items, Batch& out) const = 0;  ///< false: only get() is there
};

template <Dataset D> class SourceOf final : public Source {
 public:
  explicit SourceOf(D d) : d_(std::move(d)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(d_.size()); }
  Example get(std::int64_t item) const override { return d_.get(item); }
  bool load([[maybe_unused]] std::span<const std::int64_t> items, [[maybe_unused]] Batch& out) const override {
    if constexpr (BulkDataset<D>) d_.load(items, out);
    return BulkDataset<D>;
  }

 private:
  D d_;
};

/// What an epoch needs of a loader; kept alive by both.
struct LoaderPlan;

/// Walks the batches of one epoch. Owns the prefetch thread, which ends with it, also when a loop is left early.
class BatchIterator {
 public:
  using value_type = Batch;
  using difference_type = std::ptrdiff_t;

  BatchIterator(std::shared_ptr<const LoaderPlan> plan, std::int64_t epoch, std::int64_t first);
  BatchIterator(BatchIterator&&) noexcept;
  BatchIterator& operator=(BatchIterator&&) noexcept;
  ~BatchIterator();

  Batch& operator*() const;     ///< yours to keep, change or move from
  BatchIterator& operator++();  ///< Errors: DataError "while loading item 1234: ...", which nests the data set's own
  void operator++(int) { ++*this; }
  friend bool operator==(const BatchIterator& i, std::default_sentinel_t) { return i.at_end(); }

 private:
  class Stream;
  bool at_end() const;
  std::unique_ptr<Stream> stream_;
};

/// One pass over the data, for a range-for.
class Epoch {
 public:
  Epoch(std::shared_ptr<const LoaderPlan> plan, std::int64_t epoch, std::int64_t first)
      : plan_(std::move(plan)), epoch_(epoch), first_(first) {}
  BatchIterator begin() const { return {plan_, epoch_, first_}; }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::shared_ptr<const LoaderPlan> plan_;
  std::int64_t epoch_, first_;
};

/// for (auto& batch : loader.epoch(e)) train(batch.x, batch.y);
/// for (auto& batch : loader) ...                                 // the next epoch each time, from 0
class DataLoader {
 public:
  /// The data set is moved in or copied (a TensorDataset's copy shares its numbers). Item 0 is read at once: its shapes and
  /// dtypes are those every item must have. Errors: DataError if the data set is empty or batch_size < 1.
  template <Dataset D>
  explicit DataLoader(D dataset, LoaderOptions options = {})
      : DataLoader(std::unique_ptr<const Source>(new SourceOf<D>(std::move(dataset))), options) {}
  DataLoader(std::unique_ptr<const Source> source, LoaderOptions options);

  std::int64_t size() const;     ///< items of the data set
  std::int64_t batches() const;  ///< batches an epoch
  const LoaderOptions& options() const;

  /// Epoch `epoch`, from its batch `first` on (to resume in the middle). Errors: IndexError unless epoch >= 0 and
  /// 0 <= first <= batches().
  Epoch epoch(std::int64_t epoch, std::int64_t first = 0) const;
  /// Batch `index` of epoch `epoch`, loaded here and now.
  Batch batch(std::int64_t epoch, std::int64_t index) const;
  /// Which items that batch holds, in its order.
  std::vector<std::int64_t> items(std::int64_t epoch, std::int64_t index) const;

  /// A plain range-for takes the next epoch: 0, then 1, ... set_next_epoch() chooses another.
  BatchIterator begin();
  std::default_sentinel_t end() const { return {}; }
  std::int64_t next_epoch() const { return next_epoch_; }
  void set_next_epoch(std::int64_t epoch) { next_epoch_ = epoch; }

 private:
  std::shared_ptr<const LoaderPlan> plan_;
  std::int64_t next_epoch_ = 0;
};

}  // namespace gradus::data
