#include <gradus/train/internal/records.h>

#include <limits>

namespace gradus::training {
namespace {

double number_of(const JsonValue& v) {
  const double* x = v.get_if<double>();
  return x ? *x : std::numeric_limits<double>::quiet_NaN();
}

std::int64_t count_of(const JsonValue& v, const char* name) { return static_cast<std::int64_t>(number_in(v, name)); }

std::vector<double> numbers_in(const JsonValue& v, const char* name) {
  std::vector<double> all;
  const JsonValue* found = v.find(name);
  if (const auto* list = found ? found->get_if<JsonValue::List>() : nullptr)
    for (const JsonValue& x : *list) all.push_back(number_of(x));
  return all;
}

JsonValue list_of(const std::vector<double>& numbers) { return JsonValue::List(numbers.begin(), numbers.end()); }

}  // namespace

double number_in(const JsonValue& v, const char* name) {
  const JsonValue* found = v.find(name);
  return number_of(found ? *found : JsonValue());
}

JsonValue json_of(const Record& r) {
  JsonValue v;
  v["epoch"] = r.epoch, v["step"] = r.step, v["train_loss"] = r.train_loss, v["validation_loss"] = r.validation_loss;
  v["metrics"] = list_of(r.metrics), v["lr"] = r.lr, v["seconds"] = r.seconds, v["best"] = r.best;
  return v;
}

Record record_of(const JsonValue& v) {
  Record r;
  r.epoch = count_of(v, "epoch"), r.step = count_of(v, "step");
  r.train_loss = number_in(v, "train_loss"), r.validation_loss = number_in(v, "validation_loss");
  r.metrics = numbers_in(v, "metrics");
  r.lr = number_in(v, "lr"), r.seconds = number_in(v, "seconds");
  if (const JsonValue* best = v.find("best"); best && best->get_if<bool>()) r.best = *best->get_if<bool>();
  return r;
}

void LossCurve::add(double loss) {
  constexpr std::size_t most = 512;
  sum_ += loss;
  if (++count_ < every_) return;
  points_.push_back(sum_ / static_cast<double>(count_));
  sum_ = 0, count_ = 0;
  if (points_.size() < most) return;
  for (std::size_t k = 0; k < most / 2; ++k) points_[k] = (points_[2 * k] + points_[2 * k + 1]) / 2;
  points_.resize(most / 2);
  every_ *= 2;
}

JsonValue LossCurve::json() const {
  JsonValue v;
  v["every"] = every_, v["loss"] = list_of(points_), v["sum"] = sum_, v["count"] = count_;
  return v;
}

void LossCurve::load(const JsonValue& v) {
  points_ = numbers_in(v, "loss");
  every_ = count_of(v, "every"), count_ = count_of(v, "count"), sum_ = number_in(v, "sum");
}

}  // namespace gradus::training
