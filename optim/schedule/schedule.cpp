// Schedules as formulas and as compositions; schedule_spec.cpp reads them from text.
#include <gradus/core/error.h>
#include <gradus/optim/schedule/schedule.h>
#include <gradus/optim/schedule/schedule_bodies.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus::optim {

// ---- schedules of the table -------------------------------------------------------------------------------------------

TableSchedule::TableSchedule(const ScheduleKind& kind, std::vector<double> values, double warmup)
    : kind_(&kind), values_(std::move(values)), warmup_(warmup) {
  for (std::size_t i = 0; i < kind.options.size(); ++i) {
    const ScheduleOption& o = kind.options[i];
    if (std::isnan(values_[i]) && std::isnan(o.option.value))
      throw OptimError(kind.name, join("needs ", o.option.name, "; ", kind.formula));
    check_option(kind.name, o.option, o.range, values_[i]);
  }
  check_option(kind.name, {"warmup", Option::Kind::number, 0, {}}, {.low = 0, .whole = true}, warmup);
  if (kind.problem)
    if (const auto why = kind.problem(values_); !why.empty()) throw OptimError(kind.name, why);
}

std::string TableSchedule::spec() const {
  std::string s = text(values_[0]);
  for (std::size_t i = kind_->options.size(); i < values_.size(); ++i) s += ", " + text(values_[i]);
  for (std::size_t i = 1; i < kind_->options.size(); ++i) {
    Option o = kind_->options[i].option;
    if (values_[i] == o.value) continue;
    o.value = values_[i];
    s += ", " + to_string(o);
  }
  if (warmup_ > 0) s += ", warmup=" + text(warmup_);
  return kind_->name + ("(" + s + ")");
}

FormulaSchedule::FormulaSchedule(const ScheduleKind& kind, std::vector<double> values, double warmup)
    : TableSchedule(kind, std::move(values), warmup), running_(values_) {
  for (std::size_t i = 0; i < kind.options.size(); ++i) {
    const std::string& name = kind.options[i].option.name;
    if (name == "total" && values_[i] > 0) {  // the total counts the warm-up
      running_[i] -= warmup;
      if (running_[i] <= 0)
        throw OptimError(kind.name,
                         join("warmup must be below total, got warmup=", text(warmup), ", total=", text(values_[i])));
    }
    if (name == "timescale" && values_[i] == 0) running_[i] = std::max(warmup, 1.0);
  }
  if (kind.problem)
    if (const auto why = kind.problem(running_); !why.empty()) throw OptimError(kind.name, why + " without the warm-up");
}

double FormulaSchedule::at(std::int64_t step) const {
  const auto k = static_cast<double>(step);
  return k < warmup_ ? kind_->at(running_, 0) * (k / warmup_) : kind_->at(running_, k - warmup_);
}

std::int64_t FormulaSchedule::horizon() const {
  double steps = kind_->length < 0 ? 100 : values_[static_cast<std::size_t>(kind_->length)] * kind_->shown;
  if (kind_->list && values_.size() > kind_->options.size()) steps = 1.25 * values_.back();
  if (kind_->length < 0 || kind_->options[static_cast<std::size_t>(kind_->length)].option.name != "total") steps += warmup_;
  return static_cast<std::int64_t>(std::clamp(steps, 10.0, 1e9));
}

PlateauSchedule::PlateauSchedule(const ScheduleKind& kind, std::vector<double> values)
    : TableSchedule(kind, std::move(values), 0), now_(values_[value]) {
  best_ = values_[mode] == 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
}

bool PlateauSchedule::better(double x) const {
  const bool least = values_[mode] == 0, relative = values_[threshold_mode] == 0;
  if (std::isinf(best_)) return least ? x < best_ : x > best_;  // the first metric: a threshold of infinity may be NaN
  if (least) return x < (relative ? best_ * (1 - values_[threshold]) : best_ - values_[threshold]);
  return x > (relative ? best_ * (1 + values_[threshold]) : best_ + values_[threshold]);
}

void PlateauSchedule::report(double metric) {
  if (better(metric)) best_ = metric, bad_ = 0;
  else ++bad_;
  if (cooling_ > 0) --cooling_, bad_ = 0;
  if (bad_ <= values_[patience]) return;
  const double next = std::max(now_ * values_[factor], values_[lowest]);
  if (now_ - next > values_[eps]) now_ = next;
  cooling_ = values_[cooldown];
  bad_ = 0;
}

