#include <gradus/nn/layers/shape.h>

#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

std::string list_text(const std::vector<int64_t>& list) {
  std::string s;
  for (const int64_t n : list) s += (s.empty() ? "" : ", ") + std::to_string(n);
  return "{" + s + "}";
}

/// The axes before the last three, then `tail`.
Shape with_tail(const Shape& x, std::initializer_list<int64_t> tail) {
  Shape s(x.begin(), x.rank() - 3);
  for (const int64_t n : tail) s.push_back(n);
  return s;
}

/// The last five or so axes of a tensor of `rank` in another order, the ones before as they are.
std::vector<int> reordered_tail(int rank, std::initializer_list<int> tail) {
  const int first = rank - static_cast<int>(tail.size());
  std::vector<int> axes;
  for (int i = 0; i < first; ++i) axes.push_back(i);
  for (const int i : tail) axes.push_back(first + i);
  return axes;
}

void check_image(const ModuleBase& layer, const Tensor& x) {
  if (x.rank() < 3 || x.rank() > 4)
    throw_input(layer, join("the input must be [N, C, H, W] or [C, H, W], got ", describe(x)));
}

}  // namespace

Unflatten::Unflatten(int along, std::vector<int64_t> to) : axis(along), sizes(std::move(to)) {
  if (sizes.empty()) throw ShapeError("Unflatten", "sizes must name at least one length");
}

Tensor Unflatten::forward(const Tensor& x) {
  const int at = normal_axis("Unflatten", axis, x.shape());
  Shape s(x.shape().begin(), at);
  for (const int64_t n : sizes) s.push_back(n);
  for (int i = at + 1; i < x.rank(); ++i) s.push_back(x.shape()[i]);
  int64_t known = 1, open = 0;
  for (const int64_t n : sizes) n == -1 ? ++open : known *= n;
  const int64_t length = x.shape()[at];
  if (known < 1 || open > 1 || (open == 0 ? known != length : length % known != 0))
    throw_input(*this,
                join("axis ", at, " of length ", length, " cannot become ", list_text(sizes), ": input ", describe(x)));
  for (int i = at; i < at + static_cast<int>(sizes.size()); ++i)
    if (s[i] == -1) s[i] = length / known;
  return reshape(x, s);
}

std::string Unflatten::description() const { return join("Unflatten(axis ", axis, " to ", list_text(sizes), ")"); }

PixelShuffle::PixelShuffle(int64_t factor) : upscale_factor(factor) {
  check_positive("PixelShuffle", "upscale_factor", factor);
}

Tensor PixelShuffle::forward(const Tensor& x) {
  check_image(*this, x);
  const Shape& s = x.shape();
  const int64_t r = upscale_factor, c = s[s.rank() - 3], h = s[s.rank() - 2], w = s[s.rank() - 1];
  if (c % (r * r) != 0)
    throw_input(*this, join("the channels must divide into groups of ", r * r, ", got ", c, ": input ", describe(x)));
  const Tensor parts = reshape(x, with_tail(s, {c / (r * r), r, r, h, w}));
  return reshape(permute(parts, reordered_tail(parts.rank(), {0, 3, 1, 4, 2})), with_tail(s, {c / (r * r), h * r, w * r}));
}

std::string PixelShuffle::description() const { return join("PixelShuffle(", upscale_factor, ")"); }

PixelUnshuffle::PixelUnshuffle(int64_t factor) : downscale_factor(factor) {
  check_positive("PixelUnshuffle", "downscale_factor", factor);
}

Tensor PixelUnshuffle::forward(const Tensor& x) {
  check_image(*this, x);
  const Shape& s = x.shape();
  const int64_t r = downscale_factor, c = s[s.rank() - 3], h = s[s.rank() - 2], w = s[s.rank() - 1];
  if (h % r != 0 || w % r != 0)
    throw_input(*this, join("height and width must be multiples of ", r, ", got ", h, " by ", w, ": input ", describe(x)));
  const Tensor parts = reshape(x, with_tail(s, {c, h / r, r, w / r, r}));
  return reshape(permute(parts, reordered_tail(parts.rank(), {0, 2, 4, 1, 3})), with_tail(s, {c * r * r, h / r, w / r}));
}

std::string PixelUnshuffle::description() const { return join("PixelUnshuffle(", downscale_factor, ")"); }

Upsample::Upsample(UpsampleOptions o) : options(o) {
  if (o.size.has_value() == (o.scale_factor != 0))
    throw ShapeError("Upsample", "one of size and scale_factor must be given, and only one");
  if (!o.size) check_positive("Upsample", "scale_factor", o.scale_factor);
}

Tensor Upsample::forward(const Tensor& x) {
  if (x.rank() != 4) throw_input(*this, join("the input must be [N, C, H, W], got ", describe(x)));
  const int64_t k = options.scale_factor;
  try {
    return interpolate(x, options.size ? *options.size : Pair{x.shape()[2] * k, x.shape()[3] * k}, options.mode,
                       options.align_corners);
  } catch (const ShapeError& e) {
    throw_input(*this, e);
  }
}

std::string Upsample::description() const {
  constexpr const char* modes[] = {"nearest", "bilinear", "bicubic"};
  const std::string to = options.size ? join("to ", by(*options.size)) : join(options.scale_factor, " times");
  return join("Upsample(", to, ", ", modes[static_cast<int>(options.mode)],
              options.align_corners ? ", corners aligned)" : ")");
}

}  // namespace gradus::nn
