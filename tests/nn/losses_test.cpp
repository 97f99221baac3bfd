// What losses do at the edges, and what they refuse; their values are compared with PyTorch's in torch_losses_test.cpp.
#include <gradus/nn/nn.h>

#include <gradus/autograd/check/gradcheck.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

#include <functional>

using namespace gradus;
using testing::contains;
using testing::message_of;
using testing::same_bits;

namespace {

Tensor values(const Shape& shape, std::uint64_t seed, Dtype dtype = f64) { return normal(shape, 0, 1, {seed, 0}, dtype); }
Tensor labels_of(std::vector<int64_t> v) { return tensor<int64_t>({static_cast<int64_t>(v.size())}, v); }

using Function = std::function<Tensor(const Tensor&, const Tensor&)>;
/// Every loss of two tensors of one shape, of numbers in (0, 1) and signs where it needs them.
std::vector<std::pair<const char*, Function>> losses_of_two(Reduction r) {
  const auto probability = [](const Tensor& t) { return sigmoid(t); };
  const auto sign = [](const Tensor& t) {
    return where(t.detach() < Tensor(0.0), full({}, -1.0, t.dtype()), full({}, 1.0, t.dtype()));
  };
  return {
      {"l1_loss", [=](auto& a, auto& b) { return l1_loss(a, b, r); }},
      {"smooth_l1_loss", [=](auto& a, auto& b) { return smooth_l1_loss(a, b, {.reduction = r}); }},
      {"huber_loss", [=](auto& a, auto& b) { return huber_loss(a, b, {.reduction = r}); }},
      {"kl_div", [=](auto& a, auto& b) { return kl_div(a, probability(b), {.reduction = r}); }},
      {"bce", [=](auto& a, auto& b) { return binary_cross_entropy(probability(a), probability(b), {.reduction = r}); }},
      {"logits", [=](auto& a, auto& b) { return binary_cross_entropy_with_logits(a, probability(b), {.reduction = r}); }},
      {"gaussian",
       [=](auto& a, auto& b) { return gaussian_nll_loss(a, b, probability(b), {.full = true, .reduction = r}); }},
      {"poisson",
       [=](auto& a, auto& b) { return poisson_nll_loss(a, probability(b) * 3.0, {.full = true, .reduction = r}); }},
      {"hinge", [=](auto& a, auto& b) { return hinge_embedding_loss(a, sign(b), {.reduction = r}); }},
      {"ranking", [=](auto& a, auto& b) { return margin_ranking_loss(a, b, sign(b), {.margin = 0.5, .reduction = r}); }},
      {"cosine", [=](auto& a, auto& b) { return cosine_embedding_loss(a, b, sign(select(b, 1, 0)), {.reduction = r}); }},
      {"triplet", [=](auto& a, auto& b) { return triplet_margin_loss(a, b, b + 0.7, {.margin = 9, .reduction = r}); }},
      {"soft", [=](auto& a, auto& b) { return cross_entropy(a, softmax(b, 1), {.label_smoothing = 0.1, .reduction = r}); }},
  };
}

}  // namespace

TEST_CASE("a loss of NaN is NaN, whichever input it is in") {
  for (const auto& entry : losses_of_two(Reduction::mean)) {
    const auto& [name, loss] = entry;
    INFO(entry.first);
    const Tensor good = values({3, 4}, 1);
    Tensor bad = Tensor(good.array().copy());
    bad.writable().write<double>("test")[5] = std::nan("");
    CHECK(std::isnan(loss(bad, good + 0.1).item()));
    const bool signs = std::string(name) == "hinge";  // b is a sign there, and NaN none
    if (!signs) CHECK(std::isnan(loss(good + 0.1, bad).item()));
  }
  Tensor bad = Tensor(values({3, 4}, 2).array().copy());
  bad.writable().write<double>("test")[5] = std::nan("");
  const Tensor labels = labels_of({0, 3, 1});
  CHECK(std::isnan(cross_entropy(bad, labels, {.label_smoothing = 0.1}).item()));
  CHECK(std::isnan(multi_margin_loss(bad, labels).item()));
  CHECK_FALSE(std::isnan(cross_entropy(bad, labels_of({0, -100, 1}), CrossEntropyOptions{}).item()));  // that row is ignored
}

