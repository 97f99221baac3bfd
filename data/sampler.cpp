#include <gradus/core/error.h>
#include <gradus/core/random.h>
#include <gradus/data/internal/classes.h>
#include <gradus/data/sampler.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace gradus::data {
namespace {

constexpr std::uint64_t sampler_key = 0x73616d706cull << 20;  // keeps samplers apart from weights drawn with the same seed

/// Draws with replacement: u in the running sums of the weights.
std::vector<std::int64_t> draw(const std::vector<double>& sums, std::int64_t samples, Philox random) {
  std::vector<std::int64_t> items(static_cast<std::size_t>(samples));
  for (std::size_t k = 0; k < items.size(); ++k) {
    const double u = random.uniform(k) * sums.back();
    const auto found = std::upper_bound(sums.begin(), sums.end(), u) - sums.begin();  // never one of weight 0
    items[k] = found < std::ssize(sums) ? found : std::lower_bound(sums.begin(), sums.end(), sums.back()) - sums.begin();
  }
  return items;
}

/// The waiting times of events that come at the rates of the weights: the first come first.
std::vector<std::int64_t> draw_once_each(const std::vector<double>& weights, std::int64_t samples, Philox random) {
  std::vector<std::pair<double, std::int64_t>> times;
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (weights[i] > 0) times.emplace_back(-std::log1p(-random.uniform(i)) / weights[i], static_cast<std::int64_t>(i));
  std::sort(times.begin(), times.end());
  std::vector<std::int64_t> items;
  for (std::int64_t k = 0; k < samples; ++k) items.push_back(times[static_cast<std::size_t>(k)].second);
  return items;
}

}  // namespace

Sampler weighted_random_sampler(const Array& weights, const WeightedOptions& options) {
  const char* who = "weighted_random_sampler";
  if (!weights.defined() || !is_real(weights.dtype()) || weights.rank() != 1 || weights.size() < 1)
    throw DataError(who, "weights are " + describe(weights) + "; they must be f32 or f64 [N], at least one");
  const Array from = weights.to(f64).contiguous();
  std::vector<double> each(from.data<double>(), from.data<double>() + from.size()), sums(each.size());
  for (std::size_t i = 0; i < each.size(); ++i)
    if (!(each[i] >= 0 && std::isfinite(each[i])))
      throw DataError(who, join("weight ", i, " is ", text(each[i]), "; weights must be finite and not below 0"));
  std::partial_sum(each.begin(), each.end(), sums.begin());
  const std::int64_t samples = options.samples == 0 ? from.size() : options.samples;
  const auto choices = std::count_if(each.begin(), each.end(), [](double w) { return w > 0; });
  if (samples < 1) throw DataError(who, join("samples is ", samples, "; it must be at least 1, or 0 for one a weight"));
  if (choices == 0 || !std::isfinite(sums.back()) || (!options.replacement && choices < samples))
    throw DataError(who, join(choices, " weights are above 0, their sum is ", text(sums.back()), "; ", samples, " samples ",
                              options.replacement ? "need one, and a finite sum" : "without replacement need as many"));
  return [each = std::move(each), sums = std::move(sums), samples, options](std::int64_t epoch) {
    const Philox random{options.seed ^ sampler_key, static_cast<std::uint64_t>(epoch)};
    return options.replacement ? draw(sums, samples, random) : draw_once_each(each, samples, random);
  };
}

Sampler stratified_sampler(const Array& labels, std::uint64_t seed) {
  auto classes = classes_of("stratified_sampler", labels);
  std::map<std::int64_t, double> count;
  for (const std::int64_t c : classes) ++count[c];
  return [classes = std::move(classes), count = std::move(count), seed](std::int64_t epoch) {
    const auto n = static_cast<std::int64_t>(classes.size());
    const auto stream = static_cast<std::uint64_t>(epoch);
    auto order = permutation(n, seed ^ sampler_key, stream);
    std::map<std::int64_t, double> next;  // where in the epoch, 0 to 1, the next item of a class stands
    std::uint64_t drawn = 0;
    for (const auto& [c, of_class] : count) next[c] = Philox{~seed ^ sampler_key, stream}.uniform(drawn++) / of_class;
    std::vector<std::pair<double, std::int64_t>> places;
    for (const std::int64_t item : order) {
      const std::int64_t c = classes[static_cast<std::size_t>(item)];
      places.emplace_back(next[c], item);
      next[c] += 1 / count.at(c);
    }
    std::sort(places.begin(), places.end());
    std::transform(places.begin(), places.end(), order.begin(), [](const auto& p) { return p.second; });
    return order;
  };
}

Sampler distributed_sampler(std::int64_t size, const DistributedOptions& o) {
  const char* who = "distributed_sampler";
  if (o.num_replicas < 1 || o.rank < 0 || o.rank >= o.num_replicas)
    throw DataError(who,
                    join("rank is ", o.rank, ", num_replicas is ", o.num_replicas, "; 0 <= rank < num_replicas must hold"));
  if (size < 1 || (o.drop_last && size < o.num_replicas))
    throw DataError(
        who, join(size, " items for ", o.num_replicas, " ranks; there must be at least one, with drop_last one a rank"));
  const std::int64_t share = size / o.num_replicas + (!o.drop_last && size % o.num_replicas != 0);
  return [size, o, share](std::int64_t epoch) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(size)), own;
    std::iota(order.begin(), order.end(), 0);
    if (o.shuffle) order = permutation(size, o.seed ^ sampler_key, static_cast<std::uint64_t>(epoch));
    for (std::int64_t k = 0; k < share; ++k)
      own.push_back(order[static_cast<std::size_t>((o.rank + k * o.num_replicas) % size)]);
    return own;
  };
}

}  // namespace gradus::data
