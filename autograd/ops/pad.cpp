// Borders around a tensor.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>

namespace gradus {

Tensor pad_by_reading(const Tensor& x, int axis, int64_t before, int64_t after, Padding mode);  // select.cpp

namespace {

struct Borders {
  int64_t before[max_rank] = {}, after[max_rank] = {};
};

Tensor cut_borders(Tensor g, const Borders& b) {
  for (int i = 0; i < g.rank(); ++i) {
    const int64_t n = g.shape()[i];
    if (b.before[i] != 0 || b.after[i] != 0) g = slice(g, i, b.before[i], n - b.after[i]);
  }
  return g;
}

struct PadConstant {
  static constexpr const char* name = "pad";
  struct Saved {
    Borders borders;
  };
  static void backward(BackwardContext& b, const Saved& s) {
    b.accumulate(0, [&] { return cut_borders(b.grad(), s.borders); });
  }
  static Samples samples() {
    return {sample("last axis", {sample_values({2, 3})},
                   [](auto& x) {
                     return pad(x[0], {1, 2});
                   }),
            sample("two axes, with a value", {sample_values({2, 3})},
                   [](auto& x) {
                     return pad(x[0], {0, 1, 2, 0}, Padding::constant, 1.5);
                   }),
            sample("images", {sample_values({1, 2, 3, 2})},
                   [](auto& x) {
                     return pad(x[0], {1, 1, 2, 0});
                   }),
            sample("cut off", {sample_values({3, 5})},
                   [](auto& x) {
                     return pad(x[0], {-1, 2, 0, -1});
                   }),
            sample("transposed", {sample_values({3, 2})},
                   [](auto& x) {
                     return pad(transpose(x[0], 0, 1), {1, 0});
                   }),
            sample("empty", {sample_values({0, 2})}, [](auto& x) {
              return pad(x[0], {1, 0, 1, 1}, Padding::constant, 2.0);
            })};
  }
};

/// The other padding modes, whose borders repeat elements of the tensor.
struct PadMirrored {
  static constexpr const char* name = "pad_mirrored";
  static Samples samples() {
    return {sample("reflect", {sample_values({2, 4})},
                   [](auto& x) {
                     return pad(x[0], {3, 2}, Padding::reflect);
                   }),
            sample("reflect images", {sample_values({1, 2, 3, 4})},
                   [](auto& x) {
                     return pad(x[0], {1, 2, 2, 1}, Padding::reflect);
                   }),
            sample("replicate", {sample_values({2, 3})},
                   [](auto& x) {
                     return pad(x[0], {4, 1}, Padding::replicate);
                   }),
            sample("replicate images", {sample_values({2, 1, 2, 2})},
                   [](auto& x) {
                     return pad(x[0], {1, 1, 1, 1}, Padding::replicate);
                   }),
            sample("circular", {sample_values({2, 4})}, [](auto& x) {
              return pad(x[0], {2, 4}, Padding::circular);
            })};
  }
};

[[maybe_unused]] const bool pad_composites = register_composites<PadMirrored>();

const char* name_of(Padding mode) {
  constexpr const char* names[] = {"constant", "reflect", "replicate", "circular"};
  return names[static_cast<int>(mode)];
}

Borders checked(const Tensor& x, const std::vector<int64_t>& widths, Padding mode) {
  if (widths.size() % 2 != 0 || widths.size() / 2 > static_cast<std::size_t>(x.rank()))
    throw ShapeError("pad", join("got ", widths.size(), " widths for ", describe(x),
                                 "; they come in pairs (before, after), one for each axis from the last to the first"));
  Borders b;
  for (std::size_t k = 0; k + 1 < widths.size(); k += 2) {
    const int axis = x.rank() - 1 - static_cast<int>(k / 2);
    const int64_t n = x.shape()[axis], before = b.before[axis] = widths[k], after = b.after[axis] = widths[k + 1];
    const auto throw_error = [&](const std::string& right) {
      throw ShapeError("pad", join("widths ", before, " and ", after, " with mode ", name_of(mode), " do not fit axis ",
                                   axis, " of ", describe(x), "; ", right));
    };
    int64_t length = 0;
    if (__builtin_add_overflow(before, after, &length) || __builtin_add_overflow(length, n, &length))
      throw_error("the result would be longer than 64 bits can count");
    const int64_t most = mode == Padding::reflect ? n - 1 : n;
    if (mode == Padding::constant && n + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0) < 0)
      throw_error(join("at most ", n, " can be cut off"));
    if (mode == Padding::constant) continue;
    if (before < 0 || after < 0) throw_error("they must not be negative");
    if ((before > 0 || after > 0) && n == 0) throw_error("an empty axis has nothing to repeat");
    if (mode != Padding::replicate && (before > most || after > most)) throw_error(join("they must not exceed ", most));
  }
  return b;
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<int64_t>& widths, Padding mode, double value) {
  const Borders b = checked(x, widths, mode);
  if (mode != Padding::constant) {
    Tensor y = x;
    for (int i = 0; i < x.rank(); ++i)
      if (b.before[i] > 0 || b.after[i] > 0) y = pad_by_reading(y, i, b.before[i], b.after[i], mode);
    return y;
  }
  Tensor kept_part = x;  // negative widths are recorded as slices
  Shape shape = x.shape();
  Borders borders;
  for (int i = 0; i < x.rank(); ++i) {
    if (b.before[i] < 0 || b.after[i] < 0)
      kept_part = slice(kept_part, i, std::max<int64_t>(-b.before[i], 0), x.shape()[i] - std::max<int64_t>(-b.after[i], 0));
    borders.before[i] = std::max<int64_t>(b.before[i], 0), borders.after[i] = std::max<int64_t>(b.after[i], 0);
    shape[i] += b.before[i] + b.after[i];
  }
  Array y = Array::full(shape, value, x.dtype()), inside = y;
  for (int i = 0; i < x.rank(); ++i) inside = inside.slice(i, borders.before[i], shape[i] - borders.after[i]);
  if (inside.size() > 0) inside.assign(kept_part.array(), "pad");
  return primitive<PadConstant>(
      y, [&] { return PadConstant::Saved{borders}; }, kept_part);
}

}  // namespace gradus
