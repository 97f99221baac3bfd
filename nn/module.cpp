#include <gradus/autograd/observe.h>
#include <gradus/core/memory/memory_error.h>
#include <gradus/core/name_pattern.h>
#include <gradus/nn/module.h>

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <typeinfo>
#include <unordered_map>

namespace gradus::nn {
namespace {

thread_local ModuleCall* innermost = nullptr;
thread_local ForwardObserver* observers = nullptr;

/// The last outputs of modules without others inside. Types, not modules: what was called may be gone.
struct Trail {
  static constexpr unsigned length = 6;
  struct Step {
    const std::type_info* type;
    Shape shape;
  } steps[length];
  unsigned count = 0;
};
thread_local Trail trail_so_far;

std::string dotted(const std::string& path, const std::string& name) {
  return path.empty() || name.empty() ? path + name : path + "." + name;
}

/// "gradus::nn::Linear" -> "Linear"; template arguments stay as they are.
std::string short_name(const std::type_info& type) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : type.name();
  std::free(demangled);
  const auto arguments = name.find('<');
  const auto scope = name.rfind("::", arguments);
  return scope == name.npos ? name : name.substr(scope + 2);
}

}  // namespace

// ---- walking --------------------------------------------------------------------------------------------------------

const ModuleBase::Place& ModuleBase::place() const {
  static const Place outermost;
  const Place* p = place_.load(std::memory_order_acquire);
  return p ? *p : outermost;
}

void ModuleBase::move_to(std::string name, std::string path) {
  listed_ = true;
  if (place().name == name && place().path == path) return;
  places_.push_back(std::make_unique<const Place>(Place{std::move(name), std::move(path)}));
  place_.store(places_.back().get(), std::memory_order_release);
}

/// One thread at a time; a second one finds nothing to change.
void ModuleBase::adopt() {
  static std::recursive_mutex mutex;
  const std::lock_guard lock(mutex);
  share_tied();
  const std::string& path = place().path;
  for (const Member& m : members()) {
    if (m.parameter) m.parameter->adopt(dotted(path, m.name));
    if (m.buffer) m.buffer->adopt(dotted(path, m.name));
    if (!m.child) continue;
    m.child->move_to(m.name, dotted(path, m.name));
    m.child->adopt();
  }
  adopted_.store(true, std::memory_order_release);
}

namespace {

/// Of tied parameters one counts: the one that the others are tied to, or the first where that is not in the list.
void mark_repeated(std::vector<Member>& list) {
  const auto is_tied = [](const Member& m) { return m.parameter && m.parameter->tied(); };
  if (std::none_of(list.begin(), list.end(), is_tied)) return;
  std::unordered_map<const Node*, const MemberTensor*> first;
  for (const bool tied : {false, true})
    for (Member& m : list) {
      if (!m.parameter || !m.parameter->defined() || m.parameter->tied() != tied) continue;
      const auto [found, is_new] = first.emplace(m.parameter->node(), m.parameter);
      m.repeats = is_new ? nullptr : found->second;
    }
}

}  // namespace

std::vector<Member> ModuleBase::all_members() {
  std::vector<Member> list;
  for (Member& m : members()) {
    list.push_back(m);
    if (!m.child) continue;
    for (Member& inner : m.child->all_members()) {
      inner.name = dotted(m.name, inner.name);
      list.push_back(std::move(inner));
    }
  }
  mark_repeated(list);
  return list;
}

NamedTensors ModuleBase::named_parameters() try {
  adopt();
  NamedTensors list;
  for (const Member& m : all_members())
    if (m.parameter && m.numbers()) list.emplace_back(m.name, *m.parameter);
  return list;
} catch (const std::bad_alloc&) {
  no_memory_for(type_name());
}

std::vector<Tensor> ModuleBase::parameters() {
  std::vector<Tensor> list;
  for (auto& [name, tensor] : named_parameters()) list.push_back(std::move(tensor));
  return list;
}

NamedTensors ModuleBase::named_buffers() try {
  adopt();
  NamedTensors list;
  for (const Member& m : all_members())
    if (m.buffer && m.numbers()) list.emplace_back(m.name, *m.buffer);
  return list;
} catch (const std::bad_alloc&) {
  no_memory_for(type_name());
}

NamedModules ModuleBase::named_modules() try {
  adopt();
  NamedModules list{{"", this}};
  for (const Member& m : all_members())
    if (m.child) list.emplace_back(m.name, m.child);
  return list;
} catch (const std::bad_alloc&) {
  no_memory_for(type_name());
}

