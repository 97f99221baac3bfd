// Bugs 22 to 30: pools, convolutions, shifts, scans, slices.
#pragma once

#include <gradus/tests/autograd/planted_gradients/bug.h>

namespace gradus::planted {

/// Like `shape`, zeros, with g added at places start, start + step, ... of the last axis.
inline Tensor spread(const Tensor& g, int64_t length, int64_t start, int64_t step) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < g.dim(-1); ++i) places.push_back(start + i * step);
  Shape shape = g.shape();
  shape[g.rank() - 1] = length;
  return index_add(zeros(shape, f64), -1, ints(places), g);
}

/// Pairs of the last axis, the larger of each; the gradient goes to `off` places beside the winner.
inline Call max_pool(int64_t off) {
  return of_one(
      [](auto& x) {
        return max(reshape(x, {2, 6, 2}), 2);
      },
      [off](auto& g, auto& x, auto&) {
        Array dx = Array::zeros({2, 12}, f64);
        for (int64_t i = 0; i < 12; ++i) {
          const int64_t at = 2 * i + (x.array().element(2 * i + 1) > x.array().element(2 * i));
          dx.uninitialized<double>()[(at + off) % 24] += g.array().element(i);
        }
        return Tensor(dx);
      });
}

/// Mean of three neighbours with zeros beyond the ends, divided by 3; the backward pass divides by how many there are.
inline Call avg_pool() {
  return of_one(
      [](auto& x) {
        const Tensor p = pad(x, {1, 1});
        return (slice(p, 0, 0, 8) + slice(p, 0, 1, 9) + slice(p, 0, 2, 10)) / 3.0;
      },
      [](auto& g, auto&, auto&) {
        const Tensor count(Array::of<double>({8}, {2, 3, 3, 3, 3, 3, 3, 2}));
        const Tensor p = pad(g / count, {1, 1});
        return slice(p, 0, 0, 8) + slice(p, 0, 1, 9) + slice(p, 0, 2, 10);
      });
}

inline std::vector<Bug> window_bugs() {
  const Array line = sample_values({8}), image = sample_values({1, 2, 9}), weight = sample_values({3, 2, 3}, -2, 2, 2);
  const auto dilated = [](const Tensor& x, const Tensor& w) { return conv1d(x, w, {}, {.dilation = 2}); };
  /// x's gradient of a convolution with that dilation, cut or padded to x's length.
  const auto dx = [](const Tensor& g, const Tensor& w, int64_t dilation) {
    const Tensor all = conv_transpose1d(g, w, {}, {.dilation = dilation});
    return pad(all, {0, 9 - all.dim(2)});
  };
  const auto dw = [](const Tensor& g, const Tensor& x) {  // one image: a convolution of channels
    return transpose(conv1d(transpose(x, 0, 1), transpose(g, 0, 1), {}, {}), 0, 1);
  };
  const auto right_dw = [dw](const Tensor& g, const Tensor& x) { return slice(dw(g, x), 2, 0, 5, 2); };
  return {
      {"max pool", "the gradient goes one place beside the winner", "shifted", max_pool(1), {sample_values({2, 12})}},
      {"conv1d",
       "dilation 1 in the input's gradient, 2 in the values",
       "misplaced",
       of_two(
           dilated, [=](auto& g, auto&, auto& w) { return dx(g, w, 1); },
           [=](auto& g, auto& x, auto&) { return right_dw(g, x); }),
       {image, weight}},
      {"conv1d",
       "the kernel is not flipped in the input's gradient",
       "misplaced",
       of_two(
           dilated, [=](auto& g, auto&, auto& w) { return dx(g, flip(w, {2}), 2); },
           [=](auto& g, auto& x, auto&) { return right_dw(g, x); }),
       {image, weight}},
      {"average pool", "windows over the edge are divided by another count", "edge", avg_pool(), {line}},
      {"roll",
       "rolled back one place too few",
       "shifted",
       of_one([](auto& x) { return roll(square(x), {3}, {0}); },
              [](auto& g, auto& x, auto&) { return 2.0 * (x * roll(g, {-2}, {0})); }),
       {line}},
      {"cumsum",
       "the backward pass begins behind the element",
       "shifted",
       of_one([](auto& x) { return cumsum(x, 0); },
              [](auto& g, auto&, auto&) { return flip(cumsum(flip(g, {0}), 0), {0}) - g; }),
       {line}},
      {"slice",
       "stride 1 in the backward pass, 2 in the values",
       "misplaced",
       of_one([](auto& x) { return slice(x, 0, 1, 8, 2); }, [](auto& g, auto&, auto&) { return spread(g, 8, 1, 1); }),
       {line}},
      {"cat",
       "the part of x in the second piece is forgotten",
       "detached",
       of_one(
           [](auto& x) {
             return cat({slice(x, 1, 2, 4), slice(x, 1, 0, 2)}, 1);
           },
           [](auto& g, auto&, auto&) {
             return pad(slice(g, 1, 0, 2), {2, 0});
           }),
       {sample_values({3, 4})}},
      {"differences",
       "the loop of the backward pass ends one too early",
       "edge",
       of_one([](auto& x) { return square(slice(x, 0, 1, 8) - slice(x, 0, 0, 7)); },
              [](auto& g, auto& x, auto&) {
                const Tensor d = 2.0 * (g * (slice(x, 0, 1, 8) - slice(x, 0, 0, 7)));
                return pad(slice(pad(d, {1, 0}) - pad(d, {0, 1}), 0, 0, 7), {0, 1});
              }),
       {line}},
  };
}

}  // namespace gradus::planted
