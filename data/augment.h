// Augmentation: images, batches of them and sounds, changed at random while a model trains. Of a batch x [N, C, H, W] image i
// draws number i of `random`; one image [C, H, W], as a Transform of the loader has it, is image 0.
#pragma once

#include <gradus/core/random.h>
#include <gradus/data/dataset.h>

namespace gradus::data {

/// x [N, C, H, W] or [C, H, W], f32: image i is mirrored left to right if random.uniform(i) < probability.
/// Errors: DtypeError, ShapeError; ours, as of those below.
Array random_flip(const Array& x, Philox random, double probability = 0.5);

/// Image i is moved by up to `most` pixels each way, zeros come in: a random crop of the image padded by `most`. Errors also:
/// ShapeError unless 0 <= most.
Array random_shift(const Array& x, int most, Philox random);

/// A square of side `side` around a random pixel of image i becomes 0 in all channels, as far as it lies inside (DeVries and
/// Taylor, "Improved regularization of convolutional neural networks with cutout", 2017). Errors also: ShapeError unless
/// 0 <= side.
Array random_cutout(const Array& x, int side, Philox random);

/// x + deviation * a standard normal number for each element; x of any shape. Errors: DtypeError unless f32 or f64.
Array random_noise(const Array& x, double deviation, Philox random);

/// x = lambda x + (1 - lambda) x', where x' is the batch in another order, and y f32 [B, classes] mixed alike from the labels
/// i64 [B]: cross_entropy takes such probabilities. lambda is one number from Beta(alpha, alpha) for the batch (Zhang, Cisse,
/// Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018). Errors: DtypeError unless x is f32;
/// ShapeError unless y is i64 [B] and alpha above 0 and finite; IndexError for a label outside 0 .. classes - 1.
Batch mixup(const Batch& batch, std::int64_t classes, double alpha, Philox random);

}  // namespace gradus::data
