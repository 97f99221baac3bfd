// A small Faster R-CNN (Ren, He, Girshick and Sun, "Faster R-CNN", 2015) finds shapes: a backbone, proposals made at
// anchors, and a head that looks at each proposal alone. The scenes are drawn by our own code; those of the test are
// others.
//
//   detect_shapes
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

#include <algorithm>

using namespace gradus;

constexpr int64_t side = 64, stride = 4, cells = side / stride, sizes = 3, classes = 4;

// ---- boxes [K, 4]: left, top, right, bottom -------------------------------------------------------------------------

Tensor middle(const Tensor& b) { return 0.5 * (b.slice(1, 0, 2) + b.slice(1, 2, 4)); }
Tensor length(const Tensor& b) { return b.slice(1, 2, 4) - b.slice(1, 0, 2); }
Tensor rows(const Tensor& x, const Tensor& index) { return index_select(x, 0, index); }
Tensor where_true(const Tensor& mask) { return select(nonzero(mask), 1, 0); }

/// How boxes differ from others, each from one: equations 2 of the paper.
Tensor encoded(const Tensor& boxes, const Tensor& from) {
  return cat({(middle(boxes) - middle(from)) / length(from), log(length(boxes) / length(from))}, 1);
}
Tensor decoded(const Tensor& deltas, const Tensor& from) {
  const Tensor m = middle(from) + deltas.slice(1, 0, 2) * length(from);
  const Tensor half = 0.5 * length(from) * exp(clamp(deltas.slice(1, 2, 4), -2.0, 2.0));
  return clamp(cat({m - half, m + half}, 1), 0.0, static_cast<double>(side));
}

/// Squares of three sizes around the middle of each cell, row by row.
Tensor make_anchors() {
  std::vector<float> numbers;
  for (int64_t i = 0; i < cells * cells; ++i)
    for (const float half : {5.0F, 8.0F, 12.0F}) {
      const float x = static_cast<float>(i % cells * stride) + 2, y = static_cast<float>(i / cells * stride) + 2;
      for (const float number : {x - half, y - half, x + half, y + half}) numbers.push_back(number);
    }
  return tensor<float>({cells * cells * sizes, 4}, numbers);
}

/// What is in a scene, [most, 5] = (kind, box), for boxes: the best overlap of each, and the row it is with.
struct Match {
  Tensor overlap, kinds, boxes;
  Match(const Tensor& of, const Tensor& truth) {
    const Tensor shared = box_iou(of, truth.slice(1, 1, 5));
    const Tensor best = argmax(shared, 1);
    overlap = max(shared, 1), kinds = rows(select(truth, 1, 0), best).to(i64), boxes = rows(truth.slice(1, 1, 5), best);
  }
};

// ---- the network ----------------------------------------------------------------------------------------------------

struct ConvNorm : nn::Module<ConvNorm> {
  nn::Conv2d conv;
  nn::BatchNorm2d norm;
  GRADUS_FIELDS(conv, norm)
  ConvNorm(int64_t in, int64_t out, int64_t by) : conv(in, out, 3, {.stride = by, .padding = 1, .bias = false}), norm(out) {}
  Tensor forward(const Tensor& x) { return relu(norm(conv(x))); }
};

struct Detections {
  Tensor boxes, scores, kinds;
};

struct Detector : nn::Module<Detector> {
  ConvNorm layer1, layer2, layer3, layer4, near;
  nn::Conv2d propose;
  nn::Linear hidden, kind, refine;
  GRADUS_FIELDS(layer1, layer2, layer3, layer4, near, propose, hidden, kind, refine)
  Tensor anchors = make_anchors();
  explicit Detector(int64_t width)
      : layer1(3, width, 2),
        layer2(width, 2 * width, 1),
        layer3(2 * width, 2 * width, 2),
        layer4(2 * width, 2 * width, 1),
        near(2 * width, 2 * width, 1),
        propose(2 * width, sizes * 5, 1),
        hidden(2 * width * 25, 4 * width),
        kind(4 * width, classes),
        refine(4 * width, 4) {}

