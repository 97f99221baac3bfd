#include <gradus/core/error.h>
#include <gradus/optim/rule/symbol.h>

#include <algorithm>
#include <map>
#include <set>

namespace gradus {

namespace {
// The precedence of operators; a weaker one inside a stronger one needs parentheses.
enum Binding { comparison, sum, product, prefix, power, atom };
thread_local long births = 0;
}  // namespace

struct Symbol::Expression {
  std::string op;
  int binding;
  std::vector<Symbol> in;
  long birth;
  double value;  // value of a constant or a named option
};

Symbol Symbol::make(int binding, std::string op, std::vector<Symbol> in) {
  return Symbol(std::make_shared<const Expression>(Expression{std::move(op), binding, std::move(in), ++births, NAN}));
}
Symbol::Symbol(double c)
    : Symbol(std::make_shared<const Expression>(Expression{gradus::text(c), c < 0 ? prefix : atom, {}, ++births, c})) {}
Symbol::Symbol(const Symbol&) = default;
Symbol::Symbol(Symbol&&) noexcept = default;
Symbol& Symbol::operator=(const Symbol&) = default;
Symbol& Symbol::operator=(Symbol&&) noexcept = default;
Symbol::~Symbol() = default;
Symbol& Symbol::operator+=(const Symbol& b) { return *this = *this + b; }
Symbol& Symbol::operator-=(const Symbol& b) { return *this = *this - b; }
Symbol& Symbol::operator*=(const Symbol& b) { return *this = *this * b; }
Symbol& Symbol::operator/=(const Symbol& b) { return *this = *this / b; }
Symbol Symbol::named(std::string name, double value) {
  return Symbol(std::make_shared<const Expression>(Expression{std::move(name), atom, {}, ++births, value}));
}

namespace {
bool constant(const Symbol& s, const char* text) { return s.get()->in.empty() && s.get()->op == text; }
}  // namespace

Symbol operator+(const Symbol& a, const Symbol& b) {
  return constant(a, "0") ? b : constant(b, "0") ? a : Symbol::make(Binding::sum, " + ", {a, b});
}
Symbol operator-(const Symbol& a, const Symbol& b) {
  return constant(b, "0") ? a : Symbol::make(Binding::sum, " - ", {a, b});
}
Symbol operator*(const Symbol& a, const Symbol& b) {
  return constant(a, "1") ? b : constant(b, "1") ? a : Symbol::make(product, "*", {a, b});
}
Symbol operator/(const Symbol& a, const Symbol& b) { return constant(b, "1") ? a : Symbol::make(product, " / ", {a, b}); }
Symbol operator-(const Symbol& a) { return Symbol::make(prefix, "-", {a}); }
Symbol operator<(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " < ", {a, b}); }
Symbol operator>(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " > ", {a, b}); }
Symbol operator<=(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " <= ", {a, b}); }
Symbol operator>=(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " >= ", {a, b}); }
Symbol operator==(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " = ", {a, b}); }
Symbol operator!=(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " != ", {a, b}); }
Symbol operator&(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " and ", {a, b}); }
Symbol operator|(const Symbol& a, const Symbol& b) { return Symbol::make(comparison, " or ", {a, b}); }
Symbol select(const Symbol& c, const Symbol& a, const Symbol& b) { return Symbol::make(atom, "select", {c, a, b}); }
Symbol pow(const Symbol& a, const Symbol& b) { return Symbol::make(power, "^", {a, b}); }
Symbol sqrt(const Symbol& a) { return Symbol::make(atom, "sqrt", {a}); }
Symbol cbrt(const Symbol& a) { return Symbol::make(atom, "cbrt", {a}); }
Symbol abs(const Symbol& a) { return Symbol::make(atom, "abs", {a}); }
Symbol sign(const Symbol& a) { return Symbol::make(atom, "sign", {a}); }
Symbol exp(const Symbol& a) { return Symbol::make(atom, "exp", {a}); }
Symbol log(const Symbol& a) { return Symbol::make(atom, "log", {a}); }
Symbol tanh(const Symbol& a) { return Symbol::make(atom, "tanh", {a}); }
Symbol max(const Symbol& a, const Symbol& b) { return Symbol::make(atom, "max", {a, b}); }
Symbol min(const Symbol& a, const Symbol& b) { return Symbol::make(atom, "min", {a, b}); }
Symbol copysign(const Symbol& a, const Symbol& s) { return Symbol::make(atom, "copysign", {a, s}); }
bool on(const Symbol& option) { return option.get()->value != 0; }

