// Symbol: a number that records how it was computed. A rule's text evaluated with it prints its own equations.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace gradus {

class Symbol {
 public:
  struct Expression;
  Symbol(double constant = 0);
  Symbol(const Symbol&);  // not inline: a rule's text over symbols consists almost wholly of copies
  Symbol(Symbol&&) noexcept;
  Symbol& operator=(const Symbol&);
  Symbol& operator=(Symbol&&) noexcept;
  ~Symbol();
  /// An atom with a name. on() tests `value`, so that the options in force decide what is printed.
  static Symbol named(std::string name, double value = NAN);

  friend Symbol operator+(const Symbol& a, const Symbol& b);
  friend Symbol operator-(const Symbol& a, const Symbol& b);
  friend Symbol operator*(const Symbol& a, const Symbol& b);
  friend Symbol operator/(const Symbol& a, const Symbol& b);
  friend Symbol operator-(const Symbol& a);
  Symbol& operator+=(const Symbol& b);
  Symbol& operator-=(const Symbol& b);
  Symbol& operator*=(const Symbol& b);
  Symbol& operator/=(const Symbol& b);
  explicit operator bool() const = delete;  // a formula cannot branch on values: write select(condition, a, b)

  friend Symbol operator<(const Symbol& a, const Symbol& b);
  friend Symbol operator>(const Symbol& a, const Symbol& b);
  friend Symbol operator<=(const Symbol& a, const Symbol& b);
  friend Symbol operator>=(const Symbol& a, const Symbol& b);
  friend Symbol operator==(const Symbol& a, const Symbol& b);
  friend Symbol operator!=(const Symbol& a, const Symbol& b);
  friend Symbol operator&(const Symbol& a, const Symbol& b);
  friend Symbol operator|(const Symbol& a, const Symbol& b);
  friend Symbol select(const Symbol& condition, const Symbol& a, const Symbol& b);
  friend Symbol pow(const Symbol& a, const Symbol& b);
  friend Symbol sqrt(const Symbol& a);
  friend Symbol cbrt(const Symbol& a);
  friend Symbol abs(const Symbol& a);
  friend Symbol sign(const Symbol& a);
  friend Symbol exp(const Symbol& a);
  friend Symbol log(const Symbol& a);
  friend Symbol tanh(const Symbol& a);
  friend Symbol max(const Symbol& a, const Symbol& b);
  friend Symbol min(const Symbol& a, const Symbol& b);
  friend Symbol copysign(const Symbol& a, const Symbol& s);
  friend bool on(const Symbol& option);  ///< true if the named option's value is not zero

  const Expression* get() const { return e_.get(); }

 private:
  explicit Symbol(std::shared_ptr<const Expression> e) : e_(std::move(e)) {}
  static Symbol make(int binding, std::string op, std::vector<Symbol> in);
  std::shared_ptr<const Expression> e_;
};

/// The lines of a list of named results, in the order in which they were computed; a value used twice that has no name
/// becomes e1, e2, ...; a replaced value that is still needed is written x_old.
class Equations {
 public:
  void define(std::string name, const Symbol& value);                         ///< adds name = value, unless value has a name
  void replace(std::string name, const Symbol& value, const Symbol& before);  ///< adds name <- value, unless it is unchanged
  bool mentions(const Symbol& atom) const;                                    ///< true if some line needs the atom
  std::string text() const;

 private:
  struct Line {
    std::string name;
    Symbol value, before;
    bool replaces;
  };
  void name_repeated(std::vector<Line>& lines) const;
  std::vector<Line> lines_;
};

}  // namespace gradus
