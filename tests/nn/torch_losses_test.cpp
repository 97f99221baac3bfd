// Losses against PyTorch (tests/vectors/make_nn_vectors.py): the functions, and the modules with the same options.
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_case;
using testing::In;
using testing::nn_vectors;
using testing::norm_wise;
using testing::Out;

namespace {

const std::pair<const char*, Reduction> reductions[] = {
    {" mean", Reduction::mean}, {" sum", Reduction::sum}, {" none", Reduction::none}};

/// call(inputs, reduction), with each reduction.
template <class Call> void check_loss(const std::string& name, Call call, bool differences = true) {
  for (const auto& [label, reduction] : reductions)
    check_case(
        name + label, nullptr, [&, r = reduction](const In& x) { return Out{call(x, r)}; }, differences);
}

/// The module returns what the function of the same case does.
template <class Module, class... Places> void check_module(const std::string& name, Module module, Places... place) {
  const In x = nn_vectors().list(name, "in", f64);
  module.to(f64);
  CHECK(norm_wise(module(x[static_cast<std::size_t>(place)]...).array(), nn_vectors()[name + "|out0"]) <= 1e-10);
}

Tensor input(const std::string& name, int i) { return Tensor(nn_vectors()[name + "|in" + std::to_string(i)]); }

}  // namespace

TEST_CASE("cross_entropy is PyTorch's: weights, ignored labels, smoothing, pixels, probabilities") {
  using O = CrossEntropyOptions;
  const auto with = [](O o) {
    return [o](const In& x, Reduction r) {
      O all = o;
      all.reduction = r;
      if (x.size() > 2) all.weight = x[2];
      return cross_entropy(x[0], x[1], all);
    };
  };
  check_loss("cross_entropy plain", [](const In& x, Reduction r) { return cross_entropy(x[0], x[1], r); });
  check_loss("cross_entropy plain", with({}));
  check_loss("cross_entropy weight", with({}));
  check_loss("cross_entropy ignored", with({}));
  check_loss("cross_entropy smoothing", with({.label_smoothing = 0.1}));
  check_loss("cross_entropy all", with({.label_smoothing = 0.2}));
  check_loss("cross_entropy pixels", with({.ignore_index = -1, .label_smoothing = 0.3}));
  check_loss("cross_entropy soft", with({}));
  check_loss("cross_entropy soft all", with({.label_smoothing = 0.1}));
  check_loss("cross_entropy soft pixels", with({}));
  check_module("cross_entropy all sum",
               nn::CrossEntropyLoss(
                   {.weight = input("cross_entropy all sum", 2), .label_smoothing = 0.2, .reduction = Reduction::sum}),
               0, 1);
  check_module("cross_entropy soft mean", nn::CrossEntropyLoss{}, 0, 1);
}

TEST_CASE("nll_loss, kl_div and multi_margin_loss are PyTorch's") {
  check_loss("nll_loss plain", [](const In& x, Reduction r) { return nll_loss(x[0], x[1], {.reduction = r}); });
  check_loss("nll_loss all",
             [](const In& x, Reduction r) { return nll_loss(x[0], x[1], {.weight = x[2], .reduction = r}); });
  check_loss("nll_loss pixels",
             [](const In& x, Reduction r) { return nll_loss(x[0], x[1], {.ignore_index = -1, .reduction = r}); });
  check_case("nll_loss one", nullptr, [](const In& x) { return Out{nll_loss(x[0], x[1])}; });
  check_loss("kl_div plain", [](const In& x, Reduction r) { return kl_div(x[0], x[1], {.reduction = r}); });
  check_loss("kl_div log_target",
             [](const In& x, Reduction r) { return kl_div(x[0], x[1], {.log_target = true, .reduction = r}); });
  check_case("kl_div plain batchmean", nullptr, [](const In& x) { return Out{kl_div(x[0], x[1], {.batchmean = true})}; });
  check_loss("multi_margin_loss plain",
             [](const In& x, Reduction r) { return multi_margin_loss(x[0], x[1], {.reduction = r}); });
  check_loss("multi_margin_loss all", [](const In& x, Reduction r) {
    return multi_margin_loss(x[0], x[1], {.p = 2, .margin = 0.6, .weight = x[2], .reduction = r});
  });
  check_module("nll_loss all mean", nn::NLLLoss({.weight = input("nll_loss all mean", 2)}), 0, 1);
  check_module("kl_div log_target mean", nn::KLDivLoss({.log_target = true}), 0, 1);
  check_module("multi_margin_loss all mean",
               nn::MultiMarginLoss({.p = 2, .margin = 0.6, .weight = input("multi_margin_loss all mean", 2)}), 0, 1);
}

