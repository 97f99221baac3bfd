#include <gradus/core/error.h>
#include <gradus/core/random.h>
#include <gradus/train/lr_finder.h>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus::training {
namespace {

void check_sweep(const LrFinderOptions& o) {
  const auto throw_error = [](const auto&... parts) { throw DataError("find_lr", join(parts...)); };
  if (!(o.from > 0 && o.from < o.to && std::isfinite(o.to)))
    throw_error("lr from ", text(o.from), " to ", text(o.to), "; it must be 0 < from < to");
  if (o.steps < 20) throw_error("steps is ", o.steps, "; it must be at least 20");
  if (!(o.smoothing >= 0 && o.smoothing < 1)) throw_error("smoothing is ", text(o.smoothing), "; it must lie in [0, 1)");
  if (!(o.diverged > 1)) throw_error("diverged is ", text(o.diverged), "; it must be above 1");
}

/// While alive, the model and the default generator may be changed.
class PutBack {
 public:
  explicit PutBack(nn::ModuleBase& net) : net_(net), weights_(net.state_dict()), random_(default_generator().state()) {}
  ~PutBack() {
    net_.load_state_dict(weights_);
    net_.zero_grad();
    default_generator().restore(random_);
  }
  PutBack(const PutBack&) = delete;
  PutBack& operator=(const PutBack&) = delete;

 private:
  nn::ModuleBase& net_;
  NamedArrays weights_;
  Philox random_;
};

/// Ends a sweep before a step could be taken with it.
struct LossNotFinite {};

/// A smoothed loss that falls by less than this falls by rounding alone.
double least_change(const LrFinding& f) { return f.smoothed.empty() ? 0 : 1e-9 * std::abs(f.smoothed[0]); }

double steepest(const LrFinding& f) {
  double fall = -least_change(f), at = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t k = 11; k + 2 < f.smoothed.size(); ++k)
    if (const double slope = (f.smoothed[k + 1] - f.smoothed[k - 1]) / 2; slope < fall) fall = slope, at = f.lr[k];
  return at;
}

}  // namespace

LrFinding find_lr(nn::ModuleBase& net, const optim::Optimizer& optimizer, const data::DataLoader& loader,
                  const StepFunction& step, const LrFinderOptions& options) {
  check_sweep(options);
  const PutBack put_back(net);
  optim::Optimizer trial(optimizer.value(), optimizer.parameters());
  net.train();
  LrFinding found;
  double mean = 0, lowest = std::numeric_limits<double>::infinity();
  const double factor = std::log(options.to / options.from) / static_cast<double>(options.steps - 1);
  const auto take = [&](const data::Batch& batch) {
    const auto k = static_cast<double>(found.lr.size());
    const double lr = options.from * std::exp(factor * k);
    trial.set_lr(lr);
    const double loss = trial.step([&] {
      StepResult r = step(batch);
      if (!std::isfinite(r.loss.item())) throw LossNotFinite();
      return r.loss;
    });
    mean = options.smoothing * mean + (1 - options.smoothing) * loss;
    const double smoothed = mean / (1 - std::pow(options.smoothing, k + 1));
    found.lr.push_back(lr), found.loss.push_back(loss), found.smoothed.push_back(smoothed);
    const bool diverged = smoothed > options.diverged * lowest;
    lowest = std::min(lowest, smoothed);
    return !diverged && found.lr.size() < static_cast<std::size_t>(options.steps);
  };
  try {
    bool going = true;
    for (std::int64_t epoch = 0; going; ++epoch)
      for (auto& batch : loader.epoch(epoch))
        if (going = take(batch); !going) break;
  } catch (const LossNotFinite&) {
  }
  found.suggestion = steepest(found);
  return found;
}

std::string to_string(const LrFinding& found) {
  if (found.lr.empty()) return "lr: the first loss is not finite";
  constexpr const char* bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::size_t columns = 50;
  const auto [low, high] = std::minmax_element(found.smoothed.begin(), found.smoothed.end());
  std::string s = fmt::format("lr {:.1e} ", found.lr.front());
  const std::size_t n = found.lr.size(), shown = std::min(columns, n);
  for (std::size_t c = 0; c < shown; ++c) {
    const double share = (found.smoothed[c * n / shown] - *low) / std::max(*high - *low, least_change(found));
    s += bars[share > 0 ? std::min(7, static_cast<int>(share * 8)) : 0];
  }
  s += fmt::format(" {:.1e}", found.lr.back());
  return std::isnan(found.suggestion) ? s + "  the loss falls nowhere"
                                      : s + fmt::format("  steepest at {:.1e}", found.suggestion);
}

}  // namespace gradus::training