TEST_CASE("second derivatives of losses are right, and bits do not depend on threads") {
  for (const auto& entry : losses_of_two(Reduction::none)) {
    INFO(entry.first);
    const Function f = entry.second;
    const GradcheckReport report = gradgradcheck([f](const std::vector<Tensor>& x) { return f(x[0], x[1]); },
                                                 {values({2, 3}, 3), values({2, 3}, 4)}, {.may_be_zero = true});
    CHECK_MESSAGE(report.passed, report.message);
  }
  for (const auto& entry : losses_of_two(Reduction::mean)) {
    INFO(entry.first);
    const auto run = [&, f = entry.second](int threads) {
      set_threads(threads);
      const Tensor a = leaf(values({300, 257}, 5, f32).array()), b = leaf(values({300, 257}, 6, f32).array());
      const Tensor y = f(a, b);
      y.backward();
      return std::vector<Array>{y.array(), a.grad().array(), b.grad().defined() ? b.grad().array() : y.array()};
    };
    const std::vector<Array> one = run(1);
    for (const int threads : {2, 3, 7}) {
      const std::vector<Array> many = run(threads);
      for (std::size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], many[i]));
    }
  }
  set_threads(2);
}

TEST_CASE("sure predictions have finite losses and gradients that still point the way") {
  const Tensor p = leaf(Array::of<float>({4}, {0, 1, 0, 1})), t = tensor<float>({4}, {1, 0, 0, 1});
  const Tensor loss = binary_cross_entropy(p, t, {.reduction = Reduction::none});
  CHECK(same_bits(loss.array(), Array::of<float>({4}, {100, 100, 0, 0})));
  loss.sum().backward();
  CHECK(p.grad().array().at({0}) == doctest::Approx(-1e12));
  CHECK(p.grad().array().at({1}) == doctest::Approx(1e12));
  const Tensor x = leaf(Array::of<float>({4}, {-1e30F, 1e30F, -200, 200}));
  const Tensor logits = binary_cross_entropy_with_logits(x, tensor<float>({4}, {0, 1, 1, 0}), {.reduction = Reduction::sum});
  CHECK(logits.item() == 400);
  logits.backward();
  CHECK(same_bits(x.grad().array(), Array::of<float>({4}, {0, 0, -1, 1})));
  const Tensor far = leaf(Array::of<double>({1}, {HUGE_VAL}));
  smooth_l1_loss(far, zeros({1}, f64)).backward();
  CHECK(far.grad().item() == 1);
  CHECK(std::isnan(cross_entropy(values({2, 3}, 7), labels_of({-100, -100}), CrossEntropyOptions{}).item()));
  CHECK(cross_entropy(values({2, 3}, 7), labels_of({-100, -100}), {.reduction = Reduction::sum}).item() == 0);
}

TEST_CASE("an ignored label may have any number; without options that matter the fused op is taken") {
  const Tensor x = leaf(values({3, 4}, 8).array());
  cross_entropy(x, labels_of({2, 77, 0}), {.ignore_index = 77}).backward();
  CHECK(max(abs(select(Tensor(x.grad()), 0, 1))).item() == 0);
  CHECK(max(abs(select(Tensor(x.grad()), 0, 0))).item() > 0);
  const Tensor labels = labels_of({2, 3, 0});
  CHECK(same_bits(cross_entropy(x, labels, CrossEntropyOptions{}).array(), cross_entropy(x, labels).array()));
  CHECK(cross_entropy(x, labels.to(u8), {.label_smoothing = 0.1}).item() ==
        cross_entropy(x, labels, {.label_smoothing = 0.1}).item());
}

TEST_CASE("modules of losses keep their weights in the state") {
  nn::CrossEntropyLoss loss({.weight = tensor<float>({3}, {1, 2, 3}), .ignore_index = 1});
  CHECK(loss.named_buffers().size() == 1);
  CHECK(loss.state_dict()[0].first == "weight");
  loss.to(f64);
  CHECK(loss(values({2, 3}, 9), labels_of({0, 2})).dtype() == f64);
  nn::CrossEntropyLoss plain;
  CHECK(plain.state_dict().empty());
  nn::BCEWithLogitsLoss both({.pos_weight = ones({2})});
  CHECK(both.state_dict()[0].first == "pos_weight");
}