TEST_CASE("binary cross-entropies are PyTorch's") {
  check_loss("binary_cross_entropy plain",
             [](const In& x, Reduction r) { return binary_cross_entropy(x[0], x[1], {.reduction = r}); });
  check_loss("binary_cross_entropy weight",
             [](const In& x, Reduction r) { return binary_cross_entropy(x[0], x[1], {.weight = x[2], .reduction = r}); });
  check_loss("binary_cross_entropy_with_logits plain",
             [](const In& x, Reduction r) { return binary_cross_entropy_with_logits(x[0], x[1], {.reduction = r}); });
  check_loss("binary_cross_entropy_with_logits weights", [](const In& x, Reduction r) {
    return binary_cross_entropy_with_logits(x[0], x[1], {.weight = x[2], .pos_weight = x[3], .reduction = r});
  });
  const std::string weights = "binary_cross_entropy_with_logits weights mean";
  check_module(weights, nn::BCEWithLogitsLoss({.weight = input(weights, 2), .pos_weight = input(weights, 3)}), 0, 1);
  check_module("binary_cross_entropy weight mean", nn::BCELoss({.weight = input("binary_cross_entropy weight mean", 2)}), 0,
               1);
}

TEST_CASE("losses of numbers are PyTorch's") {
  check_loss("l1_loss", [](const In& x, Reduction r) { return l1_loss(x[0], x[1], r); });
  check_loss("smooth_l1_loss plain", [](const In& x, Reduction r) { return smooth_l1_loss(x[0], x[1], {.reduction = r}); });
  check_loss("smooth_l1_loss beta",
             [](const In& x, Reduction r) { return smooth_l1_loss(x[0], x[1], {.beta = 0.3, .reduction = r}); });
  check_loss("smooth_l1_loss zero",
             [](const In& x, Reduction r) { return smooth_l1_loss(x[0], x[1], {.beta = 0, .reduction = r}); });
  check_loss("huber_loss plain", [](const In& x, Reduction r) { return huber_loss(x[0], x[1], {.reduction = r}); });
  check_loss("huber_loss delta",
             [](const In& x, Reduction r) { return huber_loss(x[0], x[1], {.delta = 0.4, .reduction = r}); });
  const auto gaussian = [](GaussianNllOptions o) {
    return [o](const In& x, Reduction r) {
      GaussianNllOptions all = o;
      all.reduction = r;
      return gaussian_nll_loss(x[0], x[1], x[2], all);
    };
  };
  check_loss("gaussian_nll_loss plain", gaussian({}));
  check_loss("gaussian_nll_loss full", gaussian({.full = true, .eps = 0.5}), false);  // its gradient ignores the cut at eps
  check_loss("gaussian_nll_loss rows", gaussian({}));
  check_loss("poisson_nll_loss log",
             [](const In& x, Reduction r) { return poisson_nll_loss(x[0], x[1], {.reduction = r}); });
  check_loss("poisson_nll_loss rate", [](const In& x, Reduction r) {
    return poisson_nll_loss(x[0], x[1], {.log_input = false, .full = true, .reduction = r});
  });
  check_module("l1_loss mean", nn::L1Loss{}, 0, 1);
  check_module("smooth_l1_loss beta mean", nn::SmoothL1Loss{{.beta = 0.3}}, 0, 1);
  check_module("huber_loss delta mean", nn::HuberLoss{{.delta = 0.4}}, 0, 1);
  check_module("gaussian_nll_loss rows mean", nn::GaussianNLLLoss{}, 0, 1, 2);
  check_module("poisson_nll_loss rate mean", nn::PoissonNLLLoss{{.log_input = false, .full = true}}, 0, 1);
}

