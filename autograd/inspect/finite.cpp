// The search for the op at fault goes backwards through the tape of a second run, from the loss or a leaf's gradient along
// values that are not finite, to the op that made them of finite ones.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/inspect/finite.h>
#include <gradus/autograd/observe.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/random.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

namespace gradus {
namespace {

std::vector<int64_t> index_of(int64_t i, const Shape& shape) {
  std::vector<int64_t> index(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank(); axis-- > 0; i /= shape[axis]) index[static_cast<std::size_t>(axis)] = i % shape[axis];
  return index;
}

std::string position_text(const std::vector<int64_t>& index) {
  std::string s;
  for (int64_t i : index) s += (s.empty() ? "" : ",") + std::to_string(i);
  return "[" + s + "]";
}

/// Stores element and count in `found`, and returns them in words: "-inf at [3,0] (12 of 320 elements are not finite)".
std::string noted(NonFinite& found, const Array& a, const ArrayStats& l) {
  found.element = index_of(l.first(), a.shape());
  found.value = a.contiguous().element(l.first());
  found.count = l.nans + l.infs;
  if (a.size() == 1) return six_digits(found.value);
  return join(six_digits(found.value), " at ", position_text(found.element), " (", found.count, " of ", a.size(),
              " elements ", found.count == 1 ? "is" : "are", " not finite)");
}

/// An op of the second run. Its Arrays are held until the cause is found.
struct Ran {
  struct Input {
    Array array;
    Node* node;  // null: a constant
    std::uint32_t slot;
    int before;  // number of ops that had run by then
  };
  const char* op;
  std::string module;
  Ref<Node> node;
  std::vector<Input> inputs;
  std::vector<Array> results;
};

/// The identity of a tensor: result `slot` of ran[op]; op -1: not made in the second run.
struct Made {
  int op = -1;
  std::size_t slot = 0;
};

class Run {
 public:
  void add(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs) {
    Ran r{op, InModule::path(), {}, {}, {}};
    for (const Tensor* x : inputs) r.inputs.push_back({x->array(), x->node(), x->slot(), static_cast<int>(ran.size())});
    for (const Tensor& y : results) r.results.push_back(y.array());
    if (!results.empty() && results[0].node()) {
      r.node = results[0].node_ref();
      indices_[r.node.get()] = static_cast<int>(ran.size());
    }
    ran.push_back(std::move(r));
  }

  /// The result that an op's input is: found by its node, or, if it was not recorded, by its storage.
  Made maker(const Ran::Input& in) const {
    if (in.node) {
      const auto at = indices_.find(in.node);
      return at == indices_.end() ? Made() : Made{at->second, in.slot};
    }
    for (int i = in.before; i-- > 0;) {
      const Ran& r = ran[static_cast<std::size_t>(i)];
      for (std::size_t s = 0; s < r.results.size(); ++s)
        if (!r.node && r.results[s].shares_storage(in.array)) return {i, s};
    }
    return {};
  }
  Made maker(const Tensor& t) const { return maker({t.array(), t.node(), t.slot(), static_cast<int>(ran.size())}); }

  const Ran* of(const Node* node) const {
    const auto at = indices_.find(node);
    return at == indices_.end() ? nullptr : &ran[static_cast<std::size_t>(at->second)];
  }

  std::vector<Ran> ran;

 private:
  std::unordered_map<const Node*, int> indices_;
};

class Forward final : public OpObserver {
 public:
  explicit Forward(Run& run) : run_(run) {}
  void after(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs) override {
    run_.add(op, results, inputs);
  }

 private:
  Run& run_;
};

/// The name of a leaf; "" for other nodes.
std::string name_of(Node* n) { return n && !n->op ? static_cast<Leaf*>(n)->name : std::string(); }

std::string inputs_in_words(const Ran& r, const Array& like, int64_t element) {
  std::string s;
  for (std::size_t k = 0; k < r.inputs.size() && k < 4; ++k) {
    const Array& a = r.inputs[k].array;
    if (!a.defined() || !is_real(a.dtype())) continue;
    const std::string name = name_of(r.inputs[k].node);
    s += join("; input ", k, name.empty() ? std::string() : join(" (\"", name, "\")"), " is ");
    if (a.shape() == like.shape() && a.size() > 1) s += join(six_digits(a.contiguous().element(element)), " there and ");
    s += range_text(array_stats(a));
  }
  return s;
}

// ---- forward --------------------------------------------------------------------------------------------------------

/// The origin of values that are not finite: an op, or input k of one.
struct Origin {
  int op = -1, input = -1;
  int made_nan = -1;  // the op that made NaN of the infinities from the origin
};

class Trace {
 public:
  explicit Trace(const Run& run) : run_(run) {}

