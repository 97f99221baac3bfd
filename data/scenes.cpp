#include <gradus/core/error.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/data/scenes.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gradus::data {
namespace {

/// The numbers of one scene's stream, one after the other.
class SceneDraw {
 public:
  explicit SceneDraw(Philox random) : random_(random) {}
  double uniform(double lo, double hi) { return lo + (hi - lo) * random_.uniform(next_++); }
  std::uint8_t kind() { return static_cast<std::uint8_t>(1 + static_cast<int>(uniform(0, 3))); }
  /// Mean 0, deviation 1, never beyond 3.5.
  double bell() {
    double sum = -2;
    for (int k = 0; k < 4; ++k) sum += random_.uniform(next_++);
    return 1.7320508 * sum;
  }

 private:
  Philox random_;
  std::uint64_t next_ = 0;
};

struct Colour {
  double channel[3];
  explicit Colour(SceneDraw& draw) {
    for (double& c : channel) c = draw.uniform(20, 235);
  }
  double distance(const Colour& o) const {
    double d = 0;
    for (int k = 0; k < 3; ++k) d += std::abs(channel[k] - o.channel[k]);
    return d;
  }
};

/// A disc, a square or an equilateral triangle within a circle.
struct SceneShape {
  std::uint8_t kind;
  double radius, x, y, cosine, sine;
  SceneShape(SceneDraw& draw, double side) : kind(draw.kind()) {
    radius = side * draw.uniform(0.1, 0.22);
    x = draw.uniform(radius, side - radius), y = draw.uniform(radius, side - radius);
    const double t = draw.uniform(-1, 1);  // the tangent of half the angle, which is up to a right one
    cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
  }
  bool touches(const SceneShape& o) const {
    const double dx = x - o.x, dy = y - o.y, apart = radius + o.radius + 2;
    return dx * dx + dy * dy < apart * apart;
  }
  bool covers(double px, double py) const {
    const double u = cosine * (px - x) + sine * (py - y), v = cosine * (py - y) - sine * (px - x);
    if (kind == 1) return u * u + v * v <= radius * radius;
    if (kind == 2) return std::max(std::abs(u), std::abs(v)) <= 0.70710678 * radius;
    return v >= -0.5 * radius && 1.7320508 * std::abs(u) + v <= radius;
  }
};

/// Where one scene is written.
struct ScenePlace {
  std::int64_t side;
  std::uint8_t *image, *mask, *kinds;
  float* boxes;
};

/// Shapes with room between them; a place that is taken is drawn anew, a few times.
std::vector<SceneShape> draw_shapes(SceneDraw& draw, double side, std::int64_t most) {
  const auto wanted = static_cast<std::size_t>(draw.uniform(1, static_cast<double>(most) + 1));
  std::vector<SceneShape> shapes;
  for (int attempt = 0; attempt < 30 && shapes.size() < wanted; ++attempt) {
    const SceneShape shape(draw, side);
    const auto touches = [&](const SceneShape& other) { return shape.touches(other); };
    if (std::none_of(shapes.begin(), shapes.end(), touches)) shapes.push_back(shape);
  }
  return shapes;
}

/// The class of each pixel, by its middle, and the boxes around what is seen.
void write_answers(const std::vector<SceneShape>& shapes, const ScenePlace& to) {
  std::fill_n(to.mask, to.side * to.side, std::uint8_t(0));
  for (std::size_t s = 0; s < shapes.size(); ++s) {
    std::int64_t left = to.side, top = to.side, right = 0, bottom = 0;
    for (std::int64_t y = 0; y < to.side; ++y)
      for (std::int64_t x = 0; x < to.side; ++x) {
        if (!shapes[s].covers(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5)) continue;
        to.mask[y * to.side + x] = shapes[s].kind;
        left = std::min(left, x), top = std::min(top, y), right = std::max(right, x + 1), bottom = std::max(bottom, y + 1);
      }
    to.kinds[s] = shapes[s].kind;
    const std::int64_t box[] = {left, top, right, bottom};
    for (std::size_t k = 0; k < 4; ++k) to.boxes[4 * s + k] = static_cast<float>(box[k]);
  }
}

void draw_scene(Philox random, std::int64_t most, const ScenePlace& to) {
  SceneDraw draw(random);
  const auto side = static_cast<double>(to.side);
  const auto shapes = draw_shapes(draw, side, most);
  write_answers(shapes, to);
  const Colour from(draw), until(draw);
  std::vector<Colour> colours;
  while (colours.size() < shapes.size()) {
    Colour colour(draw);  // not the background's
    for (int attempt = 0; attempt < 30 && std::min(colour.distance(from), colour.distance(until)) < 120; ++attempt)
      colour = Colour(draw);
    colours.push_back(colour);
  }
  const double noise = draw.uniform(4, 20), slope = draw.uniform(0, 1);
  const std::int64_t pixels = to.side * to.side;
  for (std::int64_t p = 0; p < pixels; ++p) {
    const double x = static_cast<double>(p % to.side) + 0.5, y = static_cast<double>(p / to.side) + 0.5;
    const Colour* colour = nullptr;
    for (std::size_t s = 0; s < shapes.size(); ++s)
      if (shapes[s].covers(x, y)) colour = &colours[s];
    const double share = (slope * x + (1 - slope) * y) / side;
    for (int c = 0; c < 3; ++c) {
      const double clean = colour ? colour->channel[c] : from.channel[c] + share * (until.channel[c] - from.channel[c]);
      to.image[c * pixels + p] = static_cast<std::uint8_t>(std::clamp(clean + noise * draw.bell(), 0.0, 255.0));
    }
  }
}

}  // namespace

SceneSet generate_scenes(std::int64_t count, std::uint64_t seed, bool train, const SceneOptions& options) {
  const std::int64_t side = options.side, most = options.most;
  if (count < 0 || side < 16 || most < 1)
    throw DataError("generate_scenes",
                    join("count is ", count, ", side ", side, ", most ", most, "; they must be at least 0, 16 and 1"));
  constexpr std::uint64_t scenes_key = 0x7363656e6573;  // keeps the scenes apart from weights drawn with the same seed
  SceneSet set{Array({count, 3, side, side}, u8), Array({count, side, side}, u8), Array::zeros({count, most, 4}),
               Array::zeros({count, most}, u8)};
  auto *images = set.images.uninitialized<std::uint8_t>(), *masks = set.masks.uninitialized<std::uint8_t>();
  auto* kinds = set.kinds.uninitialized<std::uint8_t>();
  auto* boxes = set.boxes.uninitialized<float>();
  parallel_ranges(count, 16, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto stream = 2 * static_cast<std::uint64_t>(i) + (train ? 0 : 1);
      draw_scene({seed ^ scenes_key << 16, stream}, most,
                 {side, images + i * 3 * side * side, masks + i * side * side, kinds + i * most, boxes + i * most * 4});
    }
  });
  return set;
}

}  // namespace gradus::data
