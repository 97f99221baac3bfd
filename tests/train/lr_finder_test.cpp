// The sweep of a loss whose every value can be worked out by hand, and that nothing of it stays.
#include <gradus/train/lr_finder.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/throws.h>
#include <gradus/tests/helpers/training.h>

#include <cmath>
#include <limits>

using namespace gradus;
using namespace gradus::training;
using testing::SmallRun;

namespace {

/// w^2 / 2: SGD makes w (1 - lr) of w.
struct Parabola : nn::Module<Parabola> {
  nn::Parameter w{Tensor(Array::of<double>({}, {1}))};
  GRADUS_FIELDS(w)
};

struct ParabolaRun {
  Parabola net;
  optim::Optimizer optimizer = optim::make("sgd(lr=cosine(0.1, total=10))", net.named_parameters());
  data::DataLoader loader{data::TensorDataset(Array::zeros({30, 1}), Array::zeros({30}, i64)), {.batch_size = 10}};
  StepFunction step = [this](const data::Batch&) -> StepResult { return net.w * net.w * 0.5; };
};

}  // namespace

TEST_CASE("find_lr sweeps in equal factors, smooths, stops where it diverges, suggests the steepest place") {
  ParabolaRun run;
  const LrFinding found =
      find_lr(run.net, run.optimizer, run.loader, run.step, {.from = 1e-3, .to = 100, .steps = 60, .smoothing = 0.5});
  double w = 1, mean = 0, lowest = std::numeric_limits<double>::infinity(), fall = 0, suggestion = 0;
  std::vector<double> smoothed;
  for (int k = 0; k < 60; ++k) {
    const double lr = 1e-3 * std::pow(1e5, k / 59.0);
    mean = 0.5 * mean + 0.5 * (w * w / 2);
    smoothed.push_back(mean / (1 - std::pow(0.5, k + 1)));
    const auto at = static_cast<std::size_t>(k);
    REQUIRE(at < found.lr.size());
    CHECK(found.lr[at] == doctest::Approx(lr));
    CHECK(found.loss[at] == doctest::Approx(w * w / 2));
    CHECK(found.smoothed[at] == doctest::Approx(smoothed[at]));
    w *= 1 - lr;
    if (smoothed[at] > 4 * lowest) break;
    lowest = std::min(lowest, smoothed[at]);
  }
  CHECK(found.lr.size() == smoothed.size());
  CHECK(smoothed.size() < 60);
  for (std::size_t k = 11; k + 2 < smoothed.size(); ++k)
    if (smoothed[k + 1] - smoothed[k - 1] < fall) fall = smoothed[k + 1] - smoothed[k - 1], suggestion = found.lr[k];
  CHECK(found.suggestion == suggestion);
  CHECK((suggestion > 0.05 && suggestion < 2));  // 2 is where gradient descent on it diverges
  CHECK(run.net.w.item() == 1);
  CHECK(run.optimizer.spec().starts_with("sgd(lr=cosine(0.1, total=10)"));
  CHECK(run.optimizer.steps() == 0);
  CHECK_FALSE(run.net.w.tensor().grad().defined());
}

TEST_CASE("find_lr leaves weights, buffers, optimizer and random numbers bit for bit, also after an error") {
  SmallRun run("clip_norm(1) | adamw(lr=1e-3)");
  for (auto& batch : run.loader.epoch(0)) run.optimizer.step([&] { return run.step()(batch).loss; });
  const std::string before = run.bits();
  const LrFinding found = find_lr(run.net, run.optimizer, run.loader, run.step(), {.to = 10});
  CHECK(found.suggestion > 1e-5);
  CHECK((run.bits() == before));
  std::int64_t calls = 0;
  const StepFunction breaks = [&](const data::Batch& b) {
    if (++calls > 5) throw DataError("test", "broke");
    return run.step()(b);
  };
  thrown<DataError>([&] { find_lr(run.net, run.optimizer, run.loader, breaks); });
  CHECK((run.bits() == before));
}

TEST_CASE("a loss that is not finite ends the sweep; one that never falls suggests nothing") {
  ParabolaRun run;
  std::int64_t calls = 0;
  const auto until = [&](std::int64_t last) {
    return [&, last](const data::Batch&) -> StepResult {
      return ++calls > last ? log(run.net.w * 0.0 - 1.0) : run.net.w * 0.0 + 1.0;
    };
  };
  const LrFinding found = find_lr(run.net, run.optimizer, run.loader, until(25));
  CHECK(found.lr.size() == 25);
  CHECK(std::isnan(found.suggestion));
  CHECK(says(to_string(found), {"lr 1.0e-07 ▁", "the loss falls nowhere"}));
  calls = 0;
  CHECK(to_string(find_lr(run.net, run.optimizer, run.loader, until(0))) == "lr: the first loss is not finite");
}

TEST_CASE("find_lr refuses what cannot be swept") {
  ParabolaRun run;
  const auto refused = [&](const LrFinderOptions& o) {
    return thrown<DataError>([&] { find_lr(run.net, run.optimizer, run.loader, run.step, o); });
  };
  CHECK(says(refused({.from = 0}), {"find_lr: lr from 0 to 1; it must be 0 < from < to"}));
  CHECK(says(refused({.from = 2}), {"lr from 2 to 1"}));
  CHECK(says(refused({.steps = 3}), {"steps is 3; it must be at least 20"}));
  CHECK(says(refused({.smoothing = 1}), {"smoothing is 1"}));
  CHECK(says(refused({.diverged = 1}), {"diverged is 1"}));
}
