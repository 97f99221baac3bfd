#include <gradus/core/error.h>
#include <gradus/core/random.h>
#include <gradus/data/combine.h>
#include <gradus/data/internal/check_item.h>
#include <gradus/data/internal/classes.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>

namespace gradus::data {
namespace {

constexpr std::uint64_t split_key = 0x73706c6974ull << 20;  // keeps splits apart from orders of the same seed

/// How many items each part has.
std::vector<std::int64_t> part_lengths(const std::vector<double>& lengths, std::int64_t size) {
  const double sum = std::accumulate(lengths.begin(), lengths.end(), 0.0);
  const bool fractions = std::abs(sum - 1) < 1e-9;
  std::vector<std::int64_t> parts;
  for (const double length : lengths) {
    if (!(length >= 0) || (!fractions && length != std::floor(length)) || !(sum < 0x1p53))
      throw DataError("random_split", join("a part of ", text(length), " was asked for, the sum is ", text(sum),
                                           "; lengths must be whole numbers, fractions sum to 1"));
    parts.push_back(static_cast<std::int64_t>(fractions ? std::floor(length * static_cast<double>(size)) : length));
  }
  std::int64_t left = size - std::accumulate(parts.begin(), parts.end(), std::int64_t(0));
  for (std::size_t k = 0; fractions && left > 0; k = (k + 1) % parts.size(), --left) ++parts[k];
  if (left != 0)
    throw DataError("random_split", join("the lengths sum to ", size - left, "; the data set has ", size, " items"));
  return parts;
}

}  // namespace

Subset::Subset(std::shared_ptr<const Source> source, std::vector<std::int64_t> items)
    : source_(std::move(source)), items_(std::move(items)) {
  for (const std::int64_t i : items_)
    if (i < 0 || i >= source_->size())
      throw DataError("Subset", join("item ", i, " was asked for; the data set has ", source_->size()));
}

Example Subset::get(std::int64_t i) const {
  check_item("Subset", i, size());
  return source_->get(items_[static_cast<std::size_t>(i)]);
}

bool Subset::load(std::span<const std::int64_t> items, Batch& out) const {
  std::vector<std::int64_t> there;
  for (const std::int64_t i : items) {
    check_item("Subset", i, size());
    there.push_back(items_[static_cast<std::size_t>(i)]);
  }
  return source_->load(there, out);
}

void ConcatDataset::add(std::shared_ptr<const Source> source) {
  ends_.push_back(size() + source->size());
  sources_.push_back(std::move(source));
}

Example ConcatDataset::get(std::int64_t i) const {
  check_item("ConcatDataset", i, size());
  const auto k = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), i) - ends_.begin());
  return sources_[k]->get(k == 0 ? i : i - ends_[k - 1]);
}

struct CachedDataset::Kept {
  std::mutex mutex;
  std::vector<std::optional<Example>> items;
};

CachedDataset::CachedDataset(std::shared_ptr<const Source> source)
    : source_(std::move(source)), kept_(std::make_shared<Kept>()) {
  kept_->items.resize(static_cast<std::size_t>(size()));
}

Example CachedDataset::get(std::int64_t i) const {
  check_item("CachedDataset", i, size());
  auto& kept = kept_->items[static_cast<std::size_t>(i)];
  {
    const std::lock_guard lock(kept_->mutex);
    if (kept) return *kept;
  }
  Example read = source_->get(i);  // without the lock: others may read meanwhile
  const std::lock_guard lock(kept_->mutex);
  if (!kept) kept = std::move(read);
  return *kept;
}

std::vector<Subset> random_split(std::shared_ptr<const Source> source, const std::vector<double>& lengths,
                                 std::uint64_t seed) {
  const auto parts = part_lengths(lengths, source->size());
  const auto order = permutation(source->size(), seed ^ split_key);
  std::vector<Subset> made;
  auto from = order.begin();
  for (const std::int64_t n : parts) {
    made.emplace_back(source, std::vector<std::int64_t>(from, from + n));
    from += n;
  }
  return made;
}

TrainTestSplit train_test_split(std::shared_ptr<const Source> source, double test_fraction, std::uint64_t seed,
                                const Array& labels) {
  const char* who = "train_test_split";
  const std::int64_t n = source->size();
  if (!(test_fraction > 0 && test_fraction < 1))
    throw DataError(who, join("test_fraction is ", text(test_fraction), "; it must lie between 0 and 1"));
  std::vector<std::int64_t> classes(static_cast<std::size_t>(n), 0);
  if (labels.defined()) classes = classes_of(who, labels);
  if (std::ssize(classes) != n)
    throw DataError(who, join(n, " items, ", classes.size(), " labels; there must be one for each"));

  std::map<std::int64_t, std::int64_t> wanted;  // of a class, for the test
  for (const std::int64_t c : classes) ++wanted[c];
  double exact = 0;
  std::int64_t taken = 0;
  for (auto& [c, count] : wanted) {  // rounded so that the sum is the rounded sum
    exact += test_fraction * static_cast<double>(count);
    count = static_cast<std::int64_t>(std::floor(exact + 0.5)) - taken;
    taken += count;
  }
  if (taken == 0 || taken == n) throw DataError(who, join(taken, " of ", n, " items are for the test; both parts need one"));
  std::vector<std::int64_t> train, test;
  for (const std::int64_t i : permutation(n, seed ^ split_key))
    (wanted[classes[static_cast<std::size_t>(i)]]-- > 0 ? test : train).push_back(i);
  return {Subset(source, std::move(train)), Subset(source, std::move(test))};
}

}  // namespace gradus::data