  /// The origin of result `at`, which is not finite.
  Origin of(Made at) const {
    for (;;) {
      const Ran& r = run_.ran[static_cast<std::size_t>(at.op)];
      const bool nan = array_stats(r.results[at.slot]).nans > 0;
      const int worst = oldest(r, [](const ArrayStats& l) { return l.nans > 0; });
      if (worst < 0 && nan) return of_nan_made_here(at.op);
      const int next = worst >= 0 ? worst : oldest(r, [](const ArrayStats& l) { return l.infs > 0; });
      if (next < 0) return {at.op};
      const Made from = run_.maker(r.inputs[static_cast<std::size_t>(next)]);
      if (from.op < 0) return {at.op, next};
      at = from;
    }
  }

 private:
  /// The op at fault. An infinity that came in with a constant (a mask) is no mistake, so the op that turned it into NaN is
  /// named; any other infinity is blamed on the op that made it.
  Origin of_nan_made_here(int op) const {
    const Ran& r = run_.ran[static_cast<std::size_t>(op)];
    const int infinite = oldest(r, [](const ArrayStats& l) { return l.infs > 0; });
    if (infinite < 0) return {op};
    const Made from = run_.maker(r.inputs[static_cast<std::size_t>(infinite)]);
    Origin o = from.op < 0 ? Origin{op, infinite} : of(from);
    const bool given =
        o.input >= 0 && !run_.ran[static_cast<std::size_t>(o.op)].inputs[static_cast<std::size_t>(o.input)].node;
    if (given) return {op};
    o.made_nan = op;
    return o;
  }

  /// The input for which `holds` is true and that was made first.
  template <class Holds> int oldest(const Ran& r, Holds holds) const {
    int found = -1, first = std::numeric_limits<int>::max();
    for (std::size_t k = 0; k < r.inputs.size(); ++k)
      if (holds(array_stats(r.inputs[k].array)))
        if (const int op = run_.maker(r.inputs[k]).op; op < first) first = op, found = static_cast<int>(k);
    return found;
  }

  const Run& run_;
};

NonFinite described(const Run& run, const Origin& o) {
  const Ran& r = run.ran[static_cast<std::size_t>(o.op)];
  NonFinite n;
  n.op = r.op, n.module = r.module, n.sequence = r.node ? r.node->sequence : 0;
  if (o.input >= 0) {
    const auto& in = r.inputs[static_cast<std::size_t>(o.input)];
    const bool leaf = in.node && !in.node->op;
    n.source = leaf ? NonFinite::Source::parameter : NonFinite::Source::constant;
    n.parameter = name_of(in.node);
    const std::string who = !leaf                 ? "which comes from outside the step"
                            : n.parameter.empty() ? "a leaf"
                                                  : "\"" + n.parameter + "\"";
    n.text = join("its input ", o.input, ", ", describe(in.array), ", ", who, ", is ",
                  noted(n, in.array, array_stats(in.array)), " and ", range_text(array_stats(in.array)));
  } else {
    std::size_t slot = 0;
    while (slot + 1 < r.results.size() && array_stats(r.results[slot]).finite()) ++slot;
    const ArrayStats l = array_stats(r.results[slot]);
    n.text = join("its result ", describe(r.results[slot]), " is ", noted(n, r.results[slot], l),
                  inputs_in_words(r, r.results[slot], l.first()));
  }
  if (o.made_nan >= 0 && o.made_nan != o.op)
    n.text += join("; ", run.ran[static_cast<std::size_t>(o.made_nan)].op, " later made NaN of it");
  return n;
}

NonFinite forward_cause(const Run& run, const Tensor& loss) {
  const Made at = run.maker(loss);
  if (at.op >= 0) return described(run, Trace(run).of(at));
  NonFinite n;
  n.source = loss.is_leaf() ? NonFinite::Source::parameter : NonFinite::Source::constant;
  n.op = "loss", n.parameter = loss.name();
  n.text = join("it comes from outside the step and is ", noted(n, loss.array(), array_stats(loss.array())));
  return n;
}

// ---- backward -------------------------------------------------------------------------------------------------------

/// Records, for every element of a gradient, which node first made it NaN, and which infinite.
class Backward final : public TraversalObserver {
 public:
  struct Mark {
    Node* from = nullptr;
    int input = 0;
    Array gradient;
    std::string got;  // description of the gradient that the node started from
  };
  struct Marks {
    Mark nan, inf;
  };

  void reached(Node& node, const Tensor* gradients) override {
    got_ = {gradients, static_cast<std::size_t>(node.outputs)};
    if (!node.op && !leaf && !all_finite(gradients[0].array())) leaf = static_cast<Leaf*>(&node);
  }
  void passed(Node& node, const Given& given) override {
    for (int k = 0; k < node.inputs; ++k) {
      const Tensor* g = given(k);
      if (!g || all_finite(g->array())) continue;
      const ArrayStats l = array_stats(g->array());
      const Edge to = node.edges()[k];
      Marks& p = marks[{to.node, to.slot}];
      if (l.nans > 0 && !p.nan.from) p.nan = {&node, k, g->array(), range_got()};
      if (l.infs > 0 && !p.inf.from) p.inf = {&node, k, g->array(), range_got()};
    }
  }

