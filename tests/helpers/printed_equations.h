// Printed equations read back as a program: what `gradus equations` prints, run over columns of numbers.
#pragma once

#include <doctest/doctest.h>

#include <cctype>
#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace printed_equations {

struct Term {
  std::string op;  // "+", "max", "select", "number", "name" ...
  double number = 0;
  std::size_t place = 0;  // of a name: in the environment
  std::vector<std::size_t> in;
};

struct Line {
  std::size_t target, old;  // places of the name and of name_old
  std::size_t value;        // node
  std::string text;
};

struct Section {
  enum class Kind { step, parameter, number } kind;
  std::vector<Line> lines;
};

/// One spec's equations. Names live in places; every place is a column of as many numbers as the parameter has.
struct Program {
  std::vector<Term> nodes;
  std::vector<Section> sections;
  std::map<std::string, std::size_t> places;

  std::size_t place(const std::string& name) { return places.emplace(name, places.size()).first->second; }
};

class Reader {
 public:
  explicit Reader(Program& p) : program_(p) {}

  void read(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
      if (line[0] != ' ') {
        const auto kind = line == "once per step"        ? Section::Kind::step
                          : line == "once per parameter" ? Section::Kind::parameter
                                                         : Section::Kind::number;
        program_.sections.push_back({kind, {}});
        continue;
      }
      s_ = line, at_ = 0;
      const std::string name = word();
      expect(s_.compare(at_, 4, " <- ") == 0 ? " <- " : " = ");
      const std::size_t value = choice();
      REQUIRE_MESSAGE(at_ == s_.size(), "cannot read: ", line, " at ", at_);
      program_.sections.back().lines.push_back({program_.place(name), program_.place(name + "_old"), value, line.substr(2)});
    }
  }

 private:
  bool has(const std::string& token) const { return s_.compare(at_, token.size(), token) == 0; }
  bool take(const std::string& token) {
    if (!has(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(const std::string& token) { REQUIRE_MESSAGE(take(token), "expected ", token, " in ", s_, " at ", at_); }
  std::string word() {
    while (at_ < s_.size() && s_[at_] == ' ') ++at_;
    const std::size_t from = at_;
    while (at_ < s_.size() && (std::isalnum(static_cast<unsigned char>(s_[at_])) || s_[at_] == '_' || s_[at_] == '|')) ++at_;
    return s_.substr(from, at_ - from);
  }
  std::size_t add(std::string op, std::vector<std::size_t> in, double number = 0, std::size_t place = 0) {
    program_.nodes.push_back({std::move(op), number, place, std::move(in)});
    return program_.nodes.size() - 1;
  }
  /// value [" if " condition ", else " choice]
  std::size_t choice() {
    const std::size_t value = comparison();
    if (!take(" if ")) return value;
    const std::size_t condition = comparison();
    expect(", else ");
    const std::size_t other = choice();
    return add("select", {condition, value, other});
  }
  std::size_t comparison() {
    std::size_t left = sum();
    for (const char* op : {" < ", " > ", " <= ", " >= ", " = ", " != ", " and ", " or "})
      if (take(op)) return add(op, {left, sum()});
    return left;
  }
  std::size_t sum() {
    std::size_t left = product();
    for (;;) {
      if (take(" + ")) left = add("+", {left, product()});
      else if (take(" - ")) left = add("-", {left, product()});
      else return left;
    }
  }
  std::size_t product() {
    std::size_t left = prefix();
    for (;;) {
      if (take("*")) left = add("*", {left, prefix()});
      else if (take(" / ")) left = add("/", {left, prefix()});
      else return left;
    }
  }
  std::size_t prefix() { return take("-") ? add("negate", {prefix()}) : power(); }
  std::size_t power() {
    const std::size_t base = atom();
    return take("^") ? add("^", {base, prefix()}) : base;
  }
  std::size_t atom() {
    if (take("(")) {
      const std::size_t value = choice();
      expect(")");
      return value;
    }
    if (std::isdigit(static_cast<unsigned char>(s_[at_]))) {
      std::size_t length = 0;
      const double x = std::stod(s_.substr(at_), &length);
      at_ += length;
      return add("number", {}, x);
    }
    const std::string name = word();
    if (!take("(")) return add("name", {}, 0, program_.place(name));
    std::vector<std::size_t> in{choice()};
    while (take(", ")) in.push_back(choice());
    expect(")");
    return add(name, std::move(in));
  }

  Program& program_;
  std::string s_;
  std::size_t at_ = 0;
};

using Column = std::vector<double>;

/// Runs a program over a trajectory.
class Machine {
 public:
  Machine(const Program& p, std::size_t size) : p_(p), size_(size), columns_(p.places.size(), Column(size, 0.0)) {}

  void set(const std::string& name, double x) {
    if (const auto at = p_.places.find(name); at != p_.places.end()) columns_[at->second].assign(size_, x);
  }
  void set(const std::string& name, const Column& x) {
    if (const auto at = p_.places.find(name); at != p_.places.end()) columns_[at->second] = x;
  }
  const Column& get(const std::string& name) const { return columns_[p_.places.at(name)]; }

  void step() {
    for (const Section& section : p_.sections) {
      if (section.kind == Section::Kind::parameter) take_norms();
      for (const Line& line : section.lines) {
        if (p_.places.count("|direction|")) take_norms();  // asked for in the line after the direction's own
        for (std::size_t i = 0; i < size_; ++i) {
          const double value = eval(line.value, i);
          columns_[line.old][i] = columns_[line.target][i];
          columns_[line.target][i] = value;
        }
      }
    }
  }

 private:
  void take_norms() {
    for (const char* name : {"w", "g", "measured", "direction"}) {
      const auto at = p_.places.find(name);
      if (at == p_.places.end()) continue;
      double squares = 0;
      for (const double x : columns_[at->second]) squares += x * x;
      set("|" + std::string(name) + "|", std::sqrt(squares));
    }
  }
  double eval(std::size_t n, std::size_t i) const {
    const Term& e = p_.nodes[n];
    if (e.op == "number") return e.number;
    if (e.op == "name") return columns_[e.place][i];
    if (e.op == "select") return eval(e.in[eval(e.in[0], i) != 0 ? 1 : 2], i);
    const double a = eval(e.in[0], i);
    if (e.op == "negate") return -a;
    if (e.op == "sqrt") return std::sqrt(a);
    if (e.op == "cbrt") return std::cbrt(a);
    if (e.op == "abs") return std::fabs(a);
    if (e.op == "sign") return (a > 0) - (a < 0);
    if (e.op == "exp") return std::exp(a);
    if (e.op == "log") return std::log(a);
    if (e.op == "same") return a;
    const double b = eval(e.in[1], i);
    if (e.op == "+") return a + b;
    if (e.op == "-") return a - b;
    if (e.op == "*") return a * b;
    if (e.op == "/") return a / b;
    if (e.op == "^") return std::pow(a, b);
    if (e.op == "max") return a > b ? a : b;
    if (e.op == "min") return a < b ? a : b;
    if (e.op == " < ") return a < b;
    if (e.op == " > ") return a > b;
    if (e.op == " <= ") return a <= b;
    if (e.op == " >= ") return a >= b;
    if (e.op == " = ") return a == b;
    if (e.op == " and ") return a != 0 && b != 0;
    if (e.op == " or ") return a != 0 || b != 0;
    FAIL("no operator " << e.op);
    return 0;
  }

  const Program& p_;
  std::size_t size_;
  std::vector<Column> columns_;
};

}  // namespace printed_equations
