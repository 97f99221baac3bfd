// Layers whose parameters are one matrix: Linear and Embedding.
#pragma once

#include <gradus/nn/module.h>

#include <optional>

namespace gradus::nn {

struct LinearOptions {
  bool bias = true;
};

/// x [.., in] -> x weight^T + bias [.., out]. weight [out, in] and bias [out] start in U(-1 / sqrt(in), 1 / sqrt(in)).
class Linear : public Module<Linear> {
 public:
  Linear(int64_t in_features, int64_t out_features, LinearOptions options = {});
  Tensor forward(const Tensor& x);
  std::string description() const override;

  int64_t in_features, out_features;
  Parameter weight, bias;  ///< bias is absent with {.bias = false}
  GRADUS_FIELDS(weight, bias)
};

struct EmbeddingOptions {
  std::optional<int64_t> padding_idx = {};  ///< a row that starts at 0 and gets no gradient; -1 is the last
};

/// Rows of a table: index of any shape S -> [S.., dim]. weight [count, dim] starts in N(0, 1). Errors: IndexError unless
/// every index lies in 0 .. count-1, DtypeError unless i64 or u8.
class Embedding : public Module<Embedding> {
 public:
  Embedding(int64_t num_embeddings, int64_t embedding_dim, EmbeddingOptions options = {});
  Tensor forward(const Tensor& index);
  std::string description() const override;

  int64_t num_embeddings, embedding_dim;
  EmbeddingOptions options;  ///< padding_idx counts from the start
  Parameter weight;
  GRADUS_FIELDS(weight)
};

}  // namespace gradus::nn
