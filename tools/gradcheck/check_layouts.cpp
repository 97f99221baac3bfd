#include <gradus/core/io/files.h>
#include <gradus/tools/gradcheck/check_layouts.h>
#include <gradus/tools/gradcheck/resize_sample.h>
#include <gradus/tools/gradcheck/run_sample.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace gradus::tools {
namespace {

struct Verdict {
  enum What { accepted, refused, undecided, wrong } what = accepted;
  std::string text;
  bool by_the_op = false;  ///< refused in the op's own name
  Figures figures;
};

std::string first_line(const std::string& s) { return s.substr(0, s.find('\n')); }

bool finite(const Array& a) {
  const Array wide = a.to(f64).contiguous();
  return std::all_of(wide.data<double>(), wide.data<double>() + wide.size(), [](double x) { return std::isfinite(x); });
}

/// F32 has numbers for all of them, and for what the op sees.
bool within_f32(const Sample& s) {
  if (s.label.ends_with("e+150") || s.label.ends_with("e-150")) return false;
  for (const Array& a : s.inputs)
    for (int64_t i = 0; i < a.size() && is_real(a.dtype()); ++i)
      if (const double x = std::fabs(a.element(i)); x > 0x1p100 || (x > 0 && x < 0x1p-100)) return false;
  return true;
}

/// Why the sample cannot be checked; empty if it can.
Verdict ask(const OpInfo& op, const Sample& s) {
  const NoGrad guard;
  try {
    for (const Tensor& y : s.call({s.inputs.begin(), s.inputs.end()}))
      if (y.defined() && is_real(y.dtype()) && !finite(y.array()))
        return {Verdict::refused, "the result is not finite there", false, {}};
  } catch (const Error& e) {
    return {Verdict::refused, first_line(e.what()), e.op() == op.name, {}};
  }
  return {};
}

/// Differences say nothing about a gradient below the rounding of the function, or one that turns while they take a step.
/// Only asked where the two disagree, for extreme inputs.
std::string beyond_differences(const OpInfo& op, const Sample& s, const GradcheckReport& r) {
  if (op.kind == OpKind::step || op.kind == OpKind::wave)
    return "steps or waves there, closer than the numbers of f64 that differences take";
  Arrays beside = s.inputs;
  for (Array& a : beside)
    if (a.dtype() == f64) {
      a = a.copy();
      for (int64_t i = 0; i < a.size(); ++i) a.uninitialized<double>()[i] *= 1 + 0x1p-10;
    }
  const OpRun here = run_sample(s, s.inputs), there = run_sample(s, beside);
  for (std::size_t k = 0; k < here.gradients.size() && k < there.gradients.size(); ++k)
    if (relative_distance(here.gradients[k], there.gradients[k]) > 0.1)
      return "the gradient turns faster there than differences can follow";
  double top = 1e-3, slope = 0;
  for (const Array& y : here.outputs)
    for (int64_t i = 0; i < y.size(); ++i) top = std::max(top, std::fabs(y.element(i)));
  for (const Array& g : here.gradients)
    for (int64_t i = 0; g.defined() && i < g.size(); ++i) slope = std::max(slope, std::fabs(g.element(i)));
  return slope < 1e-6 * top || std::fabs(r.analytic - r.numeric) < 1e-9 * top ? "flat to rounding there" : "";
}

/// What a report of gradcheck means for the sample.
Verdict weigh(const GradcheckReport& r) {
  Verdict v;
  v.figures.draws = r.draws;
  v.figures.inconclusive = r.inconclusive;
  v.text = r.message;
  if (r.constant || (r.passed && r.error < r.bound)) return v;  // not those that only the differences' own error lets pass
  const bool compared = r.draws > 0;
  if (!compared || !(r.error < r.bound + r.own_error)) v.what = Verdict::wrong;
  else if (r.not_differentiable || r.all_zero) v.what = Verdict::refused;
  else v.what = Verdict::undecided;
  return v;
}

int64_t elements(const Sample& s) {
  int64_t n = 0;
  for (const Array& a : s.inputs) n += is_real(a.dtype()) ? a.size() : 0;
  return n;
}

/// Elements of input and of result: without them there is nothing to differentiate.
bool has_elements(const Sample& s) {
  const NoGrad guard;
  int64_t n = 0;
  for (const Tensor& y : s.call({s.inputs.begin(), s.inputs.end()})) n += y.defined() && is_real(y.dtype()) ? y.size() : 0;
  return n > 0 && elements(s) > 0;
}

Verdict differentiate(const OpInfo& op, const Sample& whole, Layout layout, bool thorough) {
  const bool large = layout == Layout::large, extreme = layout == Layout::extreme;
  const Sample s = large ? few_of(whole) : whole;
  const std::vector<Tensor> inputs(s.inputs.begin(), s.inputs.end());
  GradcheckOptions o{.directions = thorough ? 8 : large ? 1 : 2, .may_be_zero = op.kind == OpKind::step};
  if (!thorough || large) o.whole_up_to = 8;
  const auto weighed = [&](const GradcheckReport& r) {
    Verdict v = weigh(r);
    if (v.what != Verdict::wrong || !(extreme || std::max(std::fabs(r.analytic), std::fabs(r.numeric)) < 1e-12)) return v;
    if (const std::string why = beyond_differences(op, s, r); !why.empty()) v.what = Verdict::refused, v.text = why;
    return v;
  };
  const GradcheckReport first = gradcheck_function(s.call, inputs, o);
  Verdict v = weighed(first);
  v.figures.first_order = first.error;
  if (v.what != Verdict::accepted || (large && !thorough)) return v;
  o.may_be_zero = true;
  const GradcheckReport second = gradgradcheck_function(s.call, inputs, o);
  Verdict w = weighed(second);
  w.figures.second_order = second.error;
  w.figures.add(v.figures);
  return w;
}

Verdict judge(const OpInfo& op, const Sample& s, Layout layout, bool thorough) {
  Verdict v = ask(op, s);
  if (v.what != Verdict::accepted) return v;
  if (has_elements(s) && !(layout == Layout::large && (op.kind == OpKind::step))) v = differentiate(op, s, layout, thorough);
  if (v.what != Verdict::accepted) return v;
  const auto fail = [&](const std::string& text) {
    v.what = Verdict::wrong;
    v.text = text;
  };
  if (within_f32(s)) v.figures.f32 = f32_error(s);
  if (!(v.figures.f32 <= f32_bound_of(op)))
    fail(fmt::format("f32 is {:.1e} from f64, condition number taken off", v.figures.f32));
  if (!same_bits_at_any_threads(s)) fail("the bits change with the number of threads");
  if (const double e = layout_error(s); e > (op.kind == OpKind::product ? 1e-13 : 0))
    fail(fmt::format("the bits change with the layout of inputs or gradients, by {:.1e}", e));
  return v;
}

/// How many samples of one op and layout are enough.
int enough(Layout layout, bool thorough) {
  if (layout == Layout::large) return thorough ? 3 : 1;
  return thorough ? std::numeric_limits<int>::max() : 2;
}

/// The reason that says most: the op's own refusal, another's, what else was found.
struct Reason {
  std::string text;
  int rank = 0;
  void hear(const Verdict& v) {
    const int r = v.by_the_op ? 3 : v.what == Verdict::refused ? 2 : 1;
    if (r > rank) text = v.text, rank = r;
  }
};

void fill(MatrixRow& row, const OpInfo& op, const Samples& samples, const LayoutInfo& column, bool thorough) {
  Cell& cell = row.cells[static_cast<std::size_t>(column.layout)];
  Reason reason;
  for (const Sample& from : samples) {
    if (cell.samples >= enough(column.layout, thorough)) break;
    for (const Sample& s : candidates(from, column.layout)) {
      Verdict v;
      try {
        v = judge(op, s, column.layout, thorough);
      } catch (const std::out_of_range&) {
        v = {Verdict::refused, "the sample takes a part that is not there", false, {}};
      } catch (const std::exception& e) {
        v = {Verdict::wrong, join("threw ", first_line(e.what())), false, {}};
      }
      if (v.what == Verdict::wrong) row.complaints.push_back(join(row.name, " / ", s.label, ": ", v.text));
      else if (v.what == Verdict::accepted) ++cell.samples, row.figures.add(v.figures);
      else reason.hear(v);
      if (v.what == Verdict::undecided && column.layout == Layout::extreme) v.what = Verdict::refused;
      cell.undecided += v.what == Verdict::undecided;
      if (v.what == Verdict::accepted && column.one_is_enough) break;
    }
  }
  if (cell.samples == 0) cell.reason = reason.rank > 0 ? reason.text : why_not(column.layout, samples);
  if (cell.reason.starts_with("gradcheck: ")) cell.reason.erase(0, std::string_view("gradcheck: ").size());
}

}  // namespace

