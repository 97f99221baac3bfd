// Samplers: which items an epoch has, and in which order.
#pragma once

#include <gradus/core/array.h>

#include <functional>
#include <vector>

namespace gradus::data {

/// The items of epoch `epoch`, a pure function of it, of the same number in every epoch: so a run can go on in the middle of
/// one. Write your own, or take one of these; it goes into LoaderOptions::sampler.
using Sampler = std::function<std::vector<std::int64_t>(std::int64_t epoch)>;

struct WeightedOptions {
  std::int64_t samples = 0;  ///< items an epoch; 0: as many as there are weights
  bool replacement = true;   ///< an item may come more than once; false: each at most once
  std::uint64_t seed = 7;
};
/// Item i with a probability in proportion to weights[i], as PyTorch's WeightedRandomSampler; weights of 1 / (how many items
/// have the class of item i) balance classes. Without replacement it is as if the items were drawn one after the other
/// (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006). Errors: DataError unless weights are f32 or
/// f64 [N], finite and not below 0, with one above 0, without replacement at least `samples` of them.
Sampler weighted_random_sampler(const Array& weights, const WeightedOptions& options = {});

/// All items, in random order, so that every stretch of it has the classes about as often as the whole: those of each class
/// are spread evenly. Errors: DataError unless labels are u8 or i64 [N], N >= 1.
Sampler stratified_sampler(const Array& labels, std::uint64_t seed = 7);

struct DistributedOptions {
  std::int64_t num_replicas = 1, rank = 0;  ///< 0 <= rank < num_replicas
  bool shuffle = true;
  bool drop_last =
      false;  ///< false: the first items come again, until all ranks have equally many; true: the last are left out
  std::uint64_t seed = 7;  ///< the same for all ranks
};
/// The share of one of several processes, as PyTorch's DistributedSampler: items rank, rank + num_replicas, ... of an order
/// that all of them have. Errors: DataError unless size >= 1, and with drop_last size >= num_replicas.
Sampler distributed_sampler(std::int64_t size, const DistributedOptions& options);

}  // namespace gradus::data
