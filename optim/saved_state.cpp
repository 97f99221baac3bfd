#include <gradus/core/error.h>
#include <gradus/optim/saved_state.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace gradus::optim {
namespace {

std::string under_title(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string s = join("\n  ", title, ": ");
  for (std::size_t i = 0; i < names.size() && i < 8; ++i) s += (i ? ", " : "") + names[i];
  return names.size() > 8 ? join(s, " and ", names.size() - 8, " more") : s;
}

constexpr const char* checksums = "optimizer/checksums";

/// Of the bits, dtype and shape.
std::int64_t checksum(const Array& a) {
  const Array dense = a.contiguous();
  std::uint64_t h = 0x9e3779b97f4a7c15u;
  const auto mix = [&h](std::uint64_t word) {
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  };
  mix(static_cast<std::uint64_t>(a.dtype()));
  for (int i = 0; i < a.rank(); ++i) mix(static_cast<std::uint64_t>(a.dim(i)));
  const std::size_t bytes = static_cast<std::size_t>(a.size()) * bytes_of(a.dtype());
  for (std::size_t at = 0; at < bytes; at += sizeof h) {
    std::uint64_t word = 0;
    std::memcpy(&word, dense.bytes() + at, std::min(sizeof word, bytes - at));
    mix(word);
  }
  return static_cast<std::int64_t>(h);
}

template <class Arrays>
std::vector<std::int64_t> checksums_of(const Arrays& by_name) {
  std::vector<std::int64_t> all;
  for (const auto& [name, array] : by_name) all.push_back(checksum(*array));
  return all;
}

}  // namespace

void add_checksums(NamedArrays& state) {
  std::map<std::string, const Array*> by_name;
  for (const auto& [name, array] : state) by_name[name] = &array;
  const auto sums = checksums_of(by_name);
  state.emplace_back(checksums, Array::of<std::int64_t>({static_cast<std::int64_t>(sums.size())}, sums));
}

SavedState::SavedState(const NamedArrays& state) {
  const Array* sums = nullptr;
  for (const auto& [name, array] : state)
    if (name == checksums ? std::exchange(sums, &array) != nullptr : !arrays_.emplace(name, &array).second)
      twice_.push_back(name);
  if (!sums) return;
  if (sums->dtype() != i64 || sums->rank() != 1 || sums->size() != static_cast<std::int64_t>(arrays_.size())) {
    misfits_.push_back(join(checksums, " is ", describe(*sums), ", the state has ", arrays_.size(), " other arrays"));
    return;
  }
  const Array saved = sums->contiguous();
  const std::int64_t* expected = saved.data<std::int64_t>();
  for (const auto& [name, array] : arrays_)
    if (checksum(*array) != *expected++) changed_.insert(name);
}

const Array* SavedState::find(const std::string& asked, const Shape& shape, Dtype dtype) {
  const std::string name = prefix_ + asked;
  const auto at = arrays_.find(name);
  if (at == arrays_.end()) return missing_.push_back(name), nullptr;
  used_.insert(name);
  if (at->second->shape() == shape && at->second->dtype() == dtype) return at->second;
  misfits_.push_back(join(name, " is ", describe(*at->second), " where ", to_string(dtype), to_string(shape), " is needed"));
  return nullptr;
}

const Array* SavedState::find_text(const std::string& name) {
  const auto at = arrays_.find(prefix_ + name);
  return find(name, at == arrays_.end() ? Shape() : Shape{at->second->size()}, u8);
}

std::optional<std::int64_t> SavedState::find_count(const std::string& name) {
  const Array* a = find(name, {}, i64);
  if (!a) return {};
  const std::int64_t n = *a->data<std::int64_t>();
  if (n >= 0 && n <= std::int64_t(1) << 53) return n;
  complain(name, join("is ", n, ", which counts nothing"));
  return {};
}

std::vector<std::string> SavedState::names() const {
  std::vector<std::string> all;
  for (const auto& a : arrays_) all.push_back(a.first);
  return all;
}

void SavedState::check(const std::string& op) const {
  std::vector<std::string> unexpected, changed(changed_.begin(), changed_.end());
  for (const auto& a : arrays_)
    if (!used_.count(a.first)) unexpected.push_back(a.first);
  if (missing_.empty() && misfits_.empty() && unexpected.empty() && twice_.empty() && changed.empty()) return;
  throw OptimError(op, join("the state does not fit; nothing was loaded", under_title("missing", missing_),
                            under_title("unexpected", unexpected), under_title("given twice", twice_),
                            under_title("not as it was saved", changed), under_title("of another shape", misfits_)));
}

void SavedState::check_changed(const std::string& op, const std::vector<std::string>& names) const {
  for (const auto& name : names)
    if (changed_.count(name) || std::count(twice_.begin(), twice_.end(), name)) return check(op);
}

}  // namespace gradus::optim
