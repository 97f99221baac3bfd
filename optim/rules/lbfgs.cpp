#include <gradus/optim/rule/closure_rule.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace gradus::optim {

GRADUS_CHOICE(LineSearch, none, strong_wolfe)

namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double largest(const Vector& a) {
  double m = 0;
  for (const double x : a) m = std::max(m, std::fabs(x));
  return m;
}

/// A point on the search line: step length t and the loss there.
struct Point {
  double t, f, slope;
  Vector gradient;
};

/// The minimum of the cubic through two points with their slopes, within [low, high]; the middle if there is none.
double cubic_minimum(const Point& p, const Point& q, double low, double high) {
  const Point &a = p.t <= q.t ? p : q, &b = p.t <= q.t ? q : p;
  const double d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t), square = d1 * d1 - a.slope * b.slope;
  const double root = std::sqrt(std::max(square, 0.0));
  const double t = b.t - (b.t - a.t) * ((b.slope + root - d1) / (b.slope - a.slope + 2 * root));
  return square >= 0 && std::isfinite(t) ? std::clamp(t, low, high) : (low + high) / 2;
}

struct LbfgsOptions {
  double lr = 1, max_iter = 20, max_eval = 0, tolerance_grad = 1e-7, tolerance_change = 1e-9, history_size = 100;
  LineSearch line_search_fn = LineSearch::none;
  GRADUS_FIELDS(lr, max_iter, max_eval, tolerance_grad, tolerance_change, history_size, line_search_fn)
  static constexpr Range count{.low = 1, .whole = true};
  static constexpr NamedRange ranges[] = {{"max_iter", count},
                                          {"max_eval", {.low = 0, .whole = true}},
                                          {"history_size", count},
                                          {"tolerance_grad", {.low = 0}},
                                          {"tolerance_change", {.low = 0}}};
};

/// Line search for the strong Wolfe conditions: bracket, then narrow. Nocedal and Wright, "Numerical optimization", 2006,
/// algorithms 3.5 and 3.6, with cubic interpolation and the safeguards of Schmidt's minFunc, as PyTorch has them. A loss
/// that is not finite counts as too high.
class WolfeSearch {
 public:
  static constexpr double c1 = 1e-4, c2 = 0.9;
  static constexpr int most = 25;

  WolfeSearch(Objective& f, const Vector& x, const Vector& direction, Point start, double shortest)
      : f_(f), x_(x), direction_(direction), start_(std::move(start)), shortest_(shortest / largest(direction)) {}

  Point operator()(double t) {
    Point before = start_, now = at(t);
    for (;; ++tries_) {
      if (tries_ >= most) return narrow(start_, now);
      if (too_high(now) || (tries_ > 1 && now.f >= before.f)) return narrow(before, now);
      if (flat(now)) return now;
      if (now.slope >= 0) return narrow(before, now);
      const double next = cubic_minimum(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10);
      before = std::move(now);
      now = at(next);
    }
  }
  int evaluations() const { return evaluations_; }

 private:
  Point at(double t) {
    Vector x = x_;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += t * direction_[i];
    f_.set_parameters(x);
    Point p{t, f_.evaluate(), 0, f_.gradient()};
    p.slope = dot(p.gradient, direction_);
    ++evaluations_;
    return p;
  }
  bool too_high(const Point& p) const { return !(p.f <= start_.f + c1 * p.t * start_.slope) || !std::isfinite(p.slope); }
  bool flat(const Point& p) const { return std::fabs(p.slope) <= -c2 * start_.slope; }

