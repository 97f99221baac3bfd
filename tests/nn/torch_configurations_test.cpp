// Layers and losses in odd shapes against PyTorch (tests/vectors/make_nn_layer_vectors.py, make_nn_configuration_vectors.py):
// with the other files of this name at least six configurations of each, which configuration_count_test.cpp counts.
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_case;
using testing::check_layer;
using testing::In;
using testing::Out;

namespace {

using Labels = std::vector<const char*>;
const Labels shapes{"vector", "one", "axes", "image", "no rows", "number"};

/// The same layer, made anew for each label. Differences see nothing in what has no elements.
template <class Make> void check_each(const std::string& name, const Labels& labels, Make make) {
  for (const std::string label : labels) {
    auto layer = make();
    check_layer(
        name + " " + label, layer, [](auto& l, const In& x) { return Out{l(x[0])}; }, label != "no rows");
  }
}

template <class Norm> void check_batch_norm(const std::string& name) {
  const auto stats = [](Norm& l, const In& x) {
    const Tensor y = l(x[0]);
    return Out{y, Tensor(l.running_mean.array()), Tensor(l.running_var.array())};
  };
  const auto eval = [](Norm& l, const In& x) {
    l.eval();
    return Out{l(x[0])};
  };
  check_layer(name + " plain", Norm{3}, stats, false);  // differences would move the running statistics
  check_layer(name + " odd", Norm{3}, stats, false);
  check_layer(name + " eps", Norm{3, {.eps = 0.3, .momentum = 0.7}}, stats, false);
  check_layer(name + " not affine", Norm{3, {.affine = false}}, stats, false);
  check_layer(name + " eval", Norm{3}, eval);
  check_layer(name + " eval not affine", Norm{3, {.eps = 0.2, .affine = false}}, eval);
}

}  // namespace

TEST_CASE("every activation is PyTorch's in every shape") {
  check_each("ReLU", shapes, [] { return nn::ReLU{}; });
  check_each("Tanh", shapes, [] { return nn::Tanh{}; });
  check_each("Sigmoid", shapes, [] { return nn::Sigmoid{}; });
  check_each("GELU", shapes, [] { return nn::GELU{}; });
  check_each("SiLU", shapes, [] { return nn::SiLU{}; });
  check_each("Softplus", shapes, [] { return nn::Softplus{}; });
  check_each("LeakyReLU", shapes, [] { return nn::LeakyReLU{0.2}; });
  check_each("ELU", shapes, [] { return nn::ELU{1.5}; });
  check_each("ReLU6", shapes, [] { return nn::ReLU6{}; });
  check_each("Hardsigmoid", shapes, [] { return nn::Hardsigmoid{}; });
  check_each("Hardswish", shapes, [] { return nn::Hardswish{}; });
  check_each("Mish", shapes, [] { return nn::Mish{}; });
  check_each("SELU", shapes, [] { return nn::SELU{}; });
  check_each("LogSigmoid", shapes, [] { return nn::LogSigmoid{}; });
  check_each("Softsign", shapes, [] { return nn::Softsign{}; });
  check_each("Tanhshrink", shapes, [] { return nn::Tanhshrink{}; });
  check_each("CELU", shapes, [] { return nn::CELU{2}; });
  check_each("Hardtanh", shapes, [] { return nn::Hardtanh{-0.7, 1.3}; });
  check_each("Hardshrink", shapes, [] { return nn::Hardshrink{0.8}; });
  check_each("Softshrink", shapes, [] { return nn::Softshrink{0.6}; });
  check_each("Threshold", shapes, [] { return nn::Threshold{0.2, -1.5}; });
  check_each("PReLU", {"vector", "axes", "number"}, [] { return nn::PReLU{}; });
  check_each("GLU", {"vector", "axes", "no rows"}, [] { return nn::GLU{}; });
  check_layer("GLU image", nn::GLU{1});
}

TEST_CASE("every softmax is PyTorch's in every shape") {
  const Labels last{"vector", "one", "axes", "image", "no rows"};
  check_each("Softmax", last, [] { return nn::Softmax{}; });
  check_each("Softmin", last, [] { return nn::Softmin{}; });
  check_each("LogSoftmax", last, [] { return nn::LogSoftmax{}; });
  check_layer("Softmax channels", nn::Softmax{1});
  check_layer("Softmin channels", nn::Softmin{1});
  check_layer("LogSoftmax channels", nn::LogSoftmax{1});
  check_each("Softmax2d", {"batch", "unbatched", "channel", "line", "pixel", "no rows"}, [] { return nn::Softmax2d{}; });
}

