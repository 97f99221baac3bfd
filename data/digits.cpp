// Only + - * / and sqrt on numbers: they round alike everywhere, so the bytes are the same on every machine. That is why
// there is no sin, exp or normal() in this file.
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/data/digit_shapes.h>
#include <gradus/data/digits.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gradus::data {
namespace {

constexpr int side = static_cast<int>(digit_pixels);

struct Point {
  float x, y;
};

/// The numbers of one image's stream, one after the other.
class Draw {
 public:
  explicit Draw(Philox random) : random_(random) {}
  std::uint32_t word() {
    if (at_ == chunk) {
      random_.words(first_, chunk, words_);
      first_ += chunk, at_ = 0;
    }
    return words_[at_++];
  }
  int below(int n) { return static_cast<int>(std::uint64_t(word()) * static_cast<std::uint64_t>(n) >> 32); }
  float uniform(float lo, float hi) { return lo + (hi - lo) * (static_cast<float>(word() >> 8) * 0x1p-24f); }
  /// Mean 0, deviation 1, never beyond 3.5: the sum of four uniform numbers of 16 bits each.
  float bell() {
    const std::uint32_t a = word(), b = word();
    const auto sum = static_cast<float>((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16));
    return (sum * 0x1p-16f - 2.0f) * 1.7320508f;
  }

 private:
  static constexpr int chunk = 64;
  Philox random_;
  std::uint64_t first_ = 0;
  int at_ = chunk;
  std::uint32_t words_[chunk];
};

/// How much images differ. Chosen so that linear models fail where convolutions do not; README.md here has the figures.
struct Spread {
  float knot = 0.065f;  // of a knot, in units of half a digit's height
  float turn = 0.08f;   // tangent of half the angle
  float slant = 0.18f;
  float shift = 1.6f;   // pixels, at most
  float bend = 0.8f;    // pixels
  float noise = 0.09f;  // of full white, at most
};
constexpr Spread spread;

/// A pen's path through the image, in pixels, and where the pen leaves the paper.
struct Path {
  std::vector<Point> points;
  std::vector<char> joined;  // to the point before
};

/// Turns, slants, scales and shifts the unit digit into the image.
struct Placement {
  float xx, xy, yx, yy, x, y;
  explicit Placement(Draw& draw) {
    const float t = spread.turn * draw.bell(), c = (1 - t * t) / (1 + t * t), s = 2 * t / (1 + t * t);
    const float slant = spread.slant * draw.bell();
    const float height = draw.uniform(8.0f, 10.5f), width = height * draw.uniform(0.75f, 1.15f);
    xx = c * width, xy = (-c * slant - s) * height;
    yx = s * width, yy = (-s * slant + c) * height;
    x = 0.5f * (side - 1) + draw.uniform(-spread.shift, spread.shift);
    y = 0.5f * (side - 1) + draw.uniform(-spread.shift, spread.shift);
  }
  Point operator()(Point p) const { return {xx * p.x + xy * p.y + x, yx * p.x + yy * p.y + y}; }
};

/// A smooth random displacement of the plane: random vectors on a grid of 4 x 4 over the image, blended by smoothstep.
class Bend {
 public:
  explicit Bend(Draw& draw) {
    for (auto& v : grid_) {
      v.x = spread.bend * draw.bell();
      v.y = spread.bend * draw.bell();
    }
  }
  Point operator()(Point p) const {
    const auto [i, u] = cell(p.y);
    const auto [j, v] = cell(p.x);
    const Point *a = grid_ + 4 * i + j, *b = a + 4;
    auto blend = [u = u, v = v](float p00, float p01, float p10, float p11) {
      const float top = p00 + v * (p01 - p00), bottom = p10 + v * (p11 - p10);
      return top + u * (bottom - top);
    };
    return {p.x + blend(a[0].x, a[1].x, b[0].x, b[1].x), p.y + blend(a[0].y, a[1].y, b[0].y, b[1].y)};
  }

