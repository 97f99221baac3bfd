// Dialect: which library's formula a rule follows, where libraries call different formulas by one name.
#pragma once

#include <gradus/optim/spec/options.h>

namespace gradus::optim {

/// PyTorch's formula, Keras', Optax', that of TensorFlow 1, or the paper's. A rule's docstring says where they differ; one
/// that it does not mention means PyTorch's. A dialect is a formula: the defaults of the numbers stay what they are.
GRADUS_CHOICE(Dialect, pytorch, keras, optax, tf1, paper)

}  // namespace gradus::optim
