// checkpoint: a piece of the forward pass that keeps nothing but its inputs, and runs again when backward needs the rest.
// Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.
#pragma once

#include <gradus/autograd/tensor_function.h>

namespace gradus {

/// Computes f(inputs) with a single node on the tape: the saved values of f's own nodes are dropped, and made again by a
/// second call of f when backward reaches the node. Memory for time: one more forward pass of f.
///
///   Tensor h = x;
///   for (auto& block : blocks)  // blocks outlives the backward pass
///     h = checkpoint([&block](const std::vector<Tensor>& in) { return block(in[0]); }, {h});
///   cross_entropy(h, labels).backward();
///
/// Gradients go to the inputs and to every leaf that f finds by itself (a module's parameters), in backward() and in grad(),
/// also recorded (create_graph). They have the bits of f without checkpoint, except where a tensor is used more than once
/// within f and also outside: there the same terms are added in another order.
/// The second call draws the same random numbers: the default generator is set back for it, and then forward again, so it
/// must not be used by another thread meanwhile. f's other side effects (running averages of a batch norm) happen twice.
/// f is kept until the node is traversed or dropped, so objects that it refers to must live as long.
/// Errors: GraphError if f uses the result of an op from outside (give it as an input), and from backward() if the second
/// call gives other values than the first did (something that f reads has changed since) or has come upon other leaves.
std::vector<Tensor> checkpoint_function(TensorFunction f, const std::vector<Tensor>& inputs);

/// The same for an f that returns one Tensor, or a vector of them.
template <class F> auto checkpoint(F f, const std::vector<Tensor>& inputs) {
  using Result = std::remove_cvref_t<decltype(f(inputs))>;
  auto results =
      checkpoint_function([f = std::move(f)](const std::vector<Tensor>& x) { return call_for_tensors(f, x); }, inputs);
  if constexpr (std::same_as<Result, Tensor>) return results[0];
  else return results;
}

}  // namespace gradus
