// The tape as a picture: nothing missing, the right figures, well-formed files, boxes that do not overlap.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/inspect/draw_tape.h>
#include <gradus/autograd/inspect/internal/tape_layout.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/io/files.h>
#include <gradus/nn/nn.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>

#include <algorithm>
#include <cmath>

using namespace gradus;

namespace {

struct Net : nn::Module<Net> {
  nn::Linear first{6, 5}, second{5, 4};
  GRADUS_FIELDS(first, second)
  Tensor forward(const Tensor& x) { return second(tanh(first(x))); }
};

double length(const Tensor& g) { return std::sqrt(sum(square(g.to(f64))).item()); }

const DrawnNode& drawn(const TapeDrawing& t, std::uint64_t line) {
  for (const DrawnNode& d : t.nodes())
    if (d.sequence == line) return d;
  FAIL("line " << line << " is not drawn");
  return t.nodes().front();
}

/// Every tag is closed, every attribute quoted, every & begins an entity. Void: elements of HTML without an end.
bool well_formed(const std::string& s) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '&') {
      const std::string entity = s.substr(i, s.find(';', i) - i + 1);
      if (entity != "&amp;" && entity != "&lt;" && entity != "&gt;" && entity != "&quot;") return false;
    }
    if (s[i] == '>') return false;
    if (s[i] != '<') continue;
    const std::size_t end = s.find('>', i);
    if (end == s.npos) return false;
    const std::string tag = s.substr(i + 1, end - i - 1), name = tag.substr(0, tag.find_first_of(" /", 1));
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0 || tag.find('<') != tag.npos) return false;
    if (tag[0] == '/') {
      if (open.empty() || "/" + open.back() != tag) return false;
      open.pop_back();
    } else if (tag[0] != '!' && tag.back() != '/' && name != "meta" && name != "link") {
      open.push_back(name);
      if (name == "style") i = s.find("</style>", i) - 1;
    }
    if (name != "style") i = end;
  }
  return open.empty();
}