TEST_CASE("losses of embeddings are PyTorch's") {
  check_loss("hinge_embedding_loss plain",
             [](const In& x, Reduction r) { return hinge_embedding_loss(x[0], x[1], {.reduction = r}); });
  check_loss("hinge_embedding_loss margin",
             [](const In& x, Reduction r) { return hinge_embedding_loss(x[0], x[1], {.margin = 0.3, .reduction = r}); });
  check_loss(
      "margin_ranking_loss plain",
      [](const In& x, Reduction r) { return margin_ranking_loss(x[0], x[1], x[2], {.reduction = r}); }, false);
  check_loss(
      "margin_ranking_loss margin",
      [](const In& x, Reduction r) { return margin_ranking_loss(x[0], x[1], x[2], {.margin = 0.7, .reduction = r}); },
      false);
  check_loss("cosine_embedding_loss plain",
             [](const In& x, Reduction r) { return cosine_embedding_loss(x[0], x[1], x[2], {.reduction = r}); });
  check_loss("cosine_embedding_loss margin", [](const In& x, Reduction r) {
    return cosine_embedding_loss(x[0], x[1], x[2], {.margin = 0.2, .reduction = r});
  });
  check_loss("triplet_margin_loss plain",
             [](const In& x, Reduction r) { return triplet_margin_loss(x[0], x[1], x[2], {.reduction = r}); });
  check_loss("triplet_margin_loss p", [](const In& x, Reduction r) {
    return triplet_margin_loss(x[0], x[1], x[2], {.margin = 2.5, .p = 3, .reduction = r});
  });
  check_loss("triplet_margin_loss swap", [](const In& x, Reduction r) {
    return triplet_margin_loss(x[0], x[1], x[2], {.margin = 3, .p = 1, .swap = true, .reduction = r});
  });
  check_module("hinge_embedding_loss margin mean", nn::HingeEmbeddingLoss{{.margin = 0.3}}, 0, 1);
  check_module("margin_ranking_loss margin mean", nn::MarginRankingLoss{{.margin = 0.7}}, 0, 1, 2);
  check_module("cosine_embedding_loss margin mean", nn::CosineEmbeddingLoss{{.margin = 0.2}}, 0, 1, 2);
  check_module("triplet_margin_loss swap mean", nn::TripletMarginLoss{{.margin = 3, .p = 1, .swap = true}}, 0, 1, 2);
}

TEST_CASE("ctc_loss is PyTorch's: lengths, rows, blanks, targets that do not fit") {
  const auto labels = [](const Shape& shape, const std::vector<int64_t>& v) { return tensor<int64_t>(shape, v); };
  const auto lengths = [&](int64_t a, int64_t b, int64_t c) { return labels({3}, {a, b, c}); };
  const auto check = [](const std::string& name, const Tensor& targets, const Tensor& inputs, const Tensor& counts,
                        CtcOptions o) {
    check_loss("ctc_loss " + name, [&](const In& x, Reduction r) {
      CtcOptions all = o;
      all.reduction = r;
      return ctc_loss(log_softmax(x[0], -1), targets, inputs, counts, all);
    });
  };
  const Tensor y = labels({3, 4}, {1, 2, 2, 4, 3, 3, 3, 0, 4, 0, 0, 0});
  check("padded", y, lengths(7, 7, 7), lengths(4, 3, 1), {});
  check("lengths", y.to(u8), lengths(7, 5, 2), lengths(4, 3, 0), {});
  check("one row", labels({7}, {1, 2, 2, 4, 3, 3, 4}), lengths(7, 6, 4), lengths(4, 2, 1), {});
  check("blank", labels({3, 3}, {0, 1, 2, 3, 0, 0, 1, 3, 1}), lengths(7, 5, 6), lengths(3, 2, 3), {.blank = 4});
  check("zero_infinity", y, lengths(5, 4, 7), lengths(4, 3, 1), {.zero_infinity = true});
  check("unbatched", labels({3}, {1, 3, 3}), Tensor(Array::full({}, 6, i64)), Tensor(Array::full({}, 3, i64)), {});
}
