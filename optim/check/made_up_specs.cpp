#include <gradus/optim/check/made_up.h>

#include <algorithm>

namespace gradus::optim::made_up {

std::vector<std::string> specs_of(const std::string& name, const std::vector<Option>& defaults,
                                  std::vector<std::string>& stuck) {
  std::vector<std::string> specs, helpers{"", "momentum=0.9, ", "initial_accumulator_value=0.1, "};
  const Tensor w = leaf(Array::zeros({2, 2}, f64));
  auto add = [&](const std::string& spec) {
    try {
      const auto full = make(spec, std::vector<Tensor>{w}).spec();
      if (std::find(specs.begin(), specs.end(), full) == specs.end()) specs.push_back(full);
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  add(name);
  for (const auto& o : defaults)
    for (const auto& word : o.words) helpers.push_back(o.name + "=" + word + ", ");
  for (const auto& o : defaults) {
    std::vector<std::string> others = o.words;
    if (o.kind == Option::Kind::flag) others = {o.value != 0 ? "false" : "true"};
    if (o.kind == Option::Kind::number && o.value == 0) others = {"0.125", "3"};
    bool done = others.empty();
    for (const auto& value : others)
      for (const auto& helper : helpers) {
        if (done && o.words.empty()) break;
        if (add(name + "(" + (helper.starts_with(o.name + "=") ? "" : helper) + o.name + "=" + value + ")")) {
          done = true;
          break;
        }
      }
    if (!done) stuck.push_back(o.name);
  }
  return specs;
}

}  // namespace gradus::optim::made_up
