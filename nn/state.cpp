// Saving and loading: all of a state, or nothing.
#include <gradus/core/kernels/compare.h>
#include <gradus/core/memory/memory_error.h>
#include <gradus/nn/module.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace gradus::nn {
namespace {

/// One line of the report: what is wrong with several names, cut off where nobody reads on.
struct Complaint {
  const char* what;
  std::vector<std::string> items;

  std::string text() const {
    constexpr std::size_t longest = 12;
    if (items.empty()) return {};
    std::string s = join("\n  ", what, ": ");
    for (std::size_t i = 0; i < std::min(items.size(), longest); ++i) s += (i ? ", " : "") + items[i];
    if (items.size() > longest) s += join(" and ", items.size() - longest, " more");
    return s;
  }
};

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

std::string text_of(const Array& a) { return a.defined() ? describe(a) : "absent"; }

bool fits(const Array& from, const Array& to) {
  const bool converts = from.dtype() == to.dtype() || (is_real(from.dtype()) && is_real(to.dtype()));
  return from.defined() && from.shape() == to.shape() && converts;
}

}  // namespace

NamedArrays ModuleBase::state_dict() try {
  adopt();
  NamedArrays state;
  for (const Member& m : all_members())
    if (const MemberTensor* t = m.numbers()) state.emplace_back(m.name, t->array().copy());
  return state;
} catch (const std::bad_alloc&) {
  no_memory_for(type_name());
}

LoadResult ModuleBase::load_from(const NamedArrays& state, bool strict, const std::string& source) try {
  adopt();
  std::unordered_map<std::string, const Array*> given;
  std::vector<std::string> twice;
  for (const auto& [name, array] : state)
    if (!given.emplace(name, &array).second) twice.push_back(quoted(name));

  LoadResult result;
  std::vector<std::string> misfits, missing, unexpected, untied;
  std::vector<std::pair<MemberTensor*, Array>> writes;
  std::unordered_set<std::string> known;
  const auto all = all_members();
  for (const Member& m : all)
    if (m.repeats) known.insert(m.name);  // PyTorch saves tied parameters under each name
  for (const Member& m : all) {
    MemberTensor* to = m.numbers();
    if (!to) continue;
    known.insert(m.name);
    auto found = given.find(m.name);
    for (const Member& other : all) {
      const auto same = other.repeats == to ? given.find(other.name) : given.end();
      if (found == given.end()) found = same;
      else if (same != given.end() && !same_bits(*found->second, *same->second))
        untied.push_back(quoted(found->first) + " and " + quoted(other.name));
    }
    if (found == given.end()) {
      result.missing.push_back(m.name);
      missing.push_back(quoted(m.name));
      continue;
    }
    const Array& from = *found->second;
    if (fits(from, to->array())) writes.emplace_back(to, from.to(to->dtype()));
    else misfits.push_back(join(quoted(m.name), " is ", text_of(from), ", here ", text_of(to->array())));
  }
  for (const auto& [name, array] : state) {
    if (known.contains(name)) continue;
    result.unexpected.push_back(name);
    const std::string near = did_you_mean(name, result.missing);
    unexpected.push_back(quoted(name) + (near.empty() ? "" : " (did you mean " + quoted(near) + "?)"));
  }

  if (!misfits.empty() || !twice.empty() || !untied.empty() || (strict && !(missing.empty() && unexpected.empty())))
    throw ModuleError(type_name(),
                      join(source, " does not fit, nothing was loaded", Complaint{"missing", missing}.text(),
                           Complaint{"unexpected", unexpected}.text(), Complaint{"another shape or type", misfits}.text(),
                           Complaint{"given twice", twice}.text(), Complaint{"tied here, different there", untied}.text()));
  for (auto& [to, values] : writes) to->writable().assign(values, "load_state_dict");
  return result;
} catch (const std::bad_alloc&) {
  no_memory_for(type_name());
}

LoadResult ModuleBase::load_state_dict(const NamedArrays& state, bool strict) {
  return load_from(state, strict, "the state");
}

void ModuleBase::save(const std::string& path, const SaveOptions& options) try {
  adopt();
  NamedArrays state;
  for (const Member& m : all_members())
    if (const MemberTensor* t = m.numbers()) state.emplace_back(m.name, t->array());
  save_safetensors(path, state, {}, options);
} catch (const std::bad_alloc&) {
  no_memory_for(type_name());
}

LoadResult ModuleBase::load(const std::string& path, bool strict) try {
  return load_from(load_safetensors(path).tensors, strict, "the state in \"" + path + "\"");
} catch (const std::bad_alloc&) {
  no_memory_for(type_name());
}

}  // namespace gradus::nn