TEST_CASE("losses say what does not fit, word for word") {
  const Tensor x = zeros({4, 3}), labels = labels_of({0, 1, 2, 0});
  CHECK(message_of<IndexError>([&] {
          cross_entropy(x, labels_of({0, 1, 3, -100}), {.label_smoothing = 0.1});
        }) ==
        "cross_entropy: label 3 at element 2 of i64[4]; there are 3 classes, so labels run from 0 to 2, or are "
        "ignore_index, -100");
  CHECK(message_of<IndexError>([&] {
          multi_margin_loss(x, labels_of({0, 1, -1, 0}));
        }) == "multi_margin_loss: label -1 at element 2 of i64[4]; there are 3 classes, so labels run from 0 to 2");
  CHECK(message_of<ShapeError>([&] { cross_entropy(x, labels, {.weight = ones({4})}); }) ==
        "cross_entropy: the weight must be [3], one number for each class, got f32[4]: input f32[4,3]");
  CHECK(message_of<DtypeError>([&] { nll_loss(x, labels, {.weight = ones({3}, f64)}); }) ==
        "nll_loss: the weight is f64[3], the input f32[4,3]; they must have one dtype\n  try: weight.to(f32)");
  CHECK(message_of<ShapeError>([&] {
          nll_loss(x, labels_of({0, 1}));
        }) == "nll_loss: one class number is needed for each row: input f32[4,3], labels i64[2]; the labels must be [4]");
  CHECK(message_of<DtypeError>([&] { nll_loss(x, ones({4})); }) ==
        "nll_loss: class labels must be integers (i64 or u8), got f32[4]\n  try: labels.to(i64)");
  CHECK(message_of<Error>([&] { cross_entropy(x, labels, {.label_smoothing = 1.5}); }) ==
        "cross_entropy: label_smoothing must lie in [0, 1], got 1.5");
  CHECK(message_of<ShapeError>([&] {
          l1_loss(zeros({4, 1}), zeros({4}));
        }) ==
        "l1_loss: prediction f32[4,1] and target f32[4] would broadcast to [4,4]; the shapes must be equal\n"
        "  try: target.unsqueeze(1)");
  CHECK(message_of<DtypeError>([&] { huber_loss(zeros({4}), zeros({4}, f64)); }) ==
        "huber_loss: all must have one dtype: prediction f32[4], target f64[4]\n  try: target.to(f32)");
  CHECK(message_of<DtypeError>([&] { binary_cross_entropy(zeros({4}), zeros({4}, i64)); }) ==
        "binary_cross_entropy: the target must be f32 or f64, got i64[4]\n  try: target.to(f32)");
  CHECK(message_of<ShapeError>([&] { smooth_l1_loss(zeros({0}), zeros({0})); }) ==
        "smooth_l1_loss: there is nothing to compare: prediction f32[0], target f32[0]");
  CHECK(message_of<Error>([&] {
          binary_cross_entropy(tensor<float>({2}, {0.5F, 1.5F}), zeros({2}));
        }) ==
        "binary_cross_entropy: probabilities must lie in [0, 1], got 1.5 at element 1 of f32[2]\n"
        "  try: binary_cross_entropy_with_logits, which applies sigmoid itself");
  CHECK(message_of<Error>([&] {
          hinge_embedding_loss(zeros({2}), tensor<float>({2}, {1, 0}));
        }) == "hinge_embedding_loss: the target must be 1 or -1, got 0 at element 1 of f32[2]");
  CHECK(message_of<Error>([&] {
          gaussian_nll_loss(zeros({2}), zeros({2}), tensor<float>({2}, {1, -2}));
        }) == "gaussian_nll_loss: a variance must not be negative, got -2 at element 1 of f32[2]");
  CHECK(message_of<ShapeError>([&] {
          gaussian_nll_loss(zeros({2, 3}), zeros({2, 3}), zeros({3}));
        }) ==
        "gaussian_nll_loss: var is f32[3], the prediction f32[2,3]; var must have its shape, a last axis of 1, or no last "
        "axis");
  CHECK(
      message_of<ShapeError>([&] {
        cosine_embedding_loss(zeros({2, 3}), zeros({2, 3}), zeros({3}));
      }) ==
      "cosine_embedding_loss: the inputs must be [N, D] and the target [N], or [D] and []: inputs f32[2,3], target f32[3]");
  CHECK(message_of<ShapeError>([&] { binary_cross_entropy_with_logits(x, x, {.pos_weight = ones({4})}); }) ==
        "binary_cross_entropy_with_logits: the pos_weight is f32[4], the input [4,3]; the pos_weight must broadcast to it");
  CHECK(contains(message_of<Error>([&] { multi_margin_loss(x, labels, {.p = 3}); }), "p must be 1 or 2, got 3"));
  CHECK(contains(message_of<Error>([&] { huber_loss(x, x, {.delta = 0}); }), "delta must be above 0, got 0"));
  CHECK(contains(message_of<Error>([&] { smooth_l1_loss(x, x, {.beta = -1}); }), "beta must not be negative, got -1"));
  nn::Sequential in_a_net{nn::Linear{3, 3}};
  CHECK(contains(message_of<ShapeError>([&] {
                   nn::L1Loss{}(in_a_net(x), zeros({3, 4}));
                 }),
                 "prediction f32[4,3] and target f32[3,4] differ in shape"));
}

