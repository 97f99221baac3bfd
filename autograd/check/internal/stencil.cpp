#include <gradus/autograd/check/internal/stencil.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace gradus {
namespace {

using Vector = std::vector<double>;

/// Steps in the order they are tried. The seven-point rule errs by h^6 f^(7) / 140 and by rounding of about eps |f| / h, so
/// the first is near the best for f of order 1; smaller ones step around kinks nearby and suit steep functions, larger ones
/// flat ones.
constexpr double steps[] = {0x1p-7,  0x1p-9,  0x1p-11, 0x1p-13, 0x1p-15, 0x1p-17, 0x1p-19,
                            0x1p-21, 0x1p-23, 0x1p-26, 0x1p-29, 0x1p-5,  0x1p-3};
constexpr double steps_f32[] = {0x1p-4, 0x1p-3, 0x1p-5, 0x1p-6, 0x1p-7, 0x1p-9, 0x1p-11, 0x1p-2};
constexpr double closest = 0x1p-22;  // a kink must still show at this step

bool finite_slopes(const Vector& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return std::isfinite(x); });
}
double dot(const Vector& a, const Vector& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

/// The difference rules for every output, and the bound of their rounding errors.
struct PerOutput {
  Vector seven, five, three, left, right, noise;

  /// An output that does not change has no rounding errors, unless it changed at a larger step: then they hide the change.
  PerOutput(const Vector (&v)[7], double d, double rounding, std::vector<bool>* changed)
      : seven(v[3].size()), five(seven), three(seven), left(seven), right(seven), noise(seven) {
    for (std::size_t j = 0; j < seven.size(); ++j) {
      const double base = v[3][j], by_one = v[4][j] - v[2][j], by_two = v[5][j] - v[1][j], by_three = v[6][j] - v[0][j];
      seven[j] = (45 * by_one - 9 * by_two + by_three) / (60 * d);
      five[j] = (8 * by_one - by_two) / (12 * d);
      three[j] = by_one / (2 * d);
      const auto from_base = [&](int k) { return v[k][j] - base; };  // exactly zero where nothing changes
      right[j] = (18 * from_base(4) - 9 * from_base(5) + 2 * from_base(6)) / (6 * d);
      left[j] = -(18 * from_base(2) - 9 * from_base(1) + 2 * from_base(0)) / (6 * d);
      double top = 0;
      bool constant = true;
      for (const Vector& w : v) top = std::max(top, std::fabs(w[j])), constant = constant && w[j] == base;
      if (changed && !constant) (*changed)[j] = true;
      noise[j] = constant && !(changed && (*changed)[j]) ? 0 : rounding * top / d;
    }
  }
};

}  // namespace

double largest_of(const Vector& v) {
  double m = 0;
  for (const double x : v) m = std::max(m, std::fabs(x));
  return m;
}

double magnitude(double x) { return std::ldexp(1.0, std::max(0, std::ilogb(std::max(std::fabs(x), 1.0)))); }

Slopes Stencil::at(const Line& line, double h, std::vector<bool>* changed) const {
  Vector v[7];
  for (int k = -3; k <= 3; ++k) {
    if (k == 0) continue;
    Vector moved = x;
    for (const auto& [i, unit] : line.moves) moved[i] += k * h * unit;
    v[k + 3] = value(moved);
    if (!finite_slopes(v[k + 3])) return {};
  }
  v[3] = base;
  const PerOutput o(v, h * line.unit(), rounding, changed);
  Slopes s;
  s.step = h;
  for (std::size_t r = 0; r < seeds.size(); ++r) {
    const auto project = [&](const Vector& w) { return each ? w[r] : dot(seeds[r], w); };
    s.seven.push_back(project(o.seven)), s.five.push_back(project(o.five));
    s.left.push_back(project(o.left)), s.right.push_back(project(o.right));
    double n = each ? o.noise[r] : 0;
    for (std::size_t j = 0; !each && j < o.noise.size(); ++j) n += std::fabs(seeds[r][j]) * o.noise[j];
    s.noise = std::max(s.noise, n);
    s.apart = std::max(s.apart, std::fabs(s.seven.back() - s.five.back()));
    s.uncertain = std::max(s.uncertain, std::fabs(s.seven.back() - s.five.back()) + n);
    s.coarse = std::max(s.coarse, std::fabs(s.five.back() - project(o.three)));
  }
  return s;
}

Slopes Stencil::best(const Line& line, double accuracy, double least) const {
  Slopes best;
  struct {
    double step = 0, apart = 0, coarse = 0;
  } before;
  std::vector<bool> changed(base.size());
  for (const double h : rounding > 0x1p-40 ? std::span<const double>(steps_f32) : steps) {
    Slopes s = at(line, h, &changed);
    if (s.step == 0) continue;
    const double slope = std::max(least, largest_of(s.seven));
    // Two rules agree by chance once in thousands of points. Their errors are of order h^2, h^4 and h^6: the best one's
    // follows from the coarsest one's, and from that of the step before, four times as long, unless that one crossed a kink.
    if (slope > 0) s.uncertain = std::max(s.uncertain, 32 * s.coarse * (s.coarse / slope) * (s.coarse / slope));
    const bool smooth = 256 * s.coarse >= before.coarse && slope * before.apart <= 100 * before.coarse * before.coarse;
    if (before.step == 4 * h && smooth) s.uncertain = std::max(s.uncertain, before.apart / 1024);
    before = {h, s.apart, s.coarse};
    if (best.step > 0 && !(s.uncertain < best.uncertain)) continue;
    best = std::move(s);
    if (best.uncertain <= accuracy * slope) break;
  }
  return best;
}

Stencil::Kink Stencil::kink(const Line& line, const Slopes& s, double beyond) const {
  Kink k;
  double jump = 0;
  for (std::size_t r = 0; r < s.seven.size(); ++r)
    if (const double j = std::fabs(s.right[r] - s.left[r]); j > jump) jump = j, k.row = r;
  for (const double h : {s.step / 8, std::min(s.step / 8, closest)}) {
    const Slopes near = at(line, h);
    if (near.step == 0) return {};
    if (h < s.step / 8 && 100 * near.noise > jump) break;  // rounding hides the kink at so small a step
    const double still = std::fabs(near.right[k.row] - near.left[k.row]);
    if (still < jump / 4 || still <= beyond + 100 * near.noise) return {};
    k.left = near.left[k.row], k.right = near.right[k.row];
  }
  k.found = true;
  return k;
}

}  // namespace gradus
