#include <gradus/autograd/inspect/finite.h>
#include <gradus/core/io/files.h>
#include <gradus/core/parallel.h>
#include <gradus/optim/averaged.h>
#include <gradus/train/fit.h>
#include <gradus/train/internal/fit_report.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/child.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>
#include <gradus/tests/helpers/training.h>

#include <cmath>
#include <csignal>
#include <limits>

using namespace gradus;
using namespace gradus::training;
using testing::SmallRun;

namespace {

/// Ctrl-C behind step `at`.
Callback interrupt_at(std::int64_t at) {
  return [at](FitState& s) {
    if (s.at.step == at) std::raise(SIGINT);
  };
}

const data::DataLoader& validation() {
  static const data::DataLoader loader(testing::small_data(2), {.batch_size = 20, .shuffle = false});
  return loader;
}

FitOptions quiet() {
  FitOptions o;
  o.epochs = 3, o.validation = &validation(), o.metrics = {accuracy()};
  o.progress = false, o.exit_on_interrupt = false;
  return o;
}

std::string numbers_of(const FitResult& r) {
  std::string s;
  for (const Record& x : r.records)
    s += join(x.epoch, " ", x.step, " ", text(x.train_loss), " ", text(x.validation_loss), " ", text(x.metrics[0]), " ",
              int(x.best), "\n");
  return s;
}

}  // namespace

TEST_CASE("fit has the bits of the plain loop") {
  SmallRun plain;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch)
    for (auto& batch : plain.loader.epoch(epoch)) {
      plain.optimizer.zero_grad();
      cross_entropy(plain.net(Tensor(batch.x)), Tensor(batch.y)).backward();
      plain.optimizer.step();
    }
  const std::string expected = plain.bits();
  SmallRun run;
  const FitResult result = fit(run.net, run.optimizer, run.loader, run.step(), quiet());
  CHECK((run.bits() == expected));
  REQUIRE(result.records.size() == 3);
  CHECK(result.steps == 21);
  CHECK(result.records[2].epoch == 3);
  CHECK(result.records[2].train_loss < result.records[0].train_loss);
  CHECK(run.net.training());
}

TEST_CASE("a search for a learning rate changes nothing of what follows") {
  FitOptions options = quiet();
  options.epochs = 1;
  SmallRun plain;
  fit(plain.net, plain.optimizer, plain.loader, plain.step(), options);
  const std::string expected = plain.bits();
  options.find_lr = options.progress = true;
  SmallRun searched;
  fit(searched.net, searched.optimizer, searched.loader, searched.step(), options);
  CHECK((searched.bits() == expected));
}

TEST_CASE("fit that was interrupted and started again has the bits of one that was not") {
  for (const int threads_now : {1, 2}) {
    set_threads(threads_now);
    for (const std::string spec : {"adamw(lr=cosine(1e-2, total=40))", "accumulate(2) | clip_norm(1) | adam(lr=1e-2)",
                                   "schedule_free_adamw(lr=1e-2)", "sam(sgd(lr=0.1), rho=0.05)"}) {
      FitOptions options = quiet();
      options.average = 0.9, options.validate_every = 5, options.patience = 3;
      const testing::TempDir dir;
      options.checkpoint = Checkpoint(dir / "whole");
      SmallRun whole(spec);
      const FitResult expected = fit(whole.net, whole.optimizer, whole.loader, whole.step(), options);
      const std::string bits = whole.bits();
      options.checkpoint = Checkpoint(dir / "parts");
      FitResult result;
      for (const std::int64_t stop : {3, 5, 7, 12, 1000}) {  // 5: a row is due; 7: an epoch ends
        SmallRun part(spec);
        if (stop > 3) manual_seed(99);  // what the checkpoint does not put right stays wrong
        options.after_step = {interrupt_at(stop)};
        result = fit(part.net, part.optimizer, part.loader, part.step(), options);
        CHECK(result.interrupted == (stop < 1000));
        if (!result.interrupted) CHECK_MESSAGE((part.bits() == bits), spec, ", ", threads_now, " threads");
      }
      CHECK(numbers_of(result) == numbers_of(expected));

      SmallRun again(spec);  // a run that has ended, started once more, gives what it gave
      options.after_step = {};
      CHECK(numbers_of(fit(again.net, again.optimizer, again.loader, again.step(), options)) == numbers_of(expected));
      CHECK((again.bits() == bits));
    }
  }
  set_threads(2);
}

