// Norms against PyTorch (tests/vectors/make_nn_vectors.py).
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_layer;

TEST_CASE("LayerNorm and RMSNorm are PyTorch's") {
  check_layer("LayerNorm last axis", nn::LayerNorm{7});
  check_layer("LayerNorm two axes", nn::LayerNorm(Shape{5, 7}));
  check_layer("LayerNorm no bias", nn::LayerNorm{7, {.bias = false}});
  check_layer("LayerNorm not affine", nn::LayerNorm{7, {.elementwise_affine = false}});
  check_layer("LayerNorm eps", nn::LayerNorm{7, {.eps = 0.5}});
  check_layer("LayerNorm vector", nn::LayerNorm{7});
  check_layer("RMSNorm last axis", nn::RMSNorm{7});
  check_layer("RMSNorm two axes", nn::RMSNorm(Shape{5, 7}));
  check_layer("RMSNorm not affine", nn::RMSNorm{7, {.elementwise_affine = false}});
  check_layer("RMSNorm eps", nn::RMSNorm{7, {.eps = 0.25}});
  check_layer("RMSNorm one feature", nn::RMSNorm{1, {.eps = 0.5}});
  check_layer("RMSNorm vector", nn::RMSNorm{7});
}

TEST_CASE("GroupNorm and InstanceNorm are PyTorch's") {
  check_layer("GroupNorm 2 of 6", nn::GroupNorm{2, 6});
  check_layer("GroupNorm one group", nn::GroupNorm{1, 3});
  check_layer("GroupNorm each channel", nn::GroupNorm{4, 4});
  check_layer("GroupNorm not affine", nn::GroupNorm{3, 6, {.affine = false}});
  check_layer("GroupNorm eps", nn::GroupNorm{2, 4, {.eps = 0.3}});
  check_layer("GroupNorm rows", nn::GroupNorm{2, 6});
  check_layer("InstanceNorm1d plain", nn::InstanceNorm1d{3});
  check_layer("InstanceNorm1d affine", nn::InstanceNorm1d{3, {.affine = true}});
  check_layer("InstanceNorm1d unbatched", nn::InstanceNorm1d{3, {.eps = 0.1, .affine = true}});
  check_layer("InstanceNorm2d plain", nn::InstanceNorm2d{3});
  check_layer("InstanceNorm2d affine", nn::InstanceNorm2d{2, {.affine = true}});
  check_layer("InstanceNorm2d unbatched", nn::InstanceNorm2d{2, {.eps = 0.1, .affine = true}});
}
