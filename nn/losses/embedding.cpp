#include <gradus/nn/losses/embedding.h>

#include <gradus/nn/losses/internal/loss_parts.h>

namespace gradus {
namespace {

Tensor distance_between(const Tensor& a, const Tensor& b, const TripletMarginOptions& o) {
  return norm(a - b + o.eps, o.p, {-1});
}

}  // namespace

Tensor hinge_embedding_loss(const Tensor& x, const Tensor& y, const HingeEmbeddingOptions& o) {
  check_alike("hinge_embedding_loss", {{"input", &x}, {"target", &y}});
  check_signs("hinge_embedding_loss", y);
  return reduced_loss(where(y == Tensor(1.0), x, relu(o.margin - x)), o.reduction);
}

Tensor margin_ranking_loss(const Tensor& x1, const Tensor& x2, const Tensor& y, const MarginRankingOptions& o) {
  check_alike("margin_ranking_loss", {{"input1", &x1}, {"input2", &x2}, {"target", &y}});
  check_signs("margin_ranking_loss", y);
  return reduced_loss(relu(o.margin - y * (x1 - x2)), o.reduction);
}

Tensor cosine_embedding_loss(const Tensor& x1, const Tensor& x2, const Tensor& y, const CosineEmbeddingOptions& o) {
  const char* op = "cosine_embedding_loss";
  check_alike(op, {{"input1", &x1}, {"input2", &x2}});
  const bool rank_fits = x1.rank() == 1 || x1.rank() == 2;
  if (!rank_fits || !(y.shape() == x1.shape().erase(x1.rank() - 1)))
    throw ShapeError(op, join("the inputs must be [N, D] and the target [N], or [D] and []: inputs ", describe(x1),
                              ", target ", describe(y)));
  check_signs(op, y);
  constexpr double eps = 1e-12;  // PyTorch's, added to each squared length
  const Tensor lengths = sqrt((sum(square(x1), {-1}) + eps) * (sum(square(x2), {-1}) + eps));
  const Tensor cosine = sum(x1 * x2, {-1}) / lengths;
  return reduced_loss(where(y == Tensor(1.0), 1.0 - cosine, relu(cosine - o.margin)), o.reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& o) {
  check_alike("triplet_margin_loss", {{"anchor", &anchor}, {"positive", &positive}, {"negative", &negative}});
  if (anchor.rank() < 1) throw ShapeError("triplet_margin_loss", "the inputs must be [.., D], got single numbers");
  if (!(o.margin > 0)) throw Error("triplet_margin_loss", join("margin must be above 0, got ", text(o.margin)));
  Tensor away = distance_between(anchor, negative, o);
  if (o.swap) away = min(away, distance_between(positive, negative, o));
  return reduced_loss(relu(distance_between(anchor, positive, o) - away + o.margin), o.reduction);
}

}  // namespace gradus
