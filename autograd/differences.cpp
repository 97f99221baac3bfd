#include <gradus/autograd/differences.h>
#include <gradus/core/random.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

using Vector = std::vector<double>;

/// Steps in the order they are tried. The seven-point rule errs by h^6 f^(7) / 140 and by rounding of about eps |f| / h, so
/// the first is near the best for f of order 1; smaller ones step around kinks nearby and serve steep functions, larger ones
/// flat ones.
constexpr double steps[] = {0x1p-7,  0x1p-9,  0x1p-11, 0x1p-13, 0x1p-15, 0x1p-17, 0x1p-19,
                            0x1p-21, 0x1p-23, 0x1p-26, 0x1p-29, 0x1p-5,  0x1p-3};
constexpr double closest = 0x1p-22;          // a kink must be seen as near as this
constexpr double rounding = 0x1p-47;         // of one evaluation, relative: 32 units in the last place
constexpr std::size_t most_rows = 256;       // outputs up to which each is seeded by itself
constexpr double good_enough = 0.1;          // of the bound: no further step is tried

double largest_of(const Vector& v) {
  double m = 0;
  for (const double x : v) m = std::max(m, std::fabs(x));
  return m;
}
bool finite(const Vector& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return std::isfinite(x); });
}
double dot(const Vector& a, const Vector& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}
std::string brief(double x) { return fmt::format("{:.8g}", x + 0.0); }
double magnitude(double x) { return std::ldexp(1.0, std::max(0, std::ilogb(std::max(std::fabs(x), 1.0)))); }

struct Entry {
  std::size_t row;
  int64_t element;
  double a, b;
};

/// One input and what was found for it.
struct Block {
  std::size_t begin, size;
  double largest = 0;     ///< of |analytic| and |numeric|
  double difference = 0, own = 0;
  bool shown = false;         ///< some slope was more than rounding beside the other inputs'
  std::vector<Entry> entries;
};

struct Column {
  std::size_t block;
  int64_t element;                                    ///< -1: a random direction
  std::vector<std::pair<std::size_t, double>> moves;  ///< x[first] += h * second
};

/// Slopes along one column, a number for each seed.
struct Slopes {
  Vector seven, five, left, right;
  double uncertain = INFINITY, noise = 0;
};

class Check {
 public:
  Check(const char* what, const PlainFunction& f, const GradcheckOptions& o, double default_bound, bool probe)
      : what_(what), f_(f), o_(o), probe_(probe), x_(f.x), random_{o.seed, 0} {
    report_.bound = o.bound > 0 ? o.bound : default_bound;
    std::size_t at = 0;
    for (const Shape& s : f.shapes) {
      blocks_.push_back({at, static_cast<std::size_t>(s.size()), 0, 0, 0, false, {}});
      at += blocks_.back().size;
    }
  }

  GradcheckReport run() {
    base_ = f_.value(x_);
    if (x_.empty() || base_.empty())
      return finish(join("nothing to compare: ", x_.size(), " elements of input and ", base_.size(), " of output"));
    if (!finite(base_)) return finish("the function itself is not finite at this point; check it where it is");
    make_seeds();
    make_columns();
    for (int attempt = 0; attempt <= o_.redraws && !pending_.empty(); ++attempt) {
      if (attempt > 0) redraw();
      analytic_ = f_.pull_back(x_, seeds_);
      if (std::string bad = not_finite(); !bad.empty()) return finish(bad);
      for (const Vector& g : analytic_) top_ = std::max(top_, largest_of(g));
      for (const Vector& g : analytic_)
        for (Block& b : blocks_)
          for (std::size_t i = 0; i < b.size; ++i) b.largest = std::max(b.largest, std::fabs(g[b.begin + i]));
      std::erase_if(pending_, [this](const Column& c) { return measure(c); });
    }
    return judge();
  }

 private:
  double uniform() { return random_.uniform<double>(drawn_++); }
  double signed_uniform() { return (uniform() < 0.5 ? -1 : 1) * (0.5 + 0.5 * uniform()); }
  bool whole() const { return x_.size() <= static_cast<std::size_t>(o_.whole_up_to); }

  void make_seeds() {
    const std::size_t m = base_.size();
    each_ = whole() && m <= most_rows;
    seeds_.assign(each_ ? m : static_cast<std::size_t>(o_.directions), Vector(m));
    for (std::size_t r = 0; r < seeds_.size(); ++r)
      if (each_) seeds_[r][r] = 1;
      else
        for (double& s : seeds_[r]) s = signed_uniform();
  }

  void make_columns() {
    for (std::size_t k = 0; k < blocks_.size(); ++k) {
      const Block& b = blocks_[k];
      if (whole())
        for (std::size_t i = 0; i < b.size; ++i)
          pending_.push_back({k, static_cast<int64_t>(i), {{b.begin + i, magnitude(x_[b.begin + i])}}});
      else if (b.size > 0)
        for (int d = 0; d < o_.directions; ++d) pending_.push_back({k, -1, direction(b)});
    }
  }

