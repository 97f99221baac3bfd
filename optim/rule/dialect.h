// Dialect: the library whose formula a rule follows, where libraries give one name to different formulas.
#pragma once

#include <gradus/optim/spec/options.h>

namespace gradus::optim {

/// The formula of PyTorch, Keras, Optax, TensorFlow 1, or the paper. A rule's docstring says where they differ; a dialect
/// that it does not mention means PyTorch's. A dialect changes the formula only: the defaults of the options stay.
GRADUS_CHOICE(Dialect, pytorch, keras, optax, tf1, paper)

}  // namespace gradus::optim