std::vector<ModuleBase*> ModuleBase::modules() {
  std::vector<ModuleBase*> list;
  for (const auto& [name, module] : named_modules()) list.push_back(module);
  return list;
}

void ModuleBase::train(bool on) {
  for (ModuleBase* m : modules()) m->training_ = on;
}

void ModuleBase::zero_grad() {
  for (const Tensor& p : parameters())
    if (p.requires_grad()) p.set_grad({});
}

void ModuleBase::requires_grad_(bool wanted) {
  adopt();
  for (const Member& m : all_members())
    if (m.parameter) m.parameter->requires_grad_(wanted);
}

int64_t ModuleBase::set_requires_grad(const char* who, const std::string& pattern, bool wanted) {
  adopt();
  int64_t found = 0;
  std::string some;
  for (const Member& m : all_members()) {
    if (!m.parameter || !m.parameter->defined()) continue;
    if (const auto place = std::count(some.begin(), some.end(), ','); place < 3)
      some += (some.empty() ? "\"" : ", \"") + m.name + "\"";
    if (!matches_pattern(pattern.c_str(), m.name.c_str())) continue;
    m.parameter->requires_grad_(wanted);
    ++found;
  }
  if (found == 0)
    throw ModuleError(type_name(), join(who, ": no parameter matches \"", pattern, "\"; the names are like ", some));
  return found;
}

// ---- ties -----------------------------------------------------------------------------------------------------------

ModuleBase& ModuleBase::operator=(const ModuleBase& other) {
  training_ = other.training_;
  if (ties_.empty() && !other.ties_.empty()) ties_ = other.ties_, adopted_ = false;  // at the next call or walk
  return *this;
}

void ModuleBase::tie(Parameter& parameter, Parameter& primary) {
  std::string names[2];
  for (const Member& m : all_members())
    if (m.parameter == &parameter) names[0] = m.name;
    else if (m.parameter == &primary) names[1] = m.name;
  const auto text = [](const Parameter& p) { return p.defined() ? gradus::describe(p.tensor()) : std::string("absent"); };
  if (names[0].empty() || names[1].empty() || !parameter.defined() || !primary.defined() || primary.tied())
    throw ModuleError(type_name(),
                      join("tie needs two parameters that are present and listed in it or within, and the second "
                           "not tied itself: \"",
                           names[0], "\" is ", text(parameter), ", \"", names[1], "\" ", text(primary)));
  if (!(parameter.shape() == primary.shape()) || parameter.dtype() != primary.dtype())
    throw ModuleError(type_name(), join("tied parameters must be alike: \"", names[0], "\" is ", text(parameter), ", \"",
                                        names[1], "\" ", text(primary)));
  ties_.emplace_back(names[0], names[1]);
  share_tied();
}

void ModuleBase::share_tied() {
  if (ties_.empty()) return;
  const auto all = all_members();
  const auto named = [&](const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Member& m) { return m.parameter && m.name == name; });
    return found == all.end() ? nullptr : found->parameter;
  };
  for (const auto& [parameter, primary] : ties_) {
    Parameter *a = named(parameter), *b = named(primary);
    if (a && b && b->defined()) a->share(*b);
  }
}

std::vector<ModuleBase*> ModuleBase::modules_inside_out() {
  adopt();
  std::vector<ModuleBase*> list;
  for (const Member& m : members())
    if (m.child)
      for (ModuleBase* inner : m.child->modules_inside_out()) list.push_back(inner);
  list.push_back(this);
  return list;
}

int64_t ModuleBase::parameter_count() {
  int64_t count = 0;
  for (const Tensor& p : parameters()) count += p.size();
  return count;
}

void ModuleBase::to(Dtype dtype) {
  if (!is_real(dtype)) throw DtypeError(type_name(), join("parameters are f32 or f64, they cannot become ", dtype));
  adopt();
  std::vector<std::pair<MemberTensor*, Array>> converted;  // all of them, before anything changes
  for (const Member& m : all_members())
    if (MemberTensor* t = m.numbers(); t && is_real(t->dtype()) && t->dtype() != dtype)
      converted.emplace_back(t, t->array().to(dtype));
  for (auto& [t, numbers] : converted) t->replace(std::move(numbers));
  adopt();  // tied ones follow
}

std::string ModuleBase::type_name() const { return short_name(typeid(*this)); }
std::string ModuleBase::description() const { return type_name(); }

