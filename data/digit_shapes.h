// How people write the ten digits: the paths of a pen, a few ways for each digit.
#pragma once

#include <span>

namespace gradus::data {

/// What the pen does at a knot: lands there, passes smoothly, or turns a corner.
enum class Pen : unsigned char { down, on, turn };

/// A point of a pen's path: x from left to right, y from top to bottom; a digit spans about [-0.6, 0.6] x [-1, 1].
struct Knot {
  float x, y;
  Pen pen;
};

using PenPath = std::span<const Knot>;

/// The ways to write `digit`, 0 to 9; every one begins with the pen coming down.
std::span<const PenPath> shapes_of(int digit);

}  // namespace gradus::data
