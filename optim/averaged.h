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
  /// average <- decay average + (1 - decay) w; the first update copies w. Polyak and Juditsky, "Acceleration of stochastic
  /// approximation by averaging", 1992. Errors: OptimError unless 0 <= decay < 1, or for an empty list or absent tensors.
  static Averaged exponential(NamedTensors parameters, double decay = 0.999);
  /// The mean of all updates. Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018.
  static Averaged equal(NamedTensors parameters);

  /// Takes in the parameters as they are. Errors: OptimError while they are swapped.
  void update();
  /// Parameters and averages change places. Errors: OptimError before the first update.
  void swap();
  bool swapped() const { return swapped_; }
  std::int64_t updates() const { return updates_; }
  /// The averages by name, as copies; absent Arrays before the first update.
  NamedArrays averages() const;
  /// Writes the averages into tensors of the same names. Errors: OptimError, nothing is written then.
  void copy_to(const NamedTensors& others) const;

  /// "average/NAME", "average/updates", and whether it is swapped. Errors of loading: OptimError, nothing is changed then.
  NamedArrays state_dict() const;
  void load_state_dict(const NamedArrays& state);

 private:
  Averaged(NamedTensors parameters, double decay);
  void follow();
  NamedTensors parameters_;
  std::vector<Array> averages_;  // while swapped, the parameters' own numbers
  double decay_;                 // below 0: equal
  std::int64_t updates_ = 0;
  bool swapped_ = false;
};

}  // namespace gradus::optim