TEST_CASE("BatchNorm and InstanceNorm are PyTorch's, running statistics too") {
  check_batch_norm<nn::BatchNorm1d>("BatchNorm1d");
  check_batch_norm<nn::BatchNorm2d>("BatchNorm2d");
  check_layer("InstanceNorm1d eps", nn::InstanceNorm1d{2, {.eps = 0.4}});
  check_layer("InstanceNorm1d one channel", nn::InstanceNorm1d{1, {.affine = true}});
  check_layer("InstanceNorm1d not affine", nn::InstanceNorm1d{4});
  check_layer("InstanceNorm2d eps", nn::InstanceNorm2d{2, {.eps = 0.4}});
  check_layer("InstanceNorm2d one channel", nn::InstanceNorm2d{1, {.affine = true}});
  check_layer("InstanceNorm2d not affine", nn::InstanceNorm2d{4});
}

TEST_CASE("pools to a size, and layers that move numbers, are PyTorch's in odd shapes") {
  const std::pair<const char*, int64_t> sizes[] = {
      {" unbatched", 4}, {" global", 1}, {" as it is", 6}, {" larger", 9}, {" one channel", 2}};
  for (const auto& [label, size] : sizes) {
    check_layer(std::string("AdaptiveAvgPool1d") + label, nn::AdaptiveAvgPool1d{size});
    check_layer(std::string("AdaptiveMaxPool1d") + label, nn::AdaptiveMaxPool1d{size});
  }
  check_layer("AdaptiveAvgPool2d line", nn::AdaptiveAvgPool2d{{1, 3}});
  check_layer("AdaptiveMaxPool2d line", nn::AdaptiveMaxPool2d{{1, 3}});
  check_layer("AdaptiveMaxPool2d global", nn::AdaptiveMaxPool2d{1});
  check_each("Flatten", {"images", "rows", "no rows"}, [] { return nn::Flatten{}; });
  check_layer("Flatten all", nn::Flatten{0});
  check_layer("Flatten last", nn::Flatten{2});
  check_layer("Flatten from the end", nn::Flatten{-2});
  check_layer("Unflatten first", nn::Unflatten{0, {2, 3}});
  check_layer("Unflatten inferred", nn::Unflatten{1, {-1, 7}});
  check_layer("Unflatten three", nn::Unflatten{2, {1, 5, 1}});
  check_layer("Unflatten line", nn::Unflatten{0, {5, 3}});
  check_layer("PixelShuffle by one", nn::PixelShuffle{1});
  check_layer("PixelShuffle by three", nn::PixelShuffle{3});
  check_layer("PixelShuffle column", nn::PixelShuffle{2});
  check_layer("PixelShuffle one pixel", nn::PixelShuffle{2});
  check_layer("PixelUnshuffle by one", nn::PixelUnshuffle{1});
  check_layer("PixelUnshuffle by three", nn::PixelUnshuffle{3});
  check_layer("PixelUnshuffle unbatched", nn::PixelUnshuffle{2});
  check_layer("PixelUnshuffle row", nn::PixelUnshuffle{2});
  check_layer("PixelUnshuffle one pixel", nn::PixelUnshuffle{5});
  check_layer("Upsample row", nn::Upsample{{.size = Pair{3, 1}, .mode = Interpolation::bilinear}});
}

TEST_CASE("losses of each element are PyTorch's in odd shapes") {
  const std::pair<const char*, Reduction> reductions[] = {
      {" mean", Reduction::mean}, {" sum", Reduction::sum}, {" none", Reduction::none}};
  using Loss = Tensor (*)(const In&);
  const std::pair<const char*, Loss> losses[] = {
      {"smooth_l1_loss", [](const In& x) { return smooth_l1_loss(x[0], x[1]); }},
      {"huber_loss", [](const In& x) { return huber_loss(x[0], x[1]); }},
      {"poisson_nll_loss", [](const In& x) { return poisson_nll_loss(x[0], x[1]); }},
      {"binary_cross_entropy", [](const In& x) { return binary_cross_entropy(x[0], x[1]); }},
      {"binary_cross_entropy_with_logits", [](const In& x) { return binary_cross_entropy_with_logits(x[0], x[1]); }},
      {"kl_div", [](const In& x) { return kl_div(x[0], x[1]); }},
      {"hinge_embedding_loss", [](const In& x) { return hinge_embedding_loss(x[0], x[1]); }},
      {"margin_ranking_loss", [](const In& x) { return margin_ranking_loss(x[0], x[1], x[2]); }},
  };
  for (const std::string label : {" one", " axes", " image"}) {
    for (const auto& [name, loss] : losses)
      check_case(
          name + label, nullptr, [f = loss](const In& x) { return Out{f(x)}; }, false);
    for (const auto& [ending, reduction] : reductions) {
      check_case("l1_loss" + label + ending, nullptr, [r = reduction](const In& x) { return Out{l1_loss(x[0], x[1], r)}; });
      check_case("mse_loss" + label + ending, nullptr,
                 [r = reduction](const In& x) { return Out{mse_loss(x[0], x[1], r)}; });
    }
  }
}

