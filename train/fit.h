// fit: the training loop that one would write, with what one would add to it. Everything it does is done with public parts
// (evaluate.h, checkpoint.h, optim/averaged.h, FiniteWatch): a loop of your own can do the same, and has the same bits.
//
//   const auto step = [&](const data::Batch& batch) -> training::StepResult {
//     const Tensor logits = net(Tensor(batch.x));
//     return {cross_entropy(logits, Tensor(batch.y)), logits};
//   };
//   training::fit(net, optimizer, loader, step, {.epochs = 5, .validation = &test, .metrics = {training::accuracy()}});
#pragma once

#include <gradus/optim/optimizer.h>
#include <gradus/train/checkpoint.h>
#include <gradus/train/evaluate.h>

#include <functional>
#include <limits>
#include <optional>

namespace gradus::training {

/// One row of the table: what a validation found, and the training up to it.
struct Record {
  std::int64_t epoch = 0;                                             ///< from 1
  std::int64_t step = 0;                                              ///< batches taken until then
  double train_loss = 0;                                              ///< the mean over the batches since the row before
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN without validation
  std::vector<double> metrics = {};
  double lr = 0;
  double seconds = 0;  ///< of training and validation since the row before
  bool best = false;   ///< until then
};

/// What a callback sees.
struct FitState {
  Position at;                   ///< behind the batch just taken
  double loss = 0;               ///< of that batch
  const Record* last = nullptr;  ///< the newest row; null before the first
  bool stop = false;             ///< set it, and fit ends
};
using Callback = std::function<void(FitState&)>;

struct FitOptions {
  std::int64_t epochs = 1;
  std::int64_t steps = 0;  ///< above 0: ends after so many batches, if the epochs have not ended before
  const data::DataLoader* validation = nullptr;
  std::int64_t validate_every = 0;   ///< batches; 0: at the end of each epoch
  std::vector<Metric> metrics = {};  ///< of the validation set

  /// Rows without a better one after which fit ends (early stopping); the best weights are put back then, and also if the
  /// epochs end first. 0: never, and the last weights stay. What is compared is the first metric, or without metrics the
  /// validation loss, or without validation the training loss.
  int patience = 0;
  /// Above 0: an exponential moving average of the weights with this decay (optim::Averaged), which is what is validated,
  /// saved as the best, and at the end in the model. 0.999 is usual.
  double average = 0;
  /// A loss or gradient that is NaN or infinite ends fit with a NonFiniteError that names the op (FiniteWatch).
  bool watch_finite = true;

  /// Saved every `checkpoint_every` seconds, at each row and at the end; fit resumes it first, so that starting the same
  /// program again continues. fit adds "model", "optimizer", "average", and the loader and the optimizer to its config.
  /// The best weights are FOLDER/best.safetensors, for net.load().
  std::optional<Checkpoint> checkpoint = {};
  double checkpoint_every = 60;

  /// Before the first step, find_lr() over the loader: what it finds is printed, and nothing else comes of it.
  bool find_lr = false;

  bool progress = true;        ///< the progress line and the table; false: fit prints nothing
  std::string unit = "items";  ///< what is counted a second: "img"
  /// A folder that gets the rows as an event file, with the weights' histograms and the optimizer; "": none.
  std::string tensorboard = {};
  /// A page (HTML) that gets curves, table, confusion matrix and worst answers, rewritten at each row; "": none.
  std::string report = {};
  std::string csv = {};  ///< a file that gets the table, rewritten at each row; "": none
  std::vector<Callback> after_step = {}, after_record = {};
  /// Ctrl-C finishes the step, saves a checkpoint if there is one, and ends the program with 130; false: fit returns, with
  /// `interrupted`.
  bool exit_on_interrupt = true;
};

struct FitResult {
  std::vector<Record> records;
  std::int64_t steps = 0;  ///< batches, also those before it was resumed
  double seconds = 0;      ///< the same
  bool interrupted = false;
  /// The best row by what patience compares; null without rows.
  const Record* best() const;
};

/// Trains `net`. Each batch is optimizer.step() with a closure that runs `step` and backward, so every rule can be used, and
/// what stands before a rule: "accumulate(4) | adamw(lr=3e-4)" gathers gradients over four batches, "clip_norm(1) | ..."
/// clips them. A schedule that waits for a metric (plateau) is told by a callback: optimizer.report(s.last->validation_loss).
/// Errors: DataError for options that do not go together, NonFiniteError, those of the parts; a checkpoint is not written
/// then, and the last one stays.
FitResult fit(nn::ModuleBase& net, optim::Optimizer& optimizer, const data::DataLoader& loader, const StepFunction& step,
              const FitOptions& options);

}  // namespace gradus::training
