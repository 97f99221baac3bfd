#include <gradus/autograd/internal/integer.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>
#include <cstring>
#include <mutex>

namespace gradus {
namespace {

std::vector<const OpInfo*>& table() {
  static std::vector<const OpInfo*> ops;
  return ops;
}

struct Alias {
  static constexpr const char* name = "alias";
  struct Saved {};
  static void backward(BackwardContext& b, const Saved&) {
    b.accumulate(0, [&] { return b.grad(); });
  }
  static Samples samples() {
    return {sample("ordinary", {sample_values({2, 3})}, [](auto& x) { return alias(x[0]); })};
  }
};

}  // namespace

const std::vector<const OpInfo*>& all_ops() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto& ops = table();
  const auto by_name = [](auto* a, auto* b) { return std::strcmp(a->name, b->name) < 0; };
  if (!std::is_sorted(ops.begin(), ops.end(), by_name)) std::sort(ops.begin(), ops.end(), by_name);
  return ops;
}

bool register_op(const OpInfo* op) {
  for (const OpInfo* known : table())
    if (std::strcmp(known->name, op->name) == 0 && known->backward == op->backward) return true;
  table().push_back(op);
  return true;
}

void throw_dtype(const char* op, const Tensor& t) {
  throw DtypeError(op, join("computes with f32 or f64, got ", describe(t)),
                   t.dtype() == u8 ? "x.to(f32) / 255" : "x.to(f32)");
}

void fit(const char* op, Tensor* operands, int n, Integers integers) {
  const Tensor* lead = operands;  // the first that is not a wrapped number decides the dtype
  bool real = true;
  for (int i = n; i-- > 0;) {
    if (!operands[i].is_wrapped_number()) lead = operands + i;
    real = real && is_real(operands[i].dtype());
  }
  const Dtype dtype = real ? lead->dtype() : common_dtype(op, operands, n, integers);
  Shape shape = operands[0].shape();
  for (int i = 0; i < n; ++i) {
    Tensor& t = operands[i];
    if (t.dtype() != dtype && (t.is_wrapped_number() || !is_real(t.dtype()))) t = as_operand(op, t, dtype);
    if (t.dtype() != dtype)
      throw DtypeError(op, join(describe(*lead), " and ", describe(t), " do not mix"), join("x.to(", dtype, ")"));
    shape = broadcast(op, shape, t.shape());
  }
  for (int i = 0; i < n; ++i)
    if (!(operands[i].shape() == shape)) operands[i] = expand(operands[i], shape);
}

Tensor alias(const Tensor& x) {
  return primitive<Alias>(
      x.array(), [] { return Alias::Saved{}; }, x);
}

void accumulate_through_reference(BackwardContext& b, const std::vector<Tensor>& inputs,
                                  const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& reference) {
  std::vector<Tensor> fresh, wanted;
  std::vector<int> which;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    fresh.push_back(inputs[k].requires_grad() ? alias(inputs[k]) : inputs[k]);
    if (inputs[k].requires_grad()) wanted.push_back(fresh.back()), which.push_back(static_cast<int>(k));
  }
  std::vector<Tensor> outputs, seeds;
  const auto results = reference(fresh);
  for (std::size_t k = 0; k < results.size(); ++k)
    if (b.grad(static_cast<int>(k)).defined() && results[k].requires_grad()) {
      outputs.push_back(results[k]);
      seeds.push_back(b.grad(static_cast<int>(k)));
    }
  if (outputs.empty()) return;
  const auto grads = grad(outputs, wanted, {.create_graph = true, .allow_unused = true}, seeds);
  for (std::size_t i = 0; i < grads.size(); ++i)
    if (grads[i].defined()) b.accumulate(which[i], [&] { return grads[i]; });
}

}  // namespace gradus
