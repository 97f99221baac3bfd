// The table of a network: what it is made of, what each part returns, where the parameters are.
#include <gradus/nn/module.h>

#include <algorithm>
#include <array>
#include <unordered_map>

namespace gradus::nn {

/// While alive, every module within `root` is in eval mode; then each has its own mode again.
class EvalMode {
 public:
  explicit EvalMode(ModuleBase& root) {
    for (ModuleBase* m : root.modules()) modes_.emplace_back(m, m->training_);
    root.eval();
  }
  ~EvalMode() {
    for (auto [m, mode] : modes_) m->training_ = mode;
  }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  std::vector<std::pair<ModuleBase*, bool>> modes_;
};

namespace {

class Shapes : public ForwardObserver {
 public:
  void after(ModuleBase& module, const Tensor& y) override {
    text_[&module] = y.defined() ? to_string(y.shape()) : "several";
  }
  std::string of(ModuleBase* m) const {
    const auto found = text_.find(m);
    return found == text_.end() ? "not called" : found->second;
  }

 private:
  std::unordered_map<ModuleBase*, std::string> text_;
};

/// 31370 -> "31,370".
std::string grouped(int64_t n) {
  std::string s = std::to_string(n);
  for (auto i = static_cast<int64_t>(s.size()) - 3; i > 0; i -= 3) s.insert(static_cast<std::size_t>(i), ",");
  return s;
}

using Row = std::array<std::string, 4>;

/// Columns as wide as their longest entry, numbers to the right.
std::string aligned(const std::vector<Row>& rows) {
  std::array<std::size_t, 4> width{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  std::string table;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(width[i] - row[i].size(), ' ');
      table += i + 1 < row.size() ? row[i] + space + "  " : space + row[i] + "\n";
    }
  }
  return table;
}

}  // namespace

std::string ModuleBase::summary(const Tensor& input) {
  Shapes shapes;
  {
    const NoGrad unrecorded;
    const EvalMode eval_mode(*this);
    call(input);
  }
  std::vector<Row> rows{{"module", "type", "output", "parameters"}};
  for (const auto& [name, module] : named_modules()) {
    int64_t own = 0;
    for (const Member& m : module->members())
      if (m.parameter && m.parameter->defined()) own += m.parameter->size();
    rows.push_back({name.empty() ? "(whole)" : name, module->description(), shapes.of(module), own ? grouped(own) : "-"});
  }
  int64_t count = 0, trainable = 0, bytes = 0;
  for (const Tensor& p : parameters()) {
    count += p.size();
    trainable += p.requires_grad() ? p.size() : 0;
    bytes += p.size() * static_cast<int64_t>(bytes_of(p.dtype()));
  }
  return join("input ", describe(input.array()), "\n", aligned(rows), grouped(count), " parameters, ", grouped(trainable),
              " trainable, ", grouped(bytes), " bytes\n");
}

std::string ModuleBase::summary(const Shape& input) {
  const auto list = parameters();
  return summary(zeros(input, list.empty() ? f32 : list.front().dtype()));
}

}  // namespace gradus::nn
