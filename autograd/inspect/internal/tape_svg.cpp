// The tape as SVG, and the page around it. Leaves and constants are drawn right above each node that uses them, so that a
// weight used at every step of a sequence does not have a wire through all of them.
#include <gradus/autograd/inspect/internal/tape_labels.h>
#include <gradus/autograd/inspect/internal/tape_layout.h>
#include <gradus/core/io/fill_template.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

namespace gradus {
namespace {

using namespace drawing;

constexpr double letter = 6.7, row = 15;  // of the 11 px fixed-width type; pixels
constexpr std::size_t longest = 40;

std::string escaped(const std::string& s) {
  std::string t;
  for (char c : s)
    if (c == '&') t += "&amp;";
    else if (c == '<') t += "&lt;";
    else if (c == '>') t += "&gt;";
    else if (c == '"') t += "&quot;";
    else if (static_cast<unsigned char>(c) < 32) t += ' ';
    else t += c;
  return t;
}

bool inside_letter(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }  // of UTF-8: not its first byte
std::size_t letters(const std::string& s) {
  return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return !inside_letter(c); }));
}
std::string shortened(std::string s) {
  if (letters(s) <= longest) return s;
  std::size_t bytes = 0, seen = 0;
  for (; bytes < s.size() && (inside_letter(s[bytes]) || seen < longest - 1); ++bytes) seen += !inside_letter(s[bytes]);
  return s.substr(0, bytes) + "…";
}

std::string number(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", x);
  return buffer;
}

/// The text of a box, row by row.
struct BoxText {
  struct Row {
    std::string text;
    const char* kind;
  };
  std::vector<Row> rows;
  std::string kind, tip;
  double share = 0;  // time as a share of the slowest node's

  void add(const std::string& text, const char* of = "") {
    if (!text.empty()) rows.push_back({shortened(text), of});
  }
  double width() const {
    std::size_t most = 6;
    for (const Row& r : rows) most = std::max(most, letters(r.text));
    return static_cast<double>(most) * letter + 20;
  }
  double height() const { return static_cast<double>(rows.size()) * row + 12; }
};

double known(double x) { return std::isnan(x) ? 0 : x; }
double time_of(const DrawnNode& d) { return known(d.forward_seconds) + known(d.backward_seconds); }

BoxText words_of(const DrawnNode& d, double slowest, bool root) {
  BoxText w;
  w.kind = d.op == "leaf" ? "leaf" : root ? "node root" : "node";
  w.add(d.module);
  w.add(title(d), "name");
  w.add(d.shape);
  if (d.has_gradient) {
    const bool odd = !std::isfinite(d.gradient_norm) || d.gradient_norm == 0;
    w.add("|g| " + short_number(d.gradient_norm), odd ? "alarm" : "");
  }
  w.add(times(d));
  w.share = slowest > 0 ? time_of(d) / slowest : 0;
  w.tip = join("node ", d.sequence, ": ", d.op);
  return w;
}

/// The drawing as boxes and wires.
class Picture {
 public:
  explicit Picture(const std::vector<DrawnNode>& nodes)
      : nodes_(nodes), layers_(nodes.size(), 0), boxes_of_(nodes.size(), -1) {
    double slowest = 0;
    for (const DrawnNode& d : nodes) slowest = std::max(slowest, time_of(d));
    find_layers();
    for (std::size_t i = 0; i < nodes.size(); ++i) add_node(i, slowest);
    if (boxes_of_.back() < 0) boxes_of_.back() = add_box(words_of(nodes.back(), 0, true), 1);  // the root is a leaf
    int least = boxes[0].layer;
    for (const Box& b : boxes) least = std::min(least, b.layer);
    for (Box& b : boxes) b.layer -= least;
    size = place(boxes, wires);
  }

  std::vector<Box> boxes;
  std::vector<BoxText> words;
  std::vector<Wire> wires;
  Size size{};

 private:
  /// Finds layers by the longest path from above; nodes with only leaves above then move down to the node that uses them.
  void find_layers() {
    const std::size_t n = nodes_.size();
    std::vector<int> users(n, 0), lowest(n, -1);
    std::vector<bool> hangs(n, true);
    const auto each_op = [&](std::size_t i, auto f) {
      for (const auto& in : nodes_[i].inputs)
        if (in.from >= 0 && nodes_[static_cast<std::size_t>(in.from)].op != "leaf") f(static_cast<std::size_t>(in.from));
    };
    for (std::size_t i = 0; i < n; ++i) each_op(i, [&](std::size_t from) { ++users[from]; });
    for (std::size_t i = 0; i < n; ++i) {
      layers_[i] = 1;
      each_op(i, [&](std::size_t from) {
        layers_[i] = std::max(layers_[i], layers_[from] + 1);
        hangs[i] = hangs[i] && hangs[from] && users[from] == 1;
      });
    }
    for (std::size_t i = n; i-- > 0;) {
      if (hangs[i] && lowest[i] > layers_[i]) layers_[i] = lowest[i];
      each_op(i, [&](std::size_t from) {
        lowest[from] = lowest[from] < 0 ? layers_[i] - 1 : std::min(lowest[from], layers_[i] - 1);
      });
    }
  }

  void add_node(std::size_t i, double slowest) {
    const DrawnNode& d = nodes_[i];
    if (d.op == "leaf") return;
    const int layer = layers_[i];
    std::vector<int> from;
    for (const auto& in : d.inputs) from.push_back(source(in, layer, slowest));
    boxes_of_[i] = add_box(words_of(d, slowest, i + 1 == nodes_.size()), layer);
    for (int f : from) wires.push_back({f, boxes_of_[i], {}});
  }

