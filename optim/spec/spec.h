// Spec strings: an optimizer and its options as one line of text.
//
//   spec  := stage { '|' stage }             clip_norm(1) | adamw(lr=3e-4, weight_decay=0.1)
//   stage := name [ '(' [ arg { ',' arg } ] ')' ]
//   arg   := [ key '=' ] value
//   value := number | word | stage           sam(sgd(lr=0.1, momentum=0.9), rho=0.05); lr=cosine(0.1, total=100)
#pragma once

#include <gradus/optim/spec/options.h>

namespace gradus::optim {

struct SpecStage;

struct SpecValue {
  enum class Kind { number, word, stage };
  Kind kind = Kind::number;
  double number = 0;
  std::string word;
  std::vector<SpecStage> stage;  ///< one element, if the value is a stage
  std::size_t at = 0;            ///< position in the text
};

struct SpecArgument {
  std::string key;  ///< "" if the value stands alone
  SpecValue value;
  std::size_t at = 0;
};

struct SpecStage {
  std::string name;
  std::vector<SpecArgument> arguments;
  std::size_t at = 0;
};

struct Spec {
  std::string source;  ///< the text, for messages
  std::vector<SpecStage> stages;
};

/// Parses a spec. Errors: SpecError with a caret under the position.
Spec parse_spec(const std::string& text);
/// Parses arguments alone, "lr=0.1, nesterov=true", as a parameter group takes them.
Spec parse_arguments(const std::string& text);  ///< one stage without a name
/// The text of an equal spec.
std::string print(const Spec& spec);
std::string print(const SpecStage& stage);
std::string print(const SpecValue& value);

/// The value of each option, null where none is given: by name or, for stages and schedules, by position. With `rest`,
/// values without a name behind the first are added there. Errors: SpecError for an unknown option, or one given twice.
std::vector<const SpecValue*> match_options(const Spec& spec, const SpecStage& stage, const std::vector<std::string>& names,
                                            std::vector<const SpecValue*>* rest = nullptr);
/// The value as a number: a number, a flag or the index of a word. Errors: SpecError.
double read_value(const Spec& spec, const Option& option, const SpecValue& value);

[[noreturn]] void throw_spec(const Spec& spec, std::size_t at, const std::string& problem, const std::string& hint = {});

/// The equations of the rule that `spec` names, as lines of text; they depend on its options.
std::string equations(const std::string& spec);

}  // namespace gradus::optim
