#include <gradus/autograd/inspect/finite.h>
#include <gradus/core/kernels/map.h>
#include <gradus/core/kernels/reduce.h>
#include <gradus/data/loader.h>
#include <gradus/tools/compare/training.h>
#include <gradus/train/evaluate.h>

#include <chrono>
#include <cmath>
#include <limits>

namespace gradus::tools {
namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

class Stopwatch {
 public:
  void start() { since_ = Clock::now(); }
  void stop() { total_ += std::chrono::duration<double>(Clock::now() - since_).count(); }
  double seconds() const { return total_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point since_;
  double total_ = 0;
};

double square_sum(const Array& a) {
  return sum_all(map([](auto x) { return x * x; }, a)).item();
}

/// How far a step moved all weights, relative to their size.
class UpdateNorm {
 public:
  explicit UpdateNorm(const std::vector<Tensor>& weights) : weights_(weights) {}
  void before() {
    old_.clear();
    for (const Tensor& w : weights_) old_.push_back(w.array().copy());
  }
  double after() const {
    double moved = 0, size = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      moved += square_sum(map([](auto a, auto b) { return a - b; }, weights_[i].array(), old_[i]));
      size += square_sum(old_[i]);
    }
    return size > 0 ? std::sqrt(moved / size) : nothing;
  }
  void undo() {
    for (std::size_t i = 0; i < weights_.size(); ++i) weights_[i].writable().assign(old_[i], "undo");
  }

 private:
  std::vector<Tensor> weights_;
  std::vector<Array> old_;
};

/// One run's moving parts.
class Trainer {
 public:
  Trainer(nn::ModuleBase& network, const std::string& spec, const TrainingPlan& plan, const Watch& watch)
      : network_(network),
        plan_(plan),
        watch_(watch),
        optimizer_(optim::make(spec, network.named_parameters())),
        update_norm_(network.parameters()),
        loader_(data::TensorDataset(plan.train), {.batch_size = plan.batch, .seed = plan.seed}) {
    result_.optimizer = optimizer_.spec();
  }

  RunResult run() {
    bool going = true;
    for (std::int64_t epoch = 1; going && epoch <= plan_.epochs; ++epoch) going = run_epoch(epoch);
    result_.finished = going || result_.diverged;
    result_.gradient_evaluations = optimizer_.evaluations().gradient;
    result_.state_bytes_per_parameter = optimizer_.state_bytes_per_parameter();
    return std::move(result_);
  }

 private:
  bool run_epoch(std::int64_t epoch) {
    network_.train();
    const double before = clock_.seconds();
    double loss_sum = 0;
    std::int64_t batch = 0;
    bool going = true;
    const std::int64_t look = std::max<std::int64_t>(1, loader_.batches() / 4);
    clock_.start();
    for (auto& b : loader_.epoch(epoch - 1)) {
      const double loss = step(Tensor(b.x), Tensor(b.y));
      clock_.stop();
      loss_sum += loss;
      ++batch;
      result_.diverged = !std::isfinite(loss);
      if (result_.diverged) result_.cause = cause_of(Tensor(b.x), Tensor(b.y));
      if (batch % look == 0 && !result_.diverged) look_for_target();
      going = report(epoch, batch, loss);
      if (result_.diverged || !going) break;
      clock_.start();
    }
    if (batch < loader_.batches() && !result_.diverged) return false;
    const Score s = result_.diverged ? Score{nothing, nothing} : evaluate(network_, plan_.test);
    accuracy_ = s.accuracy;
    result_.epochs.push_back({epoch, loss_sum / static_cast<double>(batch), s.loss, s.accuracy, clock_.seconds() - before});
    return going && !result_.diverged;
  }

  /// Forward, backward and update on one batch; the clock runs except while the update is measured.
  double step(const Tensor& x, const Tensor& y) {
    clock_.stop();
    update_norm_.before();
    clock_.start();
    const double loss = optimizer_.step([&] { return cross_entropy(network_.call(x), y); });
    clock_.stop();
    result_.steps.loss.push_back(loss);
    result_.steps.update_norm.push_back(update_norm_.after());
    result_.steps.lr.push_back(optimizer_.lr());
    result_.steps.seconds.push_back(clock_.seconds());
    clock_.start();
    return loss;
  }

  /// Of a loss that is not finite: the step again, from the weights that it began with.
  std::string cause_of(const Tensor& x, const Tensor& y) {
    update_norm_.undo();
    const auto found = find_non_finite([&] { return cross_entropy(network_.call(x), y); });
    return found ? to_string(*found) : std::string();
  }

  void look_for_target() {
    if (result_.time_to_target) return;
    accuracy_ = evaluate(network_, plan_.test).accuracy;
    network_.train();
    if (accuracy_ < plan_.target) return;
    result_.time_to_target = clock_.seconds();
    result_.steps_to_target = static_cast<std::int64_t>(result_.steps.loss.size());
  }

  bool report(std::int64_t epoch, std::int64_t batch, double loss) {
    const auto done = static_cast<double>(result_.steps.loss.size());
    const double per_step = clock_.seconds() / done;
    const double left = per_step * (static_cast<double>(plan_.epochs) * static_cast<double>(loader_.batches()) - done);
    return watch_({epoch, batch, loader_.batches(), loss, accuracy_, static_cast<double>(plan_.batch) / per_step, left});
  }

  nn::ModuleBase& network_;
  const TrainingPlan& plan_;
  const Watch& watch_;
  optim::Optimizer optimizer_;
  UpdateNorm update_norm_;
  data::DataLoader loader_;
  Stopwatch clock_;
  double accuracy_ = nothing;
  RunResult result_;
};

}  // namespace

Score evaluate(nn::ModuleBase& network, const data::ImageSet& set) {
  const data::DataLoader loader(data::TensorDataset(set), {.batch_size = 250, .shuffle = false, .num_workers = 0});
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = network.call(Tensor(batch.x));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  const training::Evaluation e = training::evaluate(network, loader, step, {training::accuracy()});
  return {e.loss, e.metrics[0]};
}

RunResult train(nn::ModuleBase& network, const std::string& optimizer_spec, const TrainingPlan& plan, const Watch& watch) {
  return Trainer(network, optimizer_spec, plan, watch).run();
}

}  // namespace gradus::tools