void Figures::add(const Figures& o) {
  first_order = std::max(first_order, o.first_order);
  second_order = std::max(second_order, o.second_order);
  f32 = std::max(f32, o.f32);
  draws += o.draws;
  inconclusive += o.inconclusive;
}

int MatrixRow::samples() const {
  int n = 0;
  for (const Cell& c : cells) n += c.samples;
  return n;
}
int MatrixRow::undecided() const {
  int n = 0;
  for (const Cell& c : cells) n += c.undecided;
  return n;
}

MatrixRow check_layouts(const OpInfo& op, const MatrixOptions& options) {
  MatrixRow row;
  row.name = op.name;
  const Samples samples = op.samples();
  for (const LayoutInfo& column : layouts)
    if (column.layout == Layout::contiguous && !options.thorough) row.cells[0].samples = static_cast<int>(samples.size());
    else fill(row, op, samples, column, options.thorough);
  return row;
}

namespace {

void print_head(std::size_t width) {
  fmt::print("{:<{}}", "op", width);
  for (const LayoutInfo& l : layouts) fmt::print("  {:>10}", l.name);
  fmt::print("  {:>11}  {:>12}  {:>7}\n", "first order", "second order", "f32-f64");
}

void print_row(const MatrixRow& r, std::size_t width) {
  fmt::print("{:<{}}", r.name, width);
  for (const Cell& c : r.cells) fmt::print("  {:>10}", c.samples == 0 ? "-" : std::to_string(c.samples));
  fmt::print("  {:>11.1e}  {:>12.1e}  {:>7.1e}{}\n", r.figures.first_order, r.figures.second_order, r.figures.f32,
             r.complaints.empty() ? "" : "  FAILED");
  std::fflush(stdout);
}

nlohmann::ordered_json to_json(const MatrixRow& r) {
  nlohmann::ordered_json cells;
  for (const LayoutInfo& l : layouts) {
    const Cell& c = r.cells[static_cast<std::size_t>(l.layout)];
    cells[l.name] =
        c.samples > 0 ? nlohmann::ordered_json{{"samples", c.samples}} : nlohmann::ordered_json{{"reason", c.reason}};
  }
  return {{"name", r.name},
          {"layouts", cells},
          {"first_order", r.figures.first_order},
          {"second_order", r.figures.second_order},
          {"f32", r.figures.f32},
          {"undecided", r.undecided()},
          {"complaints", r.complaints}};
}

/// Reasons that many ops share are printed once, with the ops behind them.
void print_reasons(const std::vector<MatrixRow>& rows) {
  std::map<std::string, std::vector<std::string>> ops;
  for (const MatrixRow& r : rows)
    for (const LayoutInfo& l : layouts)
      if (const Cell& c = r.cells[static_cast<std::size_t>(l.layout)]; c.samples == 0)
        ops[fmt::format("{}: {}", l.name, c.reason)].push_back(r.name);
  for (const auto& [reason, names] : ops) fmt::print("- {} ({})\n", reason, fmt::join(names, ", "));
}

}  // namespace