  Point narrow(Point a, Point b) {
    Point low = a.f <= b.f || !std::isfinite(b.f) ? a : b, high = low.t == a.t ? std::move(b) : std::move(a);
    for (bool stuck = false; tries_ < most; ++tries_) {
      const double left = std::min(low.t, high.t), right = std::max(low.t, high.t), margin = 0.1 * (right - left);
      if (right - left < shortest_) break;
      double t = cubic_minimum(low, high, left, right);
      // Twice in a row near an end: move away from it.
      const bool near = std::min(right - t, t - left) < margin;
      if (near && (stuck || t >= right || t <= left)) {
        t = std::fabs(t - right) < std::fabs(t - left) ? right - margin : left + margin;
        stuck = false;
      } else {
        stuck = near;
      }
      Point p = at(t);
      if (too_high(p) || p.f >= low.f) {
        high = std::move(p);
        if (high.f < low.f) std::swap(low, high);
        continue;
      }
      if (flat(p)) return p;
      if (p.slope * (high.t - low.t) >= 0) high = std::move(low);
      low = std::move(p);
    }
    return low;
  }

  Objective& f_;
  const Vector &x_, &direction_;
  Point start_;
  double shortest_;
  int tries_ = 0, evaluations_ = 0;
};

/// L-BFGS. Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989. One step makes up to
/// max_iter iterations and max_eval evaluations (0: max_iter and a quarter), as in PyTorch; a pair of changes is kept if
/// their product is above 1e-10. An old pair that belongs to another curvature is dropped: on a quadratic s_i*y = s*y_i for
/// any two pairs, so a difference above twice sqrt(s_i*y_i s*y) tells that the Hessian has changed
/// (docs/decisions/optimizer-shapes.md).
class Lbfgs final : public ClosureRuleWith<LbfgsOptions> {
 public:
  using ClosureRuleWith::ClosureRuleWith;
  std::unique_ptr<AnyRule> clone() const override { return std::make_unique<Lbfgs>(*this); }

  double step(Objective& f) override {
    Memory m = memory_;  // a copy, stored back only if the closure has not thrown
    Vector x = f.parameters();
    const double loss_before = f.evaluate();
    Point now{0, loss_before, 0, f.gradient()};
    int evaluations = 1;
    const int iterations = static_cast<int>(options_.max_iter);
    const int most = options_.max_eval > 0 ? static_cast<int>(options_.max_eval) : iterations * 5 / 4;
    for (int i = 1; i <= iterations && std::isfinite(now.f) && largest(now.gradient) > options_.tolerance_grad; ++i) {
      m.turn(now.gradient, options_.history_size);
      double t = options_.lr;
      if (++m.iteration == 1) {
        double sum = 0;
        for (const double g : now.gradient) sum += std::fabs(g);
        t *= std::min(1.0, 1 / sum);
      }
      now.slope = dot(now.gradient, m.direction);
      if (now.slope > -options_.tolerance_change) break;
      const double before = now.f;
      if (options_.line_search_fn == LineSearch::strong_wolfe) {
        now.t = 0;
        WolfeSearch search(f, x, m.direction, std::move(now), options_.tolerance_change);
        now = search(t);
        t = now.t;
        evaluations += search.evaluations();
      }
      for (std::size_t k = 0; k < x.size(); ++k) x[k] += t * m.direction[k];
      f.set_parameters(x);
      m.t = t;
      if (options_.line_search_fn == LineSearch::none && i < iterations) {
        now.f = f.evaluate();
        now.gradient = f.gradient();
        ++evaluations;
      }
      if (evaluations >= most || std::fabs(t) * largest(m.direction) <= options_.tolerance_change) break;
      if (std::fabs(now.f - before) < options_.tolerance_change) break;
    }
    memory_ = std::move(m);
    return loss_before;
  }

  NamedArrays state() const override {
    NamedArrays all;
    if (memory_.iteration == 0) return all;
    auto number = [&](const char* key, double x) { all.emplace_back(key, Array::full({}, x, f64)); };
    auto vector = [&](const std::string& key, const Vector& v) {
      all.emplace_back(key, Array::of<double>({static_cast<std::int64_t>(v.size())}, v));
    };
    number("iteration", memory_.iteration);
    number("length", memory_.t);
    number("scale", memory_.scale);
    vector("direction", memory_.direction);
    vector("gradient", memory_.gradient);
    for (std::size_t i = 0; i < memory_.s.size(); ++i) {
      vector("s" + std::to_string(i), *memory_.s[i]);
      vector("y" + std::to_string(i), *memory_.y[i]);
    }
    return all;
  }

