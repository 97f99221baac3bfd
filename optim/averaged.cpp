#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/optim/averaged.h>

#include <algorithm>
#include <utility>

namespace gradus::optim {

Averaged::Averaged(NamedTensors parameters, double decay) : parameters_(std::move(parameters)), decay_(decay) {
  if (parameters_.empty()) throw OptimError("Averaged", "got an empty list of parameters");
  for (const auto& [name, w] : parameters_)
    if (!w.defined()) throw OptimError("Averaged", join("parameter \"", name, "\" is absent"));
  averages_.resize(parameters_.size());
}

Averaged Averaged::exponential(NamedTensors parameters, double decay) {
  if (!(decay >= 0 && decay < 1)) throw OptimError("Averaged", join("decay must lie in [0, 1), got ", text(decay)));
  return Averaged(std::move(parameters), decay);
}
Averaged Averaged::equal(NamedTensors parameters) { return Averaged(std::move(parameters), -1); }

void Averaged::update() {
  if (swapped_) throw OptimError("Averaged", "the parameters hold the averages now", "average.swap()");
  const NoGrad constants;
  follow();
  ++updates_;
  const double fresh = decay_ >= 0 ? 1 - decay_ : 1 / static_cast<double>(updates_);
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    const Tensor w = parameters_[i].second.detach();
    if (updates_ == 1) averages_[i] = w.array().copy();
    else averages_[i] = (Tensor(averages_[i]) + fresh * (w - Tensor(averages_[i]))).array();
  }
}

/// Converts the averages of parameters whose module has converted them.
void Averaged::follow() {
  for (std::size_t i = 0; i < averages_.size(); ++i)
    if (Tensor& w = parameters_[i].second; w.refresh() && averages_[i].defined()) {
      if (!(averages_[i].shape() == w.shape()))
        throw OptimError("Averaged",
                         join("parameter \"", parameters_[i].first, "\" is ", describe(w.array()), " now, its average ",
                              describe(averages_[i])),
                         "make a new Averaged");
      averages_[i] = averages_[i].to(w.dtype());
    }
}

void Averaged::swap() {
  follow();
  if (updates_ == 0) throw OptimError("Averaged", "there is no average before the first update", "average.update()");
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    const Array own = parameters_[i].second.array().copy();
    parameters_[i].second.writable().assign(averages_[i], "Averaged");
    averages_[i] = own;
  }
  swapped_ = !swapped_;
}

NamedArrays Averaged::averages() const {
  NamedArrays all;
  for (std::size_t i = 0; i < averages_.size(); ++i)
    all.emplace_back(parameters_[i].first, swapped_ ? parameters_[i].second.array().copy() : averages_[i].copy());
  return all;
}

void Averaged::copy_to(const NamedTensors& others) const {
  const auto from = averages();
  if (updates_ == 0) throw OptimError("Averaged", "there is no average before the first update", "average.update()");
  std::vector<Tensor> to;
  for (const auto& item : from) {
    const auto& name = item.first;  // clang 14 cannot capture a structured binding
    const auto& average = item.second;
    const auto at = std::find_if(others.begin(), others.end(), [&](const auto& o) { return o.first == name; });
    if (at == others.end()) throw OptimError("Averaged", join("there is no tensor \"", name, "\" to copy to"));
    if (!(at->second.shape() == average.shape()) || at->second.dtype() != average.dtype())
      throw OptimError("Averaged", join("\"", name, "\" is ", describe(at->second), ", its average ", describe(average)));
    to.push_back(at->second);
  }
  for (std::size_t i = 0; i < to.size(); ++i) to[i].writable().assign(from[i].second, "Averaged");
}

NamedArrays Averaged::state_dict() const {
  NamedArrays state{{"average/updates", Array::full({}, static_cast<double>(updates_), i64)},
                    {"average/swapped", Array::full({}, swapped_, i64)}};
  if (updates_ > 0)
    for (std::size_t i = 0; i < averages_.size(); ++i)
      state.emplace_back("average/of/" + parameters_[i].first, averages_[i].copy());
  return state;
}

void Averaged::load_state_dict(const NamedArrays& state) {
  follow();
  auto find = [&](const std::string& key) -> const Array& {
    const Array* found = nullptr;
    for (const auto& [name, a] : state)
      if (name == key && std::exchange(found, &a))
        throw OptimError("Averaged", join("the state has \"", key, "\" twice; nothing was loaded"));
    if (!found) throw OptimError("Averaged", join("the state lacks \"", key, "\"; nothing was loaded"));
    return *found;
  };
  const auto count = [&](const std::string& key, double most) {
    const Array& a = find(key);
    if (a.rank() != 0 || a.dtype() != i64 || !(a.item() >= 0 && a.item() <= most))
      throw OptimError("Averaged", join("the state's \"", key, "\" is ", describe(a), " ",
                                        a.size() == 1 ? text(a.item()) : "", ", which it cannot be; nothing was loaded"));
    return static_cast<std::int64_t>(a.item());
  };
  const std::int64_t updates = count("average/updates", 0x1p53);
  const bool swapped = count("average/swapped", 1) != 0;
  std::vector<Array> averages(parameters_.size());
  for (std::size_t i = 0; updates > 0 && i < averages.size(); ++i) {
    const auto& [name, w] = parameters_[i];
    const Array& a = find("average/of/" + name);
    if (!(a.shape() == w.shape()) || a.dtype() != w.dtype())
      throw OptimError("Averaged", join("the state's \"", name, "\" is ", describe(a), ", the parameter ", describe(w),
                                        "; nothing was loaded"));
    averages[i] = a.copy();
  }
  averages_ = std::move(averages);
  updates_ = updates;
  swapped_ = swapped;
}

}  // namespace gradus::optim
