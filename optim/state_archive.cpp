#include <gradus/core/error.h>
#include <gradus/core/io/checksum.h>
#include <gradus/core/io/read_number.h>
#include <gradus/optim/state_archive.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace gradus::optim {
namespace {

constexpr const char *checksums_key = "optimizer/checksums", *about_key = "optimizer/state";

std::string under_title(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string s = join("\n  ", title, ": ");
  for (std::size_t i = 0; i < names.size() && i < 8; ++i) s += (i ? ", " : "") + names[i];
  return names.size() > 8 ? join(s, " and ", names.size() - 8, " more") : s;
}

std::string printed(const StateArchive::Path& path) {
  std::string s;
  for (const auto& part : path) s += (s.empty() ? "" : "/") + part;
  return s;
}

/// Lists the members that were not taken out.
void list_rest(const JsonValue& v, const std::string& name, std::vector<std::string>& to) {
  const auto* members = v.get_if<JsonValue::Object>();
  if (!members) return to.push_back(name);
  for (const auto& [key, inside] : *members) list_rest(inside, name.empty() ? key : name + "/" + key, to);
}

/// Takes a member out, and the objects that are empty then.
void take_out(JsonValue& from, const StateArchive::Path& path, std::size_t depth = 0) {
  auto& members = const_cast<JsonValue::Object&>(*from.get_if<JsonValue::Object>());
  const auto at = members.find(path[depth]);
  if (depth + 1 < path.size()) take_out(at->second, path, depth + 1);
  const auto* inside = at->second.get_if<JsonValue::Object>();
  if (depth + 1 == path.size() || (inside && inside->empty())) members.erase(at);
}

}  // namespace

StateArchive::StateArchive(const NamedArrays& state, std::string op) : loading_(true), op_(std::move(op)) {
  const Array* sums = nullptr;
  for (const auto& [name, array] : state)
    if (name == checksums_key ? std::exchange(sums, &array) != nullptr : !arrays_.emplace(name, array).second)
      twice_.push_back(name);
  if (sums && (sums->dtype() != i64 || sums->rank() != 1 || sums->size() != static_cast<std::int64_t>(arrays_.size()))) {
    misfits_.push_back(join(checksums_key, " is ", describe(*sums), ", the state has ", arrays_.size(), " other arrays"));
  } else if (sums) {
    const Array saved = sums->contiguous();
    const std::int64_t* expected = saved.data<std::int64_t>();
    for (const auto& [name, array] : arrays_)
      if (checksum(array) != *expected++) changed_.insert(name);
  }

  const auto at = arrays_.find(about_key);
  if (at == arrays_.end() && has("optimizer/options"))
    throw OptimError(op_, "the state is of version 1, which has no \"optimizer/state\"; this library reads version 2");
  if (at == arrays_.end()) missing_.push_back(about_key);
  else used_.insert(about_key);
  const bool twice = std::find(twice_.begin(), twice_.end(), about_key) != twice_.end();
  if (at == arrays_.end() || changed_.count(about_key) || twice) check();
  if (at->second.dtype() != u8 || at->second.rank() != 1)
    throw OptimError(op_, join("the state's ", about_key, " is ", describe(at->second), ", not text; nothing was loaded"));
  std::string json;
  for (std::int64_t i = 0; i < at->second.size(); ++i) json += static_cast<char>(at->second.element(i));
  try {
    about_ = parse_json(json, op_);
  } catch (const DataError& e) {
    throw OptimError(op_, join("the state's ", about_key, " cannot be read: ", e.problem(), "; nothing was loaded"));
  }
  std::int64_t of = 0;
  const std::size_t problems = misfits_.size() + missing_.size();
  count({"version"}, of);
  if (misfits_.size() + missing_.size() > problems) check();
  if (of != version)
    throw OptimError(op_,
                     join("the state is of version ", of, ", this library reads version ", version, "; nothing was loaded"));
}

void StateArchive::array(const std::string& name, Array& a, const Shape& shape, Dtype dtype, bool needed) {
  if (!loading_) {
    if (a.defined()) arrays_[name] = a.copy();
    return;
  }
  const auto at = arrays_.find(name);
  if (at == arrays_.end()) {
    if (needed) missing_.push_back(name);
    return;
  }
  used_.insert(name);
  if (at->second.shape() == shape && at->second.dtype() == dtype) a = at->second.copy();
  else complain(name, join("is ", describe(at->second), " where ", to_string(dtype), to_string(shape), " is needed"));
}

