// Layers that read rows of a table: Embedding, and EmbeddingBag, which reduces several to one.
#pragma once

#include <gradus/nn/module.h>

#include <optional>

namespace gradus::nn {

struct EmbeddingOptions {
  std::optional<int64_t> padding_idx = {};  ///< a row that starts at 0 and gets no gradient; -1 is the last
  /// Rows that are read are first scaled down, in place and for good, to this norm; then one thread at a time may call.
  std::optional<double> max_norm = {};
  double norm_type = 2;  ///< p of that norm
  bool sparse = false;   ///< backward() leaves weight a gradient of rows (Tensor::sparse_grad) that some optimizers step
};

/// Rows of a table: index of any shape S -> [S.., dim]. weight [count, dim] starts in N(0, 1). Errors: IndexError unless
/// every index lies in 0 .. count-1, DtypeError unless i64 or u8; of the constructor IndexError for padding_idx.
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

struct EmbeddingBagOptions {
  std::optional<double> max_norm = {};
  double norm_type = 2;
  std::string mode = "mean";  ///< or "sum", "max"
  bool sparse = false;
  bool include_last_offset = false;         ///< offsets has the end of the last bag, too: [B + 1]
  std::optional<int64_t> padding_idx = {};  ///< an index that counts as not there
};

/// Sums, means or maxima of rows of a table, each over one bag of indices, without padding ones; 0 for an empty bag.
/// index [B, L] -> [B, dim], or index [n] and offsets [B], where each bag begins -> [B, dim]. per_sample_weights, of index's
/// shape, are factors of the rows (mode "sum" alone). Errors: as Embedding, ShapeError or IndexError for offsets and weights
/// that do not fit; of the constructor ModuleError for another mode.
class EmbeddingBag : public Module<EmbeddingBag> {
 public:
  EmbeddingBag(int64_t num_embeddings, int64_t embedding_dim, EmbeddingBagOptions options = {});
  Tensor operator()(const Tensor& index, const Tensor& offsets = {}, const Tensor& per_sample_weights = {}) {
    return Module::operator()(index, offsets, per_sample_weights);
  }
  Tensor forward(const Tensor& index, const Tensor& offsets = {}, const Tensor& per_sample_weights = {});
  std::string description() const override;

  int64_t num_embeddings, embedding_dim;
  EmbeddingBagOptions options;  ///< padding_idx counts from the start
  Parameter weight;
  GRADUS_FIELDS(weight)

 private:
  std::vector<int64_t> bag_of_each(const Tensor& index, const Tensor& offsets, int64_t& bags) const;
};

}  // namespace gradus::nn
