// The saved state of an optimizer: arrays by name and one JSON value. One function of each thing with a state both saves and
// loads it; what is missing, does not fit or is not as it was saved is remembered, so that one message lists it.
#pragma once

#include <gradus/core/io/json.h>
#include <gradus/optim/rule/closure_rule.h>

#include <set>

namespace gradus::optim {

class StateArchive {
 public:
  static constexpr int version = 2;  ///< of what is saved; another one is refused
  using Path = std::vector<std::string>;

  StateArchive() = default;  ///< to save
  /// To load. Errors: OptimError of `op` for another version, or a JSON value that is missing, has changed or is none.
  StateArchive(const NamedArrays& state, std::string op);
  bool loading() const { return loading_; }

  /// An array, whose name begins with its rule or stage. Loading, it stays as it is where it does not fit, or is missing
  /// and not `needed`; saving, an absent one is left out.
  void array(const std::string& name, Array& a, const Shape& shape, Dtype dtype, bool needed = true);
  void numbers(const std::string& name, std::vector<double>& x, std::size_t count);  ///< f64[count]
  bool has(const std::string& name) const { return arrays_.count(name) > 0; }
  std::vector<std::string> names() const;

  // Members of the JSON value.
  void count(const Path& path, std::int64_t& n);  ///< 0 ... 2^53
  void text(const Path& path, std::string& s);
  void value(const Path& path, JsonValue& v);
  void numbers(const Path& path, std::vector<double>& x);  ///< a list of as many as x has; also what is not finite
  /// Loading: the member, if it is there and was not asked for.
  const JsonValue* find(const Path& path) const;
  /// Something is wrong with the array or member of this name.
  void complain(const std::string& name, const std::string& what) { misfits_.push_back(name + " " + what); }

  /// All arrays, the JSON value and "optimizer/checksums" of them. An array of a state without those (hand-made, or edited
  /// on purpose) is believed.
  NamedArrays saved() &&;
  /// Errors: OptimError that lists what is missing, was given twice or not asked for, has changed, or does not fit.
  void check() const;

 private:
  JsonValue* member(const Path& path);
  bool loading_ = false;
  std::string op_;
  JsonValue about_;
  std::map<std::string, Array> arrays_;
  std::set<std::string> used_, changed_;
  std::vector<std::string> missing_, misfits_, twice_;
};

}  // namespace gradus::optim