  Tensor features(const Tensor& x) { return layer4(layer3(layer2(layer1(x - 0.5)))); }
  /// [N, anchors, 5]: whether there is a shape, and its box from the anchor's.
  Tensor proposed(const Tensor& f) { return propose(near(f)).permute({0, 2, 3, 1}).reshape({f.dim(0), -1, 5}); }
  /// The best proposals of one image, [K, 4].
  Tensor best_boxes(const Tensor& of_image) const {
    const auto top = topk(select(of_image, 1, 0), 60, 0);
    const Tensor boxes = decoded(rows(of_image, top.indices).slice(1, 1, 5), rows(anchors, top.indices));
    const Tensor kept = nms(boxes, top.values, 0.7);
    return rows(boxes, kept.slice(0, 0, 16));
  }
  /// What the head sees in boxes [K, 5], whose first column is the image: [K, width].
  Tensor looked_at(const Tensor& f, const Tensor& boxes) {
    return relu(
        hidden(flatten(roi_align(f, boxes, 5, {.spatial_scale = 1.0 / stride, .sampling_ratio = 2, .aligned = true}), 1)));
  }

  /// Of the anchors: is it one, where exactly. Overlaps from 0.3 to 0.45 are neither.
  Tensor proposal_loss(const Tensor& proposals, const std::vector<Match>& matches) {
    Tensor loss = 0.0;
    for (std::size_t i = 0; i < matches.size(); ++i) {
      const Tensor p = select(proposals, 0, static_cast<int64_t>(i));
      const Tensor found = where_true(matches[i].overlap >= 0.45), other = where_true(matches[i].overlap < 0.3);
      if (found.size() > 0) {
        const Tensor at = rows(p, found), target = encoded(rows(matches[i].boxes, found), rows(anchors, found));
        loss += mean(softplus(-select(at, 1, 0))) + 2.0 * smooth_l1_loss(at.slice(1, 1, 5), target, {.beta = 0.1});
      }
      loss += mean(softplus(rows(select(p, 1, 0), other)));
    }
    return loss / static_cast<double>(matches.size());
  }

  /// x [N, 3, 64, 64], truth [N, most, 5] -> the four losses of the paper.
  Tensor loss(const Tensor& x, const Tensor& truth) {
    const Tensor f = features(x), proposals = proposed(f);
    std::vector<Match> anchored;
    std::vector<Tensor> boxes, kinds, from, targets;
    for (int64_t i = 0; i < x.dim(0); ++i) {
      const NoGrad constants;
      const Tensor there = select(truth, 0, i), real = rows(there, where_true(select(there, 1, 0) > 0.0));
      anchored.emplace_back(anchors, there);
      const Tensor all = cat({best_boxes(select(proposals, 0, i)), real.slice(1, 1, 5)});  // also the right answers
      const Match match(all, there);
      boxes.push_back(cat({full({all.dim(0), 1}, static_cast<double>(i)), all}, 1));
      kinds.push_back(where(match.overlap >= 0.5, match.kinds, zeros_like(match.kinds)));
      from.push_back(all), targets.push_back(match.boxes);
    }
    const Tensor seen = looked_at(f, cat(boxes)), label = cat(kinds), right = where_true(label > 0);
    const Tensor better =
        smooth_l1_loss(rows(refine(seen), right), encoded(rows(cat(targets), right), rows(cat(from), right)), {.beta = 0.1});
    return proposal_loss(proposals, anchored) + cross_entropy(kind(seen), label) + 2.0 * better;
  }

