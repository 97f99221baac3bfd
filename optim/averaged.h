// Averages of weights beside an optimizer: exponential (EMA), or equal (SWA).
//
//   auto average = optim::Averaged::exponential(model.named_parameters(), 0.999);
//   for (...) { opt.step(...); average.update(); }
//   average.swap();      // the model holds the averages
//   evaluate(model);
//   average.swap();      // and its own weights again, bit for bit
//
// Only parameters are averaged. Running statistics of batch norms belong to the weights they were gathered with: run the
// training data through the model once more after swap() or copy_to().
#pragma once

#include <gradus/optim/rule/closure_rule.h>

namespace gradus::optim {

class Averaged {
 public:
  /// The exponential average: average <- decay average + (1 - decay) w, at first w. Polyak and Juditsky, "Acceleration of
  /// stochastic approximation by averaging", 1992. Errors: OptimError unless 0 <= decay < 1, or for an empty list or absent
  /// tensors.
  static Averaged exponential(NamedTensors parameters, double decay = 0.999);
  /// The mean of all updates. Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018.
  static Averaged equal(NamedTensors parameters);

  /// Adds the present parameters to the averages. Errors: OptimError while they are swapped.
  void update();
  /// Exchanges parameters and averages. Errors: OptimError before the first update.
  void swap();
  bool swapped() const { return swapped_; }
  std::int64_t updates() const { return updates_; }
  /// The averages by name, as copies; absent Arrays before the first update.
  NamedArrays averages() const;
  /// Copies the averages into tensors of the same names. Errors: OptimError; nothing is written then.
  void copy_to(const NamedTensors& others) const;

  /// The averages as "average/NAME", "average/updates", and whether they are swapped. Errors: OptimError, nothing is loaded.
  NamedArrays state_dict() const;
  void load_state_dict(const NamedArrays& state);

 private:
  Averaged(NamedTensors parameters, double decay);
  void follow();
  NamedTensors parameters_;
  std::vector<Array> averages_;  // while swapped, the parameters' own values
  double decay_;                 // below 0: equal weights (SWA)
  std::int64_t updates_ = 0;
  bool swapped_ = false;
};

}  // namespace gradus::optim
