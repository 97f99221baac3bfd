// The listed fields of a rule's text as ordinary data. Code that needs only names and addresses is compiled once, here, and
// not again for each rule.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/optim/rule/any_rule.h>
#include <gradus/optim/rule/symbol.h>

#include <array>
#include <span>

namespace gradus::optim {

/// The addresses of the listed fields, in order. All must be of type T, or it does not compile.
template <class T, class Struct> auto addresses(Struct& s) {
  return std::apply([](auto&... field) { return std::array<T*, sizeof...(field)>{&field...}; }, s.fields());
}

// ---- options ----------------------------------------------------------------------------------------------------------

/// The address of an option and its type: a double, a bool, or one of the words of a GRADUS_CHOICE.
struct OptionPlace {
  Option::Kind kind;
  void* place;
  const char* words;

  OptionPlace(double& x) : kind(Option::Kind::number), place(&x), words("") {}
  OptionPlace(bool& x) : kind(Option::Kind::flag), place(&x), words("") {}
  template <class Choice>
  requires std::is_enum_v<Choice> OptionPlace(Choice& x)
      : kind(Option::Kind::choice), place(&x), words(choice_words(Choice())) {
    static_assert(sizeof(Choice) == sizeof(int));
  }
};
template <class Struct> auto option_places(const Struct& s) {  // of which read_options() only reads
  return std::apply([](auto&... field) { return std::array<OptionPlace, sizeof...(field)>{field...}; },
                    const_cast<Struct&>(s).fields());
}
std::vector<Option> read_options(const char* names, std::span<const OptionPlace> places);
void write_option(const OptionPlace& to, double value);

// ---- slots and values -------------------------------------------------------------------------------------------------

/// For initial(): this slot starts as the parameter itself.
struct StartsAsW {};
inline constexpr StartsAsW as_w;

/// The start of a slot as initial() gives it.
struct SlotStart {
  double value = 0;
  bool is_w = false;
  SlotStart(double x) : value(x) {}
  SlotStart(StartsAsW) : is_w(true) {}
};
/// The slots of these names. Both lists may be empty: every slot is kept, and starts with 0.
std::vector<Slot> named_slots(const char* names, std::span<const bool> kept, std::span<const SlotStart> starts);

/// Appends names and values of those that are used; `used` may be empty, for all of them.
void add_named(std::vector<NamedValue>& to, const char* names, std::span<const double> values,
               std::span<const bool> used = {});

// ---- read with Symbol -------------------------------------------------------------------------------------------------

std::vector<Symbol> symbols_of(const std::vector<Option>& options);
void name_all(const char* names, std::span<Symbol* const> fields);
/// Defines name <- now for those symbols that have changed.
void replace_changed(const char* names, std::span<Symbol* const> now, std::span<Symbol* const> before, Equations& to);
/// Defines name = value for each name.
void define_all(const char* names, std::span<const Symbol> values, Equations& to);
/// Defines the per-step values: name <- now for those computed from their old value, name = now for the others.
void define_step(const char* names, std::span<Symbol* const> now, std::span<Symbol* const> before, Equations& to);
bool mentions_any(const Equations& e, std::span<Symbol* const> atoms);

// ---- read with Tensor -------------------------------------------------------------------------------------------------

/// The options as 0-d constants, except those that `hyper` replaces.
std::vector<Tensor> tensors_of(const std::vector<Option>& options, const NamedTensors& hyper, Dtype dtype);
/// Makes the per-step values and slots of the first step, if there are none yet.
void begin(TensorState& s, const std::vector<Slot>& slots, const std::vector<NamedValue>& first_step);
void copy_in(std::span<Tensor* const> fields, const std::vector<Tensor>& from);
void copy_out(std::span<Tensor* const> fields, std::vector<Tensor>& to);

}  // namespace gradus::optim
