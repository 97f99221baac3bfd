// Hyperparameters by name: the options that a spec, a group or a schedule may read and set.
#pragma once

#include <gradus/core/io/fields.h>

#include <limits>
#include <string>
#include <vector>

/// GRADUS_CHOICE(Decay, decoupled, coupled): an enum at namespace scope whose words a spec understands.
#define GRADUS_CHOICE(Name, ...)   \
  enum class Name { __VA_ARGS__ }; \
  constexpr const char* choice_words(Name) { return #__VA_ARGS__; }

namespace gradus::optim {

/// One hyperparameter of a rule, with its present value.
struct Option {
  enum class Kind { number, flag, choice };
  std::string name;
  Kind kind = Kind::number;
  double value = 0;                ///< a flag: 0 or 1; a choice: the index into `words`
  std::vector<std::string> words;  ///< the words of a choice
};

/// An option as text: "lr=0.001", "nesterov=true", "decay=coupled".
std::string to_string(const Option& o);
/// The value alone, as in a spec.
std::string value_text(const Option& o);

/// The allowed range of a number. `open_*`: the end itself is excluded.
struct Range {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool open_low = false, open_high = false, whole = false;
  bool holds(double x) const;
};
std::string to_string(const Range& r);  ///< "must lie in [0, 1)"

/// A range that a rule sets for a name: `static constexpr NamedRange ranges[] = {{"rho", {0, 1}}};`.
struct NamedRange {
  const char* name;
  Range range;
};

/// The usual range of a name, which means the same in every rule: lr, eps, weight_decay, momentum ... at least 0, beta in
/// [0, 1). A name not known here may have any finite value.
Range usual_range(const std::string& name);

/// Throws OptimError `rule: name must lie in [0, 1), got 1` if the option cannot have this value.
void check_option(const std::string& rule, const Option& o, const Range& range, double value);

/// Names joined: "lr, beta1, eps".
std::string listed(const std::vector<std::string>& names);

/// The suggestion "; did you mean 'lr'?", or "" if no name is near.
std::string perhaps(const std::string& nearest);

/// A name and a value in an explanation.
struct NamedValue {
  std::string name;
  double value;
};

}  // namespace gradus::optim