TEST_CASE("ctc_loss says what does not fit, word for word") {
  const Tensor x = leaf(log_softmax(values({4, 2, 3}, 10), -1).array());
  const Tensor y = tensor<int64_t>({2, 3}, {1, 1, 1, 2, 1, 2}), four = labels_of({4, 4}), three = labels_of({3, 3});
  const Tensor losses = ctc_loss(x, y, four, three, {.reduction = Reduction::none});
  CHECK(std::isinf(losses.array().element(0)));  // three equal labels want five steps
  CHECK(std::isfinite(losses.array().element(1)));
  CHECK(nn::CTCLoss{{.zero_infinity = true, .reduction = Reduction::sum}}(x, y, four, three).item() ==
        losses.array().element(1));
  losses.sum().backward();
  CHECK(max(abs(select(Tensor(x.grad()), 1, 0))).item() == 0);
  const auto message = [&](const Tensor& targets, const Tensor& inputs, const Tensor& lengths) {
    return message_of<ShapeError>([&] { ctc_loss(x, targets, inputs, lengths); });
  };
  CHECK(message(y, labels_of({4, 2}), three) ==
        "ctc_loss: the target of sample 1 has 3 labels, its input only 2 steps\n"
        "  try: {.zero_infinity = true}, which lets such samples count 0");
  CHECK(message(y, labels_of({4, 5}), three) == "ctc_loss: input_lengths must lie in [1, 4], got 5 of sample 1");
  CHECK(message(y, labels_of({4, 4, 4, 4}), three).find("permute(log_probs, {1, 0, 2})") != std::string::npos);
  CHECK(message(y, four, labels_of({-1, 3})) == "ctc_loss: target_lengths must lie in [0, 3], got -1 of sample 0");
  CHECK(message(y, four, labels_of({3})) == "ctc_loss: target_lengths must be [2], one for each sample, got i64[1]");
  CHECK(message(labels_of({1, 2, 1}), four, three) ==
        "ctc_loss: targets must be [2, S], or [6], all labels in one row, got i64[3]");
  CHECK(message_of<IndexError>([&] {
          ctc_loss(x, tensor<int64_t>({2, 1}, {1, 3}), four, labels_of({1, 1}));
        }) == "ctc_loss: label 3 of sample 1; labels run from 0 to 2 without the blank, 0");
  CHECK(message_of<IndexError>([&] { ctc_loss(x, y, four, three, {.blank = 3}); }) ==
        "ctc_loss: the blank must lie in [0, 2], got 3");
  CHECK(message_of<DtypeError>([&] { ctc_loss(x, y.to(f32), four, three); }) ==
        "ctc_loss: targets must be integers (i64 or u8), got f32[2,3]");
}
