#include <gradus/autograd/functional.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

namespace gradus {
namespace {

using Tensors = std::vector<Tensor>;

/// Turns recording on, also inside a NoGrad, until the end of the block.
struct Recording {
  bool before = recording;
  Recording() { recording = true; }
  ~Recording() { recording = before; }
};

/// New tensors over the same elements; with `create_graph`, connected to the given ones.
Tensors stand_ins(const char* op, const Tensors& inputs, bool create_graph) {
  if (inputs.empty()) throw GraphError(op, "there are no inputs to differentiate with respect to");
  Tensors x;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& t = inputs[k];
    if (!t.defined()) throw GraphError(op, join("input ", k, " is absent"));
    if (!is_real(t.dtype()))
      throw DtypeError(op, join("input ", k, " is ", describe(t), "; only f32 and f64 have derivatives"),
                       "capture it in the function");
    x.push_back(create_graph && t.requires_grad() ? alias(t) : Tensor(t.array()));
    x.back().requires_grad_();
  }
  return x;
}

void check_vector(const char* op, const char* whose, const Tensors& v, const Tensors& like) {
  if (v.size() != like.size())
    throw ShapeError(
        op, join("the vector has ", v.size(), " tensors, the function ", like.size(), " ", whose, "s; they must agree"));
  for (std::size_t k = 0; k < v.size(); ++k) {
    if (!v[k].defined()) throw ShapeError(op, join("tensor ", k, " of the vector is absent"));
    if (!(v[k].shape() == like[k].shape()))
      throw ShapeError(op, join("tensor ", k, " of the vector is ", describe(v[k]), ", ", whose, " ", k, " is ",
                                describe(like[k]), "; they must agree"));
    if (v[k].dtype() != like[k].dtype())
      throw DtypeError(
          op, join("tensor ", k, " of the vector is ", describe(v[k]), ", ", whose, " ", k, " is ", describe(like[k])),
          join("v.to(", like[k].dtype(), ")"));
  }
}

Tensors call(const char* op, const TensorFunction& f, const Tensors& x) {
  Tensors y = f(x);
  for (std::size_t k = 0; k < y.size(); ++k) {
    if (!y[k].defined()) throw GraphError(op, join("output ", k, " of the function is absent"));
    if (!is_real(y[k].dtype()))
      throw DtypeError(op, join("output ", k, " is ", describe(y[k]), "; only f32 and f64 have derivatives"));
  }
  return y;
}

/// As grad(), but roots may be constants; inputs that they do not depend on get zeros.
Tensors grad_or_zeros(const Tensors& roots, const Tensors& x, const Tensors& seeds, bool create_graph, bool retain) {
  Tensors connected, their_seeds;
  for (std::size_t k = 0; k < roots.size(); ++k)
    if (roots[k].requires_grad()) connected.push_back(roots[k]), their_seeds.push_back(seeds[k]);
  Tensors g(x.size());
  if (!connected.empty())
    g = grad(connected, x, {.create_graph = create_graph, .retain_graph = retain, .allow_unused = true}, their_seeds);
  for (std::size_t k = 0; k < x.size(); ++k)
    if (!g[k].defined()) g[k] = zeros(x[k].shape(), x[k].dtype());
  return g;
}

/// The tensors to return of a result that was computed while recording.
Tensors outward(Tensors t, bool create_graph) {
  if (!create_graph)
    for (Tensor& one : t) one = one.detach();
  return t;
}

Shape joined(const char* op, const Tensor& y, const Tensor& x) {
  int64_t dims[2 * max_rank];
  int rank = 0;
  for (int i = 0; i < y.rank(); ++i) dims[rank++] = y.dim(i);
  for (int i = 0; i < x.rank(); ++i) dims[rank++] = x.dim(i);
  if (rank > max_rank)
    throw ShapeError(op,
                     join("the result has the axes of ", describe(y), " and of ", describe(x), ", ", rank,
                          " in all; at most ", max_rank, " are possible"),
                     "flatten() them in the function");
  return Shape(dims, rank);
}

/// d y / d x for each x: one traversal per element of y, seeded with a one there.
Tensors rows(const char* op, const Tensor& y, const Tensors& x, bool create_graph) {
  std::vector<Shape> shapes;
  for (const Tensor& t : x) shapes.push_back(joined(op, y, t));
  constexpr int64_t most = 65535;  // the most inputs of a node
  if (create_graph && y.size() > most)
    throw ShapeError(op, join(y.size(), " rows of ", describe(y), " cannot be recorded together; at most ", most));
  std::vector<Tensors> found(x.size());
  for (int64_t i = 0; y.requires_grad() && i < y.size(); ++i) {
    Array one = Array::zeros({y.size()}, y.dtype());
    one.slice(0, i, i + 1).assign(Array::ones({1}, y.dtype()), op);
    const Tensors g = grad_or_zeros({y}, x, {Tensor(one.reshape(y.shape()))}, create_graph, true);
    for (std::size_t k = 0; k < x.size(); ++k) found[k].push_back(g[k]);
  }
  Tensors result;
  for (std::size_t k = 0; k < x.size(); ++k)
    result.push_back(found[k].empty() ? zeros(shapes[k], x[k].dtype()) : reshape(stack(found[k]), shapes[k]));
  return result;
}

void check_number(const char* op, const Tensors& y) {
  if (y.size() != 1) throw ShapeError(op, join("the function must return one number, it returned ", y.size(), " tensors"));
  if (y[0].size() != 1)
    throw ShapeError(op, join("the function must return one number, it returned ", describe(y[0])), "sum(...)");
}

Tensors gradient(const Tensor& y, const Tensors& x) {
  return grad_or_zeros({y}, x, {ones(y.shape(), y.dtype())}, true, true);
}

}  // namespace

