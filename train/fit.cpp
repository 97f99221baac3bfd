#include <gradus/autograd/inspect/finite.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/io/files.h>
#include <gradus/optim/averaged.h>
#include <gradus/optim/norms.h>
#include <gradus/train/event_file.h>
#include <gradus/train/fit.h>
#include <gradus/train/internal/fit_page.h>
#include <gradus/train/internal/fit_report.h>
#include <gradus/train/interrupt.h>
#include <gradus/train/lr_finder.h>
#include <gradus/train/progress_line.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace gradus::training {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

class Timer {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - since_).count(); }
  void restart() { since_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point since_ = Clock::now();
};

void check(const data::DataLoader& loader, const FitOptions& o) {
  const auto throw_error = [](const auto&... parts) { throw DataError("fit", join(parts...)); };
  if (o.epochs < 0) throw_error("epochs is ", o.epochs, "; it must be at least 0");
  if (o.steps < 0 || o.validate_every < 0)
    throw_error("steps is ", o.steps, ", validate_every ", o.validate_every, "; both must be at least 0");
  if (loader.batches() < 1) throw_error("the loader has ", loader.size(), " items and drop_last: not one full batch");
  if (!o.metrics.empty() && !o.validation)
    throw_error("metrics are of the validation set, and there is none: \"", o.metrics[0].name, "\" needs .validation");
  if (!(o.average >= 0 && o.average < 1))
    throw_error("average is ", text(o.average), "; a decay lies in [0, 1), 0 for none");
}

/// What a row has of the validation set: the rows of a run that is continued stand in the same table.
std::string validation_of(const FitOptions& o) {
  std::string all = o.validation ? "loss" : "none";
  for (const Metric& m : o.metrics) all += ", " + m.name;
  return all;
}

/// Errors: DataError if it could not be written later; its folder is made.
void prepare_file(const std::string& path) {
  std::error_code failed;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, failed);
  if (failed) bad_file(path, "its folder cannot be made: ", failed.message());
  check_writable(path);
}

/// While alive, the model is what is validated: the average of the weights if there is one, where a rule evaluates.
class Evaluating {
 public:
  Evaluating(optim::Optimizer& optimizer, std::optional<optim::Averaged>& average)
      : optimizer_(optimizer), average_(average) {
    optimizer_.eval();
    if (average_ && average_->updates() > 0) average_->swap();
  }
  ~Evaluating() {
    if (average_ && average_->swapped()) average_->swap();
    optimizer_.train();
  }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  optim::Optimizer& optimizer_;
  std::optional<optim::Averaged>& average_;
};

class Fitting {
 public:
  Fitting(nn::ModuleBase& net, optim::Optimizer& optimizer, const data::DataLoader& loader, const StepFunction& step,
          const FitOptions& options)
      : net_(net), optimizer_(optimizer), loader_(loader), step_(step), options_(options), checkpoint_(options.checkpoint) {
    check(loader, options);
    for (const std::string& file : {options.csv, options.report})
      if (!file.empty()) prepare_file(file);
    if (checkpoint_) prepare_file(best_path());
    if (!options.tensorboard.empty()) events_.emplace(options.tensorboard);
    if (options.average > 0) average_ = optim::Averaged::exponential(net.named_parameters(), options.average);
    if (!checkpoint_) return;
    checkpoint_->add("model", net_).add("optimizer", optimizer_);
    if (average_) checkpoint_->add("average", *average_);
    const data::LoaderOptions& l = loader.options();
    checkpoint_->require("optimizer", optimizer.spec())
        .require("batch_size", std::to_string(l.batch_size))
        .require("items", std::to_string(loader.size()))
        .require("order", l.sampler   ? "of a sampler"
                          : l.shuffle ? join("shuffled, seed ", l.seed)
                                      : "as given")
        .require("validation", validation_of(options));
  }

  FitResult run() {
    const InterruptGuard guard;
    resume();
    watch_.emplace(net_.parameters(), at_.step);
    if (options_.find_lr && options_.progress && at_.step == 0)
      line_.line(to_string(find_lr(net_, optimizer_, loader_, step_)));
    if (options_.progress) line_.line(table_head(options_));
    for (const Record& r : result_.records) print_row(r, none);
    if (options_.progress && going()) line_.waiting("preparing");
    if (record_due()) record();
    net_.train();
    while (going()) {
      run_epoch();
      const bool row_missing = InterruptGuard::interrupted() && record_due();  // it is written when the run is resumed
      if (at_.batch == loader_.batches() && !row_missing) at_.next_epoch();
    }
    line_.finish();
    result_.steps = at_.step, result_.seconds = seconds();
    result_.interrupted = InterruptGuard::interrupted();
    if (checkpoint_ && saved_step_ != at_.step) save();
    if (result_.interrupted) tell_interrupted();
    else leave_weights();
    return std::move(result_);
  }

 private:
  bool going() const {
    const bool enough = at_.epoch >= options_.epochs || (options_.steps > 0 && at_.step >= options_.steps);
    return !enough && !stop_ && !out_of_patience() && !InterruptGuard::interrupted();
  }

