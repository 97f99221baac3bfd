// FiniteWatch finds the op that made the first NaN or infinity. A step costs a check of its loss and its gradients; only
// when one of them is not finite does it run again, with the same random numbers, checking every op.
#pragma once

#include <gradus/autograd/tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gradus {

struct NonFinite {
  enum class Source {
    op,         ///< an op made values that are not finite of finite ones
    backward,   ///< an op's backward pass did so: the gradient for one of its inputs
    parameter,  ///< a leaf held such values before the step
    constant,   ///< such values came from outside: the data, or an older tensor
    unknown,    ///< FiniteWatch only: when the step ran again all was finite
  };
  Source source = Source::op;
  std::string op;                ///< the op that made the values, or was the first to read them
  std::string module;            ///< dotted path of the module that ran it; "" outside of modules
  std::string parameter;         ///< name of the leaf that held them, or whose gradient they were; "" if none
  std::uint64_t sequence = 0;    ///< the node's number on the tape; 0 for an op that was not recorded
  std::vector<int64_t> element;  ///< index of the first that is not finite; axis 0 is the sample where there are samples
  double value = 0;              ///< its value: NaN or infinite
  int64_t count = 0;             ///< number of elements that are not finite
  std::string text;              ///< all of this as a sentence, with the ranges of the op's inputs
};
/// The finding as text: "log [in module "head"]: its result ...".
std::string to_string(const NonFinite& found);

struct NonFiniteError : Error {
  NonFiniteError(NonFinite what, std::int64_t at_step, const std::string& symptom);
  NonFinite found;
  std::int64_t step;  ///< counted from 1
};

/// Runs f, which returns a loss (one number), and backward from it, checking every value and every gradient; no leaf's
/// gradient and no parameter is changed. Absent if the loss and the gradient of every leaf are finite. The search goes
/// backwards from the wrong values: an infinity that a mask put there on purpose and that softmax made finite again is no
/// cause. Several times as slow as a step, and all intermediate results exist at once. f must not call backward() itself.
/// Within a checkpoint the backward pass counts as one op.
std::optional<NonFinite> find_non_finite(const std::function<Tensor()>& f);

/// Watches a training loop:
///
///   FiniteWatch watch(net.parameters());
///   for (auto& batch : loader) {
///     optimizer.zero_grad();
///     const Tensor loss = watch.backward([&] { return cross_entropy(net(Tensor(batch.x)), Tensor(batch.y)); });
///     optimizer.step();
///   }
///
/// Gradients of the given tensors are checked; without any only the loss is.
class FiniteWatch {
 public:
  /// `steps`: the number of steps before, for a run that is resumed.
  explicit FiniteWatch(std::vector<Tensor> parameters = {}, std::int64_t steps = 0)
      : parameters_(std::move(parameters)), steps_(steps) {}

  /// Does loss = f(); loss.backward(). Errors: NonFiniteError, if the loss or a gradient is not finite, with the finding of
  /// find_non_finite() for f. The default generator is set back for that (f must draw from no other); other effects of f
  /// (running averages of a batch norm) happen twice then. Parameters are as before the step; if a gradient was not finite,
  /// gradients are as backward left them.
  Tensor backward(const std::function<Tensor()>& f);
  std::int64_t steps() const { return steps_; }  ///< calls of backward() so far

 private:
  std::vector<Tensor> parameters_;
  std::int64_t steps_;
};

}  // namespace gradus
