// The layout of boxes in layers, for draw_tape: few crossings, wires that go around boxes.
#pragma once

#include <vector>

namespace gradus::drawing {

struct Point {
  double x = 0, y = 0;
};

struct Box {
  int layer = 0;  ///< index, from the top
  double width = 0, height = 0;
  double weight = 1;  ///< how much it pulls its neighbours, and how little it is pulled
  Point at;           ///< centre; found by place()
};

/// A connection from a box to one in a lower layer.
struct Wire {
  int from, to;
  std::vector<Point> path;  ///< found by place(): from the lower side of one to the upper side of the other
};

struct Size {
  double width, height;
};

/// Places boxes and wires. Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures",
/// 1981: wires through several layers get an item in each, the order within a layer follows the mean of the neighbours,
/// positions are their mean subject to the order.
Size place(std::vector<Box>& boxes, std::vector<Wire>& wires);

}  // namespace gradus::drawing