 private:
  static std::pair<int, float> cell(float x) {
    const float at = std::clamp(x * (3.0f / (side - 1)), 0.0f, 2.999f);
    const int i = static_cast<int>(at);
    const float f = at - static_cast<float>(i);
    return {i, f * f * (3 - 2 * f)};
  }
  Point grid_[16];
};

/// The point at `t` between b and c on the Catmull-Rom spline through a, b, c, d.
Point spline(Point a, Point b, Point c, Point d, float t) {
  auto one = [t](float p, float q, float r, float s) {
    return q + 0.5f * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
  };
  return {one(a.x, b.x, c.x, d.x), one(a.y, b.y, c.y, d.y)};
}

/// Follows the knots, each moved a little, as splines from corner to corner.
Path trace(PenPath shape, Draw& draw) {
  constexpr int steps = 6;
  Path path;
  std::vector<Point> knots;
  for (const Knot& k : shape) {
    const float x = k.x + spread.knot * draw.bell();
    knots.push_back({x, k.y + spread.knot * draw.bell()});
  }
  for (std::size_t i = 0; i < knots.size(); ++i) {
    if (shape[i].pen == Pen::down) {
      path.points.push_back(knots[i]);
      path.joined.push_back(false);
      continue;
    }
    const bool begins = shape[i - 1].pen != Pen::on;
    const bool ends = shape[i].pen == Pen::turn || i + 1 == knots.size() || shape[i + 1].pen == Pen::down;
    const Point before = knots[begins ? i - 1 : i - 2], after = knots[ends ? i : i + 1];
    for (int step = 1; step <= steps; ++step) {
      path.points.push_back(spline(before, knots[i - 1], knots[i], after, static_cast<float>(step) / steps));
      path.joined.push_back(true);
    }
  }
  return path;
}

using Ink = float[side][side];

/// Full ink where a pixel is nearer to the segment than `reach` less `edge`, none beyond `reach`, a ramp between.
void draw_segment(Ink& ink, Point a, Point b, float reach, float edge) {
  auto low = [reach](float p, float q) { return std::max(0, static_cast<int>(std::min(p, q) - reach)); };
  auto high = [reach](float p, float q) { return std::min(side - 1, static_cast<int>(std::max(p, q) + reach) + 1); };
  const float dx = b.x - a.x, dy = b.y - a.y, scale = 1 / (dx * dx + dy * dy + 1e-6f), ramp = 1 / edge;
  const int x0 = low(a.x, b.x), x1 = high(a.x, b.x);
  for (int y = low(a.y, b.y); y <= high(a.y, b.y); ++y) {
    const float py = static_cast<float>(y) - a.y;
    for (int x = x0; x <= x1; ++x) {
      const float px = static_cast<float>(x) - a.x;
      const float t = std::min(1.0f, std::max(0.0f, (px * dx + py * dy) * scale));
      const float ex = px - t * dx, ey = py - t * dy;
      const float v = std::min(1.0f, (reach - std::sqrt(ex * ex + ey * ey)) * ramp);
      ink[y][x] = std::max(ink[y][x], v);
    }
  }
}

/// Each pixel keeps 1 - 2w of itself and takes w from both neighbours, along x, then along y.
void blur(Ink& ink, float w) {
  Ink once;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const float left = x > 0 ? ink[y][x - 1] : 0, right = x + 1 < side ? ink[y][x + 1] : 0;
      once[y][x] = ink[y][x] + w * (left + right - 2 * ink[y][x]);
    }
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const float above = y > 0 ? once[y - 1][x] : 0, below = y + 1 < side ? once[y + 1][x] : 0;
      ink[y][x] = once[y][x] + w * (above + below - 2 * once[y][x]);
    }
}

/// Contrast and noise; a word gives two pixels a number of triangular distribution each.
void expose(const Ink& ink, Draw& draw, std::uint8_t* out) {
  const float white = draw.uniform(150.0f, 255.0f), noise = 255 * draw.uniform(0.0f, spread.noise);
  for (int i = 0; i < side * side; i += 2) {
    const std::uint32_t w = draw.word();
    const std::uint32_t sums[2] = {(w & 255) + (w >> 8 & 255), (w >> 16 & 255) + (w >> 24)};
    for (int k = 0; k < 2; ++k) {
      const float grain = (static_cast<float>(sums[k]) - 255.0f) * (1 / 104.5f);  // deviation 1
      const float v = white * (&ink[0][0])[i + k] + noise * grain;
      out[i + k] = static_cast<std::uint8_t>(std::min(255.0f, std::max(0.0f, v)) + 0.5f);
    }
  }
}

/// Writes one image and returns its label.
std::uint8_t draw_digit(Philox random, std::uint8_t* out) {
  Draw draw(random);
  const int digit = draw.below(10);
  const auto shapes = shapes_of(digit);
  Path path = trace(shapes[static_cast<std::size_t>(draw.below(static_cast<int>(shapes.size())))], draw);
  const Placement place(draw);
  const Bend bend(draw);
  for (Point& p : path.points) p = bend(place(p));

  const float begin = draw.uniform(0.7f, 1.7f), end = begin * draw.uniform(0.75f, 1.25f), edge = draw.uniform(0.7f, 1.3f);
  const float growth = (end - begin) / static_cast<float>(path.points.size());
  Ink ink = {};
  for (std::size_t i = 1; i < path.points.size(); ++i)
    if (path.joined[i])
      draw_segment(ink, path.points[i - 1], path.points[i], begin + growth * static_cast<float>(i) + 0.5f * edge, edge);
  blur(ink, draw.uniform(0.0f, 0.2f));
  expose(ink, draw, out);
  return static_cast<std::uint8_t>(digit);
}

}  // namespace

ImageSet generate_digits(std::int64_t count, std::uint64_t seed, bool train) {
  if (count < 0) throw DataError("generate_digits", join("count is ", count, "; it must not be negative"));
  constexpr std::uint64_t digits_key = 0x6469676974;  // keeps the images apart from weights drawn with the same seed
  ImageSet set{Array({count, digit_pixels, digit_pixels}, u8), Array({count}, u8)};
  auto* pixels = set.images.uninitialized<std::uint8_t>();
  auto* labels = set.labels.uninitialized<std::uint8_t>();
  parallel_ranges(count, 64, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto stream = 2 * static_cast<std::uint64_t>(i) + (train ? 0 : 1);
      labels[i] = draw_digit({seed ^ digits_key << 20, stream}, pixels + i * side * side);
    }
  });
  return set;
}

}  // namespace gradus::data