int layouts_command(const std::string& op, const std::string& json_path) {
  if (!json_path.empty()) check_writable(json_path);
  const auto ops = ops_named(op);
  std::size_t width = 2;
  for (const OpInfo* o : ops) width = std::max(width, std::string_view(o->name).size());
  print_head(width);
  std::vector<MatrixRow> rows;
  Figures all;
  int samples = 0, undecided = 0;
  std::size_t failed = 0;
  for (const OpInfo* o : ops) {
    rows.push_back(check_layouts(*o));
    print_row(rows.back(), width);
    all.add(rows.back().figures);
    samples += rows.back().samples(), undecided += rows.back().undecided(), failed += rows.back().complaints.size();
  }
  fmt::print("\nno samples (-) because\n");
  print_reasons(rows);
  for (const MatrixRow& r : rows)
    for (const std::string& c : r.complaints) fmt::print("FAILED {}\n", c);
  fmt::print(
      "\n{} samples of {} ops: first order {:.1e}, second order {:.1e}, f32 against f64 {:.1e}; the same bits with 1, 2, 3 "
      "and 7 threads; {} samples and {} of {} draws inconclusive; {} failed\n",
      samples, rows.size(), all.first_order, all.second_order, all.f32, undecided, all.inconclusive, all.draws, failed);
  if (!json_path.empty()) {
    auto json = nlohmann::ordered_json::array();
    for (const MatrixRow& r : rows) json.push_back(to_json(r));
    write_atomically(json_path, nlohmann::ordered_json{{"ops", json}}.dump(2) + "\n");
  }
  return failed ? 1 : 0;
}

}  // namespace gradus::tools
