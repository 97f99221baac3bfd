#include <gradus/autograd/check/internal/evidence.h>
#include <gradus/core/random.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t most_rows = 256;     // outputs up to which each has its own seed
constexpr std::size_t most_located = 512;  // elements up to which a failure along directions is measured one by one
constexpr double good_enough = 0.1;        // share of the bound below which no further step is tried

bool finite(const Vector& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return std::isfinite(x); });
}
std::string brief(double x) { return fmt::format("{:.8g}", x + 0.0); }

struct Entry {
  std::size_t row;
  int64_t element;
  double a, b;
};

/// The findings about one input.
struct Block {
  std::size_t begin, size;
  double largest = 0;  ///< of |analytic| and |numeric|
  double difference = 0, own = 0;
  bool shown = false;  ///< some slope exceeded rounding beside the other inputs'
  std::vector<Entry> entries;
};

class Check {
 public:
  Check(const char* what, const PlainFunction& f, const GradcheckOptions& o, double default_bound, bool probe)
      : what_(what), f_(f), o_(o), probe_(probe), random_{o.seed, 0} {
    at_.value = f.value, at_.x = f.x, at_.rounding = f.rounding;
    report_.bound = o.bound > 0 ? o.bound : default_bound;
    std::size_t at = 0;
    for (const Shape& s : f.shapes) {
      blocks_.push_back({at, static_cast<std::size_t>(s.size()), 0, 0, 0, false, {}});
      at += blocks_.back().size;
    }
  }

  GradcheckReport run() {
    at_.base = f_.value(at_.x);
    if (at_.x.empty() || at_.base.empty())
      return finish(join("nothing to compare: ", at_.x.size(), " elements of input and ", at_.base.size(), " of output"));
    if (!finite(at_.base)) return finish("the function itself is not finite at this point; check it where it is");
    make_seeds();
    make_columns();
    elsewhere_ = beside(Philox{o_.seed, 2});
    for (int attempt = 0; attempt <= o_.redraws && !pending_.empty(); ++attempt) {
      if (attempt > 0) redraw();
      analytic_ = f_.pull_back(at_.x, at_.seeds, &elsewhere_);
      if (std::string bad = not_finite(); !bad.empty()) {
        report_.cause = Cause::not_finite;
        return finish(bad);
      }
      for (const Vector& g : analytic_) top_ = std::max(top_, largest_of(g));
      for (const Vector& g : analytic_)
        for (Block& b : blocks_)
          for (std::size_t i = 0; i < b.size; ++i) b.largest = std::max(b.largest, std::fabs(g[b.begin + i]));
      std::erase_if(pending_, [this](const Line& c) { return measure(c); });
    }
    return judge();
  }

 private:
  double uniform() { return random_.uniform<double>(drawn_++); }
  double signed_uniform() { return (uniform() < 0.5 ? -1 : 1) * (0.5 + 0.5 * uniform()); }
  bool whole() const { return at_.x.size() <= static_cast<std::size_t>(o_.whole_up_to); }

  void make_seeds() {
    const std::size_t m = at_.base.size();
    at_.each = whole() && m <= most_rows;
    at_.seeds.assign(at_.each ? m : static_cast<std::size_t>(o_.directions), Vector(m));
    for (std::size_t r = 0; r < at_.seeds.size(); ++r)
      if (at_.each) at_.seeds[r][r] = 1;
      else
        for (double& s : at_.seeds[r]) s = signed_uniform();
  }

  void make_columns() {
    for (std::size_t k = 0; k < blocks_.size(); ++k) {
      const Block& b = blocks_[k];
      if (whole())
        for (std::size_t i = 0; i < b.size; ++i)
          pending_.push_back({k, static_cast<int64_t>(i), {{b.begin + i, magnitude(at_.x[b.begin + i])}}});
      else if (b.size > 0)
        for (int d = 0; d < o_.directions; ++d) pending_.push_back({k, -1, direction(b)});
    }
  }

  std::vector<std::pair<std::size_t, double>> direction(const Block& b) {
    std::vector<std::pair<std::size_t, double>> moves;
    for (std::size_t i = b.begin; i < b.begin + b.size; ++i) moves.push_back({i, signed_uniform() * magnitude(at_.x[i])});
    return moves;
  }

  Vector beside(const Philox& random) const {
    Vector x = f_.x;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 1 + 0x1p-5 * (random.uniform<double>(i) - 0.5);
    return x;
  }

  /// Draws another point near the given one, and other directions.
  void redraw() {
    for (std::size_t i = 0; i < at_.x.size(); ++i) at_.x[i] = f_.x[i] * (1 + 0x1p-6 * signed_uniform());
    at_.base = f_.value(at_.x);
    for (Line& c : pending_)
      if (c.element < 0) c.moves = direction(blocks_[c.block]);
  }

