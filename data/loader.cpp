#include <gradus/data/internal/loader_plan.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace gradus::data {

// ---- one epoch ------------------------------------------------------------------------------------------------------

/// The caller's thread makes room for each batch and frees it; a worker only fills it in. So the pool's blocks stay with one
/// thread, and the same few are used again and again. There are as many places as workers: batch b is prepared in place
/// b % num_workers, and handed over from there.
class BatchIterator::Stream {
 public:
  Stream(std::shared_ptr<const LoaderPlan> plan, std::int64_t epoch, std::int64_t first)
      : plan_(std::move(plan)), epoch_(epoch), order_(plan_->order(epoch)), next_(first), wanted_(first), taken_(first) {
    const std::int64_t workers = std::min<std::int64_t>(plan_->options.num_workers, plan_->batches() - first);
    places_.resize(static_cast<std::size_t>(workers));
    for (std::int64_t k = 0; k < workers; ++k) want_one_more();
    try {
      for (std::int64_t k = 0; k < workers; ++k) workers_.emplace_back([this] { serve(); });
    } catch (const std::system_error& e) {
      stop();
      throw ResourceError("DataLoader",
                          join("the system has no thread for worker ", workers_.size(), " of ", workers, ": ", e.what()),
                          "{.num_workers = 0}");
    }
  }
  ~Stream() { stop(); }

  /// Makes the next batch current. After the last one, or an error, the stream is at its end.
  void advance() {
    current = {};
    at_end = true;
    if (next_ >= plan_->batches()) return;
    const std::int64_t batch = std::exchange(next_, plan_->batches());  // the end, if loading throws
    current = places_.empty() ? load_here(batch) : take_prepared(batch);
    next_ = batch + 1;
    at_end = false;
  }

  Batch current;
  bool at_end = false;

 private:
  struct Place {
    Batch batch;
    std::exception_ptr error;
    bool ready = false;
  };
  Place& place(std::int64_t batch) { return places_[static_cast<std::size_t>(batch) % places_.size()]; }
  std::span<const std::int64_t> items(std::int64_t batch) const { return plan_->items(order_, batch); }

  Batch load_here(std::int64_t batch) {
    Batch b = plan_->room(items(batch).size());
    plan_->load(epoch_, items(batch), b);
    return b;
  }

  Batch take_prepared(std::int64_t batch) {
    std::unique_lock lock(mutex_);
    Place& from = place(batch);
    changed_.wait(lock, [&] { return from.ready; });
    if (from.error) {
      quit_ = true;  // what the others have begun is the last
      std::rethrow_exception(std::exchange(from.error, nullptr));
    }
    Batch b = std::exchange(from, {}).batch;
    if (wanted_ < plan_->batches()) want_one_more();
    lock.unlock();
    changed_.notify_all();
    return b;
  }

  /// Under the lock, or before there are workers.
  void want_one_more() {
    place(wanted_).batch = plan_->room(items(wanted_).size());
    ++wanted_;
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return taken_ < wanted_ || quit_; });
      if (quit_) return;
      const std::int64_t batch = taken_++;
      Place& to = place(batch);
      lock.unlock();  // the place is this worker's until it is ready
      std::exception_ptr failed;
      try {
        plan_->load(epoch_, items(batch), to.batch);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      to.error = std::move(failed);
      to.ready = true;
      changed_.notify_all();
    }
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      quit_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  const std::shared_ptr<const LoaderPlan> plan_;
  const std::int64_t epoch_;
  const std::vector<std::int64_t> order_;
  std::int64_t next_;  // the batch to be handed over next; the caller's alone
  std::mutex mutex_;   // guards what follows
  std::condition_variable changed_;
  std::int64_t wanted_, taken_;  // batches below have a place, and a worker
  std::vector<Place> places_;
  bool quit_ = false;
  std::vector<std::thread> workers_;
};

BatchIterator::BatchIterator(std::shared_ptr<const LoaderPlan> plan, std::int64_t epoch, std::int64_t first)
    : stream_(std::make_unique<Stream>(std::move(plan), epoch, first)) {
  stream_->advance();  // not in Stream's constructor: if it throws, the workers must be joined
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

DataLoader::DataLoader(std::unique_ptr<const Source> source, LoaderOptions options)
    : plan_(std::make_shared<LoaderPlan>(std::move(source), std::move(options))) {}

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
  plan_->load(epoch, wanted, b);
  return b;
}

BatchIterator DataLoader::begin() {
  auto iterator = epoch(next_epoch_).begin();
  ++next_epoch_;
  return iterator;
}

}  // namespace gradus::data
