// Every op that can be recorded, from the table of ops: nobody has to remember to test a new one.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/op.h>
#include <gradus/tools/gradcheck/gradcheck.h>
#include <gradus/tools/gradcheck/run_sample.h>

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

using namespace gradus;
using namespace gradus::tools;

namespace {

/// Without those that tests have planted to be found wrong.
std::vector<const OpInfo*> library_ops() {
  auto ops = all_ops();
  std::erase_if(ops, [](const OpInfo* op) { return std::string_view(op->name).starts_with("planted"); });
  return ops;
}

template <class F> void each_sample(F f) {
  for (const OpInfo* op : library_ops())
    for (const Sample& s : op->samples()) {
      INFO(std::string(op->name) << " / " << s.label);
      f(*op, s);
    }
}

/// The first row repeated with stride 0: other numbers than `a`.
Array expanded(const Array& a) { return a.rank() == 0 || a.dim(0) == 0 ? a : a.slice(0, 0, 1).expand(a.shape()); }

}  // namespace

TEST_CASE("every op has samples and a name of its own") {
  std::set<std::string> names;
  std::size_t samples = 0, with_one = 0;
  for (const OpInfo* op : library_ops()) {
    INFO(std::string(op->name));
    CHECK(names.insert(op->name).second);
    const auto all = op->samples();
    CHECK_FALSE(all.empty());
    samples += all.size();
    with_one += all.size() == 1;
    std::set<std::string> labels;
    for (const Sample& s : all) CHECK(labels.insert(s.label).second);
  }
  CHECK(names.size() > 40);  // the table is the whole library's, not what this file happens to use
  CHECK(names.contains("tanh"));
  MESSAGE(names.size() << " ops, " << samples << " samples, " << with_one << " ops with a single one");
}

TEST_CASE("README.md says how many ops there are") {
  std::ifstream file(GRADUS_SOURCE_DIR "/README.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  CHECK(text.find("is gradient-checked**, " + std::to_string(library_ops().size()) + " of them") != text.npos);
}

TEST_CASE("every op: first order within 1e-8, second order within 1e-6, at most 1 % of the draws inconclusive") {
  for (const OpInfo* op : library_ops()) {
    const auto v = check_op(*op);
    CAPTURE(v.name);
    for (const auto& c : v.complaints) FAIL_CHECK(c);
    CHECK(v.passed);
    CHECK(v.first_order <= 1e-8);
    CHECK(v.second_order <= 1e-6);
  }
}

TEST_CASE("every op: f32 is f64 within 1e-5, times the sample's condition number") {
  each_sample([](const OpInfo& op, const Sample& s) { CHECK(f32_error(s) <= f32_bound_of(op)); });
}

TEST_CASE("every op: the layout of inputs and seeds does not matter") {
  each_sample([](const OpInfo&, const Sample& s) {
    CHECK(layout_error(s) == 0);
    const Arrays rows = each(s.inputs, expanded);
    CHECK(same_bits(run_sample(s, rows), run_sample(s, each(rows, [](const Array& a) { return a.copy(); }))));
  });
}

TEST_CASE("every op: inputs are not modified") {
  each_sample([](const OpInfo&, const Sample& s) {
    const Arrays before = each(s.inputs, [](const Array& a) { return a.copy(); });
    std::vector<std::uint32_t> versions;
    for (const Array& a : s.inputs) versions.push_back(a.version());
    run_sample(s, s.inputs);
    CHECK(same_bits(before, s.inputs));
    for (std::size_t k = 0; k < versions.size(); ++k) CHECK(s.inputs[k].version() == versions[k]);
  });
}

TEST_CASE("every op: nothing is recorded for constants, and the numbers are the same") {
  each_sample([](const OpInfo&, const Sample& s) {
    const std::vector<Tensor> constants(s.inputs.begin(), s.inputs.end());
    Arrays outputs;
    for (const Tensor& y : s.call(constants)) {
      CHECK_FALSE(y.requires_grad());
      outputs.push_back(y.array());
    }
    CHECK(same_bits(outputs, run_sample(s, s.inputs).outputs));
  });
}

TEST_CASE("every op: each input alone gets the gradient it gets beside the others") {
  each_sample([](const OpInfo&, const Sample& s) {
    const OpRun all = run_sample(s, s.inputs);
    std::size_t at = 0;
    for (std::size_t k = 0; k < s.inputs.size(); ++k) {
      if (!is_real(s.inputs[k].dtype())) continue;
      CAPTURE(k);
      std::vector<Tensor> x(s.inputs.begin(), s.inputs.end()), roots, seeds;
      x[k].requires_grad_();
      for (const Tensor& y : s.call(x))
        if (y.requires_grad())
          roots.push_back(y), seeds.push_back(Tensor(sample_values(y.shape(), -1, 1, 77).to(f32).to(y.dtype())));
      Array alone;
      if (!roots.empty()) alone = grad(roots, {x[k]}, {.allow_unused = true}, seeds)[0].array();
      const Array beside = at < all.gradients.size() ? all.gradients[at] : Array();
      ++at;
      CHECK(same_bits(alone, beside));
    }
  });
}

TEST_CASE("every op: the same bits with 1, 2, 3 and 7 threads") {
  each_sample([](const OpInfo&, const Sample& s) { CHECK(same_bits_at_any_threads(s)); });
}
