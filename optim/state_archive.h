// The saved state of an optimizer: arrays by name and one JSON value. One function of each object with a state both saves
// and loads it; values that are missing, do not fit or have changed are recorded, so that one message lists them all.
#pragma once

#include <gradus/core/io/json.h>
#include <gradus/optim/rule/closure_rule.h>

#include <set>

namespace gradus::optim {

class StateArchive {
 public:
  static constexpr int version = 2;  ///< version of the format; loading another one throws
  using Path = std::vector<std::string>;

  StateArchive() = default;  ///< an archive for saving
  /// An archive for loading. Errors: OptimError of `op` for another version, or a JSON value missing, invalid or changed.
  StateArchive(const NamedArrays& state, std::string op);
  bool loading() const { return loading_; }

  /// Saves or loads an array, whose name begins with its rule or stage. Loading leaves `a` as it is where the saved one does
  /// not fit, or is missing and not `needed`; saving leaves out an absent one.
  void array(const std::string& name, Array& a, const Shape& shape, Dtype dtype, bool needed = true);
  void numbers(const std::string& name, std::vector<double>& x, std::size_t count);  ///< f64[count]
  bool has(const std::string& name) const { return arrays_.count(name) > 0; }
  std::vector<std::string> names() const;

  // The members of the JSON value.
  void count(const Path& path, std::int64_t& n);  ///< 0 ... 2^53
  void text(const Path& path, std::string& s);
  void value(const Path& path, JsonValue& v);
  void numbers(const Path& path, std::vector<double>& x);  ///< a list of as many numbers as x has, which need not be finite
  /// The member if it exists and was not asked for; when loading.
  const JsonValue* find(const Path& path) const;
  /// Records that the array or member of this name is wrong.
  void complain(const std::string& name, const std::string& what) { misfits_.push_back(name + " " + what); }

  /// All arrays, the JSON value and "optimizer/checksums" of them. An array without a checksum in the state (hand-made, or
  /// edited on purpose) is not verified.
  NamedArrays saved() &&;
  /// Throws OptimError that lists what is missing, given twice, not asked for, changed, or does not fit.
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
