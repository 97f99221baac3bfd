// Handwritten digits for the examples, and what a classifier that knows them says of those that a model has drawn.
#pragma once

#include <gradus/examples/flags.h>

namespace gradus::examples {

/// MNIST of --data FOLDER (four IDX files, plain or .gz), or digits drawn by our own code: 20,000 to learn from and 2,000 to
/// test; with --quick 500 each, 20 at a time. x [N, 1, 28, 28] in [0, 1], y [N].
data::DataLoader load_digits(const Flags& flags, bool train, bool drop_last = false);

/// `outcome` with the verdict on `samples` [N, 1, 28, 28] in [0, 1], which are also drawn on a sheet, FILE.pgm of --save
/// FILE. A CNN learns the real digits first. The value is frechet_distance() of its 64 features, samples against as many
/// real test digits; the baseline, that of `untrained`, which the model drew before it learned. Beside it: the share of the
/// class that it names least often, the mean of its largest probabilities, the distance of as many real digits that the
/// model learned from, and how much the classifier knows.
Outcome judge_digits(Outcome outcome, const Flags& flags, const Tensor& samples, const Tensor& untrained);

}  // namespace gradus::examples