TEST_CASE("Identity is PyTorch's, and Dropout where nothing is left to chance") {
  check_each("Identity", {"vector", "one", "axes", "image", "no rows", "number"}, [] { return nn::Identity{}; });
  const auto eval = [](auto& l, const In& x) {
    l.eval();
    return Out{l(x[0])};
  };
  for (const std::string i : {"0", "1"}) {
    for (const int p : {0, 1}) {
      check_layer("Dropout " + std::to_string(p) + " " + i, nn::Dropout(p));
      check_layer("Dropout2d " + std::to_string(p) + " " + i, nn::Dropout2d(p));
    }
    check_layer("Dropout eval " + i, nn::Dropout{0.3}, eval, i != "0");  // of no rows
    check_layer("Dropout2d eval " + i, nn::Dropout2d{0.3}, eval, i != "0");
  }
}

TEST_CASE("more losses are PyTorch's in odd shapes and with other options") {
  using Loss = Tensor (*)(const In&);
  const auto check = [](const std::string& name, const Labels& labels, Loss loss, bool differences = true) {
    for (const std::string label : labels)
      check_case(
          name + " " + label, nullptr, [loss](const In& x) { return Out{loss(x)}; }, differences);
  };
  const Labels odd{"one", "axes", "image"}, small{"number", "vector", "rows"},
      pairs{"one pair", "two features", "vector", "wide"}, classes{"one row", "two classes", "vector", "wide"};
  check("sigmoid_focal_loss", {"one", "axes", "image", "number"},
        [](const In& x) { return sigmoid_focal_loss(x[0], x[1], {.gamma = 3}); });
  check("dice_loss", odd, [](const In& x) { return dice_loss(unsqueeze(x[0], 1), unsqueeze(x[1], 1)); });
  check("dice_loss", {"wide"},
        [](const In& x) { return dice_loss(x[0], x[1], {.smooth = 2, .reduction = Reduction::sum}); });
  check("gaussian_nll_loss", odd, [](const In& x) { return gaussian_nll_loss(x[0], x[1], x[2]); });
  check("kl_div", {"rows"}, [](const In& x) { return kl_div(x[0], x[1], {.log_target = true, .batchmean = true}); });
  check("l1_loss", small, [](const In& x) { return l1_loss(x[0], x[1]); });
  check("mse_loss", small, [](const In& x) { return mse_loss(x[0], x[1]); });
  check("huber_loss", small, [](const In& x) { return huber_loss(x[0], x[1], {.delta = 2.5}); });
  check("hinge_embedding_loss", small, [](const In& x) { return hinge_embedding_loss(x[0], x[1], {.margin = 2}); });
  check("margin_ranking_loss", small, [](const In& x) { return margin_ranking_loss(x[0], x[1], x[2], {.margin = -0.5}); });
  check("poisson_nll_loss", small,
        [](const In& x) { return poisson_nll_loss(x[0], x[1], {.log_input = false, .eps = 0.1}); });
  check(
      "binary_cross_entropy", small, [](const In& x) { return binary_cross_entropy(x[0], x[1]); }, false);
  check("binary_cross_entropy_with_logits", small,
        [](const In& x) { return binary_cross_entropy_with_logits(x[0], x[1], {.weight = x[2]}); });
  check("cosine_embedding_loss", pairs,
        [](const In& x) { return cosine_embedding_loss(x[0], x[1], x[2], {.margin = -0.4}); });
  check("triplet_margin_loss", pairs,
        [](const In& x) { return triplet_margin_loss(x[0], x[1], x[2], {.margin = 4, .swap = true}); });
  check("multi_margin_loss", {"one row", "two classes", "wide"},
        [](const In& x) { return multi_margin_loss(x[0], x[1], {.margin = 1.7}); });
  check("multi_margin_loss", {"squared"}, [](const In& x) { return multi_margin_loss(x[0], x[1], {.p = 2}); });
  check("nll_loss", classes, [](const In& x) { return nll_loss(x[0], x[1]); });
}