  std::string not_finite() const {
    for (const Vector& g : analytic_)
      for (std::size_t k = 0; k < blocks_.size(); ++k)
        for (std::size_t i = 0; i < blocks_[k].size; ++i)
          if (const double v = g[blocks_[k].begin + i]; !std::isfinite(v))
            return join("the gradient of ", place(k, static_cast<int64_t>(i)), " is ", std::isnan(v) ? "nan" : text(v));
    return {};
  }

  /// Measures a column: true if it is settled, false if it was too coarse and must be drawn again.
  bool measure(const Line& c) {
    Block& block = blocks_[c.block];
    const double bound = report_.bound;
    const Slopes best = at_.best(c, good_enough * bound, block.largest);
    ++report_.draws;
    const double scale = std::max(block.largest, largest_of(best.seven));
    const bool zero_to_rounding = scale <= 1e3 * f_.gradient_rounding * top_ &&
                                  block.largest <= std::max(best.noise, f_.gradient_rounding * top_) &&
                                  largest_of(best.seven) <= best.noise;
    if (best.step > 0 && kink(c, best, scale)) return true;
    if (best.step == 0 || (best.uncertain > bound * scale && !zero_to_rounding)) {
      ++report_.inconclusive;
      return false;
    }
    for (std::size_t r = 0; r < at_.seeds.size(); ++r) {
      const Entry e{r, c.element, along(c, r), best.seven[r]};
      block.largest = std::max(block.largest, std::fabs(e.b));
      block.difference = std::max(block.difference, std::fabs(e.a - e.b));
      block.entries.push_back(e);
    }
    block.own = std::max(block.own, best.uncertain);
    block.shown = block.shown || (scale > 0 && !zero_to_rounding);
    return true;
  }

  double along(const Line& c, std::size_t row) const {
    if (c.element >= 0) return analytic_[row][c.moves[0].first];
    double s = 0;
    for (const auto& [i, unit] : c.moves) s += analytic_[row][i] * unit;
    return s;
  }

  bool kink(const Line& c, const Slopes& s, double scale) {
    double jump = 0, wrong = 0;
    for (std::size_t r = 0; r < at_.seeds.size(); ++r) {
      jump = std::max(jump, std::fabs(s.right[r] - s.left[r]));
      wrong = std::max(wrong, std::fabs(along(c, r) - s.seven[r]));
    }
    if (jump <= 1e-3 * scale && wrong <= report_.bound * scale + s.uncertain) return false;
    const Stencil::Kink k = at_.kink(c, s, report_.bound * scale);
    if (k.found && !report_.not_differentiable) {
      report_.not_differentiable = true;
      kink_ = join("not differentiable here: at ", place(c.block, c.element),
                   c.element < 0 ? "" : " = " + brief(at_.x[c.moves[0].first]), " the slope is ", brief(k.left),
                   " from the left and ", brief(k.right), " from the right; move the input off the kink");
      point_at(c.block, {k.row, c.element, along(c, k.row), s.seven[k.row]});
    }
    return k.found;
  }

  // ---- verdict ----

  void point_at(std::size_t block, const Entry& e) {
    report_.input = static_cast<int>(block);
    report_.element = e.element;
    report_.output = at_.each ? static_cast<int64_t>(e.row) : -1;
    report_.analytic = e.a, report_.numeric = e.b;
  }

  GradcheckReport judge() {
    const Block* wrong = nullptr;
    double worst = -1;
    for (const Block& b : blocks_) {
      report_.compared += static_cast<int64_t>(b.entries.size());
      if (!b.shown) continue;
      const double error = b.difference / b.largest, own = b.own / b.largest;
      const bool fails = !(error < report_.bound + own);
      if (fails < (wrong != nullptr) || (fails == (wrong != nullptr) && error <= worst)) continue;
      worst = error;
      report_.error = error, report_.own_error = own;
      const auto& e = *std::max_element(b.entries.begin(), b.entries.end(),
                                        [](auto& p, auto& q) { return std::fabs(p.a - p.b) < std::fabs(q.a - q.b); });
      if (!report_.not_differentiable || fails) point_at(static_cast<std::size_t>(&b - blocks_.data()), e);
      if (fails) wrong = &b;
    }
    if (wrong) return finish(describe_wrong(*wrong));
    if (report_.not_differentiable) return finish(kink_);
    if (!pending_.empty())
      return finish(join("inconclusive: ", pending_.size(), " of ", report_.draws, " draws stayed too coarse to judge at ",
                         place(pending_[0].block, pending_[0].element),
                         "; choose a point where the function is smooth, or scale it to values near 1"));
    if (std::string zero = vacuous(); !zero.empty()) return finish(zero);
    report_.passed = true;
    return finish(join("passed: error ", brief(report_.error), ", bound ", text(report_.bound), "; ", report_.compared,
                       " entries compared, ", report_.inconclusive, " of ", report_.draws, " draws inconclusive"));
  }

