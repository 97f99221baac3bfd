#include <gradus/core/error.h>
#include <gradus/optim/spec/options.h>

#include <cmath>

namespace gradus::optim {

std::string value_text(const Option& o) {
  if (o.kind == Option::Kind::flag) return o.value != 0 ? "true" : "false";
  if (o.kind == Option::Kind::choice) return o.words[static_cast<std::size_t>(o.value)];
  return text(o.value);
}

std::string to_string(const Option& o) { return o.name + "=" + value_text(o); }

bool Range::holds(double x) const {
  if (!std::isfinite(x) || x < low || x > high || (open_low && x == low) || (open_high && x == high)) return false;
  return !whole || x == std::floor(x);
}

std::string to_string(const Range& r) {
  const std::string kind = r.whole ? "a whole number" : "finite";
  const bool below = std::isfinite(r.low), above = std::isfinite(r.high);
  if (below && above)
    return join("must ", r.whole ? "be a whole number " : "lie ", "in ", r.open_low ? "(" : "[", text(r.low), ", ",
                text(r.high), r.open_high ? ")" : "]");
  if (below) return join("must be ", kind, r.open_low ? " and > " : " and >= ", text(r.low));
  return "must be " + kind;
}

std::string listed(const std::vector<std::string>& names) {
  std::string s;
  for (const auto& n : names) s += (s.empty() ? "" : ", ") + n;
  return s;
}

std::string perhaps(const std::string& nearest) { return nearest.empty() ? "" : "; did you mean '" + nearest + "'?"; }

Range usual_range(const std::string& name) {
  if (name.starts_with("beta") || name == "alpha") return {.low = 0, .high = 1, .open_high = true};
  for (const char* known : {"lr", "eps", "weight_decay", "momentum", "lr_decay", "initial_accumulator_value", "rho"})
    if (name == known) return {.low = 0};
  return {};
}

void check_option(const std::string& rule, const Option& o, const Range& range, double value) {
  if (o.kind == Option::Kind::flag && value != 0 && value != 1)
    throw OptimError(rule, join(o.name, " must be true or false, got ", text(value)));
  const Range places{.low = 0, .high = static_cast<double>(o.words.size()), .open_high = true, .whole = true};
  if (o.kind == Option::Kind::choice && !places.holds(value))
    throw OptimError(rule, join(o.name, " has ", o.words.size(), " choices, got number ", text(value)));
  if (o.kind == Option::Kind::number && !range.holds(value))
    throw OptimError(rule, join(o.name, " ", to_string(range), ", got ", text(value)));
}

}  // namespace gradus::optim
