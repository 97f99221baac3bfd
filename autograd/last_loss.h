// What the last backward() of this thread began with, for the warnings of an optimizer's step.
#pragma once

namespace gradus {

/// Whether the last backward() of this thread began at a single number that was NaN. Its gradients may be finite all the
/// same, as those of log(-1) are.
bool last_loss_was_nan();

}  // namespace gradus