// ---- schedules of other schedules ------------------------------------------------------------------------------------

ComposedSchedule::ComposedSchedule(std::vector<Schedule> parts) : parts_(std::move(parts)) {
  if (parts_.empty()) throw OptimError("schedule", "needs at least one schedule");
}
bool ComposedSchedule::waits_for_metric() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Schedule& s) { return s.waits_for_metric(); });
}
void ComposedSchedule::report(double metric) {
  for (auto& s : parts_) s.report(metric);
}
bool ComposedSchedule::users_own() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Schedule& s) { return s.users_own(); });
}
std::vector<double> ComposedSchedule::state() const {
  std::vector<double> all;
  for (const auto& s : parts_)
    for (const double x : s.state()) all.push_back(x);
  return all;
}
void ComposedSchedule::load_state(const double* values) {
  for (auto& s : parts_) {
    const auto n = s.state().size();
    s.body().load_state(values);
    values += n;
  }
}

WarmupSchedule::WarmupSchedule(Schedule inner, double steps, double from)
    : ComposedSchedule({std::move(inner)}), steps_(steps), from_(from) {
  check_option("warmup", {"steps", Option::Kind::number, 0, {}}, {.low = 1, .whole = true}, steps);
  check_option("warmup", {"from", Option::Kind::number, 0, {}}, {.low = 0, .high = 1}, from);
}
double WarmupSchedule::at(std::int64_t step) const {
  const auto k = static_cast<double>(step);
  if (k >= steps_) return parts_[0].at(step - static_cast<std::int64_t>(steps_));
  return parts_[0].at(0) * (from_ + (1 - from_) * k / steps_);
}
std::string WarmupSchedule::spec() const {
  return join("warmup(", parts_[0].spec(), ", steps=", text(steps_), from_ != 0 ? ", from=" + text(from_) : "", ")");
}
std::int64_t WarmupSchedule::horizon() const { return static_cast<std::int64_t>(steps_) + parts_[0].horizon(); }

SequentialSchedule::SequentialSchedule(std::vector<Schedule> parts, std::vector<std::int64_t> milestones)
    : ComposedSchedule(std::move(parts)), milestones_(std::move(milestones)) {
  if (parts_.size() != milestones_.size() + 1)
    throw OptimError("sequential", join("needs a milestone between each two schedules, got ", parts_.size(),
                                        " schedules and ", milestones_.size(), " milestones"));
  for (std::size_t i = 0; i < milestones_.size(); ++i)
    if (milestones_[i] < 1 || (i > 0 && milestones_[i] <= milestones_[i - 1]))
      throw OptimError("sequential", join("milestones are whole numbers above 0 that rise, got ", milestones_[i]));
}
double SequentialSchedule::at(std::int64_t k) const {
  const auto now =
      static_cast<std::size_t>(std::upper_bound(milestones_.begin(), milestones_.end(), k) - milestones_.begin());
  return parts_[now].at(now > 0 ? k - milestones_[now - 1] : k);
}
std::string SequentialSchedule::spec() const {
  std::string s = parts_[0].spec();
  for (std::size_t i = 0; i < milestones_.size(); ++i) s += join(", ", milestones_[i], ", ", parts_[i + 1].spec());
  return "sequential(" + s + ")";
}
std::int64_t SequentialSchedule::horizon() const {
  return (milestones_.empty() ? 0 : milestones_.back()) + parts_.back().horizon();
}

double ChainedSchedule::at(std::int64_t k) const {
  double product = 1;
  for (const auto& s : parts_) product *= s.at(k);
  return product;
}
std::string ChainedSchedule::spec() const {
  std::string s;
  for (const auto& p : parts_) s += (s.empty() ? "" : ", ") + p.spec();
  return "chained(" + s + ")";
}
std::int64_t ChainedSchedule::horizon() const {
  std::int64_t longest = 0;
  for (const auto& s : parts_) longest = std::max(longest, s.horizon());
  return longest;
}

// ---- Schedule --------------------------------------------------------------------------------------------------------

std::vector<double> Schedule::preview(std::int64_t n) const {
  const Schedule copy = *this;
  std::vector<double> values;
  for (std::int64_t k = 0; k < n; ++k) values.push_back(copy.at(k));
  return values;
}

void Schedule::load_state(const std::vector<double>& values) {
  if (const auto n = state().size(); n != values.size())
    throw OptimError("schedule", join(spec(), " has ", n, " numbers of state, got ", values.size()));
  body_->load_state(values.data());
}