  void load_state(const NamedArrays& state) override {
    Memory m;
    auto find = [&](const std::string& key) -> const Array* {
      for (const auto& s : state)
        if (s.first == key) return &s.second;
      return nullptr;
    };
    auto vector = [](const Array& a) { return Vector(a.data<double>(), a.data<double>() + a.size()); };
    if (const Array* iteration = find("iteration")) {
      for (const char* key : {"length", "scale", "direction", "gradient"})
        if (!find(key)) throw OptimError(name(), join("the state lacks \"", key, "\"; nothing was loaded"));
      m.iteration = iteration->item();
      m.t = find("length")->item();
      m.scale = find("scale")->item();
      m.direction = vector(*find("direction"));
      m.gradient = vector(*find("gradient"));
      for (std::size_t i = 0; find("s" + std::to_string(i)) && find("y" + std::to_string(i)); ++i) {
        m.s.push_back(std::make_shared<Vector>(vector(*find("s" + std::to_string(i)))));
        m.y.push_back(std::make_shared<Vector>(vector(*find("y" + std::to_string(i)))));
      }
    }
    memory_ = std::move(m);
  }

  std::string equations() const override {
    return "up to max_iter times\n"
           "  s_k = w - w_old, y_k = g - g_old; kept if s_k*y_k > 1e-10, the last history_size of them,\n"
           "  without those for which |s_i*y_k - s_k*y_i| > 2*sqrt(s_i*y_i * s_k*y_k)\n"
           "  d = -H*g, H the BFGS matrix of these pairs, begun with (s*y / y*y)*I\n"
           "  w <- w + t*d, t = lr or a length that meets the strong Wolfe conditions\n";
  }

 private:
  /// The state that one iteration leaves to the next.
  struct Memory {
    using Kept = std::shared_ptr<const Vector>;  // shared, so that a copy of the memory is cheap
    std::vector<Kept> s, y;
    Vector direction, gradient;
    double iteration = 0, t = 0, scale = 1;

    /// The new direction at gradient g: stores the last change, then the two loops (Nocedal and Wright, algorithm 7.4).
    void turn(const Vector& g, double history) {
      if (iteration > 0) take_in(g, history);
      gradient = g;
      direction = g;
      for (double& d : direction) d = -d;
      Vector a(s.size());
      for (std::size_t k = s.size(); k-- > 0;) {
        a[k] = dot(*s[k], direction) / dot(*y[k], *s[k]);
        add(direction, -a[k], *y[k]);
      }
      for (double& d : direction) d *= scale;
      for (std::size_t k = 0; k < s.size(); ++k) add(direction, a[k] - dot(*y[k], direction) / dot(*y[k], *s[k]), *s[k]);
    }
    void take_in(const Vector& g, double history) {
      Vector change = direction, turned = g;
      for (double& c : change) c *= t;
      add(turned, -1, gradient);
      const double product = dot(turned, change);
      if (!(product > 1e-10)) return;
      for (std::size_t i = s.size(); i-- > 0;) {
        const double difference = dot(*s[i], turned) - dot(change, *y[i]);
        if (difference * difference <= 4 * dot(*s[i], *y[i]) * product) continue;
        s.erase(s.begin() + static_cast<std::ptrdiff_t>(i)), y.erase(y.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (static_cast<double>(s.size()) >= history) s.erase(s.begin()), y.erase(y.begin());
      scale = product / dot(turned, turned);
      s.push_back(std::make_shared<Vector>(std::move(change)));
      y.push_back(std::make_shared<Vector>(std::move(turned)));
    }
    static void add(Vector& to, double factor, const Vector& v) {
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * v[i];
    }
  };
  Memory memory_;
};

}  // namespace

GRADUS_RULE_CLASS(lbfgs, Lbfgs, "Liu and Nocedal, On the limited memory BFGS method, Mathematical Programming 45", 1989)
}  // namespace gradus::optim
