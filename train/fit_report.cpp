#include <gradus/core/error.h>
#include <gradus/train/internal/fit_report.h>
#include <gradus/train/progress_line.h>

#include <fmt/core.h>

#include <cmath>

namespace gradus::training {
namespace {

/// 12400 -> "12.4k", 7 -> "7.0".
std::string short_count(double x) {
  if (!std::isfinite(x)) return "-";
  if (x >= 1e6) return fmt::format("{:.1f}M", x / 1e6);
  return x >= 1e3 ? fmt::format("{:.1f}k", x / 1e3) : fmt::format("{:.1f}", x);
}

std::string bar(double share) {
  constexpr int width = 40;
  const int halves = static_cast<int>(share * 2 * width + 0.5);
  std::string s;
  for (int i = 0; i < halves / 2; ++i) s += "━";
  if (halves % 2) s += "╸";
  return s + std::string(static_cast<std::size_t>(width - (halves + 1) / 2), ' ');
}

std::string fixed(double x) { return std::isfinite(x) ? fmt::format("{:.4f}", x) : fmt::format("{}", x); }

/// 0.001 -> "1.0e-3", as the progress line has it.
std::string power(double x) {
  if (!(x > 0) || !std::isfinite(x)) return fmt::format("{}", x);
  const int e = static_cast<int>(std::floor(std::log10(x) + 1e-9));
  return fmt::format("{:.1f}e{}", x / std::pow(10.0, e), e);
}

/// "0:08.1".
std::string tenths(double seconds) {
  const auto t = static_cast<long>(seconds * 10 + 0.5);
  return fmt::format("{}:{:02}.{}", t / 600, t / 10 % 60, t % 10);
}

}  // namespace

std::string progress_text(const Progress& p, const FitOptions& options) {
  std::string s = p.epochs > 0 ? fmt::format("epoch {:>2}/{}", p.epoch, p.epochs) : "step";
  s += fmt::format(" {} {:>6}/{}  {} {}/s  loss {}", bar(static_cast<double>(p.batch) / static_cast<double>(p.batches)),
                   p.batch, p.batches, short_count(p.items_per_second), options.unit, fixed(p.loss));
  if (!std::isnan(p.metric)) s += fmt::format("  {} {}", options.metrics[0].name, fixed(p.metric));
  if (!std::isnan(p.grad_norm)) s += fmt::format("  grad {:.2f}", p.grad_norm);
  if (!std::isnan(p.lr)) s += "  lr " + power(p.lr);
  return s + "  " + minutes(p.seconds_left) + " left";
}

std::string table_head(const FitOptions& options) {
  std::string s = fmt::format("epoch {:>8}  train loss", options.validate_every > 0 ? "step" : "");
  if (options.validate_every == 0) s = "epoch  train loss";
  if (options.validation) s += "    val loss";
  for (const Metric& m : options.metrics) s += fmt::format("  {:>10}", m.name);
  return s + fmt::format("         lr     time  {:>7}", options.unit + "/s");
}

std::string table_row(const Record& r, double items_per_second, const FitOptions& options) {
  std::string s = fmt::format("{:>5}", r.epoch);
  if (options.validate_every > 0) s += fmt::format(" {:>8}", r.step);
  s += fmt::format("  {:>10}", fixed(r.train_loss));
  if (options.validation) s += fmt::format("  {:>10}", fixed(r.validation_loss));
  for (const double m : r.metrics) s += fmt::format("  {:>10}", fixed(m));
  s += fmt::format("  {:>9}  {:>7}  {:>7}", std::isnan(r.lr) ? "-" : fmt::format("{:.1e}", r.lr), tenths(r.seconds),
                   short_count(items_per_second));
  if (!r.best) return s;
  s += "   * best";
  return options.checkpoint ? s + ", saved " + options.checkpoint->folder() + "/best.safetensors" : s;
}

std::string csv_of(const std::vector<Record>& records, const FitOptions& options) {
  std::string s = "epoch,step,train_loss,validation_loss";
  for (const Metric& m : options.metrics) s += "," + m.name;
  s += ",lr,seconds\n";
  for (const Record& r : records) {
    s += join(r.epoch, ",", r.step, ",", text(r.train_loss), ",", options.validation ? text(r.validation_loss) : "");
    for (const double m : r.metrics) s += "," + text(m);
    s += join(",", text(r.lr), ",", text(r.seconds), "\n");
  }
  return s;
}

}  // namespace gradus::training
