// Products and matrices of derivatives of any function of tensors: vjp, jvp, jacobian, hessian, hvp, per-sample gradients.
//
//   f(const Tensor&) -> Tensor, called as jacobian(f, x), or
//   f(const std::vector<Tensor>&) -> a Tensor or a vector of them, called as jacobian(f, {x, y}), or with a vector.
//
// All functions call f with tensors of their own over the given elements, so no gradient is left anywhere, whether or not
// the inputs require one. An input that f does not use has a derivative of zeros, and so has an output that does not depend
// on an input (as in torch.autograd.functional). All are exact: nothing is a difference quotient. Errors, for all:
// DtypeError for an input that is neither f32 nor f64 (capture labels and indices in f), ShapeError or DtypeError for a
// vector unlike the tensors it multiplies, GraphError without inputs.
#pragma once

#include <gradus/autograd/tensor_function.h>

namespace gradus {

struct FunctionalOptions {
  /// True: the results can be differentiated, with respect to inputs that require a gradient and to tensors that f captures.
  bool create_graph = false;
};

using TensorMatrix = std::vector<std::vector<Tensor>>;

/// The outputs of f, and a product of its derivative.
struct Product {
  Tensor value, product;
};
struct Products {
  std::vector<Tensor> values, products;
};

/// v^T J for every input: one backward pass. `v` has one tensor for each output, of its shape and dtype.
Products vjp_function(const TensorFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& v,
                      FunctionalOptions options = {});
/// J v for every output. `v` has one tensor for each input. The backward pass is linear in its seed, so its derivative with
/// respect to the seed, along v, is J v: two backward passes, whatever the sizes.
Products jvp_function(const TensorFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& v,
                      FunctionalOptions options = {});
/// The Jacobian as [output][input], each of the output's shape followed by the input's: one backward pass for each element
/// of the outputs. Errors: also ShapeError where the two ranks together exceed max_rank.
TensorMatrix jacobian_function(const TensorFunction& f, const std::vector<Tensor>& inputs, FunctionalOptions options = {});
/// The Hessian as [input a][input b], each of a's shape followed by b's, of an f that returns one number: one backward pass
/// for each element of the inputs. Errors: also ShapeError unless f returns one number.
TensorMatrix hessian_function(const TensorFunction& f, const std::vector<Tensor>& inputs, FunctionalOptions options = {});
/// H v for every input, of an f that returns one number: two backward passes. `v` has one tensor for each input.
Products hvp_function(const TensorFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& v,
                      FunctionalOptions options = {});

/// The gradient of each sample's loss with respect to leaves that `loss` finds by itself, e.g. a module's parameters: one
/// tensor for each leaf, [N, leaf's shape], zeros where the loss does not use it. `batch`: tensors of any dtype with the
/// samples along axis 0, all N long; loss(batch) is called with one sample at a time, axis 0 kept with length 1, and returns
/// one number. The leaves' own gradients stay as they are.
///
///   auto g = per_sample_grads([&](const std::vector<Tensor>& b) { return cross_entropy(net(b[0]), b[1]); },
///                             net.parameters(), {images, labels});
///
/// The implementation is a loop of N forward and backward passes: as slow as N batches of one, but right for every op; ops
/// over a whole batch (batch norm while training) see a batch of one. Errors: GraphError for a tensor that is no leaf, or
/// without leaves or batch; ShapeError for tensors of unequal N, or a loss that is more than one number.
std::vector<Tensor> per_sample_grads(const std::function<Tensor(const std::vector<Tensor>&)>& loss,
                                     const std::vector<Tensor>& leaves, const std::vector<Tensor>& batch);

// Overloads for functions of one Tensor and for braced lists.

template <class F> TensorFunction of_one(const F& f) {
  return [&f](const std::vector<Tensor>& x) { return std::vector<Tensor>{f(x[0])}; };
}
template <class F> TensorFunction of_many(const F& f) {
  return [&f](const std::vector<Tensor>& x) { return call_for_tensors(f, x); };
}
inline Product single(const Products& p) { return {p.values[0], p.products[0]}; }

template <class F> Product vjp(const F& f, const Tensor& x, const Tensor& v, FunctionalOptions options = {}) {
  return single(vjp_function(of_one(f), {x}, {v}, options));
}
template <class F>
Products vjp(const F& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& v, FunctionalOptions options = {}) {
  return vjp_function(of_many(f), inputs, v, options);
}
template <class F> Product jvp(const F& f, const Tensor& x, const Tensor& v, FunctionalOptions options = {}) {
  return single(jvp_function(of_one(f), {x}, {v}, options));
}
template <class F>
Products jvp(const F& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& v, FunctionalOptions options = {}) {
  return jvp_function(of_many(f), inputs, v, options);
}
template <class F> Tensor jacobian(const F& f, const Tensor& x, FunctionalOptions options = {}) {
  return jacobian_function(of_one(f), {x}, options)[0][0];
}
template <class F> TensorMatrix jacobian(const F& f, const std::vector<Tensor>& inputs, FunctionalOptions options = {}) {
  return jacobian_function(of_many(f), inputs, options);
}
template <class F> Tensor hessian(const F& f, const Tensor& x, FunctionalOptions options = {}) {
  return hessian_function(of_one(f), {x}, options)[0][0];
}
template <class F> TensorMatrix hessian(const F& f, const std::vector<Tensor>& inputs, FunctionalOptions options = {}) {
  return hessian_function(of_many(f), inputs, options);
}
template <class F> Product hvp(const F& f, const Tensor& x, const Tensor& v, FunctionalOptions options = {}) {
  return single(hvp_function(of_one(f), {x}, {v}, options));
}
template <class F>
Products hvp(const F& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& v, FunctionalOptions options = {}) {
  return hvp_function(of_many(f), inputs, v, options);
}

}  // namespace gradus