void ModuleBase::throw_call() const {
  throw ModuleError(description(), "its forward does not take one Tensor and return one; a part of a Sequential must");
}

void ModuleBase::throw_memory() const { no_memory_for(type_name()); }

void ModuleBase::throw_copy() const {
  throw ModuleError(description(), "a member of it cannot be copied, so it cannot be either");
}

// ---- calls ----------------------------------------------------------------------------------------------------------

ForwardObserver::ForwardObserver() : outer_(observers) { observers = this; }
ForwardObserver::~ForwardObserver() { observers = outer_; }

ModuleCall::ModuleCall(ModuleBase& module) try : module_(module), outer_(innermost), step_(enter()) {
  if (outer_) outer_->leaf_ = false;
  else begin_outermost();
  innermost = this;
} catch (const std::bad_alloc&) {
  module.throw_memory();
}

void ModuleCall::begin_outermost() {
  trail_so_far.count = 0;
  if (op_observer) [[unlikely]]
    op_observer->passed("outside the model");
}

ModuleCall::~ModuleCall() { innermost = outer_; }

/// The step that the path of messages grows by.
const std::string& ModuleCall::enter() {
  if (!outer_ && !module_.adopted_) module_.adopt();
  if (outer_ && !module_.listed_) expect_listed();
  const auto& [name, path] = module_.place();
  const std::string& above = outer_ ? outer_->module_.place().path : detour_;
  const std::size_t dot = above.empty() || name.empty() ? 0 : 1;
  if (path.size() == above.size() + dot + name.size() && path.starts_with(above)) return name;  // the usual case: a child
  const bool within = path.size() > above.size() && path.starts_with(above) && path[above.size()] == '.';
  return detour_ = within ? path.substr(above.size() + 1) : path;
}

/// A module of its own (a teacher's network, say) may be called too, if it is not a member here and was used before.
void ModuleCall::expect_listed() {
  adopt_again();
  if (module_.listed_ || (module_.adopted_ && !owner_of(&module_))) return;
  throw_unlisted(&module_, module_.description());
}

void ModuleCall::finished(const Tensor& y) {
  if (!leaf_ || !y.defined()) return;
  Trail& t = trail_so_far;
  t.steps[t.count++ % Trail::length] = {&typeid(module_), y.shape()};
}

bool ModuleCall::observed() { return observers != nullptr; }
ModuleBase* ModuleCall::current() { return innermost ? &innermost->module_ : nullptr; }

void ModuleCall::tell_observers(const std::vector<Tensor>& results) const {
  for (ForwardObserver* o = observers; o; o = o->outer_) o->after(module_, results);
}

std::string ModuleCall::trail() {
  const Trail& t = trail_so_far;
  std::string text;
  for (unsigned i = t.count > Trail::length ? t.count - Trail::length : 0; i < t.count; ++i) {
    const auto& step = t.steps[i % Trail::length];
    text += join(text.empty() ? "" : " -> ", short_name(*step.type), " ", step.shape);
  }
  return text;
}

bool ModuleCall::adopt_again() {
  if (!innermost) return false;
  const ModuleCall* outermost = innermost;
  while (outermost->outer_) outermost = outermost->outer_;
  outermost->module_.adopt();
  return true;
}

/// The smallest module being called, or within one, whose bytes hold the member: the one that declares it.
ModuleBase* ModuleCall::owner_of(const void* member) {
  ModuleBase* owner = nullptr;
  for (const ModuleCall* c = innermost; c; c = c->outer_)
    for (ModuleBase* m : c->module_.modules()) {
      const auto offset = static_cast<const char*>(member) - static_cast<const char*>(dynamic_cast<void*>(m));
      const std::size_t bytes = m->layout().bytes;
      const bool inside = offset >= 0 && static_cast<std::size_t>(offset) < bytes && static_cast<const void*>(m) != member;
      if (inside && (!owner || bytes < owner->layout().bytes)) owner = m;
    }
  return owner;
}

void ModuleCall::throw_unlisted(const void* member, const std::string& text) {
  const ModuleBase* owner = owner_of(member);
  if (!owner)
    throw ModuleError(innermost->module_.type_name(),
                      join("its forward uses what no module lists: ", text, "; a member named in GRADUS_FIELDS would do"));
  throw ModuleError(owner->type_name(),
                    join("a member is used but not listed: ", text, "; GRADUS_FIELDS(", owner->layout().fields,
                         ") must name it too, or it would be neither trained nor saved"));
}

}  // namespace gradus::nn