std::size_t count_of(const std::string& s, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = s.find(part); at != s.npos; at = s.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("every node is drawn, with the gradient that grad() finds; the tape can still be traversed") {
  const Tensor w = leaf(real({3, 4}).array(), "w"), b = leaf(real({4}).array(), "b"), unused = leaf(Array::ones({2}));
  const Tensor h = matmul(real({2, 3}), w) + b, t = tanh(h);
  const auto halves = split(t, 2, 1);
  const Tensor masked = where(real({2, 2}) > 10.0, halves[0], halves[1]);  // the gradient of the first half is zero
  const Tensor loss = sum(masked * masked) + sum(t);
  const TapeDrawing d = draw_tape(loss);

  REQUIRE(d.nodes().size() == 2 + 10);  // without what nobody used
  for (const Tensor& x : {w, b, h, t, halves[0], masked, loss}) {
    const DrawnNode& line = drawn(d, x.node()->sequence);
    if (x.node() != halves[0].node()) {
      CHECK(line.gradient_norm == doctest::Approx(length(grad({loss}, {x}, {.retain_graph = true})[0])).epsilon(1e-6));
      CHECK(line.shape == describe(x.array()));
    }
    CHECK(std::isnan(line.forward_seconds));
    CHECK(std::isnan(line.backward_seconds) == x.is_leaf());
  }
  const DrawnNode& both = drawn(d, halves[0].node()->sequence);
  CHECK(both.shape == "f32[2,2], f32[2,2]");
  const auto g = grad({loss}, halves, {.retain_graph = true});
  CHECK(both.gradient_norm == doctest::Approx(std::hypot(length(g[0]), length(g[1]))).epsilon(1e-6));
  CHECK(d.nodes().back().op == "add");
  CHECK(drawn(d, w.node()->sequence).name == "w");
  const DrawnNode& product = drawn(d, h.node()->sequence);
  REQUIRE(product.inputs.size() == 2);
  CHECK(d.nodes()[static_cast<std::size_t>(product.inputs[1].from)].op == "expand");

  CHECK(!w.grad().defined());
  loss.backward();
  CHECK(w.grad().defined());
  const TapeDrawing later = draw_tape(loss);
  CHECK(later.nodes().size() == d.nodes().size());
  CHECK(std::isnan(drawn(later, w.node()->sequence).gradient_norm));
  CHECK(says(later.summary(), {"a backward had freed"}));
  CHECK(well_formed(later.svg()));
}

TEST_CASE("a function that is drawn tells the modules, the forward times and the shapes of constants") {
  Net net;
  const Tensor x = real({3, 6}), y(Array::of<int64_t>({3}, {0, 3, 1}));
  const TapeDrawing d = draw_tape([&] { return cross_entropy(net(x), y); });
  std::vector<std::string> seen;
  for (const DrawnNode& l : d.nodes())
    if (l.op != "leaf") {
      seen.push_back(l.module + ":" + l.op);
      CHECK(l.forward_seconds >= 0);
      CHECK(l.backward_seconds >= 0);
    }
  CHECK(seen == std::vector<std::string>{"first:linear", ":tanh", "second:linear", ":cross_entropy"});
  const DrawnNode& first = d.nodes()[d.nodes().size() - 4];
  CHECK(first.inputs[0].from == -1);
  CHECK(first.inputs[0].shape == "f32[3,6]");
  CHECK(says(d.svg(), {"first.weight", "f32[3,6]", "forward "}));
  CHECK(says(d.html(), {"Time by op", "cross_entropy"}));
  CHECK(draw_tape([&] { return cross_entropy(net(x), y); }, {.run_backward = false}).nodes().back().has_gradient == false);
}

TEST_CASE("DOT, SVG and HTML are well-formed whatever the names, hold every node and ask the network for nothing") {
  const Tensor w = leaf(real({2, 2}).array(), "a<b> & \"c\\d\"\ne"), v = leaf(real({2, 2}).array(), std::string(300, 'n'));
  const Tensor r = relu(matmul(w, v)), zero = log(r * 0.0);
  const TapeDrawing d = draw_tape(sum(zero * r) + w.sum());
  const std::string dot = d.dot(), svg = d.svg(), html = d.html();
  CHECK(well_formed(svg));
  CHECK(well_formed(html));
  CHECK(!well_formed("<svg><g></svg>"));
  CHECK(!well_formed("<svg>a & b</svg>"));
  CHECK(says(svg, {"a&lt;b&gt; &amp; &quot;c\\d&quot; e", "class=\"alarm\">|g| NaN<"}));
  CHECK(says(dot, {"digraph tape {", "a<b> & \\\"c\\\\d\\\" e"}));
  for (const DrawnNode& l : d.nodes()) {
    CHECK(count_of(dot, join("  n", l.sequence, " [label=")) == 1);
    CHECK(says(svg, {join("<title>node ", l.sequence, ": ", l.op, "</title>")}));
  }
  std::size_t edges = 0;
  for (const DrawnNode& l : d.nodes()) edges += l.inputs.size();
  CHECK(count_of(dot, " -> ") == edges);
  CHECK(count_of(svg, "class=\"wire\"") == edges);
  for (const char* asks : {"src=", "url(h", "@import", "<script", "href=\"h"}) CHECK(html.find(asks) == html.npos);
  CHECK(says(html, {"default-src 'none'", "prefers-color-scheme: dark"}));
}

TEST_CASE("a long tape is cut, and says so") {
  const Tensor w = leaf(Array::ones({3}), "w");
  Tensor y = w;
  for (int i = 0; i < 5000; ++i) y = y * w;
  const TapeDrawing d = draw_tape(y, {.most_nodes = 40});
  CHECK(d.left_out() == 4960);
  CHECK(d.nodes().size() == 41);
  CHECK(d.nodes()[0].name == "w");
  CHECK(d.nodes()[1].inputs[0].from == -2);
  CHECK(says(d.summary(), {"40 nodes", "4,960 older ones are left out"}));
  CHECK(says(d.dot(), {"left out"}));
  CHECK(draw_tape(y).html().size() < 2'000'000);
  CHECK(well_formed(draw_tape(y).svg()));
}

TEST_CASE("draw_tape writes what the ending says and refuses the rest") {
  const Tensor w = leaf(Array::ones({3}), "w");
  const TapeDrawing d = draw_tape(sum(w * w));
  const testing::TempDir folder;
  const std::string path = folder / "tape";
  for (const auto& [ending, text] : {std::pair(".dot", d.dot()), {".svg", d.svg()}, {".html", d.html()}}) {
    d.save(path + ending);
    CHECK(read_file(path + ending) == text);
  }
  CHECK(says(thrown<DataError>([&] { d.save(path + ".png"); }), {"tape.png", ".dot, .svg, .html"}));
  CHECK(says(thrown<GraphError>([] { draw_tape(ones({2})); }), {"draw_tape", "f32[2]", "no history"}));
  CHECK(says(thrown<GraphError>([&] { draw_tape(w, {.most_nodes = 0}); }), {"most_nodes", "0"}));
  CHECK(draw_tape(w).nodes().size() == 1);
  CHECK(well_formed(draw_tape(w).svg()));
}

TEST_CASE("boxes keep apart and wires go round them, downwards") {
  std::vector<drawing::Box> boxes;
  std::vector<drawing::Wire> wires;
  for (int layer = 0; layer < 12; ++layer)
    for (int k = 0; k <= layer % 4; ++k) {
      const int here = static_cast<int>(boxes.size());
      boxes.push_back({layer, 60.0 + 17 * ((here * 7) % 5), 30.0 + 10 * (here % 3), k == 0 ? 1 : 0.1, {}});
      for (int j = 0; j < here; ++j)
        if (boxes[static_cast<std::size_t>(j)].layer < layer && (here * 31 + j * 17) % 5 == 0)
          wires.push_back({j, here, {}});
    }
  REQUIRE(wires.size() > 30);
  const drawing::Size size = drawing::place(boxes, wires);
  for (const auto& a : boxes) {
    CHECK(a.at.x - a.width / 2 >= 0);
    CHECK(a.at.x + a.width / 2 <= size.width);
    CHECK(a.at.y + a.height / 2 <= size.height);
    for (const auto& b : boxes)
      if (&a != &b && a.layer == b.layer) CHECK(std::abs(a.at.x - b.at.x) >= (a.width + b.width) / 2 + 5);
  }
  for (const auto& w : wires) {
    CHECK(w.path.size() == 2 * static_cast<std::size_t>(boxes[static_cast<std::size_t>(w.to)].layer -
                                                        boxes[static_cast<std::size_t>(w.from)].layer));
    for (std::size_t i = 1; i < w.path.size(); ++i) CHECK(w.path[i].y >= w.path[i - 1].y);
    for (const auto& b : boxes)
      for (std::size_t i = 1; i + 1 < w.path.size(); ++i) {
        const auto p = w.path[i];
        CHECK(!(std::abs(p.x - b.at.x) < b.width / 2 && std::abs(p.y - b.at.y) < b.height / 2));
      }
  }
}
