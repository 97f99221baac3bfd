// FiniteWatch finds the op that made the first NaN or infinity. A step costs a look at its loss and its gradients; only when
// one of them is NaN or infinite is it run again, with the same random numbers and with an eye on every op.
#pragma once

#include <gradus/autograd/tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gradus {

struct NonFinite {
  enum class Source {
    op,         ///< made numbers that are not finite of finite ones
    backward,   ///< the same in the backward pass: the gradient for one of its inputs
    parameter,  ///< a leaf held them before the step
    constant,   ///< they came from outside: the data, or a tensor made before
    unknown,    ///< FiniteWatch only: when the step was run again all was finite
  };
  Source source = Source::op;
  std::string op;         ///< that made them, or was the first to read them
  std::string module;     ///< dotted path of the module that ran it; "" outside of modules
  std::string parameter;  ///< name of the leaf that held them, or whose gradient they were; "" otherwise or if it has none
  std::uint64_t sequence = 0;    ///< of the tape; 0 for an op that was not recorded
  std::vector<int64_t> element;  ///< the first that is not finite; axis 0 is the sample where there are samples
  double value = 0;              ///< it: NaN or infinite
  int64_t count = 0;             ///< elements that are not finite
  std::string text;              ///< all of it as a sentence, with the ranges of what the op read
};
/// "log [in module "head"]: its result ...".
std::string to_string(const NonFinite& found);

struct NonFiniteError : Error {
  NonFiniteError(NonFinite what, std::int64_t at_step, const std::string& symptom);
  NonFinite found;
  std::int64_t step;  ///< counted from 1
};

/// Runs f, which returns a loss (one number), and runs backward from it, looking at every value and every gradient; no
/// leaf's gradient is touched, no parameter changed. Absent if the loss and the gradient of every leaf are finite.
/// The cause is sought from what is wrong backwards: an infinity that a mask put there on purpose and that softmax has made
/// finite again is none. Several times as slow as a step, and it holds every intermediate result at once.
/// f must not call backward() itself. Within a checkpoint the backward pass counts as one op.
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
/// Gradients are looked at in the tensors given; without any only the loss is.
class FiniteWatch {
 public:
  /// `steps`: how many were taken before, of a run that goes on.
  explicit FiniteWatch(std::vector<Tensor> parameters = {}, std::int64_t steps = 0)
      : parameters_(std::move(parameters)), steps_(steps) {}

  /// loss = f(); loss.backward(). Errors: NonFiniteError, if the loss or a gradient is not finite, with what
  /// find_non_finite() says of f run again. The default generator is set back for that (f must draw from no other); what
  /// else f does (running averages of a batch norm) happens twice then. Parameters are as they were before the step;
  /// gradients, if it was one of them, are what backward left.
  Tensor backward(const std::function<Tensor()>& f);
  std::int64_t steps() const { return steps_; }  ///< calls of backward() so far

 private:
  std::vector<Tensor> parameters_;
  std::int64_t steps_;
};

}  // namespace gradus
