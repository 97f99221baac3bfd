// Augmentation: batches of images, changed at random while a model trains.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/random.h>

namespace gradus::data {

/// x [N, C, H, W], f32: image i is mirrored left to right if random.uniform(i) < probability.
/// Errors: DtypeError, ShapeError; ours, as of random_shift.
Array random_flip(const Array& x, Philox random, double probability = 0.5);

/// Image i is moved by up to `most` pixels each way, zeros come in: a random crop of the image padded by `most`. Errors also:
/// ShapeError unless 0 <= most.
Array random_shift(const Array& x, int most, Philox random);

}  // namespace gradus::data
