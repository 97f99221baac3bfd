#include <gradus/core/error.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/kernels/map.h>
#include <gradus/optim/norms.h>
#include <gradus/optim/stages/stage_kinds.h>
#include <gradus/optim/stages/stages.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {

void find_squares(std::vector<Flow>& flows) {
  std::vector<const Array*> unknown;
  for (const Flow& f : flows)
    if (f.squares < 0) unknown.push_back(&f.g);
  const auto squares = sums_of_squares(unknown);
  std::size_t i = 0;
  for (Flow& f : flows)
    if (f.squares < 0) f.squares = squares[i++];
}

double global_norm(std::vector<Flow>& flows) {
  find_squares(flows);
  double sum = 0;
  for (const Flow& f : flows) sum += f.factor * f.factor * f.squares;
  if (squares_fit(sum)) return std::sqrt(sum);
  long double wide = 0;
  for (const Flow& f : flows) {
    const auto factor = static_cast<long double>(f.factor);
    wide += factor * factor * wide_sum_of_squares(f.g.dtype(), f.g.bytes(), f.g.size());
  }
  return static_cast<double>(std::sqrt(wide));
}

void settle(Flow& f) {
  if (!factor_fits(f.factor, f.g.dtype())) f = {f.place, scaled(f.g, f.factor), 1, -1};
}

