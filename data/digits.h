// Handwritten digits drawn by our own code: a data set for tests and a first try, where nothing must be fetched.
#pragma once

#include <gradus/data/dataset.h>

#include <cstdint>

namespace gradus::data {

inline constexpr std::int64_t digit_pixels = 28;  ///< height and width of an image

/// `count` images u8 [count, 28, 28], white on black as in MNIST, and their labels u8 [count]. A pen follows one of a
/// few ways to write the digit, with its knots moved a little; the path is turned, slanted, scaled, shifted and smoothly
/// bent; the stroke's width, blur, contrast and the noise vary. Image i is a pure function of (seed, train, i): the same
/// bytes at any number of threads, on every machine, whatever the count; the test set has streams of its own.
/// Errors: DataError if count < 0.
ImageSet generate_digits(std::int64_t count, std::uint64_t seed, bool train = true);

}  // namespace gradus::data
