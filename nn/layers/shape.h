// Layers that compute nothing: they name, cut, move and repeat.
#pragma once

#include <gradus/nn/module.h>

#include <optional>
#include <vector>

namespace gradus::nn {

/// What it was given: a place to put another layer later.
struct Identity : Module<Identity> {
  Tensor forward(const Tensor& x) { return x; }
};

/// One axis becomes several, of which one length may be -1: Unflatten(1, {3, -1}) makes [N, 12] to [N, 3, 4].
struct Unflatten : Module<Unflatten> {
  Unflatten(int axis, std::vector<int64_t> sizes);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  int axis;
  std::vector<int64_t> sizes;
};

/// [.., C r^2, H, W] -> [.., C, H r, W r]: Shi et al., "Real-time single image and video super-resolution using an efficient
/// sub-pixel convolutional neural network", 2016.
struct PixelShuffle : Module<PixelShuffle> {
  explicit PixelShuffle(int64_t factor);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  int64_t upscale_factor;
};
/// Undoes PixelShuffle: [.., C, H r, W r] -> [.., C r^2, H, W].
struct PixelUnshuffle : Module<PixelUnshuffle> {
  explicit PixelUnshuffle(int64_t factor);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  int64_t downscale_factor;
};

struct UpsampleOptions {
  std::optional<Pair> size = {};  ///< of the result; either this
  int64_t scale_factor = 0;       ///< or a whole number of times the input's
  Interpolation mode = Interpolation::nearest;
  bool align_corners = false;
};
/// x [N, C, H, W] -> [N, C, H', W'] by interpolate().
struct Upsample : Module<Upsample> {
  explicit Upsample(UpsampleOptions options);
  Tensor forward(const Tensor& x);
  std::string description() const override;
  UpsampleOptions options;
};

}  // namespace gradus::nn