namespace {

/// The same stage with the numbers in other Arrays is a copy: Arrays are replaced here, never written.
template <class Kind>
class StageOf : public Stage {
 public:
  using Stage::Stage;
  std::unique_ptr<Stage> clone() const override { return std::make_unique<Kind>(static_cast<const Kind&>(*this)); }
  static std::unique_ptr<Stage> make(const StageKind& kind) { return std::make_unique<Kind>(kind); }
};

void replace(Flow& f, Array g) { f = {f.place, std::move(g), 1, -1}; }

// ---- clipping --------------------------------------------------------------------------------------------------------

struct ClipNorm final : StageOf<ClipNorm> {
  using StageOf::StageOf;
  bool apply(std::vector<Flow>& flows, const std::vector<FlowParameter>&) override {
    const double factor = clip_factor(global_norm(flows), get(0));
    for (Flow& f : flows) f.factor *= factor;
    return true;
  }
};

struct ClipValue final : StageOf<ClipValue> {
  using StageOf::StageOf;
  bool apply(std::vector<Flow>& flows, const std::vector<FlowParameter>&) override {
    const double most = get(0);
    for (Flow& f : flows) {
      settle(f);
      replace(f, map([most, factor = f.factor](auto g) {
        using V = decltype(g);
        const V x = factor * g;
        return select(x > V(most), V(most), select(x < V(-most), V(-most), x));
      }, f.g));
    }
    return true;
  }
};

/// Rows of one parameter: what feeds one output of a layer, [out, in...]; a vector is one row.
struct Rows {
  std::int64_t count, length;
  explicit Rows(const Array& a) : count(a.rank() > 1 ? a.shape()[0] : 1), length(count > 0 ? a.size() / count : 0) {}
};

/// f(row) for each, rows that are small together in one piece of work.
template <class F>
void each_row(const Rows& rows, F f) {
  const std::int64_t grain = std::max<std::int64_t>(1, piece_elements / std::max<std::int64_t>(1, rows.length));
  parallel_ranges(rows.count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

double row_norm(const Array& a, const Rows& rows, std::int64_t i) {
  const char* row = a.bytes() + i * rows.length * static_cast<std::int64_t>(bytes_of(a.dtype()));
  return root_of_squares(sum_of_squares(a.dtype(), row, rows.length), a.dtype(), row, rows.length);
}

/// to[i] = scale * (from[i] - shift), one row.
template <class T>
void write_row(T* to, const T* from, std::int64_t n, double scale, double shift) {
  const T a = static_cast<T>(scale), b = static_cast<T>(shift);
  if (factor_fits(scale, dtype_of<T>()))
    for (std::int64_t i = 0; i < n; ++i) to[i] = a * (from[i] - b);
  else
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(scale * static_cast<double>(from[i] - b));
}

/// Adaptive gradient clipping. Brock et al., "High-performance large-scale image recognition without normalization", 2021,
/// equation 3: |g_row| <= clipping * max(|w_row|, eps).
struct Agc final : StageOf<Agc> {
  using StageOf::StageOf;
  bool apply(std::vector<Flow>& flows, const std::vector<FlowParameter>& parameters) override {
    for (Flow& f : flows) clip(f, *parameters[f.place].w);
    return true;
  }

 private:
  void clip(Flow& f, const Array& w) const {
    const Rows rows(w);
    std::vector<double> factors(static_cast<std::size_t>(rows.count), 1.0);
    each_row(rows, [&](std::int64_t i) {
      const double norm = std::fabs(f.factor) * row_norm(f.g, rows, i);
      const double most = get(0) * std::max(row_norm(w, rows, i), get(1));
      if (!(norm <= most)) factors[static_cast<std::size_t>(i)] = most / (norm < 1e-6 ? 1e-6 : norm);  // NaN if it is
    });
    if (std::all_of(factors.begin(), factors.end(), [](double x) { return x == 1; })) return;
    if (rows.count == 1) {
      f.factor *= factors[0];
      return;
    }
    Array out = Array::like(f.g);
    visit_real(out.dtype(), [&]<class T>() {
      T* to = out.uninitialized<T>();
      each_row(rows, [&](std::int64_t i) {
        write_row(to + i * rows.length, f.g.data<T>() + i * rows.length, rows.length,
                  f.factor * factors[static_cast<std::size_t>(i)], 0);
      });
    });
    replace(f, std::move(out));
  }
};

/// Yong et al., "Gradient centralization", 2020, equation 1: the mean of each row is taken off; vectors pass as they are.
struct Centralize final : StageOf<Centralize> {
  using StageOf::StageOf;
  bool apply(std::vector<Flow>& flows, const std::vector<FlowParameter>&) override {
    for (Flow& f : flows) {
      if (f.g.rank() < 2 || f.g.size() == 0) continue;
      const Rows rows(f.g);
      Array out = Array::like(f.g);
      visit_real(out.dtype(), [&]<class T>() {
        T* to = out.uninitialized<T>();
        const T* from = f.g.data<T>();
        each_row(rows, [&](std::int64_t i) {
          double sum = 0;
          const auto n = static_cast<double>(rows.length);
          for (std::int64_t k = 0; k < rows.length; ++k) sum += static_cast<double>(from[i * rows.length + k]);
          double mean = sum / n;
          if (!std::isfinite(mean)) {  // or only their sum is not
            mean = 0;
            for (std::int64_t k = 0; k < rows.length; ++k) mean += static_cast<double>(from[i * rows.length + k]) / n;
          }
          write_row(to + i * rows.length, from + i * rows.length, rows.length, 1, mean);
        });
      });
      f = {f.place, std::move(out), f.factor, -1};
    }
    return true;
  }
};

// ---- what decides whether a step is taken ----------------------------------------------------------------------------

/// The mean over n calls; a gradient that is absent counts as 0, a parameter without any stays without.
struct Accumulate final : StageOf<Accumulate> {
  using StageOf::StageOf;
  bool apply(std::vector<Flow>& flows, const std::vector<FlowParameter>& parameters) override {
    const auto n = static_cast<std::int64_t>(get(0));
    sums_.resize(parameters.size());
    for (Flow& f : flows) {
      settle(f);
      Array& sum = sums_[f.place];
      const double factor = f.factor;
      if (sum.defined() && !(sum.shape() == f.g.shape()))
        throw OptimError("accumulate", join("the gradient of \"", *parameters[f.place].name, "\" is ", describe(f.g),
                                            ", what was gathered ", describe(sum)), "make a new optimizer");
      if (sum.defined()) sum = sum.to(f.g.dtype());  // its module has converted it
      if (!sum.defined()) sum = map([factor](auto g) { return factor * g; }, f.g);
      else sum = map([factor](auto s, auto g) { return s + factor * g; }, sum, f.g);
    }
    if (++count_ < n) return false;
    flows.clear();
    for (std::size_t i = 0; i < sums_.size(); ++i)
      if (sums_[i].defined()) flows.push_back({i, std::move(sums_[i]), 1 / static_cast<double>(count_), -1});
    sums_.assign(parameters.size(), {});
    count_ = 0;
    return true;
  }
  std::string held_back() const override {
    return join("call ", count_, " of ", text(get(0)), " only gathers gradients");
  }
  NamedArrays state(const std::vector<FlowParameter>& parameters) const override {
    NamedArrays all{{"count", Array::full({}, static_cast<double>(count_), i64)}};
    for (std::size_t i = 0; i < sums_.size(); ++i)
      if (sums_[i].defined()) all.emplace_back("sum/" + *parameters[i].name, sums_[i].copy());
    return all;
  }
  void load_state(Finder& from, const std::vector<FlowParameter>& parameters) override {
    if (const auto saved = from.find_count("count")) {
      if (static_cast<double>(*saved) >= get(0)) from.complain("count", join("is ", *saved, " of ", text(get(0)), " calls"));
      count_ = *saved;
    }
    sums_.assign(parameters.size(), {});
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (const std::string key = "sum/" + *parameters[i].name; from.has(key))
        if (const Array* a = from.find(key, parameters[i].w->shape(), parameters[i].w->dtype())) sums_[i] = a->copy();
  }

 private:
  std::int64_t count_ = 0;
  std::vector<Array> sums_;
};

}  // namespace

/// The sums of squares say it, and the next clip_norm needs them anyway; they may also be beyond the largest double.
bool SkipNonfinite::apply(std::vector<Flow>& flows, const std::vector<FlowParameter>& parameters) {
  find_squares(flows);
  for (const Flow& f : flows) {
    if (std::isfinite(f.squares) || all_finite(f.g)) continue;
    skipped_ = {skipped_.count + 1, *parameters[f.place].name};
    return false;
  }
  return true;
}

std::string SkipNonfinite::held_back() const {
  return join("the gradient of \"", skipped_.parameter, "\" is not finite; the step would be skipped");
}

NamedArrays SkipNonfinite::state(const std::vector<FlowParameter>&) const {
  NamedArrays all{{"count", Array::full({}, static_cast<double>(skipped_.count), i64)}};
  const auto& s = skipped_.parameter;
  all.emplace_back("parameter", Array::of<std::uint8_t>({static_cast<std::int64_t>(s.size())}, {s.begin(), s.end()}));
  return all;
}

void SkipNonfinite::load_state(Finder& from, const std::vector<FlowParameter>&) {
  if (const auto saved = from.find_count("count")) skipped_.count = *saved;
  if (const Array* name = from.find_text("parameter")) {
    skipped_.parameter.clear();
    for (std::int64_t i = 0; i < name->size(); ++i) skipped_.parameter += static_cast<char>(name->element(i));
  }
}

// ---- the table -------------------------------------------------------------------------------------------------------

const std::vector<StageKind>& stage_kinds() {
  using K = Option::Kind;
  constexpr double needed = std::numeric_limits<double>::quiet_NaN();
  constexpr Range positive{.low = 0, .open_low = true}, count{.low = 1, .whole = true};
  static const std::vector<StageKind> kinds = {
      {"accumulate", "gathers gradients; every n-th call steps with their mean", {{{"n", K::number, needed, {}}, count}},
       Accumulate::make},
      {"agc", "adaptive clipping: the norm of each row is at most clipping * max(norm of its weights, eps)",
       {{{"clipping", K::number, 0.01, {}}, positive}, {{"eps", K::number, 1e-3, {}}, positive}}, Agc::make},
      {"centralize", "takes the mean off each row of a matrix", {}, Centralize::make},
      {"clip_norm", "scales all gradients so that their common norm is at most max_norm",
       {{{"max_norm", K::number, needed, {}}, positive}}, ClipNorm::make},
      {"clip_value", "limits every number to [-max_value, max_value]", {{{"max_value", K::number, needed, {}}, positive}},
       ClipValue::make},
      {"skip_nonfinite", "a call with a gradient that is not finite changes nothing, and is counted", {},
       [](const StageKind& kind) -> std::unique_ptr<Stage> { return std::make_unique<SkipNonfinite>(kind); }},
  };
  return kinds;
}

}  // namespace gradus::optim
