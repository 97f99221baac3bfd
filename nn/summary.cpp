// The table of a network: what it is made of, what each part returns, where the parameters are.
#include <gradus/autograd/observe.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/nn/eval_mode.h>

#include <algorithm>
#include <array>
#include <unordered_map>

namespace gradus::nn {

namespace {

/// What each module returns, and what the ops that it calls itself cost.
class Looks : public ForwardObserver, public OpObserver {
 public:
  struct Seen {
    std::string results;
    int64_t multiply_adds = 0;
  };
  using ForwardObserver::after;
  void after(ModuleBase& module, const std::vector<Tensor>& results) override {
    std::string& text = seen_[&module].results = "";
    for (const Tensor& t : results)
      if (t.defined()) text += (text.empty() ? "" : " ") + to_string(t.shape());
    if (text.empty()) text = "nothing";
  }
  void after(const char*, std::span<const Tensor> results, std::span<const Tensor* const>) override {
    if (ModuleBase* m = ModuleCall::current()) seen_[m].multiply_adds += gradus::multiply_adds - counted_;
    counted_ = gradus::multiply_adds;
    for (const Tensor& t : results)
      if (t.defined()) bytes += t.size() * static_cast<int64_t>(bytes_of(t.dtype()));
  }
  const Seen& of(ModuleBase* m) { return seen_[m]; }
  int64_t bytes = 0;  ///< of the results of all ops

 private:
  int64_t counted_ = gradus::multiply_adds;
  std::unordered_map<ModuleBase*, Seen> seen_;
};

/// 31370 -> "31,370".
std::string grouped(int64_t n) {
  std::string s = std::to_string(n);
  for (auto i = static_cast<int64_t>(s.size()) - 3; i > 0; i -= 3) s.insert(static_cast<std::size_t>(i), ",");
  return s;
}

using Row = std::array<std::string, 5>;

/// Columns as wide as their longest entry, numbers to the right.
std::string aligned(const std::vector<Row>& rows) {
  std::array<std::size_t, 5> width{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  std::string table;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(width[i] - row[i].size(), ' ');
      table += i < 3 ? row[i] + space : space + row[i];
      table += i + 1 < row.size() ? "  " : "\n";
    }
  }
  return table;
}

}  // namespace

std::string ModuleBase::summary_of_call(const std::function<void()>& call, const std::string& inputs) {
  Looks looks;
  {
    const NoGrad unrecorded;
    const EvalMode eval_mode(*this);
    call();
  }
  std::vector<Row> rows{{"module", "type", "output", "parameters", "multiply-adds"}};
  const auto number = [](int64_t n) { return n ? grouped(n) : "-"; };
  int64_t multiply_adds = 0;
  for (const auto& [name, module] : named_modules()) {
    int64_t own = 0;
    for (const Member& m : module->members())
      if (m.parameter && m.parameter->defined() && !m.parameter->tied()) own += m.parameter->size();
    const auto& seen = looks.of(module);
    multiply_adds += seen.multiply_adds;
    rows.push_back({name.empty() ? "(whole)" : name, module->description(),
                    seen.results.empty() ? "not called" : seen.results, number(own), number(seen.multiply_adds)});
  }
  int64_t count = 0, trainable = 0, bytes = 0;
  for (const Tensor& p : parameters()) {
    count += p.size();
    trainable += p.requires_grad() ? p.size() : 0;
    bytes += p.size() * static_cast<int64_t>(bytes_of(p.dtype()));
  }
  return join("input ", inputs, "\n", aligned(rows), grouped(count), " parameters, ", grouped(trainable), " trainable, ",
              grouped(bytes), " bytes\n", grouped(multiply_adds), " multiply-adds, results of ", grouped(looks.bytes),
              " bytes\n");
}

std::string ModuleBase::summary(const Tensor& input) {
  return summary_of_call([&] { call_any(input); }, gradus::describe(input.array()));
}

std::string ModuleBase::summary(const Shape& input) {
  const auto list = parameters();
  return summary(zeros(input, list.empty() ? f32 : list.front().dtype()));
}

}  // namespace gradus::nn
