#include <gradus/core/error.h>
#include <gradus/optim/schedule/schedule_kinds.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gradus::optim {
namespace {

constexpr double needed = std::numeric_limits<double>::quiet_NaN();
constexpr Range any{}, count{.low = 1, .whole = true}, whole{.low = 0, .whole = true}, positive{.low = 0, .open_low = true},
    at_least_0{.low = 0}, share{.low = 0, .high = 1};

ScheduleOption number(const char* name, double initial, Range range) {
  return {{name, Option::Kind::number, initial, {}}, range};
}
ScheduleOption choice(const char* name, std::vector<std::string> words) {
  return {{name, Option::Kind::choice, 0, std::move(words)}, {}};
}
ScheduleOption flag(const char* name) { return {{name, Option::Kind::flag, 0, {}}, {}}; }
ScheduleOption value() { return number("value", needed, any); }
ScheduleOption total() { return number("total", needed, count); }

/// Linear interpolation from a to b as x goes from 0 to 1.
double line(double a, double b, double x) { return (1 - x) * a + x * b; }
double half_cosine(double a, double b, double x) { return b + (a - b) * (1 + std::cos(std::numbers::pi * x)) / 2; }
double part(double k, double total) { return std::min(k, total) / total; }

// ---- formulas that do not fit on a line ------------------------------------------------------------------------------

double multi_step(ScheduleValues p, double k) {
  const auto passed = std::count_if(p.begin() + 2, p.end(), [k](double m) { return m <= k; });
  return p[0] * std::pow(p[1], static_cast<double>(passed));
}

/// A cosine of value, total, end, periodic. PyTorch's rises again after `total`; this one stays at `end` unless periodic.
double cosine(ScheduleValues p, double k) {
  const double x = p[3] != 0 ? std::fmod(k, 2 * p[1]) : std::min(k, p[1]);
  return half_cosine(p[0], p[2], x / p[1]);
}

/// Cosine with restarts, of value, period, mult, end. Loshchilov and Hutter, "SGDR", 2016, equation 5.
double cosine_restarts(ScheduleValues p, double k) {
  double period = p[1];
  if (p[2] == 1) k = std::fmod(k, period);
  else
    while (k >= period) k -= period, period *= p[2];
  return half_cosine(p[0], p[3], k / period);
}

/// One cycle of value, total, pct_start, div_factor, final_div_factor, three_phase, anneal. Smith and Topin,
/// "Super-convergence", 2017, with PyTorch's turning points.
double one_cycle(ScheduleValues p, double k) {
  const double top = p[0], first = top / p[3], last = first / p[4], end = p[1] - 1, turn = p[2] * p[1] - 1;
  const auto between = [&](double a, double b, double from, double to) {
    const double x = to > from ? std::min((k - from) / (to - from), 1.0) : 1;  // a phase of no steps is over
    return p[6] == 0 ? half_cosine(a, b, x) : line(a, b, x);
  };
  if (k <= turn) return between(first, top, 0, turn);
  if (p[5] == 0) return between(top, last, turn, end);
  const double second = 2 * p[2] * p[1] - 2;
  return k <= second ? between(top, first, turn, second) : between(first, last, second, end);
}
std::string one_cycle_problem(ScheduleValues p) {
  if (p[5] != 0 && p[2] > 0.5) return "with three_phase=true, pct_start must be at most 0.5, got " + text(p[2]);
  return {};
}

/// The cyclic schedule of value, peak, up, down, mode, gamma. Smith, "Cyclical learning rates", 2015.
double cyclic(ScheduleValues p, double k) {
  const double up = p[2], down = p[3] > 0 ? p[3] : up, place = std::fmod(k, up + down), cycle = std::floor(k / (up + down));
  const double height = place <= up ? place / up : (up + down - place) / down;
  const double scale = p[4] == 0 ? 1 : p[4] == 1 ? std::pow(0.5, cycle) : std::pow(p[5], k);
  return p[0] + (p[1] - p[0]) * height * scale;
}

/// Noam's schedule of value, d_model, warmup. Vaswani et al., "Attention is all you need", 2017, equation 3, steps from 1.
double noam(ScheduleValues p, double k) {
  return p[0] / std::sqrt(p[1]) * std::min(1 / std::sqrt(k + 1), (k + 1) / (p[2] * std::sqrt(p[2])));
}

/// Warmup-stable-decay of value, total, decay, end, shape. Hu et al., "MiniCPM", 2024.
double wsd(ScheduleValues p, double k) {
  const double x = p[2] > 0 ? std::clamp((k - (p[1] - p[2])) / p[2], 0.0, 1.0) : k >= p[1] ? 1 : 0;
  return p[4] == 0 ? line(p[0], p[3], x) : p[4] == 1 ? half_cosine(p[0], p[3], x) : line(p[0], p[3], std::sqrt(x));
}
std::string wsd_problem(ScheduleValues p) {
  return p[2] > p[1] ? join("decay must be at most total, got decay=", text(p[2]), ", total=", text(p[1])) : "";
}

std::string rising(ScheduleValues p) {
  for (std::size_t i = 2; i < p.size(); ++i)
    if (!whole.holds(p[i]) || (i > 2 && p[i] <= p[i - 1]))
      return "milestones are whole numbers that rise, got " + text(p[i]);
  return {};
}

}  // namespace