  void run_epoch() {
    for (auto& batch : loader_.epoch(at_.epoch, at_.batch)) {
      train_batch(batch);
      show(batch.x.dim(0));
      if (InterruptGuard::interrupted()) return;
      if (record_due()) record();
      else if (checkpoint_ && since_save_.seconds() >= options_.checkpoint_every) save();
      if (!going()) return;
    }
  }

  void train_batch(const data::Batch& batch) {
    const bool keeps_output = options_.progress && !options_.metrics.empty();
    const auto loss_of = [&] {
      StepResult r = step_(batch);
      output_ = keeps_output && r.output.defined() ? r.output.detach() : Tensor();
      return r.loss;
    };
    const std::int64_t moved = optimizer_.steps();
    loss_ = optimizer_.step([&] { return options_.watch_finite ? watch_->backward(loss_of) : loss_of(); });
    if (average_ && optimizer_.steps() > moved) average_->update();
    if (keeps_output) target_ = batch.y.defined() ? Tensor(batch.y) : Tensor();
    losses_.add(loss_);
    loss_sum_ += loss_;
    ++loss_count_;
    at_.next_batch();
    tell(options_.after_step);
  }

  void tell(const std::vector<Callback>& callbacks) {
    if (callbacks.empty()) return;
    FitState state{at_, loss_, result_.records.empty() ? nullptr : &result_.records.back()};
    for (const Callback& f : callbacks) f(state);
    stop_ |= state.stop;
  }

  // ---- rows ---------------------------------------------------------------------------------------------------------

  bool record_due() const {
    if (at_.step == 0 || (!result_.records.empty() && result_.records.back().step == at_.step)) return false;
    const bool epoch_ends = at_.batch == loader_.batches();
    if (at_.step == options_.steps || (epoch_ends && at_.epoch + 1 == options_.epochs)) return true;
    return options_.validate_every > 0 ? at_.step % options_.validate_every == 0 : epoch_ends;
  }

  void record() {
    line_.finish();
    Record r;
    r.epoch = at_.epoch + 1, r.step = at_.step, r.train_loss = loss_sum_ / loss_count_, r.lr = lr();
    const double rate = static_cast<double>(items_) / row_.seconds();
    validate(r);
    r.seconds = seconds();
    for (const Record& before : result_.records) r.seconds -= before.seconds;
    result_.records.push_back(r);
    loss_sum_ = loss_count_ = 0, items_ = 0;
    row_.restart();
    print_row(r, rate);
    if (!options_.csv.empty()) write_atomically(options_.csv, csv_of(result_.records, options_));
    if (!options_.report.empty()) write_page();
    if (events_) show_in_tensorboard(r);
    tell(options_.after_record);
    if (checkpoint_) save();
  }

  void write_page() {
    result_.steps = at_.step, result_.seconds = seconds();
    write_atomically(options_.report, fit_page({net_, optimizer_, loader_, options_, result_, losses_, answers_}));
  }

  void show_in_tensorboard(const Record& r) {
    events_->scalar("loss/train", r.step, r.train_loss);
    if (options_.validation) events_->scalar("loss/validation", r.step, r.validation_loss);
    for (std::size_t m = 0; m < r.metrics.size(); ++m) events_->scalar(options_.metrics[m].name, r.step, r.metrics[m]);
    if (!std::isnan(r.lr)) events_->scalar("lr", r.step, r.lr);
    for (const auto& [name, w] : net_.named_parameters()) events_->histogram("weights/" + name, r.step, w.array());
    if (result_.records.size() == 1) events_->text("optimizer", r.step, optimizer_.spec());
  }

  void validate(Record& r) {
    const Evaluating evaluating(optimizer_, average_);
    if (options_.validation) {
      Evaluation e =
          evaluate(net_, *options_.validation, options_.report.empty() ? step_ : watched_step(), options_.metrics);
      r.validation_loss = e.loss;
      r.metrics = std::move(e.metrics);
    }
    const Record* best = result_.best();
    r.best = !best || std::isnan(compared(*best)) || better(compared(r), compared(*best));
    if (r.best) keep_best();
  }

  /// The step, whose answers to the validation set are looked at for the page.
  StepFunction watched_step() {
    answers_ = {};
    return [this, b = std::int64_t(0)](const data::Batch& batch) mutable {
      StepResult r = step_(batch);
      answers_.add(batch, r.output, options_.validation->items(0, b++));
      return r;
    };
  }

  double compared(const Record& r) const {
    return !r.metrics.empty() ? r.metrics[0] : options_.validation ? r.validation_loss : r.train_loss;
  }
  bool better(double a, double b) const {
    return !options_.metrics.empty() && options_.metrics[0].higher_is_better ? a > b : a < b;
  }
  bool out_of_patience() const {
    const Record* best = result_.best();
    return options_.patience > 0 && best && &result_.records.back() - best >= options_.patience;
  }

