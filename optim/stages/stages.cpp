#include <gradus/core/error.h>
#include <gradus/core/kernels/array_stats.h>
#include <gradus/core/kernels/map.h>
#include <gradus/optim/norms.h>
#include <gradus/optim/stages/stages.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {
namespace {

/// Replaces the elements of a gradient.
void give_numbers(StagedGradient& f, Array g, double factor = 1) { f.g = std::move(g), f.factor = factor, f.squares = -1; }

}  // namespace

void find_squares(std::vector<StagedGradient>& gradients) {
  std::vector<const Array*> unknown;
  for (const StagedGradient& f : gradients)
    if (f.squares < 0) unknown.push_back(&f.g);
  const auto squares = sums_of_squares(unknown);
  std::size_t i = 0;
  for (StagedGradient& f : gradients)
    if (f.squares < 0) f.squares = squares[i++];
}

double global_norm(std::vector<StagedGradient>& gradients) {
  find_squares(gradients);
  double sum = 0;
  for (const StagedGradient& f : gradients) sum += f.factor * f.factor * f.squares;
  if (squares_fit(sum)) return std::sqrt(sum);
  long double wide = 0;
  for (const StagedGradient& f : gradients) {
    const auto factor = static_cast<long double>(f.factor);
    wide += factor * factor * wide_sum_of_squares(f.g.dtype(), f.g.bytes(), f.g.size());
  }
  return static_cast<double>(std::sqrt(wide));
}

void settle(StagedGradient& f) {
  if (!factor_fits(f.factor, f.g.dtype())) give_numbers(f, scaled(f.g, f.factor));
}

namespace {

/// The base of stages: a copy may share Arrays with the original, since Arrays are replaced here, never written.
template <class Kind> class StageOf : public Stage {
 public:
  using Stage::Stage;
  std::unique_ptr<Stage> clone() const override { return std::make_unique<Kind>(static_cast<const Kind&>(*this)); }
  static std::unique_ptr<Stage> make(const StageKind& kind) { return std::make_unique<Kind>(kind); }
};

// ---- clipping --------------------------------------------------------------------------------------------------------

struct ClipNorm final : StageOf<ClipNorm> {
  using StageOf::StageOf;
  bool apply(std::vector<StagedGradient>& gradients, const std::vector<StagedParameter>&) override {
    const double factor = clip_factor(global_norm(gradients), get(0));
    for (StagedGradient& f : gradients) f.factor *= factor;
    return true;
  }
};

struct ClipValue final : StageOf<ClipValue> {
  using StageOf::StageOf;
  bool apply(std::vector<StagedGradient>& gradients, const std::vector<StagedParameter>&) override {
    const double most = get(0);
    for (StagedGradient& f : gradients) {
      settle(f);
      give_numbers(f, map(
                          [most, factor = f.factor](auto g) {
                            using V = decltype(g);
                            const V x = factor * g;
                            return select(x > V(most), V(most), select(x < V(-most), V(-most), x));
                          },
                          f.g));
    }
    return true;
  }
};

/// The rows of one parameter: the weights of one output of a layer, [out, in...]; a vector is one row.
struct Rows {
  std::int64_t count, length;
  explicit Rows(const Array& a) : count(a.rank() > 1 ? a.shape()[0] : 1), length(count > 0 ? a.size() / count : 0) {}
};

/// Calls f(row) for each row, several small rows in one piece of work.
template <class F> void each_row(const Rows& rows, F f) {
  const std::int64_t grain = std::max<std::int64_t>(1, piece_elements / std::max<std::int64_t>(1, rows.length));
  parallel_ranges(rows.count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(i);
  });
}

double row_norm(const Array& a, const Rows& rows, std::int64_t i) {
  const char* row = a.bytes() + i * rows.length * static_cast<std::int64_t>(bytes_of(a.dtype()));
  return root_of_squares(sum_of_squares(a.dtype(), row, rows.length), a.dtype(), row, rows.length);
}

/// Writes to[i] = scale * (from[i] - shift), one row.
template <class T> void write_row(T* to, const T* from, std::int64_t n, double scale, double shift) {
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
  bool apply(std::vector<StagedGradient>& gradients, const std::vector<StagedParameter>& parameters) override {
    for (StagedGradient& f : gradients) clip(f, *parameters[f.place].w);
    return true;
  }

 private:
  void clip(StagedGradient& f, const Array& w) const {
    const Rows rows(f.rows.packs(f.g) ? f.g : w);
    const auto row_of_w = [&](std::int64_t i) { return f.rows.packs(f.g) ? f.rows.list()[static_cast<std::size_t>(i)] : i; };
    std::vector<double> factors(static_cast<std::size_t>(rows.count), 1.0);
    each_row(rows, [&](std::int64_t i) {
      const double norm = std::fabs(f.factor) * row_norm(f.g, rows, i);
      const double most = get(0) * std::max(row_norm(w, rows, row_of_w(i)), get(1));
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
    give_numbers(f, std::move(out));
  }
};

/// Gradient centralization, Yong et al., 2020, equation 1: subtracts the mean of each row; vectors pass unchanged.
struct Centralize final : StageOf<Centralize> {
  using StageOf::StageOf;
  bool apply(std::vector<StagedGradient>& gradients, const std::vector<StagedParameter>&) override {
    for (StagedGradient& f : gradients) {
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
          if (!std::isfinite(mean)) {  // or only their sum is not finite
            mean = 0;
            for (std::int64_t k = 0; k < rows.length; ++k) mean += static_cast<double>(from[i * rows.length + k]) / n;
          }
          write_row(to + i * rows.length, from + i * rows.length, rows.length, 1, mean);
        });
      });
      give_numbers(f, std::move(out), f.factor);
    }
    return true;
  }
};

