#include <gradus/autograd/inspect/internal/tape_layout.h>

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace gradus::drawing {
namespace {

constexpr double gap = 18, layer_gap = 34, margin = 16, lane = 10;  // pixels; a lane: a wire's width within a layer
constexpr double lane_weight = 2;
constexpr std::size_t most_lanes = 20000;  // beyond this number long wires are straight

/// A box, or the position of a wire in a layer that it passes.
struct Item {
  double width, weight;
  int layer;
  double x = 0;
  std::size_t rank = 0;  // within the layer
  std::vector<int> above, below;
};

class Layers {
 public:
  Layers(const std::vector<Box>& boxes, const std::vector<Wire>& wires) {
    for (const Box& b : boxes) items_.push_back({b.width, b.weight, b.layer, 0, 0, {}, {}});
    std::size_t passing = 0;
    for (const Wire& w : wires) passing += static_cast<std::size_t>(boxes[at(w.to)].layer - boxes[at(w.from)].layer - 1);
    for (const Wire& w : wires) {
      auto& own = lanes_.emplace_back();
      int last = w.from;
      for (int l = boxes[at(w.from)].layer + 1; l < boxes[at(w.to)].layer && passing <= most_lanes; ++l) {
        items_.push_back({lane, lane_weight, l, 0, 0, {}, {}});
        own.push_back(static_cast<int>(items_.size()) - 1);
        connect(last, own.back());
        last = own.back();
      }
      connect(last, w.to);
    }
    for (const Item& i : items_) layers_.resize(std::max(layers_.size(), static_cast<std::size_t>(i.layer) + 1));
    for (std::size_t i = 0; i < items_.size(); ++i) layers_[at(items_[i].layer)].push_back(static_cast<int>(i));
  }

  void arrange() {
    remember_ranks();
    for (int traversal = 0; traversal < 8; ++traversal)
      each_layer(traversal % 2 == 0, [&](std::vector<int>& layer, bool downwards) { sort_by_neighbours(layer, downwards); });
    for (auto& layer : layers_) {
      double x = 0;
      for (int i : layer) items_[at(i)].x = x + items_[at(i)].width / 2, x += items_[at(i)].width + gap;
    }
    for (int traversal = 0; traversal < 12; ++traversal)
      each_layer(traversal % 2 == 0,
                 [&](std::vector<int>& layer, bool downwards) { pull(layer, downwards, traversal >= 10); });
  }

  const std::vector<Item>& items() const { return items_; }
  const std::vector<int>& lanes_of(std::size_t wire) const { return lanes_[wire]; }
  std::size_t count() const { return layers_.size(); }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  void connect(int upper, int lower) {
    items_[at(upper)].below.push_back(lower);
    items_[at(lower)].above.push_back(upper);
  }
  template <class F> void each_layer(bool downwards, F f) {
    if (downwards)
      for (auto l = layers_.begin(); l != layers_.end(); ++l) f(*l, true);
    else
      for (auto l = layers_.rbegin(); l != layers_.rend(); ++l) f(*l, false);
  }
  void remember_ranks() {
    for (auto& layer : layers_)
      for (std::size_t r = 0; r < layer.size(); ++r) items_[at(layer[r])].rank = r;
  }

  void sort_by_neighbours(std::vector<int>& layer, bool downwards) {
    std::vector<std::pair<double, int>> keyed;
    for (std::size_t r = 0; r < layer.size(); ++r) {
      const Item& item = items_[at(layer[r])];
      const auto& near = downwards ? item.above : item.below;
      double sum = 0;
      for (int n : near) sum += static_cast<double>(items_[at(n)].rank);
      keyed.emplace_back(near.empty() ? static_cast<double>(r) : sum / static_cast<double>(near.size()), layer[r]);
    }
    std::stable_sort(keyed.begin(), keyed.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (std::size_t r = 0; r < layer.size(); ++r) layer[r] = keyed[r].second, items_[at(layer[r])].rank = r;
  }

  /// Moves every item to the mean of its neighbours, as near as the order allows: neighbours that would overlap form a
  /// block, which moves to the mean of its members' wishes (least squares under an order).
  void pull(std::vector<int>& layer, bool downwards, bool both) {
    struct Block {
      double sum, weight;
      std::size_t begin;
      double where() const { return sum / weight; }
    };
    std::vector<double> offset(layer.size());  // offset of each item, if all stood side by side
    std::vector<Block> blocks;
    for (std::size_t r = 0; r < layer.size(); ++r) {
      const Item& item = items_[at(layer[r])];
      if (r > 0) offset[r] = offset[r - 1] + (items_[at(layer[r - 1])].width + item.width) / 2 + gap;
      double sum = 0, n = 0;
      const auto add = [&](const std::vector<int>& near) {
        for (int k : near) sum += items_[at(k)].weight * items_[at(k)].x, n += items_[at(k)].weight;
      };
      if (both || downwards) add(item.above);
      if (both || !downwards) add(item.below);
      const double wanted = n > 0 ? sum / n : item.x, weight = n > 0 ? item.weight : 0.1 * item.weight;
      blocks.push_back({weight * (wanted - offset[r]), weight, r});
      while (blocks.size() > 1 && blocks[blocks.size() - 2].where() > blocks.back().where()) {
        const Block last = blocks.back();
        blocks.pop_back();
        blocks.back().sum += last.sum, blocks.back().weight += last.weight;
      }
    }
    for (std::size_t b = 0; b < blocks.size(); ++b)
      for (std::size_t r = blocks[b].begin; r < (b + 1 < blocks.size() ? blocks[b + 1].begin : layer.size()); ++r)
        items_[at(layer[r])].x = blocks[b].where() + offset[r];
  }

  std::vector<Item> items_;
  std::vector<std::vector<int>> layers_, lanes_;  // items of each layer; of each wire
};

}  // namespace

Size place(std::vector<Box>& boxes, std::vector<Wire>& wires) {
  if (boxes.empty()) return {2 * margin, 2 * margin};
  Layers layers(boxes, wires);
  layers.arrange();
  const auto& items = layers.items();
  double left = items[0].x, right = left;
  for (const Item& i : items) left = std::min(left, i.x - i.width / 2), right = std::max(right, i.x + i.width / 2);

  std::vector<double> height(layers.count(), 0), top(layers.count());
  for (const Box& b : boxes) {
    double& h = height[static_cast<std::size_t>(b.layer)];
    h = std::max(h, b.height);
  }
  double y = margin;
  for (std::size_t l = 0; l < height.size(); ++l) top[l] = y, y += height[l] + layer_gap;

  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const auto l = static_cast<std::size_t>(boxes[i].layer);
    boxes[i].at = {items[i].x - left + margin, top[l] + height[l] / 2};
  }
  for (std::size_t w = 0; w < wires.size(); ++w) {
    const Box &from = boxes[static_cast<std::size_t>(wires[w].from)], &to = boxes[static_cast<std::size_t>(wires[w].to)];
    auto& path = wires[w].path;
    path = {{from.at.x, from.at.y + from.height / 2}};
    for (int i : layers.lanes_of(w)) {
      const Item& item = items[static_cast<std::size_t>(i)];
      const auto l = static_cast<std::size_t>(item.layer);
      path.push_back({item.x - left + margin, top[l]});
      path.push_back({item.x - left + margin, top[l] + height[l]});
    }
    path.push_back({to.at.x, to.at.y - to.height / 2});
  }
  return {right - left + 2 * margin, y - layer_gap + margin};
}

}  // namespace gradus::drawing