  /// What it finds in each image of x, the surest first.
  std::vector<Detections> detect(const Tensor& x) {
    const NoGrad unrecorded;
    const Tensor f = features(x), proposals = proposed(f);
    std::vector<Detections> found;
    for (int64_t i = 0; i < x.dim(0); ++i) {
      const Tensor from = best_boxes(select(proposals, 0, i));
      const Tensor seen = looked_at(f, cat({full({from.dim(0), 1}, static_cast<double>(i)), from}, 1));
      const Tensor boxes = decoded(refine(seen), from), p = softmax(kind(seen)).slice(1, 1, classes);
      const Tensor kept = nms(boxes, max(p, 1), 0.4);
      found.push_back({rows(boxes, kept), rows(max(p, 1), kept), rows(argmax(p, 1) + 1, kept)});
    }
    return found;
  }
};

// ---- how good it is -------------------------------------------------------------------------------------------------

/// The mean over the kinds of the area under precision against recall, where a box is right that has an IoU of 0.5 with a
/// shape of its kind that no surer box has found: Everingham et al., "The Pascal visual object classes challenge", 2010.
double mean_average_precision(Detector& net, const data::DataLoader& scenes) {
  const nn::EvalMode eval_mode(net);
  std::vector<std::pair<double, bool>> answers[classes];  // score, right
  double shapes[classes] = {}, total = 0;
  for (auto& batch : scenes.epoch(0)) {
    const auto found = net.detect(Tensor(batch.x));
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Tensor truth = select(Tensor(batch.y), 0, static_cast<int64_t>(i));
      const Array shared = box_iou(found[i].boxes, truth.slice(1, 1, 5)).array();
      std::vector<bool> taken(static_cast<std::size_t>(truth.dim(0)));
      for (int64_t t = 0; t < truth.dim(0); ++t) ++shapes[static_cast<std::size_t>(truth.array().at({t, 0}))];
      for (int64_t k = 0; k < found[i].scores.size(); ++k) {
        const auto kind = static_cast<std::size_t>(found[i].kinds.array().at({k}));
        bool right = false;
        for (int64_t t = 0; t < truth.dim(0) && !right; ++t)
          if (shared.at({k, t}) >= 0.5 && truth.array().at({t, 0}) == static_cast<double>(kind) &&
              !taken[static_cast<std::size_t>(t)])
            right = taken[static_cast<std::size_t>(t)] = true;
        answers[kind].emplace_back(found[i].scores.array().at({k}), right);
      }
    }
  }
  for (std::size_t kind = 1; kind < classes; ++kind) {
    auto& all = answers[kind];
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<double> precision;  // at each right answer
    for (std::size_t k = 0; k < all.size(); ++k)
      if (all[k].second) precision.push_back(static_cast<double>(precision.size() + 1) / static_cast<double>(k + 1));
    for (std::size_t k = precision.size(); k-- > 1;) precision[k - 1] = std::max(precision[k - 1], precision[k]);
    for (const double p : precision) total += p / shapes[kind] / (classes - 1);
  }
  return total;
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    const auto set = data::generate_scenes(flags.quick ? 64 : train ? 3000 : 400, flags.seed, train, {.side = side});
    const Tensor truth = cat({unsqueeze(Tensor(set.kinds).to(f32), 2), Tensor(set.boxes)}, 2);
    return data::DataLoader(data::TensorDataset(set.images, truth.array()),
                            {.batch_size = flags.quick ? 8 : flags.batch, .shuffle = train, .seed = flags.seed});
  };
  const auto train = load(true), test = load(false);
  Detector net(flags.quick ? 8 : 16);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    return net.loss(Tensor(batch.x), Tensor(batch.y));
  };
  auto options = flags.fit(&test);
  options.unit = "scenes";
  auto outcome = flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "shapes found", 0);
  outcome.metric = "mAP@0.5", outcome.value = mean_average_precision(net, test), outcome.higher_is_better = true;
  return outcome;
}

int main(int argc, char** argv) {
  return examples::run(
      argc, argv, "A small Faster R-CNN finds shapes",
      {.optimizer = "clip_norm(5) | adamw(lr=one_cycle(4e-3, total=TOTAL))", .epochs = 8, .batch = 16, .quick_length = 12},
      learn);
}
