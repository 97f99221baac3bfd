// The trace: every op of one forward call is shown to an observer, which writes its nodes by the tables of emitters.
#include <gradus/autograd/observe.h>
#include <gradus/core/io/files.h>
#include <gradus/nn/onnx/export_onnx.h>
#include <gradus/nn/onnx/internal/emitters.h>

#include <deque>
#include <map>
#include <set>

namespace gradus::nn {

const std::vector<double>& OnnxCall::option(std::string_view name) const {
  for (const auto& [known, numbers] : options_)
    if (name == known) return numbers;
  throw_error(join("it does not tell its ", name));
}

std::vector<std::string> OnnxCall::steps(const std::string& type, std::vector<std::string> in, std::size_t count,
                                         const OnnxAttributes& attributes) const {
  std::vector<std::string> names;
  for (std::size_t k = 0; k < count; ++k) names.push_back(graph.fresh());
  graph.add(type, module_, std::move(in), names, attributes);
  return names;
}

void OnnxCall::throw_error(const std::string& why) const {
  throw GraphError("export_onnx", join("the op \"", results_[0].node()->op->name, "\" cannot be written: ", why));
}

std::vector<std::string> OnnxCall::broadcast_inputs() const {
  std::vector<const Tensor*> narrow;
  Shape together;
  for (const Tensor* t : inputs_) {
    const Tensor* source = source_of_(*t);
    narrow.push_back(source ? source : t);
    together = broadcast("export_onnx", together, narrow.back()->shape());
  }
  std::vector<std::string> names;
  for (std::size_t k = 0; k < inputs_.size(); ++k)
    names.push_back(name_of_(together == result().shape() ? *narrow[k] : *inputs_[k]));
  return names;
}

namespace {

/// While alive, the tape records, and every module is in eval mode.
class Tracing {
 public:
  explicit Tracing(ModuleBase& net) : recorded_(recording) {
    for (ModuleBase* m : net.modules()) modes_.emplace_back(m, m->training());
    recording = true;
    net.eval();
  }
  ~Tracing() {
    recording = recorded_;
    for (auto [m, mode] : modes_) m->train(mode);  // what is within a module comes after it
  }
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;

 private:
  bool recorded_;
  std::vector<std::pair<ModuleBase*, bool>> modes_;
};

/// Writes the graph while the ops run.
class Trace final : public OpObserver {
 public:
  explicit Trace(ModuleBase& net) {
    for (const auto& [name, t] : net.named_parameters()) parameters_.emplace(t.node(), name);
    for (const auto& [name, t] : net.named_buffers()) buffers_.emplace(t.array().bytes(), name);
  }

  /// A leaf that stands for an input of the file.
  Tensor input(const std::string& name, const Array& numbers) {
    const Tensor t = leaf(numbers);
    held_.push_back(t);
    values_[{t.node(), 0}] = {name, true};
    return t;
  }

  bool takes_apart(const char*) const override { return true; }
  void after(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs) override {
    if (results.empty() || !results[0].requires_grad()) return;  // of constants: a constant
    bool depends = false;
    for (const Tensor* t : inputs)
      if (const Value* v = value_of(*t)) depends = depends || v->depends;
    OnnxEmitter emit = elementwise_emitter(op);
    if (!emit) emit = layer_emitter(op);
    if (!emit && !depends) return;  // of parameters alone: its numbers will do
    std::vector<const Tensor*> given;
    for (const Tensor* t : inputs)
      if (t->defined()) given.push_back(t);
    const OnnxCall call(
        graph_, results, given, InModule::path(), [this](const Tensor& t) { return name_of(t); },
        [this](const Tensor& t) { return source_of(t); });
    if (!emit) call.throw_error("ONNX, or this exporter, has no counterpart");
    emit(call);
    for (std::size_t k = 0; k < results.size(); ++k) {
      held_.push_back(results[k]);
      values_[{results[k].node(), results[k].slot()}] = {call.outputs[k], depends};
    }
    if (std::string_view(op) == "expand") {
      held_.push_back(*inputs[0]);
      sources_[{results[0].node(), results[0].slot()}] = &held_.back();
    }
  }

  std::string name_of(const Tensor& t) {
    if (const Value* v = value_of(t)) return v->name;
    const auto parameter = parameters_.find(t.node());
    const auto buffer = buffers_.find(t.array().bytes());
    if (t.is_leaf() && parameter != parameters_.end()) return initializer(parameter->second, t.array());
    if (!t.node() && buffer != buffers_.end() && t.array().dense()) return initializer(buffer->second, t.array());
    return graph_.constant(t.array());
  }

