#include <gradus/autograd/check/internal/evidence.h>

#include <algorithm>
#include <cmath>

namespace gradus {
namespace {

using Vector = std::vector<double>;

std::size_t begin_of(const PlainFunction& f, std::size_t block) {
  std::size_t at = 0;
  for (std::size_t k = 0; k < block; ++k) at += static_cast<std::size_t>(f.shapes[k].size());
  return at;
}

Line single(const Stencil& at, std::size_t block, std::size_t begin, std::size_t element) {
  const std::size_t i = begin + element;
  return {block, static_cast<int64_t>(element), {{i, magnitude(at.x[i])}}};
}

Vector columns_of(const PlainFunction& f, std::size_t block, const std::vector<Vector>& gradients) {
  const auto begin = static_cast<std::ptrdiff_t>(begin_of(f, block));
  Vector m;
  for (const Vector& g : gradients) m.insert(m.end(), g.begin() + begin, g.begin() + begin + f.shapes[block].size());
  return m;
}

/// The matrix by differences; empty if nothing could be evaluated. The largest uncertainty is added to `noise`, if given.
Vector numeric_matrix(const Findings& s, const Stencil& at, std::size_t block, double* noise) {
  const auto columns = static_cast<std::size_t>(s.f.shapes[block].size());
  double least = 0;
  for (const double v : columns_of(s.f, block, s.analytic)) least = std::max(least, std::fabs(v));
  Vector m(at.seeds.size() * columns);
  for (std::size_t i = 0; i < columns; ++i) {
    const Slopes slopes = at.best(single(at, block, begin_of(s.f, block), i), s.accuracy, least);
    if (slopes.step == 0) return {};
    for (std::size_t r = 0; r < at.seeds.size(); ++r) m[r * columns + i] = slopes.seven[r];
    if (noise) *noise = std::max(*noise, slopes.uncertain);
  }
  return m;
}

double along(const Findings& s, const Line& line, std::size_t row) {
  double sum = 0;
  for (const auto& [i, unit] : line.moves) sum += s.analytic[row][i] * unit;
  return line.element < 0 ? sum : sum / line.unit();
}

Worst most_wrong(const Findings& s, const Line& line) {
  const Slopes slopes = s.at.best(line, s.accuracy, 0);
  Worst worst{0, -1, 0, 0};
  for (std::size_t r = 0; r < slopes.seven.size(); ++r)
    if (const double a = along(s, line, r);
        r == 0 || std::fabs(a - slopes.seven[r]) > std::fabs(worst.analytic - worst.numeric))
      worst = {r, line.element, a, slopes.seven[r]};
  return worst;
}

}  // namespace

Evidence gather(const Findings& s, std::size_t wrong, double apart) {
  const Stencil& at = s.at;
  Evidence e;
  e.rows = at.seeds.size(), e.rows_are_outputs = at.each, e.wrong = wrong;
  e.inputs = s.f.shapes, e.names = s.f.names, e.x = at.x, e.y = at.base;
  e.output = s.f.output_shape();
  for (std::size_t k = 0; k < s.f.shapes.size(); ++k)
    e.of.push_back({columns_of(s.f, k, s.analytic), numeric_matrix(s, at, k, k == wrong ? &e.noise : nullptr)});
  (void)s.f.value(at.x);  // the latest call, in case calls leave state behind
  const Vector alone = columns_of(s.f, wrong, s.f.pull_back(at.x, at.seeds, nullptr));
  for (std::size_t i = 0; i < alone.size(); ++i)
    e.changes_with_calls = e.changes_with_calls || std::fabs(alone[i] - e.of[wrong].analytic[i]) > apart;
  const auto elsewhere = [s](const Vector& x, auto matrix) {
    Stencil there = s.at;
    there.x = x;
    try {
      there.base = s.f.value(x);
      if (std::all_of(there.base.begin(), there.base.end(), [](double v) { return std::isfinite(v); })) return matrix(there);
    } catch (const Error&) {  // the function has no value there
    }
    return Vector();
  };
  e.numeric_at = [=](const Vector& x) {
    return elsewhere(x, [&](const Stencil& there) { return numeric_matrix(s, there, wrong, nullptr); });
  };
  e.analytic_at = [=](const Vector& x) {
    return elsewhere(
        x, [&](const Stencil& there) { return columns_of(s.f, wrong, s.f.pull_back(there.x, there.seeds, nullptr)); });
  };
  return e;
}

Worst worst_of(const Evidence& e) {
  const auto& [a, n] = e.of[e.wrong];
  if (a.empty() || n.size() != a.size()) return {};
  std::size_t worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::fabs(a[i] - n[i]) > std::fabs(a[worst] - n[worst])) worst = i;
  const std::size_t columns = a.size() / e.rows;
  return {worst / columns, static_cast<int64_t>(worst % columns), a[worst], n[worst]};
}

Worst locate(const Findings& s, Line line) {
  const auto wrong = [&](const Line& part) {
    const Worst w = most_wrong(s, part);
    return std::fabs(w.analytic - w.numeric);
  };
  while (line.moves.size() > 1) {
    const auto middle = line.moves.begin() + static_cast<std::ptrdiff_t>(line.moves.size() / 2);
    const Line left{line.block, -1, {line.moves.begin(), middle}}, right{line.block, -1, {middle, line.moves.end()}};
    line = wrong(left) >= wrong(right) ? left : right;
  }
  const std::size_t begin = begin_of(s.f, line.block);
  return most_wrong(s, single(s.at, line.block, begin, line.moves[0].first - begin));
}

}  // namespace gradus