void StateArchive::numbers(const std::string& name, std::vector<double>& x, std::size_t count) {
  const Shape shape{static_cast<std::int64_t>(count)};
  Array a;
  if (!loading_) a = Array::of<double>(shape, x);
  array(name, a, shape, f64);
  if (loading_ && a.defined()) x.assign(a.data<double>(), a.data<double>() + a.size());
}

std::vector<std::string> StateArchive::names() const {
  std::vector<std::string> all;
  for (const auto& a : arrays_) all.push_back(a.first);
  return all;
}

JsonValue* StateArchive::member(const Path& path) {
  JsonValue* at = &about_;
  for (const auto& part : path) {
    if (loading_ && !at->find(part)) return missing_.push_back(printed(path)), nullptr;
    at = &(*at)[part];
  }
  return at;
}

void StateArchive::value(const Path& path, JsonValue& v) {
  JsonValue* at = member(path);
  if (!at) return;
  if (!loading_) *at = v;
  else v = *at, take_out(about_, path);
}

void StateArchive::count(const Path& path, std::int64_t& n) {
  JsonValue v(n);
  if (!loading_) return value(path, v);
  const std::size_t lost = missing_.size();
  value(path, v);
  if (missing_.size() > lost) return;
  const double* x = v.get_if<double>();
  if (x && *x >= 0 && *x <= 0x1p53 && *x == std::floor(*x)) n = static_cast<std::int64_t>(*x);
  else complain(printed(path), join("is ", to_string(v), ", which counts nothing"));
}

void StateArchive::text(const Path& path, std::string& s) {
  JsonValue v(s);
  value(path, v);
  if (const auto* got = v.get_if<std::string>()) s = *got;
  else complain(printed(path), join("is ", to_string(v), ", not text"));
}

void StateArchive::numbers(const Path& path, std::vector<double>& x) {
  JsonValue list = JsonValue::List();
  if (!loading_)
    for (const double number : x)
      list.push_back(std::isfinite(number) ? JsonValue(number) : JsonValue(gradus::text(number)));
  value(path, list);
  if (!loading_) return;
  const auto* all = list.get_if<JsonValue::List>();
  std::vector<double> read;
  for (std::size_t i = 0; all && i < all->size(); ++i) {
    double number = 0;
    if (const auto* s = (*all)[i].get_if<std::string>()) read_number(s->data(), s->data() + s->size(), number);
    else if (const auto* d = (*all)[i].get_if<double>()) number = *d;
    else continue;
    read.push_back(number);
  }
  if (read.size() == x.size()) x = std::move(read);
  else complain(printed(path), join("is ", to_string(list), " where ", x.size(), " numbers are needed"));
}

const JsonValue* StateArchive::find(const Path& path) const {
  const JsonValue* at = &about_;
  for (std::size_t i = 0; at && i < path.size(); ++i) at = at->find(path[i]);
  return at;
}

NamedArrays StateArchive::saved() && {
  about_["version"] = std::int64_t(version);
  const std::string json = to_string(about_);
  arrays_[about_key] = Array::of<std::uint8_t>({static_cast<std::int64_t>(json.size())}, {json.begin(), json.end()});
  std::vector<std::int64_t> sums;
  NamedArrays all;
  for (auto& [name, array] : arrays_) sums.push_back(checksum(array)), all.emplace_back(name, std::move(array));
  all.emplace_back(checksums_key, Array::of<std::int64_t>({static_cast<std::int64_t>(sums.size())}, sums));
  return all;
}

void StateArchive::check() const {
  std::vector<std::string> unexpected, changed(changed_.begin(), changed_.end());
  if (const auto* rest = about_.get_if<JsonValue::Object>()) {  // otherwise no member was asked for
    for (const auto& a : arrays_)
      if (!used_.count(a.first)) unexpected.push_back(a.first);
    if (!rest->empty()) list_rest(about_, "", unexpected);
  }
  if (missing_.empty() && misfits_.empty() && unexpected.empty() && twice_.empty() && changed.empty()) return;
  throw OptimError(op_, join("the state does not fit; nothing was loaded", under_title("missing", missing_),
                             under_title("unexpected", unexpected), under_title("given twice", twice_),
                             under_title("not as it was saved", changed), under_title("of another shape", misfits_)));
}

}  // namespace gradus::optim