  std::string file(const std::vector<OnnxValue>& inputs, const std::vector<Tensor>& results,
                   const std::vector<std::string>& names) {
    std::vector<OnnxValue> outputs;
    for (std::size_t k = 0; k < results.size(); ++k) {
      graph_.add("Identity", "", {name_of(results[k])}, {names[k]}, {});
      outputs.push_back({names[k], results[k].shape(), results[k].dtype()});
    }
    return graph_.file(inputs, outputs);
  }

 private:
  using Key = std::pair<const Node*, std::uint32_t>;
  struct Value {
    std::string name;
    bool depends;  // on an input
  };
  const Value* value_of(const Tensor& t) const {
    const auto found = values_.find({t.node(), t.slot()});
    return !t.node() || found == values_.end() ? nullptr : &found->second;
  }
  /// What an expanded tensor, or a constant with repeated elements, was before.
  const Tensor* source_of(const Tensor& t) {
    if (const auto found = sources_.find({t.node(), t.slot()}); t.node() && found != sources_.end()) return found->second;
    if (t.node() || t.size() == 0) return nullptr;
    Array narrow = t.array();
    for (int i = 0; i < narrow.rank(); ++i)
      if (narrow.stride(i) == 0) narrow = narrow.slice(i, 0, 1);
    held_.emplace_back(narrow);
    return &held_.back();
  }
  std::string initializer(const std::string& name, const Array& numbers) {
    if (written_.insert(name).second) graph_.initializer(name, numbers);
    return name;
  }

  OnnxGraph graph_;
  std::map<Key, Value> values_;
  std::map<Key, const Tensor*> sources_;
  std::map<const Node*, std::string> parameters_;
  std::map<const char*, std::string> buffers_;
  std::set<std::string> written_;
  std::deque<Tensor> held_;  // so that no node or number is another one's later
};

std::vector<std::string> value_names(const char* what, const std::vector<std::string>& given, std::size_t count) {
  if (!given.empty() && given.size() != count)
    throw GraphError("export_onnx", join(given.size(), " ", what, "_names for ", count, " tensors"));
  std::vector<std::string> names = given;
  for (std::size_t k = names.size(); k < count; ++k) names.push_back(count == 1 ? what : join(what, k));
  return names;
}

std::string traced(ModuleBase& net, const std::vector<Array>& numbers, const TensorFunction& forward,
                   const OnnxOptions& options) {
  Trace trace(net);
  const std::vector<std::string> names = value_names("input", options.input_names, numbers.size());
  std::vector<Tensor> inputs;
  std::vector<OnnxValue> values;
  for (std::size_t k = 0; k < numbers.size(); ++k) {
    inputs.push_back(trace.input(names[k], numbers[k]));
    values.push_back({names[k], numbers[k].shape(), numbers[k].dtype()});
  }
  const std::vector<Tensor> results = forward(inputs);
  if (results.empty()) throw GraphError("export_onnx", "forward returned no tensor");
  return trace.file(values, results, value_names("output", options.output_names, results.size()));
}

/// The numbers from the last to the first, and other ones.
Array other_numbers(const Array& a) {
  Array other = Array::like(a.contiguous());
  visit_real(a.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < a.size(); ++i)
      other.uninitialized<T>()[i] = static_cast<T>(0.75 - 0.5 * a.element(a.size() - 1 - i));
  });
  return other;
}

}  // namespace

void export_onnx(ModuleBase& net, const std::vector<Tensor>& inputs, const TensorFunction& forward, const std::string& path,
                 const OnnxOptions& options) {
  std::vector<Array> numbers, others;
  for (const Tensor& t : inputs) {
    if (!t.defined() || !is_real(t.dtype()))
      throw DtypeError("export_onnx", join("input ", numbers.size(), " is ", t.defined() ? describe(t) : "absent",
                                           "; inputs are f32 or f64, because only their ops are on the tape"));
    numbers.push_back(t.array());
    others.push_back(other_numbers(t.array()));
  }
  const Tracing tracing(net);
  const std::string file = traced(net, numbers, forward, options);
  constexpr std::size_t largest = std::size_t(1) << 31;  // of a protobuf message
  if (file.size() >= largest)
    throw GraphError("export_onnx", join("the file would take ", grouped(file.size()), " bytes; ONNX allows 2 GiB"));
  if (traced(net, others, forward, options) != file)
    throw GraphError("export_onnx",
                     "the graph depends on the numbers of the input, which a trace cannot follow: a branch, a comparison, "
                     "detach() or a random number");
  write_atomically(path, file);
}

}  // namespace gradus::nn
