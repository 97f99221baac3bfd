#include <gradus/optim/rule/rule.h>

namespace gradus::optim {

/// Stochastic gradient descent. Robbins and Monro, "A stochastic approximation method", 1951; momentum: Polyak, 1964;
/// Nesterov's form: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013. The first
/// velocity is the gradient itself, undampened, and lr stands outside the velocity, as in PyTorch.
/// Dialects keras and paper: the velocity is made of steps, lr inside, which differs once lr changes; keras: weight decay
/// is decoupled, w <- w - lr*weight_decay*w.
template <class S = double> struct SGDRule {
  S lr = 1e-3, momentum = 0.0, dampening = 0.0, weight_decay = 0.0;
  bool nesterov = false;
  Dialect dialect = Dialect::pytorch;
  GRADUS_FIELDS(lr, momentum, dampening, weight_decay, nesterov, dialect)

  template <class V> struct State {
    V velocity;
    GRADUS_FIELDS(velocity)
  };
  auto keeps() const { return std::tuple(on(momentum)); }
  struct Step {
    S share = 1.0;  // of the gradient in the velocity
    GRADUS_FIELDS(share)
  };
  void advance(Step& k, S t) const { k.share = select(t == 1, S(1.0), 1 - dampening); }
  bool lr_inside() const { return dialect == Dialect::keras || dialect == Dialect::paper; }

  template <class V> auto update(V g, V& w, State<V>& s, const Step& k) const {
    if (on(weight_decay)) {
      if (dialect == Dialect::keras) w -= lr * weight_decay * w;
      else g += weight_decay * w;
    }
    if (lr_inside()) g = lr * g;
    V direction = g;
    if (on(momentum)) {
      s.velocity = momentum * s.velocity + k.share * g;
      direction = nesterov ? g + momentum * s.velocity : s.velocity;
    }
    if (lr_inside()) w -= direction;
    else w -= lr * direction;
    return GRADUS_SHOW(direction);
  }

  std::string conflict() const {
    if (!nesterov || (on(momentum) && !on(dampening))) return {};
    return join("nesterov needs a momentum above 0 and no dampening, got momentum=", text(momentum),
                ", dampening=", text(dampening));
  }
};

GRADUS_RULE(sgd, SGDRule, "Robbins and Monro, A stochastic approximation method; Polyak 1964; Sutskever et al. 2013", 1951)
}  // namespace gradus::optim
