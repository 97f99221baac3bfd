#include <gradus/core/error.h>
#include <gradus/core/io/read_number.h>
#include <gradus/optim/spec/spec.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace gradus::optim {
namespace {

constexpr int deepest = 32;  // stages within stages

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Reads by recursive descent, with one function for each line of the grammar.
class Reader {
 public:
  explicit Reader(const std::string& text) { spec_.source = text; }

  Spec whole() {
    do spec_.stages.push_back(stage(0));
    while (took('|'));
    end();
    return std::move(spec_);
  }
  Spec arguments_only() {
    SpecStage s;
    if (skip(); at_ < text().size()) arguments(s, 0);
    end();
    spec_.stages.push_back(std::move(s));
    return std::move(spec_);
  }

 private:
  const std::string& text() const { return spec_.source; }
  void skip() {
    while (at_ < text().size() && (text()[at_] == ' ' || text()[at_] == '\t' || text()[at_] == '\n')) ++at_;
  }
  bool next_is(char c) {
    skip();
    return at_ < text().size() && text()[at_] == c;
  }
  bool took(char c) { return next_is(c) && ++at_; }
  void end() {
    skip();
    if (at_ < text().size()) throw_spec(spec_, at_, join("did not expect '", std::string(1, text()[at_]), "' here"));
  }
  std::string word(const char* what) {
    skip();
    const std::size_t from = at_;
    if (at_ < text().size() && is_letter(text()[at_]))
      while (at_ < text().size() && (is_letter(text()[at_]) || is_digit(text()[at_]))) ++at_;
    if (from == at_) throw_spec(spec_, at_, join("expected ", what));
    return text().substr(from, at_ - from);
  }

  SpecStage stage(int depth) {
    skip();
    SpecStage s;
    s.at = at_;
    s.name = word("the name of an optimizer");
    if (took('(')) parentheses(s, depth);
    return s;
  }
  void parentheses(SpecStage& s, int depth) {
    if (depth == deepest) throw_spec(spec_, at_, "nested too deeply");
    if (!next_is(')')) arguments(s, depth);
    if (next_is('|')) throw_spec(spec_, at_, "stages stand before the whole optimizer", "clip_norm(1) | sam(sgd)");
    if (!took(')')) throw_spec(spec_, at_, "expected ',' or ')'");
  }
  void arguments(SpecStage& s, int depth) {
    do s.arguments.push_back(argument(depth));
    while (took(','));
  }
  SpecArgument argument(int depth) {
    skip();
    SpecArgument a;
    a.at = at_;
    a.value = value(depth);
    if (a.value.kind == SpecValue::Kind::word && took('=')) {
      a.key = std::move(a.value.word);
      a.value = value(depth);
    }
    return a;
  }
  SpecValue value(int depth) {
    skip();
    SpecValue v;
    v.at = at_;
    if (at_ < text().size() && !is_letter(text()[at_])) {
      v.number = number();
      return v;
    }
    v.word = word("a number, a word or a stage");
    v.kind = SpecValue::Kind::word;
    if (took('(')) {
      SpecStage inner;
      inner.name = v.word;
      inner.at = v.at;
      parentheses(inner, depth + 1);
      v.kind = SpecValue::Kind::stage;
      v.stage.push_back(std::move(inner));
    }
    return v;
  }
  double number() {
    const char* from = text().data() + at_ + (text()[at_] == '+' ? 1 : 0);
    double x = 0;
    const auto [stop, error] = read_number(from, text().data() + text().size(), x);
    if (error == std::errc::result_out_of_range) throw_spec(spec_, at_, "this number is out of range");
    if (error != std::errc() || !std::isfinite(x)) throw_spec(spec_, at_, "expected a number, a word or a stage");
    at_ = static_cast<std::size_t>(stop - text().data());
    if (at_ < text().size() && is_letter(text()[at_])) throw_spec(spec_, at_, "a number ends here; expected ',' or ')'");
    return x;
  }

  Spec spec_;
  std::size_t at_ = 0;
};

}  // namespace