  std::vector<std::pair<std::size_t, double>> direction(const Block& b) {
    std::vector<std::pair<std::size_t, double>> moves;
    for (std::size_t i = b.begin; i < b.begin + b.size; ++i) moves.push_back({i, signed_uniform() * magnitude(x_[i])});
    return moves;
  }

  /// Another point beside the one given, and other directions.
  void redraw() {
    for (std::size_t i = 0; i < x_.size(); ++i) x_[i] = f_.x[i] * (1 + 0x1p-6 * signed_uniform());
    base_ = f_.value(x_);
    for (Column& c : pending_)
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

  Slopes slopes(const Column& c, double h) {
    Vector v[7];
    for (int k = -3; k <= 3; ++k) {
      if (k == 0) continue;
      Vector x = x_;
      for (const auto& [i, unit] : c.moves) x[i] += k * h * unit;
      v[k + 3] = f_.value(x);
      if (!finite(v[k + 3])) return {};
    }
    v[3] = base_;
    const double unit = c.element < 0 ? 1 : c.moves[0].second, d = h * unit;
    Vector seven(base_.size()), five(seven), left(seven), right(seven), noise(seven);
    for (std::size_t j = 0; j < base_.size(); ++j) {
      const double one = v[4][j] - v[2][j], two = v[5][j] - v[1][j], three = v[6][j] - v[0][j];
      seven[j] = (45 * one - 9 * two + three) / (60 * d);
      five[j] = (8 * one - two) / (12 * d);
      const auto from_base = [&](int k) { return v[k][j] - base_[j]; };  // exactly zero where nothing changes
      right[j] = (18 * from_base(4) - 9 * from_base(5) + 2 * from_base(6)) / (6 * d);
      left[j] = -(18 * from_base(2) - 9 * from_base(1) + 2 * from_base(0)) / (6 * d);
      double top = 0;
      bool constant = true;
      for (const Vector& w : v) top = std::max(top, std::fabs(w[j])), constant = constant && w[j] == base_[j];
      noise[j] = constant ? 0 : rounding * top / d;
    }
    Slopes s;
    s.uncertain = 0;
    for (std::size_t r = 0; r < seeds_.size(); ++r) {
      const auto project = [&](const Vector& w) { return each_ ? w[r] : dot(seeds_[r], w); };
      s.seven.push_back(project(seven)), s.five.push_back(project(five));
      s.left.push_back(project(left)), s.right.push_back(project(right));
      double n = each_ ? noise[r] : 0;
      for (std::size_t j = 0; !each_ && j < noise.size(); ++j) n += std::fabs(seeds_[r][j]) * noise[j];
      s.noise = std::max(s.noise, n);
      s.uncertain = std::max(s.uncertain, std::fabs(s.seven.back() - s.five.back()) + n);
    }
    return s;
  }

  /// True if the column is settled; false if it was too coarse and must be drawn again.
  bool measure(const Column& c) {
    Block& block = blocks_[c.block];
    const double bound = report_.bound;
    Slopes best;
    double best_step = 0;
    for (const double h : steps) {
      Slopes s = slopes(c, h);
      if (!(s.uncertain < best.uncertain)) continue;
      best = std::move(s), best_step = h;
      if (best.uncertain <= good_enough * bound * std::max(block.largest, largest_of(best.seven))) break;
    }
    ++report_.draws;
    const double scale = std::max(block.largest, largest_of(best.seven));
    const bool zero_to_rounding = scale <= 1e-10 * top_ && block.largest <= std::max(best.noise, 1e-13 * top_) &&
                                  largest_of(best.seven) <= best.noise;
    if (best_step > 0 && kink(c, best, best_step, scale)) return true;
    if (best_step == 0 || (best.uncertain > bound * scale && !zero_to_rounding)) {
      ++report_.inconclusive;
      return false;
    }
    for (std::size_t r = 0; r < seeds_.size(); ++r) {
      const Entry e{r, c.element, along(c, r), best.seven[r]};
      block.largest = std::max(block.largest, std::fabs(e.b));
      block.difference = std::max(block.difference, std::fabs(e.a - e.b));
      block.entries.push_back(e);
    }
    block.own = std::max(block.own, best.uncertain);
    block.shown = block.shown || (scale > 0 && !zero_to_rounding);
    return true;
  }

  double along(const Column& c, std::size_t row) const {
    if (c.element >= 0) return analytic_[row][c.moves[0].first];
    double s = 0;
    for (const auto& [i, unit] : c.moves) s += analytic_[row][i] * unit;
    return s;
  }

  /// Do the one-sided slopes disagree, and no less at an eighth of the step? A smooth function's would by 1/512.
  bool kink(const Column& c, const Slopes& s, double step, double scale) {
    std::size_t row = 0;
    double jump = 0, wrong = 0;
    for (std::size_t r = 0; r < seeds_.size(); ++r) {
      if (const double j = std::fabs(s.right[r] - s.left[r]); j > jump) jump = j, row = r;
      wrong = std::max(wrong, std::fabs(along(c, r) - s.seven[r]));
    }
    if (jump <= 1e-3 * scale && wrong <= report_.bound * scale + s.uncertain) return false;
    Slopes closer;
    for (const double h : {step / 8, std::min(step / 8, closest)}) {
      Slopes near = slopes(c, h);
      if (near.seven.empty()) return false;
      if (h < step / 8 && 100 * near.noise > jump) break;  // so near, rounding hides it
      const double still = std::fabs(near.right[row] - near.left[row]);
      if (still < jump / 4 || still <= report_.bound * scale + 100 * near.noise) return false;
      closer = std::move(near);
    }
    if (!report_.not_differentiable) {
      report_.not_differentiable = true;
      kink_ = join("not differentiable here: at ", place(c.block, c.element),
                   c.element < 0 ? "" : " = " + brief(x_[c.moves[0].first]), " the slope is ", brief(closer.left[row]),
                   " from the left and ", brief(closer.right[row]), " from the right; move the input off the kink");
      point_at(c.block, {row, c.element, along(c, row), s.seven[row]});
    }
    return true;
  }

  // ---- the verdict ----

  void point_at(std::size_t block, const Entry& e) {
    report_.input = static_cast<int>(block);
    report_.element = e.element;
    report_.output = each_ ? static_cast<int64_t>(e.row) : -1;
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

  /// Zero both ways shows nothing, unless the function does not depend on the input.
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
      } catch (const Error&) {  // outside what the function accepts: no answer
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

  std::string describe_wrong(const Block& b) const {
    const auto k = static_cast<std::size_t>(report_.input);
    const std::string cause = probable_cause(b);
    const std::string output = report_.output < 0 ? "" : join(" (of output element ", report_.output, ")");
    return join("the gradient is wrong at ", place(k, report_.element), " of ", f_.shapes[k], output, ": analytic ",
                text(report_.analytic), ", numeric ", text(report_.numeric), "; error ", brief(report_.error), ", allowed ",
                text(report_.bound), " + ", brief(report_.own_error), cause.empty() ? "" : "; ", cause);
  }

  std::string probable_cause(const Block& b) const {
    double aa = 0, ab = 0, bb = 0;
    for (const Entry& e : b.entries) aa += e.a * e.a, ab += e.a * e.b, bb += e.b * e.b;
    if (aa == 0) return "the analytic gradient is zero everywhere: is the path cut (detach(), array(), NoGrad)?";
    if (bb == 0) return "the function does not change with this input";
    const double factor = ab / bb;
    double rest = 0;
    std::size_t differing = 0;
    for (const Entry& e : b.entries) {
      rest = std::max(rest, std::fabs(e.a - factor * e.b));
      differing += std::fabs(e.a - e.b) > report_.bound * b.largest + b.own;
    }
    if (rest <= 1e-6 * std::fabs(1 - factor) * b.largest) {
      if (std::fabs(factor + 1) < 1e-6) return "every entry has the wrong sign";
      const double n = 1 / factor;
      if (n > 1.5 && std::fabs(n - std::round(n)) < 1e-6)
        return join("every entry is 1/", std::llround(n), " of what it should be: is a sum over a broadcast axis missing?");
      return join("every entry is ", brief(factor), " times what it should be");
    }
    if (transposed(b)) return "the gradient is transposed";
    return join(differing, " of ", b.entries.size(), " entries differ");
  }

  bool transposed(const Block& b) const {
    const Shape& s = f_.shapes[static_cast<std::size_t>(&b - blocks_.data())];
    if (!whole() || s.rank() < 2 || s[s.rank() - 1] != s[s.rank() - 2]) return false;
    const auto n = static_cast<std::size_t>(s.back());
    std::vector<const Entry*> grid(seeds_.size() * b.size, nullptr);
    for (const Entry& e : b.entries) grid[e.row * b.size + static_cast<std::size_t>(e.element)] = &e;
    for (std::size_t at = 0; at < grid.size(); ++at) {
      const std::size_t i = at / n % n, j = at % n, mirror = at - i * n - j + j * n + i;
      if (!grid[at] || !grid[mirror] || std::fabs(grid[at]->a - grid[mirror]->b) > 1e-6 * b.largest) return false;
    }
    return true;
  }

  GradcheckReport finish(const std::string& text) {
    report_.message = std::string(what_) + ": " + text;
    return std::move(report_);
  }

  const char* what_;
  const PlainFunction& f_;
  const GradcheckOptions& o_;
  bool probe_, each_ = false;
  Vector x_, base_;
  Philox random_;
  std::uint64_t drawn_ = 0;
  std::vector<Block> blocks_;
  std::vector<Column> pending_;
  std::vector<Vector> seeds_, analytic_;
  double top_ = 0;  ///< of all analytic gradients
  std::string kink_;
  GradcheckReport report_;
};

}  // namespace

GradcheckReport check_differences(const char* what, const PlainFunction& f, const GradcheckOptions& options,
                                  double default_bound, bool probe) {
  return Check(what, f, options, default_bound, probe).run();
}

}  // namespace gradus
