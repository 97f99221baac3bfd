// DataLoader: batches of a data set, in an order that is a pure function of (seed, epoch).
#pragma once

#include <gradus/core/random.h>
#include <gradus/data/collate.h>
#include <gradus/data/dataset.h>
#include <gradus/data/sampler.h>

#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace gradus::data {

/// Changes an item; what is random is drawn from `random`, a stream of this item in this epoch: the same at any number of
/// workers, in batches of any size. Results must stack as items of the data set must.
using Transform = std::function<Example(Example item, Philox random)>;

struct LoaderOptions {
  std::int64_t batch_size = 64;
  bool shuffle = true;     ///< no matter if there is a sampler
  std::uint64_t seed = 7;  ///< of the order, and of what `transform` draws; epoch e of seed s is always the same
  bool drop_last = false;  ///< leave out a last batch that is not full

  /// Threads that prepare batches, each one ahead of the batch in use; 0: the caller's own does, when it asks for a batch.
  /// The batches are the same, in the same order. With 2 or more the data set's get() must bear being called at once.
  int num_workers = 1;

  Sampler sampler = {};      ///< which items an epoch has, in which order; none: all of them (see shuffle)
  Transform transform = {};  ///< what becomes of each item before it is stacked; none: nothing
  std::optional<PaddingValues> pad =
      {};  ///< sequences of unequal length are padded (see collate()); none: lengths must be equal
};

/// What an epoch needs of a loader; kept alive by both.
struct LoaderPlan;

/// Walks the batches of one epoch. Owns its workers, which end with it, also when a loop is left early.
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
  /// dtypes are those every item must have. Errors: DataError if the data set is empty, batch_size < 1, num_workers is not
  /// in 0 .. 256, or the sampler gives no items or some that are not there.
  template <Dataset D>
  explicit DataLoader(D dataset, LoaderOptions options = {})
      : DataLoader(std::unique_ptr<const Source>(new SourceOf<D>(std::move(dataset))), options) {}
  DataLoader(std::unique_ptr<const Source> source, LoaderOptions options);

  std::int64_t size() const;     ///< items an epoch: those of the data set, unless a sampler has another number
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