  std::string best_path() const { return checkpoint_->folder() + "/best.safetensors"; }
  void keep_best() {
    if (options_.patience > 0) best_weights_ = net_.state_dict();
    if (checkpoint_) net_.save(best_path());
  }
  void leave_weights() {
    if (options_.patience > 0 && !best_weights_.empty()) net_.load_state_dict(best_weights_);
    else if (average_ && average_->updates() > 0) average_->swap();
  }

  // ---- checkpoints --------------------------------------------------------------------------------------------------

  void save() {
    JsonValue records = JsonValue::List();
    for (const Record& r : result_.records) records.push_back(json_of(r));
    Position at = at_;
    at.notes["records"] = records, at.notes["seconds"] = seconds(), at.notes["losses"] = losses_.json();
    at.notes["loss_sum"] = loss_sum_, at.notes["loss_count"] = loss_count_;
    checkpoint_->save(at);
    saved_step_ = at_.step;
    since_save_.restart();
  }

  void resume() {
    if (!checkpoint_) return;
    at_ = checkpoint_->resume();
    const JsonValue notes = std::exchange(at_.notes, {});
    if (at_.step == 0) return;
    saved_step_ = at_.step;
    if (const JsonValue* records = notes.find("records"); records && records->get_if<JsonValue::List>())
      for (const JsonValue& r : *records->get_if<JsonValue::List>()) result_.records.push_back(record_of(r));
    if (const JsonValue* losses = notes.find("losses")) losses_.load(*losses);
    seconds_before_ = number_in(notes, "seconds");
    loss_sum_ = number_in(notes, "loss_sum"), loss_count_ = number_in(notes, "loss_count");
    if (options_.patience > 0 && !result_.records.empty()) best_weights_ = load_safetensors(best_path()).tensors;
    if (!options_.progress) return;
    for (const auto& why : checkpoint_->damaged()) line_.line("passed over: " + why);
    line_.line(join("resumed ", checkpoint_->folder(), " at epoch ", at_.epoch + 1, ", step ", at_.step));
  }

  // ---- words --------------------------------------------------------------------------------------------------------

  double seconds() const { return seconds_before_ + run_.seconds(); }
  double lr() const { return optimizer_.rule().has("lr") ? optimizer_.lr() : none; }

  void print_row(const Record& r, double rate) {
    if (options_.progress) line_.line(table_row(r, rate, options_));
  }

  void show(std::int64_t batch_items) {
    items_ += batch_items;
    if (!options_.progress || !line_.due()) return;
    const double per_second = static_cast<double>(items_) / row_.seconds();
    const bool counts_steps = options_.steps > 0;
    const std::int64_t done = counts_steps ? at_.step : at_.batch, all = counts_steps ? options_.steps : loader_.batches();
    const double left = static_cast<double>((all - done) * loader_.options().batch_size) / per_second;
    double metric = none;
    if (output_.defined() && target_.defined())
      metric = options_.metrics[0].value(options_.metrics[0].sums(output_, target_));
    std::vector<Array> gradients;
    for (const Tensor& w : net_.parameters())
      if (w.grad().defined()) gradients.push_back(w.grad().array().contiguous());
    line_.show(progress_text({at_.epoch + 1, counts_steps ? 0 : options_.epochs, done, all, per_second, loss_, metric,
                              optim::global_norm(gradients), lr(), left},
                             options_));
  }

  void tell_interrupted() {
    if (!options_.progress) return;
    line_.line(join("interrupted at step ", at_.step,
                    checkpoint_ ? "; saved in " + checkpoint_->folder() + ", start the program again to go on" : ""));
  }

  nn::ModuleBase& net_;
  optim::Optimizer& optimizer_;
  const data::DataLoader& loader_;
  const StepFunction& step_;
  const FitOptions& options_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<optim::Averaged> average_;
  std::optional<FiniteWatch> watch_;
  std::optional<EventFile> events_;
  NamedArrays best_weights_;  // with patience
  FitResult result_;
  LossCurve losses_;
  Answers answers_;  // of the newest row, for the page
  Position at_;
  std::int64_t saved_step_ = -1;
  bool stop_ = false;
  double loss_ = 0, loss_sum_ = 0, loss_count_ = 0;  // the sum since the row before
  Tensor output_, target_;                           // of the newest batch, for the progress line
  double seconds_before_ = 0;
  std::int64_t items_ = 0;  // since the row before, or the start
  Timer run_, row_, since_save_;
  ProgressLine line_;
};

}  // namespace

const Record* FitResult::best() const {
  const Record* found = nullptr;
  for (const Record& r : records)
    if (r.best || !found) found = &r;
  return found;
}

FitResult fit(nn::ModuleBase& net, optim::Optimizer& optimizer, const data::DataLoader& loader, const StepFunction& step,
              const FitOptions& options) {
  FitResult result = Fitting(net, optimizer, loader, step, options).run();
  if (result.interrupted && options.exit_on_interrupt) std::exit(interrupted_exit);
  return result;
}

}  // namespace gradus::training