// ---- stages that decide whether a step is taken ----------------------------------------------------------------------

/// The mean over n calls; an absent gradient counts as 0, a parameter without any stays without.
struct Accumulate final : StageOf<Accumulate> {
  using StageOf::StageOf;
  bool apply(std::vector<StagedGradient>& gradients, const std::vector<StagedParameter>& parameters) override {
    const auto n = static_cast<std::int64_t>(get(0));
    sums_.resize(parameters.size()), rows_.resize(parameters.size());
    for (StagedGradient& f : gradients) {
      settle(f);
      Array& sum = sums_[f.place];
      const double factor = f.factor;
      const bool sparse = f.rows.packs(f.g) || (sum.defined() && rows_[f.place].packs(sum));
      if (sum.defined() && !sparse && !(sum.shape() == f.g.shape()))
        throw OptimError("accumulate",
                         join("the gradient of \"", *parameters[f.place].name, "\" is ", describe(f.g),
                              ", what was gathered ", describe(sum)),
                         "make a new optimizer");
      const auto scale = [factor](auto g) { return factor * g; };
      if (sum.defined()) sum = sum.to(f.g.dtype());  // the module has converted the parameter
      if (!sum.defined()) sum = map(scale, f.g), rows_[f.place] = f.rows;
      else if (sparse) add_gradient(sum, rows_[f.place], map(scale, f.g), f.rows);
      else sum = map([factor](auto s, auto g) { return s + factor * g; }, sum, f.g), rows_[f.place].add(f.rows);
    }
    if (++count_ < n) return false;
    gradients.clear();
    for (std::size_t i = 0; i < sums_.size(); ++i)
      if (sums_[i].defined())
        gradients.push_back({i, std::move(sums_[i]), 1 / static_cast<double>(count_), -1, std::move(rows_[i])});
    sums_.assign(parameters.size(), {}), rows_.assign(parameters.size(), {});
    count_ = 0;
    return true;
  }
  std::string held_back() const override { return join("call ", count_, " of ", text(get(0)), " only gathers gradients"); }
  void archive(StateArchive& a, const std::vector<StagedParameter>& parameters) override {
    a.count({"stages", "accumulate", "count"}, count_);
    if (static_cast<double>(count_) >= get(0))
      a.complain("stages/accumulate/count", join("is ", count_, " of ", text(get(0)), " calls"));
    sums_.resize(parameters.size()), rows_.resize(parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& [name, w] = parameters[i];
      Array whole = sums_[i].defined() && rows_[i].packs(sums_[i]) ? dense_of(sums_[i], rows_[i]) : sums_[i];
      a.array("accumulate/sum/" + *name, whole, w->shape(), w->dtype(), false);
      if (a.loading()) sums_[i] = std::move(whole), rows_[i].set_all();
      if (!sums_[i].defined() || w->rank() == 0) continue;
      Array flags = rows_[i].flags();
      a.array("accumulate/rows/" + *name, flags, {w->dim(0)}, u8, false);
      if (a.loading() && flags.defined()) rows_[i] = TouchedRows::from_flags(flags);
    }
  }

 private:
  std::int64_t count_ = 0;
  std::vector<Array> sums_;
  std::vector<TouchedRows> rows_;
};

/// Skips steps with NaN or infinite gradients, found by sums of squares, as clip_norm needs; the sums may also overflow.
struct SkipNonfinite final : StageOf<SkipNonfinite> {
  using StageOf::StageOf;
  bool apply(std::vector<StagedGradient>& gradients, const std::vector<StagedParameter>& parameters) override {
    find_squares(gradients);
    for (const StagedGradient& f : gradients) {
      if (std::isfinite(f.squares) || all_finite(f.g)) continue;
      skipped_ = {skipped_.count + 1, *parameters[f.place].name};
      return false;
    }
    return true;
  }
  std::string held_back() const override {
    return join("the gradient of \"", skipped_.parameter, "\" is not finite; the step would be skipped");
  }
  void archive(StateArchive& a, const std::vector<StagedParameter>&) override {
    a.count({"stages", "skip_nonfinite", "count"}, skipped_.count);
    a.text({"stages", "skip_nonfinite", "parameter"}, skipped_.parameter);
  }
  const Skipped* skipped() const override { return &skipped_; }

 private:
  Skipped skipped_;
};

}  // namespace

// ---- the table -------------------------------------------------------------------------------------------------------

const std::vector<StageKind>& stage_kinds() {
  using K = Option::Kind;
  constexpr double needed = std::numeric_limits<double>::quiet_NaN();
  constexpr Range positive{.low = 0, .open_low = true}, count{.low = 1, .whole = true};
  static const std::vector<StageKind> kinds = {
      {"accumulate",
       "gathers gradients; every n-th call steps with their mean",
       {{{"n", K::number, needed, {}}, count}},
       Accumulate::make},
      {"agc",
       "adaptive clipping: the norm of each row is at most clipping * max(norm of its weights, eps)",
       {{{"clipping", K::number, 0.01, {}}, positive}, {{"eps", K::number, 1e-3, {}}, positive}},
       Agc::make},
      {"centralize", "takes the mean off each row of a matrix", {}, Centralize::make},
      {"clip_norm",
       "scales all gradients so that their common norm is at most max_norm",
       {{{"max_norm", K::number, needed, {}}, positive}},
       ClipNorm::make},
      {"clip_value",
       "limits every number to [-max_value, max_value]",
       {{{"max_value", K::number, needed, {}}, positive}},
       ClipValue::make},
      {"skip_nonfinite",
       "a call with a gradient that is not finite changes nothing, and is counted",
       {},
       SkipNonfinite::make},
  };
  return kinds;
}

}  // namespace gradus::optim