TEST_CASE("fit that was interrupted behind the last batch of an epoch writes the row of this epoch when it is resumed") {
  FitOptions options = quiet();
  SmallRun whole;
  const FitResult expected = fit(whole.net, whole.optimizer, whole.loader, whole.step(), options);
  const testing::TempDir dir;
  options.checkpoint = Checkpoint(dir / "parts");
  FitResult result;
  for (const std::int64_t stop : {7, 14, 21, 1000}) {  // 21: the run's last
    SmallRun part;
    options.after_step = {interrupt_at(stop)};
    result = fit(part.net, part.optimizer, part.loader, part.step(), options);
    CHECK(result.interrupted == (stop < 1000));
    if (!result.interrupted) CHECK((part.bits() == whole.bits()));
  }
  CHECK(numbers_of(result) == numbers_of(expected));
}

TEST_CASE("early stopping ends fit and puts the best weights back") {
  SmallRun run("sgd(lr=0.5)");
  FitOptions options = quiet();
  options.epochs = 50, options.patience = 2;
  std::vector<std::string> weights;
  options.after_record = {[&](FitState&) { weights.push_back(to_string(run.net.output.weight.array())); }};
  const FitResult result = fit(run.net, run.optimizer, run.loader, run.step(), options);
  REQUIRE(result.records.size() < 50);
  CHECK(result.best() == &result.records[result.records.size() - 3]);
  CHECK(to_string(run.net.output.weight.array()) == weights[weights.size() - 3]);
  for (const Record& r : result.records) CHECK(r.metrics[0] <= result.best()->metrics[0]);
}

TEST_CASE("the average of the weights is what is validated, and what is in the model at the end") {
  SmallRun run;
  FitOptions options = quiet();
  options.average = 0.9;
  SmallRun plain;
  auto average = optim::Averaged::exponential(plain.net.named_parameters(), 0.9);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch)
    for (auto& batch : plain.loader.epoch(epoch)) {
      plain.optimizer.step([&] { return cross_entropy(plain.net(Tensor(batch.x)), Tensor(batch.y)); });
      average.update();
    }
  average.swap();
  const std::string expected = plain.bits();
  manual_seed(5);
  SmallRun averaged;
  const FitResult result = fit(averaged.net, averaged.optimizer, averaged.loader, averaged.step(), options);
  CHECK((averaged.bits() == expected));
  const Evaluation e = evaluate(averaged.net, validation(), averaged.step(), {accuracy()});
  CHECK(e.loss == result.records.back().validation_loss);
  CHECK(e.metrics[0] == result.records.back().metrics[0]);
}

TEST_CASE("fit writes a CSV file, the best weights, and ends after the steps it was given") {
  const testing::TempDir dir;
  SmallRun run;
  FitOptions options = quiet();
  options.tensorboard = dir / "events";
  options.steps = 9, options.csv = dir / "log.csv", options.checkpoint = Checkpoint(dir / "run");
  const FitResult result = fit(run.net, run.optimizer, run.loader, run.step(), options);
  CHECK(result.steps == 9);
  for (const auto& entry : std::filesystem::directory_iterator(dir / "events")) {
    const std::string events = read_file(entry.path().string());
    for (const char* tag : {"loss/train", "loss/validation", "accuracy", "lr", "weights/hidden.weight", "adamw("})
      CHECK(events.find(tag) != events.npos);
  }
  REQUIRE(result.records.size() == 2);
  const std::string csv = read_file(dir / "log.csv");
  CHECK(csv.starts_with("epoch,step,train_loss,validation_loss,accuracy,lr,seconds\n1,7,"));
  CHECK(csv.find("\n2,9,") != csv.npos);
  testing::SmallNet best;
  best.load(dir / "run/best.safetensors");
  CHECK(evaluate(best, validation(), [&](const data::Batch& b) -> StepResult {
          return cross_entropy(best(Tensor(b.x)), Tensor(b.y));
        }).loss == result.best()->validation_loss);

  SmallRun other("sgd(lr=0.1)");
  CHECK(says(thrown<DataError>([&] { fit(other.net, other.optimizer, other.loader, other.step(), options); }),
             {"of another run", "optimizer is \"adamw(", "\"sgd("}));
  SmallRun measured;  // its rows would stand under the others' names
  options.metrics = {top_k(2), error_rate()};
  CHECK(says(thrown<DataError>([&] { fit(measured.net, measured.optimizer, measured.loader, measured.step(), options); }),
             {"of another run", "validation is \"loss, accuracy\" there, \"loss, "}));
}

