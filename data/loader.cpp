#include <gradus/core/random.h>
#include <gradus/data/loader.h>

#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace gradus::data {

struct LoaderPlan {
  std::unique_ptr<const Source> source;
  LoaderOptions options;
  std::int64_t size = 0;
  Array like_x, like_y;  // item 0: what the others must look like

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
  Batch room(std::size_t items) const;
  void load(std::span<const std::int64_t> items, Batch& out) const;
};

namespace {

/// Rethrows the exception in flight as a DataError that says where it happened and nests the original.
[[noreturn]] void rethrow_with(const std::string& place) {
  std::string what = "an exception that is no std::exception";
  try {
    throw;
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  std::throw_with_nested(DataError("DataLoader", join("while loading ", place, ": ", what)));
}

Example get_checked(const Source& source, std::int64_t item) {
  try {
    return source.get(item);
  } catch (...) {
    rethrow_with(join("item ", item));
  }
}

/// Copies one item's numbers into row `row` of the batch.
void put(const char* name, const Array& from, std::int64_t item, const Array& like, Array& batch, std::size_t row) {
  const bool alike = from.defined() && like.defined() ? from.dtype() == like.dtype() && from.shape() == like.shape()
                                                      : from.defined() == like.defined();
  if (!alike)
    throw DataError("DataLoader", join("items 0 and ", item, " do not stack: ", name, " is ", describe(like), " and ",
                                       describe(from), "; every item of a data set must have the same shape and dtype"));
  if (!from.defined()) return;
  const Array dense = from.contiguous();
  const auto bytes = static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype());
  std::memcpy(batch.uninitialized<char>() + row * bytes, dense.bytes(), bytes);
}

}  // namespace

std::vector<std::int64_t> LoaderPlan::order(std::int64_t epoch) const {
  constexpr std::uint64_t order_key = 0x6f72646572;  // keeps the order apart from weights drawn with the same seed
  if (options.shuffle) return permutation(size, options.seed ^ order_key << 20, static_cast<std::uint64_t>(epoch));
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  return order;
}

Batch LoaderPlan::room(std::size_t items) const {
  const auto n = static_cast<std::int64_t>(items);
  Batch b{Array(like_x.shape().insert(0, n), like_x.dtype()), {}};
  if (like_y.defined()) b.y = Array(like_y.shape().insert(0, n), like_y.dtype());
  return b;
}

void LoaderPlan::load(std::span<const std::int64_t> items, Batch& out) const {
  bool done = false;
  try {
    done = source->load(items, out);
  } catch (...) {
    rethrow_with(join("a batch of ", items.size(), " items beginning with item ", items.front()));
  }
  for (std::size_t row = 0; row < items.size() && !done; ++row) {
    const Example e = get_checked(*source, items[row]);
    put("x", e.x, items[row], like_x, out.x, row);
    put("y", e.y, items[row], like_y, out.y, row);
  }
}

// ---- one epoch ------------------------------------------------------------------------------------------------------

/// The caller's thread makes room for each batch and frees it; the prefetch thread only fills it in. So the pool's blocks
/// stay with one thread, and the same few are used again and again.
class BatchIterator::Stream {
 public:
  Stream(std::shared_ptr<const LoaderPlan> plan, std::int64_t epoch, std::int64_t first)
      : plan_(std::move(plan)), order_(plan_->order(epoch)), next_(first) {
    if (plan_->options.prefetch && next_ < plan_->batches()) {
      request();
      try {
        worker_ = std::thread([this] { serve(); });
      } catch (const std::system_error& e) {
        throw ResourceError("DataLoader", join("the system has no thread to load ahead: ", e.what()), "{.prefetch = false}");
      }
    }
  }
  ~Stream() {
    if (!worker_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      quit_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }

  /// Makes the next batch current. After the last one, or an error, the stream is at its end.
  void advance() {
    current = {};
    at_end = next_ >= plan_->batches();
    if (at_end) return;
    if (!plan_->options.prefetch) {
      at_end = true;  // stays so if loading throws
      Batch b = plan_->room(items().size());
      plan_->load(items(), b);
      current = std::move(b);
      ++next_;
      at_end = false;
      return;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !wanted_; });
    if (error_) {
      next_ = plan_->batches();
      at_end = true;
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
    current = std::move(slot_);
    ++next_;
    if (next_ < plan_->batches()) request();
    lock.unlock();
    changed_.notify_all();
  }

  Batch current;
  bool at_end = false;

 private:
  std::span<const std::int64_t> items() const { return plan_->items(order_, next_); }

  /// Under the lock, or before the thread is there.
  void request() {
    slot_ = plan_->room(items().size());
    wanted_ = true;
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return wanted_ || quit_; });
      if (quit_) return;
      const auto wanted = items();
      lock.unlock();  // the slot is this thread's until wanted_ is false
      std::exception_ptr failed;
      try {
        plan_->load(wanted, slot_);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      error_ = std::move(failed);
      wanted_ = false;
      changed_.notify_all();
    }
  }

  const std::shared_ptr<const LoaderPlan> plan_;
  const std::vector<std::int64_t> order_;
  std::int64_t next_;  // the batch to be handed over next
  std::mutex mutex_;   // guards what follows, and next_ while the thread lives
  std::condition_variable changed_;
  Batch slot_;
  std::exception_ptr error_;
  bool wanted_ = false, quit_ = false;
  std::thread worker_;
};

