// The loss of the last backward() of this thread, for the warnings of an optimizer's step.
#pragma once

namespace gradus {

/// True if the last backward() of this thread began at a single number that was NaN. The gradients may still be finite, as
/// those of log(-1) are.
bool last_loss_was_nan();

}  // namespace gradus
