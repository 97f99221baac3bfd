#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
#include <gradus/data/scenes.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

using namespace gradus;
using namespace gradus::data;

namespace {

bool same(const Array& a, const Array& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype())) == 0;
}
bool same(const SceneSet& a, const SceneSet& b) {
  return same(a.images, b.images) && same(a.masks, b.masks) && same(a.boxes, b.boxes) && same(a.kinds, b.kinds);
}

}  // namespace

TEST_CASE("generate_scenes: same bytes with 1, 2, 3 and 7 threads, other ones for another seed and the test set") {
  const int before = threads();
  set_threads(1);
  const SceneSet one = generate_scenes(40, 5);
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    CHECK(same(generate_scenes(40, 5), one));
  }
  set_threads(before);
  CHECK_FALSE(same(generate_scenes(40, 6), one));
  CHECK_FALSE(same(generate_scenes(40, 5, false), one));
}

TEST_CASE("generate_scenes: each box is as small as its shape's pixels allow, and every shape has one") {
  const std::int64_t side = 40, most = 4;
  const SceneSet set = generate_scenes(200, 3, true, {.side = side, .most = most});
  CHECK(describe(set.images) == "u8[200,3,40,40]");
  CHECK(describe(set.masks) == "u8[200,40,40]");
  CHECK(describe(set.boxes) == "f32[200,4,4]");
  CHECK(describe(set.kinds) == "u8[200,4]");
  std::int64_t counts[4] = {}, full = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    const std::uint8_t* mask = set.masks.data<std::uint8_t>() + i * side * side;
    std::int64_t in_boxes = 0;
    for (std::int64_t s = 0; s < most; ++s) {
      const std::uint8_t kind = set.kinds.data<std::uint8_t>()[i * most + s];
      const float* box = set.boxes.data<float>() + (i * most + s) * 4;
      REQUIRE(kind < 4);
      ++counts[kind];
      if (kind == 0) {
        CHECK(s > 0);
        CHECK(std::all_of(box, box + 4, [](float b) { return b == 0; }));
        continue;
      }
      full += s == most - 1;
      bool touched[4] = {};  // each edge of the box has a pixel of the shape
      const auto left = static_cast<std::int64_t>(box[0]), top = static_cast<std::int64_t>(box[1]);
      const auto right = static_cast<std::int64_t>(box[2]), bottom = static_cast<std::int64_t>(box[3]);
      REQUIRE((0 <= left && left < right && right <= side && 0 <= top && top < bottom && bottom <= side));
      for (std::int64_t y = top; y < bottom; ++y)
        for (std::int64_t x = left; x < right; ++x)
          if (mask[y * side + x] == kind) {
            touched[0] |= x == left, touched[1] |= y == top, touched[2] |= x == right - 1, touched[3] |= y == bottom - 1;
            ++in_boxes;
          }
      CHECK(std::all_of(touched, touched + 4, [](bool t) { return t; }));
    }
    // Boxes of neighbours may overlap at a corner, so a pixel may be counted twice, but none is outside.
    CHECK(in_boxes >= std::count_if(mask, mask + side * side, [](std::uint8_t k) { return k != 0; }));
  }
  for (const std::int64_t c : counts) CHECK(c > 60);
  CHECK(full > 20);
}

TEST_CASE("generate_scenes: none is fine; what cannot be drawn is refused") {
  CHECK(generate_scenes(0, 1).images.size() == 0);
  CHECK_THROWS_AS(generate_scenes(-1, 1), DataError);
  CHECK_THROWS_AS(generate_scenes(1, 1, true, {.side = 8}), DataError);
  CHECK_THROWS_AS(generate_scenes(1, 1, true, {.most = 0}), DataError);
}