  int source(const DrawnNode::Input& in, int layer, double slowest) {
    if (in.from >= 0) {
      const auto from = static_cast<std::size_t>(in.from);
      if (nodes_[from].op != "leaf") return boxes_of_[from];
      const auto [at, fresh] = leaves_.try_emplace({in.from, layer}, 0);
      if (fresh) at->second = add_box(words_of(nodes_[from], slowest, false), layer - 1);
      return at->second;
    }
    BoxText w;
    w.kind = "constant";
    w.add(in.from == -1 ? "constant" : "left out");
    w.add(in.shape);
    return add_box(std::move(w), layer - 1);
  }

  int add_box(BoxText w, int layer) {
    boxes.push_back({layer, w.width(), w.height(), w.kind.starts_with("node") ? 1 : 0.1, {}});
    words.push_back(std::move(w));
    return static_cast<int>(boxes.size()) - 1;
  }

  const std::vector<DrawnNode>& nodes_;
  std::vector<int> layers_, boxes_of_;
  std::map<std::pair<int, int>, int> leaves_;  // of (leaf, layer of the node that uses it)
};

void write_wire(std::string& s, const Wire& w) {
  const Point from = w.path.front();
  s += "<path class=\"wire\" d=\"M" + number(from.x) + " " + number(from.y);
  for (std::size_t i = 1; i < w.path.size(); ++i) {
    const Point a = w.path[i - 1], b = {w.path[i].x, w.path[i].y - (i + 1 == w.path.size() ? 5 : 0)};
    const double middle = (a.y + b.y) / 2;
    if (i % 2 == 0 && i + 1 < w.path.size()) s += " L" + number(b.x) + " " + number(b.y);  // through a layer
    else
      s += " C" + number(a.x) + " " + number(middle) + " " + number(b.x) + " " + number(middle) + " " + number(b.x) + " " +
           number(b.y);
  }
  s += "\" marker-end=\"url(#head)\"/>\n";
}

void write_box(std::string& s, const Box& b, const BoxText& w) {
  const double left = b.at.x - b.width / 2, top = b.at.y - b.height / 2;
  s += "<g>";
  if (!w.tip.empty()) s += "<title>" + escaped(w.tip) + "</title>";
  s += "<rect class=\"" + w.kind + "\" x=\"" + number(left) + "\" y=\"" + number(top) + "\" width=\"" + number(b.width) +
       "\" height=\"" + number(b.height) + "\" rx=\"" + (w.kind == "leaf" ? "12" : "4") + "\"/>";
  if (w.share > 0.005)
    s += "<rect class=\"time\" x=\"" + number(left + 1) + "\" y=\"" + number(top + b.height - 3.5) + "\" width=\"" +
         number((b.width - 2) * w.share) + "\" height=\"3\"/>";
  double y = top + 6;
  for (const auto& r : w.rows) {
    y += row;
    s += "<text x=\"" + number(left + 10) + "\" y=\"" + number(y - 4) + "\"" +
         (*r.kind ? join(" class=\"", r.kind, "\"") : std::string()) + ">" + escaped(r.text) + "</text>";
  }
  s += "</g>\n";
}

std::string svg_of(const std::vector<DrawnNode>& nodes, const std::string& summary, bool own_style) {
  const Picture p(nodes);
  const std::string width = number(p.size.width), height = number(p.size.height);
  std::string s = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tape\" width=\"" + width + "\" height=\"" + height +
                  "\" viewBox=\"0 0 " + width + " " + height + "\" role=\"img\" aria-label=\"" + escaped(summary) + "\">\n";
  if (own_style) s += "<style>" + std::string(tape_css) + "</style>\n";
  s += "<defs><marker id=\"head\" viewBox=\"0 0 6 6\" refX=\"1\" refY=\"3\" markerWidth=\"5\" markerHeight=\"5\" "
       "orient=\"auto\">"
       "<path class=\"head\" d=\"M0 0L6 3L0 6z\"/></marker></defs>\n"
       "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n";
  for (const Wire& w : p.wires) write_wire(s, w);
  for (std::size_t i = 0; i < p.boxes.size(); ++i) write_box(s, p.boxes[i], p.words[i]);
  return s + "</svg>\n";
}

std::string table_of_times(const std::vector<DrawnNode>& nodes) {
  struct Total {
    int nodes = 0;
    double forward = 0, backward = 0;
  };
  std::map<std::string, Total> totals;
  double all = 0;
  for (const DrawnNode& d : nodes) {
    if (d.op == "leaf") continue;
    Total& t = totals[d.op];
    ++t.nodes;
    t.forward += d.forward_seconds, t.backward += known(d.backward_seconds);
    all += time_of(d);
  }
  if (!(all > 0)) return {};
  std::vector<std::pair<std::string, Total>> sorted(totals.begin(), totals.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) {
    return known(a.second.forward) + a.second.backward > known(b.second.forward) + b.second.backward;
  });
  std::string s =
      "<section><h2>Time by op</h2>\n"
      "<table><tr><th>op</th><th>nodes</th><th>forward</th><th>back</th><th>share</th></tr>\n";
  for (const auto& [op, t] : sorted)
    s += join("<tr><td>", escaped(op), "</td><td>", t.nodes, "</td><td>", duration(t.forward), "</td><td>",
              duration(t.backward), "</td><td>", number(100 * (known(t.forward) + t.backward) / all), " %</td></tr>\n");
  return s + "</table></section>\n";
}

}  // namespace

std::string TapeDrawing::svg() const { return svg_of(nodes_, summary(), true); }

std::string TapeDrawing::html() const {
  return fill_template(tape_html, {{"style", join(tape_page_css, tape_css)},
                                   {"summary", escaped(summary())},
                                   {"drawing", svg_of(nodes_, summary(), false)},
                                   {"times", table_of_times(nodes_)}});
}

}  // namespace gradus
