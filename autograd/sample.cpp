#include <gradus/autograd/sample.h>

#include <random>

namespace gradus {

Sample::Sample(std::string_view what, std::vector<Array> on, Call apply)
    : label(what), inputs(std::move(on)), call(std::move(apply)) {}
Sample::Sample(const Sample&) = default;
Sample::Sample(Sample&&) noexcept = default;
Sample& Sample::operator=(const Sample&) = default;
Sample& Sample::operator=(Sample&&) noexcept = default;
Sample::~Sample() = default;

Sample plain_sample(std::string_view label, std::vector<Array>&& inputs, PlainCall call) {
  return {label, std::move(inputs), [call](const std::vector<Tensor>& x) { return std::vector<Tensor>{call(x)}; }};
}

Array sample_values(const Shape& shape, double low, double high, unsigned seed) {
  Array a(shape, f64);
  std::mt19937_64 bits(seed);
  for (int64_t i = 0; i < a.size(); ++i)
    a.uninitialized<double>()[i] = low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53;
  return a;
}

}  // namespace gradus