std::string print(const SpecValue& v) {
  if (v.kind == SpecValue::Kind::number) return text(v.number);
  return v.kind == SpecValue::Kind::word ? v.word : print(v.stage[0]);
}

std::string print(const SpecStage& s) {
  std::string list;
  for (const auto& a : s.arguments) list += (list.empty() ? "" : ", ") + (a.key.empty() ? "" : a.key + "=") + print(a.value);
  if (s.name.empty()) return list;
  const bool call = !s.arguments.empty();
  return s.name + (call ? "(" + list + ")" : "");
}

Spec parse_spec(const std::string& text) { return Reader(text).whole(); }
Spec parse_arguments(const std::string& text) { return Reader(text).arguments_only(); }

std::string print(const Spec& spec) {
  std::string s;
  for (const auto& stage : spec.stages) s += (s.empty() ? "" : " | ") + print(stage);
  return s;
}

void throw_spec(const Spec& spec, std::size_t at, const std::string& problem, const std::string& hint) {
  constexpr std::size_t widest = 200, around = 80, longest_problem = 600;
  std::string line = spec.source, what = problem;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  if (line.size() > widest) {  // only the part around the position is shown
    const std::size_t from = at > around ? at - around : 0;
    const bool goes_on = line.size() > from + 2 * around;
    line = (from > 0 ? "..." : "") + line.substr(from, 2 * around) + (goes_on ? "..." : "");
    at = at - from + (from > 0 ? 3 : 0);
  }
  if (what.size() > longest_problem)
    what = what.substr(0, longest_problem / 2) + " ... " + what.substr(what.size() - longest_problem / 2);
  throw SpecError("spec", join(what, "\n  ", line, "\n  ", std::string(at, ' '), "^"), hint);
}

namespace {

[[noreturn]] void throw_option(const Spec& spec, const std::string& of, const SpecArgument& a,
                               const std::vector<std::string>& names) {
  if (names.empty()) throw_spec(spec, a.at, of + " takes no options");
  if (a.key.empty())
    throw_spec(spec, a.at,
               join(of, " takes at most ", names.size(), names.size() == 1 ? " value (" : " values (", listed(names), ")"));
  throw_spec(spec, a.at,
             join(of, " has no option '", a.key, "'", perhaps(did_you_mean(a.key, names)), " (it has ", listed(names), ")"));
}

}  // namespace

std::vector<const SpecValue*> match_options(const Spec& spec, const SpecStage& stage, const std::vector<std::string>& names,
                                            std::vector<const SpecValue*>* rest) {
  std::vector<const SpecValue*> found(names.size(), nullptr);
  for (std::size_t i = 0; i < stage.arguments.size(); ++i) {
    const SpecArgument& a = stage.arguments[i];
    if (a.key.empty() && rest && i > 0) {
      rest->push_back(&a.value);
      continue;
    }
    std::size_t place = i;
    if (!a.key.empty()) place = static_cast<std::size_t>(std::find(names.begin(), names.end(), a.key) - names.begin());
    if (place >= names.size()) throw_option(spec, stage.name, a, names);
    if (std::exchange(found[place], &a.value)) throw_spec(spec, a.at, names[place] + " is given twice");
  }
  return found;
}

double read_value(const Spec& spec, const Option& o, const SpecValue& v) {
  const std::string got = print(v);
  if (o.kind == Option::Kind::number) {
    if (v.kind == SpecValue::Kind::number) return v.number;
    throw_spec(spec, v.at, join(o.name, " takes a number, got '", got, "'"));
  }
  const auto& words = o.kind == Option::Kind::flag ? std::vector<std::string>{"false", "true"} : o.words;
  const auto found = std::find(words.begin(), words.end(), got);
  if (found != words.end()) return static_cast<double>(found - words.begin());
  throw_spec(spec, v.at, join(o.name, " is one of ", listed(words), "; got '", got, "'", perhaps(did_you_mean(got, words))));
}

}  // namespace gradus::optim
