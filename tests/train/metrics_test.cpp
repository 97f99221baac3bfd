// The numbers are scikit-learn's definitions worked out by hand.
#include <gradus/autograd/ops.h>
#include <gradus/train/metrics.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/throws.h>

#include <cmath>
#include <limits>

using namespace gradus;
using namespace gradus::training;

namespace {

double of(const Metric& m, const Tensor& output, const Tensor& target) { return m.value(m.sums(output, target)); }

const Tensor& scores() {
  static const Tensor t = tensor<float>({4, 3}, {3, 1, 2, 0, 5, 1, 2, 2, 0, 1, 0, 4});
  return t;
}

}  // namespace

TEST_CASE("accuracy and top-k count rows; of equal numbers the first comes first") {
  CHECK(of(accuracy(), scores(), tensor<int64_t>({4}, {0, 1, 1, 0})) == 0.5);
  CHECK(of(top_k(2), scores(), tensor<int64_t>({4}, {0, 1, 1, 0})) == 1);
  CHECK(of(top_k(2), scores(), tensor<int64_t>({4}, {1, 0, 2, 1})) == 0);
  CHECK(of(accuracy(), reshape(scores(), {2, 2, 3}), tensor<int64_t>({2, 2}, {0, 1, 0, 2})) == 1);
  CHECK(of(error_rate(), scores(), tensor<int64_t>({4}, {0, 1, 1, 2})) == 0.25);
  CHECK_FALSE(error_rate().higher_is_better);
  CHECK(accuracy().name == "accuracy");
  CHECK(top_k(5).name == "top_5");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(of(accuracy(), tensor<float>({1, 2}, {1, nan}), tensor<int64_t>({1}, {0})) == 0);
}

TEST_CASE("the confusion matrix counts target by answer, and F1 is made of it") {
  const Tensor target = tensor<int64_t>({4}, {0, 1, 1, 0});  // answers: 0 1 0 2
  CHECK(confusion_matrix(scores(), target) == std::vector<double>{1, 0, 1, 1, 1, 0, 0, 0, 0});
  // class 0: P 1/2, R 1/2; class 1: P 1, R 1/2; class 2: P 0
  CHECK(of(f1(), scores(), target) == doctest::Approx((0.5 + 2.0 / 3 + 0) / 3));
  CHECK(of(f1(), tensor<float>({2, 3}, {1, 0, 0, 0, 1, 0}), tensor<int64_t>({2}, {0, 1})) == 1);  // class 2 does not occur
}

TEST_CASE("mean IoU is what target and answer share of what either has") {
  // class 0: 1 of 3; class 1: 1 of 2; class 2: 0 of 1
  CHECK(of(mean_iou(), scores(), tensor<int64_t>({4}, {0, 1, 1, 0})) == doctest::Approx((1.0 / 3 + 1.0 / 2 + 0) / 3));
  CHECK(of(mean_iou(), tensor<float>({2, 3}, {1, 0, 0, 0, 1, 0}), tensor<int64_t>({2}, {0, 1})) ==
        1);  // class 2 does not occur
}

TEST_CASE("perplexity, RMSE and MAE") {
  const double p = std::exp(5.0) / (1 + std::exp(5.0) + std::exp(1.0));
  CHECK(of(perplexity(), tensor<float>({1, 3}, {0, 5, 1}), tensor<int64_t>({1}, {1})) == doctest::Approx(1 / p));
  CHECK(of(perplexity(), tensor<float>({1, 2}, {1000, 0}), tensor<int64_t>({1}, {0})) == 1);
  const Tensor a = tensor<float>({2, 2}, {1, 2, 3, 4}), b = tensor<float>({2, 2}, {1, 0, 3, 8});
  CHECK(of(rmse(), a, b) == doctest::Approx(std::sqrt(20.0 / 4)));
  CHECK(of(mae(), a, b) == 1.5);
  CHECK_FALSE(rmse().higher_is_better);
}

TEST_CASE("sums of batches give the metric of all") {
  const Metric m = rmse();
  std::vector<double> total(2);
  for (const double x : {1.0, 2.0, 6.0}) {
    const auto s = m.sums(zeros({1}) + x, zeros({1}));
    total[0] += s[0], total[1] += s[1];
  }
  CHECK(m.value(total) == doctest::Approx(std::sqrt(41.0 / 3)));
}

TEST_CASE("metrics refuse what does not fit") {
  const Tensor target = tensor<int64_t>({4}, {0, 1, 3, 0});
  CHECK(says(thrown<IndexError>([&] { of(accuracy(), scores(), target); }), {"accuracy: target 3 at 2 is outside 0 .. 2"}));
  CHECK(says(thrown<ShapeError>([&] { of(f1(), scores(), zeros({3})); }), {"output [4,3] and target [3]"}));
  CHECK(says(thrown<DataError>([&] { of(accuracy(), scores(), {}); }), {"needs the model's output and a target"}));
  CHECK(says(thrown<ShapeError>([&] { of(rmse(), scores(), zeros({4})); }), {"f32[4,3]", "f32[4]", "one shape"}));
  CHECK(says(thrown<DataError>([&] { top_k(0); }), {"k is 0"}));
}
