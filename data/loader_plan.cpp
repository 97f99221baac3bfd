#include <gradus/core/random.h>
#include <gradus/data/internal/loader_plan.h>

#include <exception>
#include <numeric>

namespace gradus::data {
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

void check_sampled(const std::vector<std::int64_t>& order, std::int64_t epoch, std::int64_t expected, std::int64_t items) {
  if (order.empty() || (epoch > 0 && std::ssize(order) != expected))
    throw DataError("DataLoader", join("the sampler gives ", order.size(), " items for epoch ", epoch, "; it must be ",
                                       epoch > 0 ? join(expected, ", as for epoch 0") : "at least one"));
  for (const std::int64_t i : order)
    if (i < 0 || i >= items)
      throw DataError("DataLoader", join("the sampler gives item ", i, " for epoch ", epoch, "; there are ", items));
}

}  // namespace

LoaderPlan::LoaderPlan(std::unique_ptr<const Source> from, LoaderOptions wanted)
    : source(std::move(from)), options(std::move(wanted)) {
  if (options.batch_size < 1)
    throw DataError("DataLoader", join("batch_size is ", options.batch_size, "; it must be at least 1"));
  if (options.num_workers < 0 || options.num_workers > 256)
    throw DataError("DataLoader", join("num_workers is ", options.num_workers, "; it must be 0 to 256"));
  size = source->size();
  if (size < 1) throw DataError("DataLoader", join("the data set is empty (", size, " items); it needs at least one"));
  if (options.sampler) size = std::ssize(order(0));
  const Example first = get(0, 0);
  if (!first.x.defined())
    throw DataError("DataLoader", "item 0 has no x; get(i) must return an Example whose x is an Array");
  like.item.x = Array(first.x.shape(), first.x.dtype());
  if (first.y.defined()) like.item.y = Array(first.y.shape(), first.y.dtype());
}

std::vector<std::int64_t> LoaderPlan::order(std::int64_t epoch) const {
  constexpr std::uint64_t order_key = 0x6f72646572;  // keeps the order apart from weights drawn with the same seed
  if (options.sampler) {
    auto order = options.sampler(epoch);
    check_sampled(order, epoch, size, source->size());
    return order;
  }
  if (options.shuffle) return permutation(size, options.seed ^ order_key << 20, static_cast<std::uint64_t>(epoch));
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Batch LoaderPlan::room(std::size_t items) const {
  if (options.pad) return {};
  const auto n = static_cast<std::int64_t>(items);
  const auto& [x, y] = like.item;
  Batch b{Array(x.shape().insert(0, n), x.dtype()), {}};
  if (y.defined()) b.y = Array(y.shape().insert(0, n), y.dtype());
  return b;
}

Example LoaderPlan::get(std::int64_t epoch, std::int64_t item) const {
  constexpr std::uint64_t transform_key = 0x7472616e73;
  try {
    Example e = source->get(item);
    if (!options.transform) return e;
    const auto stream = static_cast<std::uint64_t>(epoch) * static_cast<std::uint64_t>(source->size());
    return options.transform(std::move(e), {options.seed ^ transform_key << 20, stream + static_cast<std::uint64_t>(item)});
  } catch (...) {
    rethrow_with(join("item ", item));
  }
}

void LoaderPlan::load(std::int64_t epoch, std::span<const std::int64_t> items, Batch& out) const {
  if (!options.transform && !options.pad) {
    try {
      if (source->load(items, out)) return;
    } catch (...) {
      rethrow_with(join("a batch of ", items.size(), " items beginning with item ", items.front()));
    }
  }
  std::vector<Example> examples;
  for (std::size_t row = 0; row < items.size(); ++row) {
    Example e = get(epoch, items[row]);
    if (options.pad) examples.push_back(std::move(e));
    else put_row(e, items[row], like, false, out, row);
  }
  if (options.pad) out = stack(examples, options.pad, items, like);
}

}  // namespace gradus::data
