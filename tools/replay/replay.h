// `gradus replay`: an optimizer on given gradients, to hold it against another framework's.
#pragma once

#include <string>

namespace gradus::tools {

struct ReplayOptions {
  std::string optimizer;  ///< a spec
  std::string params;     ///< .npy, any shape, f32 or f64
  std::string grads;      ///< .npy [T, *shape] of the same dtype
  std::string out;        ///< .npy to write: [T, *shape], the parameters after each step
  std::string trace;      ///< .json to write, or empty
};

/// Errors: DataError, ShapeError, SpecError, OptimError (a rule that needs a closure); nothing is written then.
int replay_command(const ReplayOptions& options);

}  // namespace gradus::tools