TEST_CASE("fit with a step of another network says that no gradient comes to the optimizer's parameters") {
  for (const bool watched : {false, true}) {
    SmallRun run, other;
    FitOptions options = quiet();
    options.watch_finite = watched;
    CHECK(says(thrown<OptimError>([&] { fit(run.net, run.optimizer, run.loader, other.step(), options); }),
               {"no gradient", "parameters"}));
  }
}

TEST_CASE(
    "fit writes a page with its rows, the losses, the confusion matrix and the worst answers, also when it was resumed") {
  const testing::TempDir dir;
  FitOptions options = quiet();
  options.report = dir / "pages/run.html", options.checkpoint = Checkpoint(dir / "run");
  FitResult result;
  for (const std::int64_t stop : {10, 1000}) {
    SmallRun run;
    options.after_step = {interrupt_at(stop)};
    result = fit(run.net, run.optimizer, run.loader, run.step(), options);
  }
  const std::string page = read_file(options.report), opening = "id=\"run\">";
  const std::size_t from = page.find(opening) + opening.size();
  const JsonValue run = parse_json(page.substr(from, page.find("</script", from) - from), "page");
  const auto list = [](const JsonValue* v) { return v ? *v->get_if<JsonValue::List>() : JsonValue::List(); };
  REQUIRE(list(run.find("rows")).size() == 3);
  CHECK(*list(run.find("rows"))[2].find("train_loss")->get_if<double>() == result.records[2].train_loss);
  CHECK(list(run.find("steps")->find("loss")).size() == 21);
  double items = 0, right = 0;
  const auto counts = list(run.find("confusion")->find("counts"));
  REQUIRE(counts.size() == 9);
  for (std::size_t k = 0; k < 9; ++k) items += *counts[k].get_if<double>(), right += k % 4 ? 0 : *counts[k].get_if<double>();
  CHECK(items == 50);
  CHECK(right / items == doctest::Approx(result.records[2].metrics[0]));
  const auto worst = list(run.find("worst"));
  REQUIRE(worst.size() == 24);
  for (std::size_t k = 1; k < 24; ++k)
    CHECK(*worst[k].find("loss")->get_if<double>() <= *worst[k - 1].find("loss")->get_if<double>());
  CHECK_FALSE(worst[0].find("image"));  // 6 numbers are none
  for (const char* never : {"src=\"http", "fetch(", "XMLHttpRequest", "url(http"}) CHECK(page.find(never) == page.npos);
}

TEST_CASE("a loss that is not finite ends fit and names the step and the op; the checkpoint before stays") {
  const testing::TempDir dir;
  SmallRun run;
  FitOptions options = quiet();
  options.checkpoint = Checkpoint(dir.path());
  std::int64_t calls = 0;
  const StepFunction step = [&](const data::Batch& b) -> StepResult {
    const Tensor logits = run.net(Tensor(b.x));
    return {cross_entropy(logits, Tensor(b.y)) + (++calls > 10 ? log(zeros({})) : zeros({})), logits};
  };
  options.validation = nullptr, options.metrics = {};
  CHECK(says(thrown<NonFiniteError>([&] { fit(run.net, run.optimizer, run.loader, step, options); }),
             {"log", "step 11", "the loss is -inf"}));
  CHECK(Checkpoint(dir.path()).latest() == dir / "step_00000007.safetensors");
}

