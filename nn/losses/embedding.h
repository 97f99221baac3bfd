// Losses of distances between embeddings, as functions and as modules. Each takes {.reduction = Reduction::mean, sum or
// none}. A target y holds 1 or -1 in the dtype of the rest. Errors of all: DtypeError, ShapeError naming the inputs; Error
// for another y.
#pragma once

#include <gradus/nn/module.h>

namespace gradus {

struct HingeEmbeddingOptions {
  double margin = 1;
  Reduction reduction = Reduction::mean;
};
/// x where y is 1, max(0, margin - x) where it is -1.
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& y, const HingeEmbeddingOptions& options = {});

struct MarginRankingOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
/// max(0, margin - y (x1 - x2)): x1 is to be larger where y is 1.
Tensor margin_ranking_loss(const Tensor& x1, const Tensor& x2, const Tensor& y, const MarginRankingOptions& options = {});

struct CosineEmbeddingOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
/// 1 - cos(x1, x2) where y is 1, max(0, cos - margin) where it is -1. x1, x2 [N, D] and y [N], or [D] and [].
Tensor cosine_embedding_loss(const Tensor& x1, const Tensor& x2, const Tensor& y,
                             const CosineEmbeddingOptions& options = {});

struct TripletMarginOptions {
  double margin = 1;
  double p = 2;       ///< the distance is the p-norm along the last axis
  double eps = 1e-6;  ///< added to each difference
  bool swap = false;  ///< take the positive's distance to the negative where that is the smaller: Balntas et al., 2016
  Reduction reduction = Reduction::mean;
};
/// max(0, |anchor - positive| - |anchor - negative| + margin), each [.., D]: Schroff et al., "FaceNet", 2015.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options = {});

namespace nn {

struct HingeEmbeddingLoss : Module<HingeEmbeddingLoss> {
  explicit HingeEmbeddingLoss(HingeEmbeddingOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& x, const Tensor& y) { return hinge_embedding_loss(x, y, options); }
  HingeEmbeddingOptions options;
};
struct MarginRankingLoss : Module<MarginRankingLoss> {
  explicit MarginRankingLoss(MarginRankingOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& y) { return margin_ranking_loss(x1, x2, y, options); }
  MarginRankingOptions options;
};
struct CosineEmbeddingLoss : Module<CosineEmbeddingLoss> {
  explicit CosineEmbeddingLoss(CosineEmbeddingOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& y) { return cosine_embedding_loss(x1, x2, y, options); }
  CosineEmbeddingOptions options;
};
struct TripletMarginLoss : Module<TripletMarginLoss> {
  explicit TripletMarginLoss(TripletMarginOptions how = {}) : options(how) {}
  Tensor forward(const Tensor& anchor, const Tensor& positive, const Tensor& negative) {
    return triplet_margin_loss(anchor, positive, negative, options);
  }
  TripletMarginOptions options;
};

}  // namespace nn
}  // namespace gradus