  /// The first node on the way to the leaf that made a value that is not finite.
  Mark cause() const {
    const Marks* at = &marks.at({leaf, 0});
    for (;;) {
      const Mark& m = at->nan.from ? at->nan : at->inf;
      const Marks* next = nullptr;
      for (int s = 0; s < m.from->outputs; ++s)
        if (const auto p = marks.find({m.from, static_cast<std::uint32_t>(s)}); p != marks.end()) next = &p->second;
      if (!next) return m;
      at = next;
    }
  }

  std::map<std::pair<Node*, std::uint32_t>, Marks> marks;
  Leaf* leaf = nullptr;

 private:
  std::string range_got() const {
    ArrayStats all;
    for (const Tensor& g : got_) {
      const ArrayStats l = array_stats(g.array());
      all.nans += l.nans, all.infs += l.infs, all.low = std::min(all.low, l.low), all.high = std::max(all.high, l.high);
    }
    return range_text(all);
  }
  std::span<const Tensor> got_;
};

NonFinite backward_cause(const Run& run, const Backward& b) {
  const Backward::Mark m = b.cause();
  NonFinite n;
  n.source = NonFinite::Source::backward;
  n.op = m.from->op->name, n.sequence = m.from->sequence, n.parameter = b.leaf->name;
  const ArrayStats l = array_stats(m.gradient);
  n.text = join("the gradient it gives its input ", m.input, ", ", describe(m.gradient), ", is ", noted(n, m.gradient, l),
                "; the one it got is ", m.got);
  if (const Ran* r = run.of(m.from)) {
    n.module = r->module;
    n.text += inputs_in_words(*r, m.gradient, l.first());
  }
  n.text += n.parameter.empty() ? "; a leaf gets it" : join("; \"", n.parameter, "\" gets it");
  return n;
}

/// Puts the module of `found` on the module path of messages.
class Within {
 public:
  explicit Within(const std::string& module) {
    if (!module.empty()) in_.emplace(module);
  }

 private:
  std::optional<InModule> in_;
};

/// The op at fault in words: "log", "backward of sqrt".
std::string culprit(const NonFinite& n) { return n.source == NonFinite::Source::backward ? "backward of " + n.op : n.op; }

[[noreturn]] void explain(const std::function<Tensor()>& f, Philox drawn, std::int64_t step, const std::string& symptom) {
  const Philox now = default_generator().state();
  default_generator().restore(drawn);
  const auto found = find_non_finite(f);
  default_generator().restore(now);
  NonFinite unknown;
  unknown.source = NonFinite::Source::unknown, unknown.op = "FiniteWatch";
  if (!found)
    throw NonFiniteError(unknown, step,
                         symptom +
                             ", but all is finite when the step is run again: it was so before the step, or the function "
                             "does not give the same numbers twice");
  const Within module(found->module);
  throw NonFiniteError(*found, step, symptom);
}

}  // namespace

NonFiniteError::NonFiniteError(NonFinite what, std::int64_t at_step, const std::string& symptom)
    : Error(culprit(what), join("step ", at_step, ": ", symptom, what.text.empty() ? "" : "; ", what.text)),
      found(std::move(what)),
      step(at_step) {}

std::string to_string(const NonFinite& found) {
  return join(culprit(found), found.module.empty() ? "" : " [in module \"" + found.module + "\"]", ": ", found.text);
}

std::optional<NonFinite> find_non_finite(const std::function<Tensor()>& f) {
  struct Restore {
    bool before = recording;
    ~Restore() { recording = before; }
  } restore;
  recording = true;
  Run run;
  const Tensor loss = [&] {
    const Forward observer(run);
    return f();
  }();
  if (!array_stats(loss.array()).finite()) return forward_cause(run, loss);
  if (!loss.requires_grad()) return {};
  Backward backward;
  traverse(loss, backward);
  if (!backward.leaf) return {};
  return backward_cause(run, backward);
}

Tensor FiniteWatch::backward(const std::function<Tensor()>& f) {
  ++steps_;
  const Philox drawn = default_generator().state();
  Tensor loss = f();
  if (loss.size() == 1 && is_real(loss.dtype()) && !std::isfinite(loss.item()))
    explain(f, drawn, steps_, join("the loss is ", six_digits(loss.item())));
  loss.backward();
  for (const Tensor& p : parameters_)
    if (const Leaf* leaf = p.leaf(); leaf && leaf->has_grad() && !all_finite(leaf->grad_numbers()))
      explain(f, drawn, steps_, join("the loss is ", six_digits(loss.item()), ", but a gradient is not finite"));
  return loss;
}

}  // namespace gradus