namespace {

using Expression = Symbol::Expression;
using Names = std::map<const Expression*, std::string>;

std::string write(const Symbol& s, const Names& names, int inside, bool whole);

/// The text "a if c, else b"; a chain of cases stays flat.
std::string cases(const Expression& e, const Names& names) {
  std::string s = write(e.in[1], names, comparison, false) + " if " + write(e.in[0], names, comparison, false) + ", else ";
  const Expression& rest = *e.in[2].get();
  const bool chain = rest.op == "select" && !names.count(&rest);
  return s + (chain ? cases(rest, names) : write(e.in[2], names, comparison, false));
}

/// The text of a symbol. `inside`: precedence of the surrounding operator. `whole`: the line's own value, no mention of it.
std::string write(const Symbol& s, const Names& names, int inside, bool whole) {
  const Expression& e = *s.get();
  if (!whole)
    if (const auto known = names.find(&e); known != names.end()) return known->second;
  std::string t;
  if (e.in.empty()) t = e.op;
  else if (e.op == "select") return "(" + cases(e, names) + ")";
  else if (e.binding == atom) {
    for (const auto& x : e.in) t += (t.empty() ? e.op + "(" : ", ") + write(x, names, comparison, false);
    t += ")";
  } else if (e.in.size() == 1) {
    t = e.op + write(e.in[0], names, prefix, false);
  } else {
    // Parentheses stay in a - (b - c), a / (b*c), a*(b / c) and (a < b) < c, and on the left side of a power.
    const bool quotient = e.op == "*" && e.in[1].get()->op == " / ";
    const bool right = e.op == " - " || e.op == " / " || e.binding == comparison || quotient;
    t = write(e.in[0], names, e.binding + (e.binding == power || e.binding == comparison), false) + e.op +
        write(e.in[1], names, e.binding + right, false);
  }
  return e.binding < inside ? "(" + t + ")" : t;
}

}  // namespace

void Equations::define(std::string name, const Symbol& value) { lines_.push_back({std::move(name), value, value, false}); }
void Equations::replace(std::string name, const Symbol& value, const Symbol& before) {
  if (value.get() != before.get()) lines_.push_back({std::move(name), value, before, true});
}

void Equations::name_repeated(std::vector<Line>& lines) const {
  std::map<const Expression*, int> uses;
  std::vector<Symbol> repeated;
  auto visit = [&](auto&& self, const Symbol& s) -> void {
    if (s.get()->in.empty()) return;
    const int n = ++uses[s.get()];
    if (n == 2) repeated.push_back(s);
    if (n == 1)
      for (const auto& x : s.get()->in) self(self, x);
  };
  std::set<const Expression*> named;
  for (const auto& l : lines) visit(visit, l.value), named.insert(l.value.get());
  std::sort(repeated.begin(), repeated.end(),
            [](const Symbol& a, const Symbol& b) { return a.get()->birth < b.get()->birth; });
  int count = 0;
  for (const auto& s : repeated)
    if (!named.count(s.get())) lines.push_back({"e" + std::to_string(++count), s, s, false});
}

bool Equations::mentions(const Symbol& atom) const {
  std::set<const Expression*> seen;
  auto visit = [&](auto&& self, const Symbol& s) -> bool {
    if (s.get() == atom.get()) return true;
    if (!seen.insert(s.get()).second) return false;
    return std::any_of(s.get()->in.begin(), s.get()->in.end(), [&](const Symbol& x) { return self(self, x); });
  };
  return std::any_of(lines_.begin(), lines_.end(), [&](const Line& l) { return visit(visit, l.value); });
}

std::string Equations::text() const {
  std::vector<Line> lines = lines_, copies;
  name_repeated(lines);
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.value.get()->birth < b.value.get()->birth; });
  Names names;
  for (const auto& l : lines)
    if (!l.value.get()->in.empty()) names.emplace(l.value.get(), l.name);
  std::set<const Expression*> written;
  std::string out;
  for (const auto& l : lines) {
    // A copy, a value without a computation of its own or one that already has a line, comes last.
    const bool copy = l.value.get()->in.empty() || !written.insert(l.value.get()).second;
    if (copy) {
      copies.push_back(l);
      continue;
    }
    out += "  " + l.name + (l.replaces ? " <- " : " = ") + write(l.value, names, comparison, true) + "\n";
    if (l.replaces) names[l.before.get()] = l.name + "_old";
  }
  for (const auto& l : copies) {
    if (l.replaces) out += "  " + l.name + " <- " + write(l.value, names, comparison, false) + "\n";
  }
  return out;
}

}  // namespace gradus
