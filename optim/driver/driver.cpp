// What all drivers share: the state of a parameter, and a driver's default functions.
#include <gradus/core/error.h>
#include <gradus/optim/driver/driver.h>

namespace gradus::optim {

void ParameterState::prepare(const AnyRule& rule) {
  if (prepared) return;
  if (t == 0 && step.empty())
    for (const auto& v : rule.moving().first_step()) step.push_back(v.value);
  const auto wanted = rule.slots_of(leaf.shape());
  slots.resize(wanted.size());
  pointers.resize(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Slot& s = wanted[i];
    Array& a = slots[i];
    if (s.kept && !(a.defined() && a.shape() == s.shape))
      a = s.from_w ? leaf.array().copy() : Array::full(s.shape, s.initial, leaf.dtype());
    pointers[i] = s.kept ? const_cast<char*>(a.bytes()) : nullptr;
  }
  prepared = true;
}

void ParameterState::follow(const AnyRule& rule, std::int64_t steps) {
  const Array before = leaf.array();
  Tensor now = leaf;
  if (!now.refresh()) return;
  if (!(now.shape() == before.shape()) && (t > 0 || (rule.evaluates_loss() && steps > 0)))
    throw OptimError(rule.name(),
                     join("parameter \"", name, "\" was ", describe(before), " and is ", describe(now.array()),
                          " now: its module has replaced it, and the state of its ", t, " steps does not fit"),
                     "make a new optimizer");
  const auto converted = [&](const Array& a) { return a.defined() ? a.to(now.dtype()) : a; };
  std::vector<Array> all;
  for (const Array& a : slots) all.push_back(converted(a));
  training_point = converted(training_point);
  slots = std::move(all);
  leaf = std::move(now);
  prepared = false;
}

void ParameterState::forget() {
  if (t == 0) slots = {}, pointers = {}, step = {}, prepared = false;
}

Array ParameterState::gradient() const {
  if (staged.g.defined()) return staged.g;
  const Array& g = leaf.leaf()->grad_numbers();
  return g.dense() && !g.shares_storage(leaf.array()) ? g : g.copy();
}

double Driver::step_by(Objective&) { throw OptimError("step", "this rule is given gradients and evaluates no loss"); }

ElementValues Driver::explain(const Driven& one, std::int64_t) const {
  throw OptimError("explain",
                   join(one.rule->name(), " moves a whole ", moved_at_once(), " at once; no element has values of its own"));
}

void Driver::begin(const Driven& d) {
  ++d.state->t;
  Tensor& leaf = d.state->leaf;
  visit_real(leaf.dtype(), [&]<class T>() { leaf.writable().write<T>(d.rule->writer()); });
}

void Driver::archive_step(StateArchive& a, const Driven& d) const {
  if (const auto count = d.rule->first_step().size(); count > 0)
    a.numbers(join(d.rule->name(), "/step/", d.state->name), d.state->step, count);
}

void Driver::archive(StateArchive& a, const std::vector<Driven>& all) {
  for (const Driven& d : all) {
    ParameterState& s = *d.state;
    a.count({"parameter_steps", s.name}, s.t);
    if (s.t == 0) continue;
    archive_step(a, d);
    const auto slots = d.rule->slots_of(s.leaf.shape());
    if (a.loading()) s.slots.resize(slots.size());
    const auto archive_array = [&](const std::string& key, Array& of, const Shape& shape, bool needed) {
      a.array(join(d.rule->name(), "/", key, "/", s.name), of, shape, s.leaf.dtype(), needed);
    };
    for (std::size_t i = 0; i < slots.size(); ++i) archive_array(slots[i].name, s.slots[i], slots[i].shape, slots[i].kept);
    if (d.rule->two_points()) archive_array("training_point", s.training_point, s.leaf.shape(), false);
  }
}

}  // namespace gradus::optim