BatchIterator::BatchIterator(std::shared_ptr<const LoaderPlan> plan, std::int64_t epoch, std::int64_t first)
    : stream_(std::make_unique<Stream>(std::move(plan), epoch, first)) {
  stream_->advance();  // not in Stream's constructor: if it throws, the thread must be joined
}
BatchIterator::BatchIterator(BatchIterator&&) noexcept = default;
BatchIterator& BatchIterator::operator=(BatchIterator&&) noexcept = default;
BatchIterator::~BatchIterator() = default;
Batch& BatchIterator::operator*() const { return stream_->current; }
BatchIterator& BatchIterator::operator++() {
  stream_->advance();
  return *this;
}
bool BatchIterator::at_end() const { return stream_->at_end; }

// ---- the loader -----------------------------------------------------------------------------------------------------

DataLoader::DataLoader(std::unique_ptr<const Source> source, LoaderOptions options) {
  auto plan = std::make_shared<LoaderPlan>();
  if (options.batch_size < 1)
    throw DataError("DataLoader", join("batch_size is ", options.batch_size, "; it must be at least 1"));
  plan->size = source->size();
  if (plan->size < 1)
    throw DataError("DataLoader", join("the data set is empty (", plan->size, " items); it needs at least one"));
  Example first = get_checked(*source, 0);
  if (!first.x.defined())
    throw DataError("DataLoader", "item 0 has no x; get(i) must return an Example whose x is an Array");
  plan->like_x = Array(first.x.shape(), first.x.dtype());  // own Arrays: an item may be a view of the data set's
  if (first.y.defined()) plan->like_y = Array(first.y.shape(), first.y.dtype());
  plan->source = std::move(source);
  plan->options = options;
  plan_ = std::move(plan);
}

std::int64_t DataLoader::size() const { return plan_->size; }
std::int64_t DataLoader::batches() const { return plan_->batches(); }
const LoaderOptions& DataLoader::options() const { return plan_->options; }

Epoch DataLoader::epoch(std::int64_t epoch, std::int64_t first) const {
  if (epoch < 0) throw IndexError("DataLoader", join("epoch ", epoch, " was asked for; epochs count from 0"));
  if (first < 0 || first > batches())
    throw IndexError("DataLoader", join("batch ", first, " was asked for; an epoch has ", batches(), " batches"));
  return {plan_, epoch, first};
}

std::vector<std::int64_t> DataLoader::items(std::int64_t epoch, std::int64_t index) const {
  if (epoch < 0 || index < 0 || index >= batches())
    throw IndexError("DataLoader", join("batch ", index, " of epoch ", epoch, " was asked for; an epoch has ", batches(),
                                        " batches, epochs count from 0"));
  const auto order = plan_->order(epoch);
  const auto items = plan_->items(order, index);
  return {items.begin(), items.end()};
}

Batch DataLoader::batch(std::int64_t epoch, std::int64_t index) const {
  const auto wanted = items(epoch, index);
  Batch b = plan_->room(wanted.size());
  plan_->load(wanted, b);
  return b;
}

BatchIterator DataLoader::begin() {
  auto iterator = epoch(next_epoch_).begin();
  ++next_epoch_;
  return iterator;
}

}  // namespace gradus::data