const std::vector<ScheduleKind>& schedule_kinds() {
  static const std::vector<ScheduleKind> kinds = {
      {"constant",
       "value * (factor if k < total, else 1)",
       {value(), number("factor", 1, any), number("total", 0, whole)},
       [](ScheduleValues p, double k) { return k < p[2] ? p[0] * p[1] : p[0]; },
       false,
       true,
       2,
       2},
      {"step",
       "value * gamma^floor(k / size)",
       {value(), number("size", needed, count), number("gamma", 0.1, at_least_0)},
       [](ScheduleValues p, double k) { return p[0] * std::pow(p[2], std::floor(k / p[1])); },
       false,
       true,
       1,
       5},
      {"multi_step",
       "value * gamma^(milestones <= k), as in multi_step(0.1, 30, 80)",
       {value(), number("gamma", 0.1, at_least_0)},
       multi_step,
       true,
       true,
       -1,
       1,
       rising},
      {"exponential",
       "value * gamma^k",
       {value(), number("gamma", needed, at_least_0)},
       [](ScheduleValues p, double k) { return p[0] * std::pow(p[1], k); }},
      {"polynomial",
       "end + (value - end) * (1 - min(k, total) / total)^power",
       {value(), total(), number("power", 1, at_least_0), number("end", 0, any)},
       [](ScheduleValues p, double k) { return p[3] + (p[0] - p[3]) * std::pow(1 - part(k, p[1]), p[2]); },
       false,
       true,
       1},
      {"linear",
       "value + (end - value) * min(k, total) / total",
       {value(), total(), number("end", 0, any)},
       [](ScheduleValues p, double k) { return line(p[0], p[2], part(k, p[1])); },
       false,
       true,
       1},
      {"cosine",
       "end + (value - end) * (1 + cos(pi * min(k, total) / total)) / 2; periodic=true: k instead of the min",
       {value(), total(), number("end", 0, any), flag("periodic")},
       cosine,
       false,
       true,
       1},
      {"cosine_restarts",
       "cosine over period, then over period * mult, period * mult^2, ...",
       {value(), number("period", needed, count), number("mult", 1, count), number("end", 0, any)},
       cosine_restarts,
       false,
       true,
       1,
       4},
      {"one_cycle",
       "value / div_factor up to value until pct_start * total - 1, down to value / div_factor / final_div_factor",
       {value(), total(), number("pct_start", 0.3, share), number("div_factor", 25, positive),
        number("final_div_factor", 1e4, positive), flag("three_phase"), choice("anneal", {"cos", "linear"})},
       one_cycle,
       false,
       false,
       1,
       1,
       one_cycle_problem},
      {"cyclic",
       "from value to peak in `up` steps, back in `down` (0: up); triangular2 halves the height each cycle, exp_range: "
       "gamma^k",
       {value(), number("peak", needed, any), number("up", 2000, count), number("down", 0, whole),
        choice("mode", {"triangular", "triangular2", "exp_range"}), number("gamma", 1, at_least_0)},
       cyclic,
       false,
       false,
       2,
       6},
      {"inverse_sqrt",
       "value * sqrt(timescale / (timescale + k)); timescale 0: warmup, or 1",
       {value(), number("timescale", 0, at_least_0)},
       [](ScheduleValues p, double k) { return p[0] * std::sqrt(p[1] / (p[1] + k)); },
       false,
       true,
       1,
       10},
      {"inverse_time",
       "value / (1 + rate * k)",
       {value(), number("rate", needed, at_least_0)},
       [](ScheduleValues p, double k) { return p[0] / (1 + p[1] * k); }},
      {"noam",
       "value * d_model^-0.5 * min((k+1)^-0.5, (k+1) * warmup^-1.5)",
       {value(), number("d_model", needed, count), number("warmup", needed, count)},
       noam,
       false,
       false,
       2,
       5},
      {"rex",
       "value * (1 - x) / (1 - x / 2), x = min(k, total) / total",
       {value(), total()},
       [](ScheduleValues p, double k) { return p[0] * (1 - part(k, p[1])) / (1 - part(k, p[1]) / 2); },
       false,
       true,
       1},
      {"wsd",
       "value until total - decay, then to end by total; shape sqrt: 1 - sqrt",
       {value(), total(), number("decay", needed, whole), number("end", 0, any),
        choice("shape", {"linear", "cosine", "sqrt"})},
       wsd,
       false,
       true,
       1,
       1,
       wsd_problem},
      {"plateau",
       "value, times factor when opt.report(metric) has not been better for more than patience reports",
       {value(), choice("mode", {"min", "max"}), number("factor", 0.1, {.low = 0, .high = 1, .open_high = true}),
        number("patience", 10, whole), number("threshold", 1e-4, at_least_0), choice("threshold_mode", {"rel", "abs"}),
        number("cooldown", 0, whole), number("min", 0, any), number("eps", 1e-8, at_least_0)},
       nullptr,
       false,
       false},
  };
  return kinds;
}

const ScheduleKind* find_schedule_kind(const std::string& name) {
  for (const auto& kind : schedule_kinds())
    if (name == kind.name) return &kind;
  return nullptr;
}

}  // namespace gradus::optim