Products vjp_function(const TensorFunction& f, const Tensors& inputs, const Tensors& v, FunctionalOptions options) {
  const Recording guard;
  const Tensors x = stand_ins("vjp", inputs, options.create_graph), y = call("vjp", f, x);
  check_vector("vjp", "output", v, y);
  return {outward(y, options.create_graph), grad_or_zeros(y, x, v, options.create_graph, false)};
}

Products jvp_function(const TensorFunction& f, const Tensors& inputs, const Tensors& v, FunctionalOptions options) {
  const Recording guard;
  const Tensors x = stand_ins("jvp", inputs, options.create_graph);
  check_vector("jvp", "input", v, inputs);
  const Tensors y = call("jvp", f, x);
  Tensors seeds;  // any values would do: the backward pass is linear in them
  for (const Tensor& t : y) seeds.push_back(zeros(t.shape(), t.dtype()).requires_grad_());
  const Tensors back = grad_or_zeros(y, x, seeds, true, true);
  return {outward(y, options.create_graph), grad_or_zeros(back, seeds, v, options.create_graph, false)};
}

TensorMatrix jacobian_function(const TensorFunction& f, const Tensors& inputs, FunctionalOptions options) {
  const Recording guard;
  const Tensors x = stand_ins("jacobian", inputs, options.create_graph);
  TensorMatrix result;
  for (const Tensor& y : call("jacobian", f, x)) result.push_back(rows("jacobian", y, x, options.create_graph));
  return result;
}

TensorMatrix hessian_function(const TensorFunction& f, const Tensors& inputs, FunctionalOptions options) {
  const Recording guard;
  const Tensors x = stand_ins("hessian", inputs, options.create_graph), y = call("hessian", f, x);
  check_number("hessian", y);
  TensorMatrix result;
  for (const Tensor& g : gradient(y[0], x)) result.push_back(rows("hessian", g, x, options.create_graph));
  return result;
}

Products hvp_function(const TensorFunction& f, const Tensors& inputs, const Tensors& v, FunctionalOptions options) {
  const Recording guard;
  const Tensors x = stand_ins("hvp", inputs, options.create_graph);
  check_vector("hvp", "input", v, inputs);
  const Tensors y = call("hvp", f, x);
  check_number("hvp", y);
  return {outward(y, options.create_graph), grad_or_zeros(gradient(y[0], x), x, v, options.create_graph, false)};
}

Tensors per_sample_grads(const std::function<Tensor(const Tensors&)>& loss, const Tensors& leaves, const Tensors& batch) {
  const char* const op = "per_sample_grads";
  if (leaves.empty() || batch.empty()) throw GraphError(op, "needs at least one leaf and one tensor of samples");
  for (std::size_t k = 0; k < leaves.size(); ++k)
    if (!leaves[k].is_leaf())
      throw GraphError(op, join("tensor ", k, ", ", describe(leaves[k]), ", is not a leaf"), "leaf(values)");
  for (const Tensor& b : batch)
    if (b.rank() == 0 || b.dim(0) != batch[0].dim(0))
      throw ShapeError(
          op, join("the batch holds ", describe(batch[0]), " and ", describe(b), "; axis 0 must be the samples of both"));
  const Recording guard;
  const int64_t n = batch[0].dim(0);
  std::vector<Array> results;
  for (const Tensor& t : leaves) results.push_back(Array::zeros(joined(op, arange(n), t), t.dtype()));
  for (int64_t i = 0; i < n; ++i) {
    Tensors sample;
    for (const Tensor& b : batch) sample.push_back(Tensor(b.array().slice(0, i, i + 1)));
    const Tensors y = call(
        op, [&](const Tensors& s) { return Tensors{loss(s)}; }, sample);
    check_number(op, y);
    const Tensors g = grad_or_zeros(y, leaves, {ones(y[0].shape(), y[0].dtype())}, false, false);
    for (std::size_t k = 0; k < leaves.size(); ++k) results[k].slice(0, i, i + 1).assign(g[k].array(), op);
  }
  return Tensors(results.begin(), results.end());
}

}  // namespace gradus