  /// The message if the gradient is zero both ways, which shows nothing unless the function does not depend on the input.
  std::string vacuous() {
    bool any = false;
    for (const Block& b : blocks_) any = any || b.shown;
    report_.all_zero = !any;
    report_.constant =
        !any && std::none_of(blocks_.begin(), blocks_.end(), [this](const Block& b) { return depends_on(b); });
    if (o_.may_be_zero) return {};
    if (report_.constant) return "every gradient is exactly zero, and the function is constant: nothing was shown";
    if (!any)
      return "every gradient is exactly zero, analytic and numeric: nothing was shown; choose inputs where the function "
             "changes";
    for (std::size_t k = 0; probe_ && k < blocks_.size(); ++k)
      if (blocks_[k].size > 0 && !blocks_[k].shown && depends_on(blocks_[k])) {
        report_.all_zero = true;
        report_.input = static_cast<int>(k), report_.element = report_.output = -1;
        report_.analytic = report_.numeric = 0;
        return join("the gradient of ", place(k, -1),
                    " is exactly zero, analytic and numeric, though the function depends on it: "
                    "nothing was shown; choose values where it changes");
      }
    return {};
  }

  bool depends_on(const Block& b) {
    for (const double side : {1.0, -1.0, 8.0, -8.0}) {
      Vector x = f_.x;
      for (std::size_t i = b.begin; i < b.begin + b.size; ++i) x[i] += side * magnitude(x[i]) * (0.5 + uniform());
      try {
        const Vector y = f_.value(x), before = f_.value(f_.x);
        for (std::size_t j = 0; j < y.size(); ++j)
          if (std::fabs(y[j] - before[j]) > 1e-12 * largest_of(before)) return true;
      } catch (const Error&) {  // the function has no value here
      }
    }
    return false;
  }

  std::string place(std::size_t block, int64_t element) const {
    std::string s = f_.names[block];
    if (element < 0) return whole() ? s : "a random direction of " + s;
    const Shape& shape = f_.shapes[block];
    std::string index;
    for (int k = shape.rank(); k-- > 0; element /= shape[k])
      index = join(element % shape[k], index.empty() ? "" : ",", index);
    return join(s, "[", index, "]");
  }

  // ---- element and cause of the error ----

  std::string describe_wrong(const Block& b) {
    const auto k = static_cast<std::size_t>(report_.input);
    const Diagnosis d = diagnosis(b);
    report_.cause = d.cause;
    const std::string output = report_.output < 0 ? "" : join(" (of output element ", report_.output, ")");
    return join("the gradient is wrong at ", place(k, report_.element), " of ", f_.shapes[k], output, ": analytic ",
                text(report_.analytic), ", numeric ", text(report_.numeric), "; error ", brief(report_.error), ", allowed ",
                text(report_.bound), " + ", brief(report_.own_error), "; ", d.sentence.empty() ? differing(b) : d.sentence);
  }

  std::string differing(const Block& b) const {
    const auto apart = std::count_if(b.entries.begin(), b.entries.end(), [&](const Entry& e) {
      return std::fabs(e.a - e.b) > report_.bound * b.largest + b.own;
    });
    return join(apart, " of ", b.entries.size(), report_.compared > 0 && whole() ? " entries differ" : " products differ");
  }

  /// Measures all inputs element by element, if there are few enough, and finds the cause; otherwise locates the element.
  Diagnosis diagnosis(const Block& b) {
    const auto k = static_cast<std::size_t>(&b - blocks_.data());
    const Findings found{f_, at_, analytic_, good_enough * report_.bound};
    Evidence e;
    Worst worst;
    if (at_.x.size() <= most_located) {
      e = gather(found, k, report_.bound * b.largest);
      worst = worst_of(e);
    } else {  // the products along directions, as one column: causes common to all entries can still be found
      e.rows = b.entries.size(), e.inputs = {Shape{1}}, e.names = {f_.names[k]}, e.of.resize(1), e.x = {0}, e.noise = b.own;
      for (const Entry& p : b.entries) e.of[0].analytic.push_back(p.a), e.of[0].numeric.push_back(p.b);
      worst = locate(found, {k, -1, direction(b)});
    }
    if (!whole() && worst.element >= 0) point_at(k, {worst.row, worst.element, worst.analytic, worst.numeric});
    return diagnose(e);
  }

  GradcheckReport finish(const std::string& text) {
    report_.message = std::string(what_) + ": " + text;
    return std::move(report_);
  }

  const char* what_;
  const PlainFunction& f_;
  const GradcheckOptions& o_;
  bool probe_;
  Stencil at_;  ///< the point, and differences around it
  Philox random_;
  std::uint64_t drawn_ = 0;
  std::vector<Block> blocks_;
  std::vector<Line> pending_;
  std::vector<Vector> analytic_;
  Vector elsewhere_;
  double top_ = 0;  ///< largest of all analytic gradients
  std::string kink_;
  GradcheckReport report_;
};

}  // namespace

GradcheckReport check_differences(const char* what, const PlainFunction& f, const GradcheckOptions& options,
                                  double default_bound, bool probe) {
  return Check(what, f, options, default_bound, probe).run();
}

}  // namespace gradus