TEST_CASE("callbacks see the loss and the row, and may end fit") {
  SmallRun run;
  FitOptions options = quiet();
  std::int64_t steps = 0;
  options.after_step = {[&](FitState& s) {
    CHECK(s.at.step == ++steps);
    CHECK(s.loss > 0);
    s.stop = s.last && s.at.step == s.last->step + 2;
  }};
  const FitResult result = fit(run.net, run.optimizer, run.loader, run.step(), options);
  CHECK(steps == 9);
  CHECK(result.records.size() == 1);
}

TEST_CASE("options that do not go together are refused") {
  SmallRun run;
  const auto refused = [&](auto change) {
    FitOptions o = quiet();
    change(o);
    return thrown<DataError>([&] { fit(run.net, run.optimizer, run.loader, run.step(), o); });
  };
  CHECK(says(refused([](FitOptions& o) { o.validation = nullptr; }), {"fit: metrics are of the validation set"}));
  CHECK(says(refused([](FitOptions& o) { o.average = 1; }), {"average is 1"}));
  CHECK(says(refused([](FitOptions& o) { o.epochs = -1; }), {"epochs is -1"}));
  CHECK(says(refused([](FitOptions& o) { o.csv = "/proc/none/log.csv"; }), {"/proc/none/log.csv"}));
  CHECK(says(refused([](FitOptions& o) { o.checkpoint = Checkpoint("/proc/none"); }), {"/proc/none/best.safetensors"}));
  const data::DataLoader none(testing::small_data(), {.batch_size = 64, .drop_last = true});
  CHECK(says(thrown<DataError>([&] { fit(run.net, run.optimizer, none, run.step(), quiet()); }), {"not one full batch"}));
}

TEST_CASE("the progress line and the table look as they are drawn in the documentation") {
  FitOptions options;
  options.validation = &validation(), options.metrics = {accuracy()}, options.unit = "img";
  const std::string line = progress_text({3, 10, 512, 938, 12400, 0.0812, 0.9751, 0.43, 1e-3, 5.6}, options);
  CHECK(line ==
        "epoch  3/10 ━━━━━━━━━━━━━━━━━━━━━━                      512/938  12.4k img/s  loss 0.0812  accuracy 0.9751"
        "  grad 0.43  lr 1.0e-3  0:06 left");
  CHECK(progress_text({3, 0, 337, 2000, 18, 2.43, NAN, NAN, NAN, 925}, options)
            .starts_with("step ━━━━━━╸                                     337/2000  18.0 img/s  loss 2.4300  15:25 left"));
  Record r;
  r.epoch = 2, r.train_loss = 0.1033, r.validation_loss = 0.0777, r.metrics = {0.9762}, r.lr = 1e-3, r.seconds = 8,
  r.best = true;
  CHECK(table_head(options) == "epoch  train loss    val loss    accuracy         lr     time    img/s");
  CHECK(table_row(r, 7500, options) == "    2      0.1033      0.0777      0.9762    1.0e-03   0:08.0     7.5k   * best");
}

TEST_CASE("fit in a child is interrupted" * doctest::skip()) {
  SmallRun run;
  FitOptions options = quiet();
  options.exit_on_interrupt = options.progress = true;
  options.checkpoint = Checkpoint(std::getenv("GRADUS_TEST_FOLDER"));
  options.after_step = {interrupt_at(4)};
  fit(run.net, run.optimizer, run.loader, run.step(), options);
}

TEST_CASE("Ctrl-C finishes the step, saves a checkpoint and ends the program with 130") {
  const testing::TempDir dir;
  const std::string said = testing::run_child("fit in a child is interrupted", "GRADUS_TEST_FOLDER=" + dir.path());
  CHECK(says(said, {"interrupted at step 4; saved in " + dir.path(), "exit 130"}));
  CHECK(std::filesystem::exists(dir / "step_00000004.safetensors"));
}
