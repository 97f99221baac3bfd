#include <gradus/core/random.h>
#include <gradus/tools/gradcheck/false_alarms.h>
#include <gradus/tools/gradcheck/gradcheck.h>

#include <cmath>
#include <set>

namespace gradus::tools {

Sample elsewhere(const Sample& s, std::uint64_t seed) {
  Sample r = s;
  if (seed == 0) return r;
  const Philox choice{seed, 1}, between{seed, 2};
  std::uint64_t drawn = 0;
  for (Array& a : r.inputs) {
    if (a.dtype() != f64 || a.size() == 0) continue;
    const Array own = a;
    a = a.copy();
    const auto n = static_cast<std::uint64_t>(own.size());
    std::set<double> placed;
    for (int64_t i = 0; i < a.size(); ++i) {
      const std::uint64_t from = choice.below(drawn, n), to = n > 1 ? (from + 1 + choice.below(drawn + 1, n - 1)) % n : from;
      const double low = own.element(static_cast<int64_t>(from)), high = own.element(static_cast<int64_t>(to));
      const double x = low + between.uniform<double>(drawn) * (high - low);  // two different ones: no ties
      drawn += 2;
      // Nor anything as near as the steps of the differences: there max and sort have kinks.
      const auto above = placed.lower_bound(x - 1e-5 * std::fabs(x));
      if (above != placed.end() && *above < x + 1e-5 * std::fabs(x) && high != low && drawn < 64 * n) --i;
      else placed.insert(a.uninitialized<double>()[i] = x);
    }
  }
  return r;
}

std::vector<std::string> false_alarms(const OpInfo& op, int first, int count) {
  std::vector<std::string> alarms;
  const Samples samples = op.samples();
  if (samples.empty()) return alarms;
  for (int k = first; k < first + count; ++k) {
    const auto seed = static_cast<std::uint64_t>(k);
    const Sample s = elsewhere(samples[static_cast<std::size_t>(k) % samples.size()], seed);
    const std::vector<Tensor> inputs(s.inputs.begin(), s.inputs.end());
    GradcheckOptions o{.may_be_zero = true, .seed = seed};
    const auto hear = [&](const GradcheckReport& r) {
      const bool empty = r.message.find(": nothing to compare: ") != std::string::npos;
      if (!r.passed && !r.constant && !empty) alarms.push_back(join(op.name, " / ", s.label, ", seed ", k, ": ", r.message));
    };
    hear(gradcheck_function(s.call, inputs, o));
    hear(gradgradcheck_function(s.call, inputs, o));
  }
  return alarms;
}

}  // namespace gradus::tools
