// Printing an Array for a person: aligned columns, corners of what is long, no common factor to multiply by in one's head.
#include <gradus/core/array.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace gradus {
namespace {

constexpr int64_t longest_printed = 1000, edge = 3;
constexpr std::size_t line_width = 80;
constexpr int digits = 4;  // significant

std::string chars(double x, std::chars_format format, int precision) {
  char buffer[64];  // fixed notation is only used below 1e8
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x, format, precision).ptr};
}

/// The size of a number at `digits` significant digits: its decimal exponent, and its digits without trailing zeros.
struct Size {
  int exponent, figures;
  explicit Size(double x) {
    const std::string s = chars(x, std::chars_format::scientific, digits - 1);  // d.ddde[+-]xx
    const auto e = s.find('e');
    exponent = std::stoi(s.substr(e + 1));
    const auto last = s.find_last_not_of('0', e - 1);
    figures = s[last] == '.' ? 1 : static_cast<int>(last - s.find('.')) + 1;
  }
};

/// One notation for a whole Array: as many decimals as the elements need, fewer where large ones stand beside small ones;
/// scientific when an element would be printed as zero or takes too many columns.
struct Notation {
  bool scientific = false;
  int precision = 0;

  explicit Notation(const std::vector<double>& values) {
    int top = -400, decimals = 0, figures = 1;
    for (const double v : values) {
      if (!std::isfinite(v) || v == 0) continue;
      const Size s(std::fabs(v));
      top = std::max(top, s.exponent);
      figures = std::max(figures, s.figures);
      decimals = std::max(decimals, s.figures - 1 - s.exponent);
    }
    const int cap = top < 0 ? digits - 1 - top : std::min(digits, 7 - top);
    precision = std::clamp(decimals, 0, std::max(cap, 0));
    scientific = top >= 8 || (top < -4 && top > -400);
    const double visible = 0.5 * std::pow(10.0, -precision);
    for (const double v : values) scientific |= v != 0 && std::fabs(v) <= visible;
    if (scientific) precision = figures - 1;
  }

  std::string operator()(double x) const {
    if (std::isnan(x)) return "nan";  // the sign of a NaN says nothing
    if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
    if (scientific && x == 0) return std::signbit(x) ? "-0" : "0";
    return chars(x, scientific ? std::chars_format::scientific : std::chars_format::fixed, precision);
  }
};

class Printer {
 public:
  explicit Printer(const Array& a) : a_(a), corners_(a.size() > longest_printed) {
    visit(a.dtype(), [&]<class T>() { make_cells<T>(); });
    for (const auto& c : cells_) width_ = std::max(width_, c.size());
  }
  std::string operator()() {
    layout(0);
    return std::move(out_);
  }

 private:
  /// Calls f(index) for each index of an axis that is shown, and f(-1) where some are left out.
  template <class F> void each_shown(int axis, F&& f) const {
    const int64_t n = a_.dim(axis);
    const bool cut = corners_ && n > 2 * edge;
    for (int64_t i = 0; i < n; ++i) {
      if (cut && i == edge) {
        f(int64_t(-1));
        i = n - edge;
      }
      f(i);
    }
  }

  template <class T> void gather(int axis, const T* at, std::vector<T>& shown) const {
    if (axis == a_.rank()) return shown.push_back(*at);
    each_shown(axis, [&](int64_t i) {
      if (i >= 0) gather(axis + 1, at + i * a_.stride(axis), shown);
    });
  }

  template <class T> void make_cells() {
    std::vector<T> shown;
    gather(0, a_.data<T>(), shown);
    if constexpr (std::is_floating_point_v<T>) {
      const std::vector<double> values(shown.begin(), shown.end());
      const Notation notation(values);
      for (const double v : values) cells_.push_back(notation(v));
    } else if constexpr (std::is_same_v<T, bool>) {
      for (const bool v : shown) cells_.push_back(v ? "true" : "false");
    } else {
      for (const T v : shown) cells_.push_back(std::to_string(v));
    }
  }

  void layout(int axis) {
    if (axis == a_.rank()) return cell();
    const int below = a_.rank() - 1 - axis;  // axes inside this one: as many line ends between its items
    const std::string indent(static_cast<std::size_t>(axis) + 1, ' ');
    out_ += '[';
    ++column_;
    bool first = true;
    each_shown(axis, [&](int64_t i) {
      if (!first && below > 0) next_line(below, indent);
      if (!first && below == 0) separate(i < 0 ? 3 : width_, indent);
      first = false;
      if (i >= 0) layout(axis + 1);
      else out_ += "...", column_ += 3;
    });
    out_ += ']';
    ++column_;
  }

  void cell() {
    const std::string& c = cells_[next_++];
    out_.append(width_ - c.size(), ' ') += c;
    column_ += width_;
  }
  void next_line(int ends, const std::string& indent) {
    out_ += ',';
    out_.append(static_cast<std::size_t>(ends), '\n') += indent;
    column_ = indent.size();
  }
  void separate(std::size_t width, const std::string& indent) {
    if (column_ + 2 + width + 1 > line_width) return next_line(1, indent);
    out_ += ", ";
    column_ += 2;
  }

  const Array& a_;
  bool corners_;
  std::vector<std::string> cells_;
  std::size_t width_ = 0, next_ = 0, column_ = 0;
  std::string out_;
};

}  // namespace

std::string to_string(const Array& a) {
  if (!a.defined()) return "absent";
  if (a.size() == 0) return "[]  " + describe(a);
  return Printer(a)() + "  " + describe(a);
}

}  // namespace gradus
