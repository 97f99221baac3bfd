// Spec strings: an optimizer and its options as one line of text.
//
//   spec  := stage { '|' stage }             clip_norm(1) | adamw(lr=3e-4, weight_decay=0.1)
//   stage := name [ '(' [ arg { ',' arg } ] ')' ]
//   arg   := [ key '=' ] value
//   value := number | word | stage           sam(sgd(lr=0.1, momentum=0.9), rho=0.05); lr=cosine(0.1, total=100)
#pragma once

#include <gradus/optim/rule/any_rule.h>
#include <gradus/optim/schedule/schedule.h>

namespace gradus::optim {

struct SpecStage;

struct SpecValue {
  enum class Kind { number, word, stage };
  Kind kind = Kind::number;
  double number = 0;
  std::string word;
  std::vector<SpecStage> stage;  ///< one, of a stage
  std::size_t at = 0;            ///< place in the text
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
  std::string source;  ///< the text read, for messages
  std::vector<SpecStage> stages;
};

/// Errors: SpecError with a caret under the place.
Spec parse_spec(const std::string& text);
/// "lr=0.1, nesterov=true": arguments alone, as a parameter group takes them.
Spec parse_arguments(const std::string& text);  ///< one stage without a name
/// Reads back as an equal spec.
std::string print(const Spec& spec);

/// A rule with the options of its stage, and the schedules of those that have one: their values are those of step 0.
/// Errors: SpecError (unknown name, wrong kind of value), OptimError (out of range).
std::unique_ptr<AnyRule> rule_from(const Spec& spec, const SpecStage& stage, std::vector<Scheduled>& scheduled);
/// Sets options by their names; each name once. Nothing is changed on error. Returns the names.
std::vector<std::string> apply_arguments(AnyRule& rule, const Spec& spec, const SpecStage& stage,
                                         std::vector<Scheduled>& scheduled, std::size_t first = 0);
/// The rule's spec with schedules where values would stand; `saved` as in schedule_text.
std::string spec_with(const AnyRule& rule, const std::vector<Scheduled>& scheduled, bool saved = false);

[[noreturn]] void throw_spec(const Spec& spec, std::size_t at, const std::string& problem, const std::string& hint = {});

/// What the rule `spec` names does, as lines of text: the options in force decide which.
std::string equations(const std::string& spec);

}  // namespace gradus::optim