std::string to_string(const Schedule& schedule, std::int64_t steps) {
  constexpr std::int64_t width = 64, height = 9;
  if (steps <= 0) steps = schedule.horizon();
  const Schedule copy = schedule;
  std::vector<double> y;  // a column shows one step
  const std::int64_t columns = std::min(width, steps);
  for (std::int64_t c = 0; c < columns; ++c) y.push_back(copy.at(columns > 1 ? c * (steps - 1) / (columns - 1) : 0));
  auto [low, high] = std::minmax_element(y.begin(), y.end());
  const double bottom = *low, top = *high;
  std::vector<std::string> rows(height, std::string(static_cast<std::size_t>(columns), ' '));
  for (std::size_t c = 0; c < y.size(); ++c) {
    const double x = top > bottom ? (y[c] - bottom) / (top - bottom) : 0.5;
    if (std::isfinite(x)) rows[static_cast<std::size_t>(height - 1 - std::llround(x * (height - 1)))][c] = '*';
  }
  const auto label = [](double x) {
    char buffer[16];
    std::snprintf(buffer, sizeof buffer, "%10.4g", x);
    return std::string(buffer);
  };
  std::string s = schedule.spec() + "\n";
  for (auto& row : rows) row.erase(row.find_last_not_of(' ') + 1);
  for (std::size_t r = 0; r < rows.size(); ++r)
    s += (r == 0 ? label(top) : r + 1 == rows.size() ? label(bottom) : std::string(10, ' ')) + " |" + rows[r] + "\n";
  const std::string last = std::to_string(steps - 1);
  const auto room =
      static_cast<std::size_t>(columns) > last.size() + 1 ? static_cast<std::size_t>(columns) - last.size() - 1 : 1;
  return s + std::string(12, ' ') + "0" + std::string(room, ' ') + last + "\n";
}

// ---- schedules made by functions --------------------------------------------------------------------------------------

namespace schedules {
namespace {

/// A schedule of the kind `name` with the first options given, the others at their defaults.
Schedule formula(const char* name, std::vector<double> given, const std::vector<double>& list = {}) {
  const ScheduleKind& kind = *find_schedule_kind(name);
  for (std::size_t i = given.size(); i < kind.options.size(); ++i) given.push_back(kind.options[i].option.value);
  given.insert(given.end(), list.begin(), list.end());
  return Schedule(std::make_unique<FormulaSchedule>(kind, std::move(given), 0));
}

}  // namespace

Schedule constant(double value, double factor, double total) { return formula("constant", {value, factor, total}); }
Schedule step(double value, double size, double gamma) { return formula("step", {value, size, gamma}); }
Schedule multi_step(double value, const std::vector<double>& milestones, double gamma) {
  return formula("multi_step", {value, gamma}, milestones);
}
Schedule exponential(double value, double gamma) { return formula("exponential", {value, gamma}); }
Schedule polynomial(double value, double total, double power, double end) {
  return formula("polynomial", {value, total, power, end});
}
Schedule linear(double value, double total, double end) { return formula("linear", {value, total, end}); }
Schedule cosine(double value, double total, double end) { return formula("cosine", {value, total, end}); }
Schedule cosine_restarts(double value, double period, double mult, double end) {
  return formula("cosine_restarts", {value, period, mult, end});
}
Schedule one_cycle(double value, double total, double pct_start, double div_factor, double final_div_factor) {
  return formula("one_cycle", {value, total, pct_start, div_factor, final_div_factor});
}
Schedule cyclic(double value, double peak, double up, double down) { return formula("cyclic", {value, peak, up, down}); }
Schedule inverse_sqrt(double value, double timescale) { return formula("inverse_sqrt", {value, timescale}); }
Schedule noam(double value, double d_model, double warmup) { return formula("noam", {value, d_model, warmup}); }
Schedule wsd(double value, double total, double decay, double end) { return formula("wsd", {value, total, decay, end}); }
Schedule warmup(const Schedule& schedule, std::int64_t steps, double from) {
  return Schedule(std::make_unique<WarmupSchedule>(schedule, static_cast<double>(steps), from));
}
Schedule sequential(const std::vector<Schedule>& schedules, const std::vector<std::int64_t>& milestones) {
  return Schedule(std::make_unique<SequentialSchedule>(schedules, milestones));
}
Schedule chained(const std::vector<Schedule>& schedules) { return Schedule(std::make_unique<ChainedSchedule>(schedules)); }

}  // namespace schedules
}  // namespace gradus::optim
