#include <gradus/autograd/ops.h>
#include <gradus/optim/rule/reflection.h>

#include <cstring>

namespace gradus::optim {

std::vector<Option> read_options(const char* names, std::span<const OptionPlace> places) {
  auto split = split_names(names);
  std::vector<Option> all;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const OptionPlace& p = places[i];
    double value = 0;
    if (p.kind == Option::Kind::number) value = *static_cast<const double*>(p.place);
    else if (p.kind == Option::Kind::flag) value = *static_cast<const bool*>(p.place) ? 1 : 0;
    else {
      int chosen;
      std::memcpy(&chosen, p.place, sizeof(int));
      value = chosen;
    }
    all.push_back({std::move(split[i]), p.kind, value, split_names(p.words)});
  }
  return all;
}

void write_option(const OptionPlace& to, double value) {
  if (to.kind == Option::Kind::number) *static_cast<double*>(to.place) = value;
  else if (to.kind == Option::Kind::flag) *static_cast<bool*>(to.place) = value != 0;
  else {
    const int chosen = static_cast<int>(value);
    std::memcpy(to.place, &chosen, sizeof(int));
  }
}

std::vector<Slot> named_slots(const char* names, std::span<const bool> kept, std::span<const SlotStart> starts) {
  std::vector<Slot> all;
  for (auto& name : split_names(names)) {
    const std::size_t i = all.size();
    const SlotStart start = starts.empty() ? SlotStart(0) : starts[i];
    all.push_back({std::move(name), kept.empty() || kept[i], start.value, start.is_w});
  }
  return all;
}

void add_named(std::vector<NamedValue>& to, const char* names, std::span<const double> values, std::span<const bool> used) {
  auto split = split_names(names);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (used.empty() || used[i]) to.push_back({std::move(split[i]), values[i]});
}

std::vector<Symbol> symbols_of(const std::vector<Option>& options) {
  std::vector<Symbol> all;
  for (const Option& o : options) all.push_back(Symbol::named(o.name, o.value));
  return all;
}

void name_all(const char* names, std::span<Symbol* const> fields) {
  auto split = split_names(names);
  for (std::size_t i = 0; i < fields.size(); ++i) *fields[i] = Symbol::named(std::move(split[i]));
}

void replace_changed(const char* names, std::span<Symbol* const> now, std::span<Symbol* const> before, Equations& to) {
  auto split = split_names(names);
  for (std::size_t i = 0; i < now.size(); ++i) to.replace(std::move(split[i]), *now[i], *before[i]);
}

void define_all(const char* names, std::span<const Symbol> values, Equations& to) {
  auto split = split_names(names);
  for (std::size_t i = 0; i < values.size(); ++i) to.define(std::move(split[i]), values[i]);
}

void define_step(const char* names, std::span<Symbol* const> now, std::span<Symbol* const> before, Equations& to) {
  const auto split = split_names(names);
  for (std::size_t i = 0; i < now.size(); ++i) {
    Equations own;
    own.define(split[i], *now[i]);
    if (own.mentions(*before[i])) to.replace(split[i], *now[i], *before[i]);  // a running product
    else to.define(split[i], *now[i]);
  }
}

bool mentions_any(const Equations& e, std::span<Symbol* const> atoms) {
  for (const Symbol* atom : atoms)
    if (e.mentions(*atom)) return true;
  return false;
}

std::vector<Tensor> tensors_of(const std::vector<Option>& options, const NamedTensors& hyper, Dtype dtype) {
  std::vector<Tensor> all;
  for (const Option& o : options) {
    all.push_back(scalar(o.value, dtype));
    for (const auto& [name, tensor] : hyper)
      if (name == o.name) all.back() = tensor;
  }
  return all;
}

void begin(TensorState& s, const std::vector<Slot>& slots, const std::vector<NamedValue>& first_step) {
  if (s.step.empty())
    for (const NamedValue& k : first_step) s.step.push_back(scalar(k.value, s.w.dtype()));
  if (s.slots.empty())
    for (const Slot& slot : slots)
      s.slots.push_back(slot.from_w ? s.w : Tensor(Array::full(s.w.shape(), slot.initial, s.w.dtype())));
}

void copy_in(std::span<Tensor* const> fields, const std::vector<Tensor>& from) {
  for (std::size_t i = 0; i < fields.size(); ++i) *fields[i] = from[i];
}
void copy_out(std::span<Tensor* const> fields, std::vector<Tensor>& to) {
  for (std::size_t i = 0; i < fields.size(); ++i) to[i] = *fields[i];
}

}  // namespace gradus::optim
