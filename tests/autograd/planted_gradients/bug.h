// What the lists of planted bugs are written with.
#pragma once

#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <string>
#include <vector>

namespace gradus::planted {

using Call = std::function<Tensor(const std::vector<Tensor>&)>;

/// A function whose gradient is wrong.
struct Bug {
  const char* name;
  const char* mistake;  ///< for a person
  const char* cause;    ///< what the report has to name; "a or b" where both are true
  Call call;
  std::vector<Array> inputs;
  int order = 1;  ///< 2: the gradient is right, the gradient's gradient is not
};

inline Samples any_samples() {
  return {sample("any", {sample_values({2})}, [](auto& x) { return x[0] * 2.0; })};
}

/// What a backward pass has at hand: the inputs and the result, with their histories where gradients are recorded.
struct Kept {
  const BackwardContext& back;
  const std::vector<Array>& inputs;
  const Array& result;
  Tensor x(int k) const { return back.input(k, inputs[static_cast<std::size_t>(k)]); }
  Tensor y() const { return back.output(result); }
};
using Backward = std::function<void(BackwardContext&, const Kept&)>;

/// A primitive made of any result and any backward pass.
struct Wrong {
  static constexpr const char* name = "planted primitive";
  struct Saved {
    std::vector<Array> inputs;
    Array result;
    Backward backward;
  };
  static void backward(BackwardContext& b, const Saved& s) { s.backward(b, Kept{b, s.inputs, s.result}); }
  static Samples samples() { return any_samples(); }
};

/// value(inputs), with that backward pass. Inside `value` nothing is recorded.
template <class Value> Tensor wrong(const std::vector<Tensor>& in, Value value, Backward backward) {
  std::vector<Tensor> constants;
  for (const Tensor& t : in) constants.push_back(t.detach());
  const Array y = value(constants).array().contiguous();
  auto save = [&] {
    Wrong::Saved s{{}, kept(y), backward};
    for (const Tensor& t : in) s.inputs.push_back(kept(t.array()));
    return s;
  };
  return primitive_many<Wrong>({y}, save, in)[0];
}

/// One input, whose gradient is df(g, x, y).
template <class Value, class Df> Call of_one(Value value, Df df) {
  return [=](const std::vector<Tensor>& in) {
    return wrong(
        {in[0]}, [=](auto& x) { return value(x[0]); },
        [=](BackwardContext& b, const Kept& k) {
          const Tensor x = k.x(0), y = k.y();
          b.accumulate(0, [&] { return df(b.grad(), x, y); });
        });
  };
}

/// Two inputs, whose gradients are da(g, a, b) and db(g, a, b).
template <class Value, class Da, class Db> Call of_two(Value value, Da da, Db db) {
  return [=](const std::vector<Tensor>& in) {
    return wrong(
        {in[0], in[1]}, [=](auto& x) { return value(x[0], x[1]); },
        [=](BackwardContext& back, const Kept& k) {
          const Tensor a = k.x(0), b = k.x(1);
          back.accumulate(0, [&] { return da(back.grad(), a, b); });
          back.accumulate(1, [&] { return db(back.grad(), a, b); });
        });
  };
}

inline Tensor ints(const std::vector<int64_t>& v) { return Tensor(Array::of<int64_t>({static_cast<int64_t>(v.size())}, v)); }

}  // namespace gradus::planted
