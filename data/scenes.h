// Scenes drawn by our own code: shapes in colours, with the class of every pixel and a box around every shape.
#pragma once

#include <gradus/core/array.h>

#include <cstdint>

namespace gradus::data {

struct SceneOptions {
  std::int64_t side = 48;  ///< height and width of a scene, at least 16
  std::int64_t most = 3;   ///< shapes in it, one to so many, at least 1; fewer where no room is left
};

struct SceneSet {
  Array images;  ///< u8 [N, 3, side, side]
  Array masks;   ///< u8 [N, side, side]: 0 background, 1 disc, 2 square, 3 triangle
  Array boxes;   ///< f32 [N, most, 4]: left, top, right, bottom in pixels, the last two just behind the shape; 0 of none
  Array kinds;   ///< u8 [N, most]: the class in each box; 0 where there is none, behind the others
};

/// `count` scenes: shapes of one colour each, anywhere, of any turn, that do not touch, on a background that goes from one
/// colour to another, and noise over all. Scene i is a pure function of (seed, train, i, options): the same bytes at any
/// number of threads; the test set has streams of its own. Errors: DataError for a count below 0 and options out of range.
SceneSet generate_scenes(std::int64_t count, std::uint64_t seed, bool train = true, const SceneOptions& options = {});

}  // namespace gradus::data
