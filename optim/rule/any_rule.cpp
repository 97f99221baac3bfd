#include <gradus/core/error.h>
#include <gradus/optim/rule/closure_rule.h>
#include <gradus/optim/schedule/schedule.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <set>

namespace gradus::optim {
namespace {

const Option maximize_option{"maximize", Option::Kind::flag, 0, {}};

const char* kept_for_ever(const std::string& name) {
  static std::mutex mutex;
  static std::set<std::string> names;
  std::lock_guard lock(mutex);
  return names.insert(name).first->c_str();
}

}  // namespace

AnyRule::AnyRule(RuleInfo info) : info_(std::move(info)), writer_(kept_for_ever(info_.name)) {}

std::vector<Slot> AnyRule::slots_of(const Shape& w) const {
  auto all = inner() ? inner()->slots_of(w) : std::vector<Slot>();
  auto own = slots();
  for (Slot& s : own) s.shape = w;
  fit_slots(w, own);
  all.insert(all.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
  return all;
}

std::vector<Option> AnyRule::options() const {
  auto all = own_options();
  if (const AnyRule* below = inner()) {
    for (auto& o : below->options()) all.push_back(std::move(o));
    return all;
  }
  all.push_back(maximize_option);
  all.back().value = maximize_;
  return all;
}

bool AnyRule::has(const std::string& name) const {
  for (const auto& o : options())
    if (o.name == name) return true;
  return false;
}

Option AnyRule::option(const std::string& name) const {
  const auto all = options();
  std::vector<std::string> known;
  for (const auto& o : all) {
    if (o.name == name) return o;
    known.push_back(o.name);
  }
  throw OptimError(info_.name, join("there is no option '", name, "'", perhaps(did_you_mean(name, known)), " (it has ",
                                    listed(known), ")"));
}

void AnyRule::set(const std::string& name, double value) {
  const auto own = own_options();
  for (std::size_t i = 0; i < own.size(); ++i)
    if (own[i].name == name) {
      check_option(info_.name, own[i], range_of(name), value);
      return write_option(i, value);
    }
  if (AnyRule* below = inner(); below && below->has(name)) return below->set(name, value);
  if (name == "maximize" && !inner()) {
    check_option(info_.name, maximize_option, {}, value);
    maximize_ = value != 0;
    return;
  }
  option(name);  // throws with the known names
}

void AnyRule::check() const {
  for (const auto& o : own_options()) check_option(info_.name, o, range_of(o.name), o.value);
  if (const auto why = refusal(); !why.empty()) throw OptimError(info_.name, why);
  if (const AnyRule* below = inner()) below->check();
}

std::string AnyRule::spec(std::span<const Scheduled> scheduled) const {
  std::string s;
  const auto own = own_options();
  if (const AnyRule* below = inner()) {
    std::vector<Scheduled> of_inner;
    const auto is_own = [&](const Scheduled& x) {
      return std::any_of(own.begin(), own.end(), [&](const Option& o) { return o.name == x.option; });
    };
    for (const Scheduled& x : scheduled)
      if (!is_own(x)) of_inner.push_back(x);
    s = below->spec(of_inner);
  }
  for (const auto& o : own) {
    const auto at = std::find_if(scheduled.begin(), scheduled.end(), [&](const Scheduled& x) { return x.option == o.name; });
    const bool follows = at != scheduled.end() && !at->schedule.users_own();
    s += (s.empty() ? "" : ", ") + (follows ? o.name + "=" + at->schedule.spec() : to_string(o));
  }
  if (maximize_) s += std::string(s.empty() ? "" : ", ") + "maximize=true";
  return info_.name + "(" + s + ")";
}

std::unique_ptr<AnyRule> moves_by_gradients(const AnyRule& wrapper, std::unique_ptr<AnyRule> rule) {
  if (rule->inner() || rule->needs_closure())
    throw OptimError(wrapper.name(), "wraps a rule that moves by gradients alone, got " + rule->name());
  return rule;
}

}  // namespace gradus::optim
