#include <gradus/nn/layers/embedding.h>

#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

namespace gradus::nn {
namespace {

/// weight [count, dim] in N(0, 1), its padding row 0; padding_idx then counts from the start.
Parameter new_table(const char* layer, int64_t count, int64_t dim, std::optional<int64_t>& padding_idx) {
  check_positive(layer, "num_embeddings", count);
  check_positive(layer, "embedding_dim", dim);
  Parameter weight(zeros({count, dim}));
  init::normal_(weight);
  if (!padding_idx) return weight;
  if (*padding_idx < -count || *padding_idx >= count)
    throw IndexError(layer, join("padding_idx must lie in [", -count, ", ", count - 1, "], got ", *padding_idx));
  if (*padding_idx < 0) *padding_idx += count;
  init::zeros_(select(weight.tensor().detach(), 0, *padding_idx));
  return weight;
}

void check_max_norm(const char* layer, const std::optional<double>& max_norm, double norm_type) {
  if (max_norm && !(*max_norm > 0)) throw ModuleError(layer, join("max_norm must be above 0, got ", text(*max_norm)));
  if (!(norm_type > 0)) throw ModuleError(layer, join("norm_type must be above 0, got ", text(norm_type)));
}

/// The indices, dense and i64. Errors: DtypeError; IndexError unless all lie in 0 .. count-1.
Array checked_rows(const ModuleBase& layer, const Tensor& index, int64_t count) {
  if (index.dtype() != i64 && index.dtype() != u8)
    throw DtypeError(layer.description(), join("indices must be i64 or u8, got ", describe(index)),
                     is_real(index.dtype()) ? "x.to(i64)" : "");
  const Array rows = index.array().to(i64).contiguous();
  const int64_t* row = rows.data<int64_t>();
  for (int64_t k = 0; k < rows.size(); ++k) {
    if (row[k] >= 0 && row[k] < count) continue;
    Shape at = rows.shape();
    int64_t rest = k;
    for (int axis = at.rank(); axis-- > 0; rest /= rows.shape()[axis]) at[axis] = rest % rows.shape()[axis];
    throw IndexError(layer.description(), join("index ", row[k], " at ", at, "; rows run 0..", count - 1));
  }
  return rows;
}

template <class T> double norm_of_row(const T* row, int64_t n, double p) {
  double sum = 0;
  if (std::isinf(p)) {
    for (int64_t j = 0; j < n; ++j) sum = std::max(sum, std::fabs(static_cast<double>(row[j])));
    return sum;
  }
  for (int64_t j = 0; j < n; ++j) sum += std::pow(std::fabs(static_cast<double>(row[j])), p);
  return std::pow(sum, 1 / p);
}

/// Rows that `index` names are scaled down where their norm is above max_norm, as PyTorch does it.
void renormalise(Parameter& weight, const Array& index, double max_norm, double p) {
  const int64_t dim = weight.dim(1);
  visit_real(weight.dtype(), [&]<class T>() {
    std::unordered_set<int64_t> seen;
    const T* rows = weight.array().data<T>();
    T* to = nullptr;
    for (int64_t k = 0; k < index.size(); ++k) {
      const int64_t row = index.data<int64_t>()[k];
      if (!seen.insert(row).second) continue;
      const double norm = norm_of_row(rows + row * dim, dim, p);
      if (!(norm > max_norm)) continue;
      if (!to) to = weight.writable().write<T>("max_norm of an Embedding");
      const T scale = static_cast<T>(max_norm / (norm + 1e-7));
      for (int64_t j = 0; j < dim; ++j) to[row * dim + j] *= scale;
    }
  });
}

template <class Options> std::string description_of(const char* type, int64_t count, int64_t dim, const Options& o) {
  std::string s = join(type, "(", count, ", ", dim);
  if constexpr (requires { o.mode; })
    if (o.mode != "mean") s += ", " + o.mode;
  if (o.padding_idx) s += join(", padding_idx ", *o.padding_idx);
  if (o.max_norm) s += join(", max_norm ", text(*o.max_norm));
  return s + (o.sparse ? ", sparse)" : ")");
}

}  // namespace

Embedding::Embedding(int64_t count, int64_t dim, EmbeddingOptions o)
    : num_embeddings(count), embedding_dim(dim), options(o) {
  check_max_norm("Embedding", o.max_norm, o.norm_type);
  weight = new_table("Embedding", count, dim, options.padding_idx);
}

Tensor Embedding::forward(const Tensor& index) {
  const Array rows = checked_rows(*this, index, num_embeddings);
  if (options.max_norm) renormalise(weight, rows, *options.max_norm, options.norm_type);
  return embedding(weight, Tensor(rows), {.padding_idx = options.padding_idx, .sparse = options.sparse});
}

std::string Embedding::description() const { return description_of("Embedding", num_embeddings, embedding_dim, options); }

// ---- bags ----------------------------------------------------------------------------------------------------------------

EmbeddingBag::EmbeddingBag(int64_t count, int64_t dim, EmbeddingBagOptions o)
    : num_embeddings(count), embedding_dim(dim), options(std::move(o)) {
  if (options.mode != "sum" && options.mode != "mean" && options.mode != "max")
    throw ModuleError("EmbeddingBag", join("mode must be \"sum\", \"mean\" or \"max\", got \"", options.mode, "\""));
  check_max_norm("EmbeddingBag", options.max_norm, options.norm_type);
  weight = new_table("EmbeddingBag", count, dim, options.padding_idx);
}

/// For each index, in order, which bag it is in.
std::vector<int64_t> EmbeddingBag::bag_of_each(const Tensor& index, const Tensor& offsets, int64_t& bags) const {
  std::vector<int64_t> bag;
  if (index.rank() == 2 && !offsets.defined()) {
    bags = index.dim(0);
    for (int64_t k = 0; k < index.size(); ++k) bag.push_back(k / index.dim(1));
    return bag;
  }
  if (index.rank() != 1 || !offsets.defined() || offsets.rank() != 1)
    throw_input(*this, join("the indices must be [B, L], or [n] with offsets [B]: indices ", describe(index), ", offsets ",
                            offsets.defined() ? describe(offsets) : "absent"));
  if (offsets.dtype() != i64 && offsets.dtype() != u8)
    throw DtypeError(description(), join("the offsets must be i64, got ", describe(offsets)), "offsets.to(i64)");
  const Array from = offsets.array().to(i64).contiguous();
  const int64_t n = index.size(), given = offsets.size(), last = options.include_last_offset ? 1 : 0;
  if (given < last) throw_input(*this, "the offsets are empty, and include_last_offset needs the end of the last bag");
  bags = given - last;
  const auto begin = [&](int64_t b) { return b < given ? from.data<int64_t>()[b] : n; };
  if (bags > 0 && begin(0) != 0) throw IndexError(description(), join("the first bag must begin at 0, got ", begin(0)));
  if (bags == 0 && n > 0) throw IndexError(description(), join("there are ", n, " indices, but no bag"));
  for (int64_t b = 0; b < bags; ++b) {
    if (begin(b + 1) < begin(b) || begin(b + 1) > n)
      throw IndexError(description(), join("offsets must ascend from 0 to at most ", n, ", the number of indices, got ",
                                           begin(b), " and ", begin(b + 1), " for bag ", b));
    bag.insert(bag.end(), static_cast<std::size_t>(begin(b + 1) - begin(b)), b);
  }
  if (bags > 0 && begin(bags) < n)
    throw IndexError(description(), join("the last bag ends at ", begin(bags), ", but there are ", n, " indices"));
  return bag;
}

namespace {

Tensor tensor_of(const std::vector<int64_t>& numbers) { return tensor({static_cast<int64_t>(numbers.size())}, numbers); }

/// Largest numbers of rows [n, D] in each bag: the bags side by side, filled up with a row of -infinity.
Tensor max_of_bags(const Tensor& rows, const std::vector<int64_t>& bag, const std::vector<int64_t>& counts) {
  const auto bags = static_cast<int64_t>(counts.size()), n = rows.dim(0), dim = rows.dim(1);
  const int64_t longest = counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
  if (longest == 0) return zeros({bags, dim}, rows.dtype());
  std::vector<int64_t> place(static_cast<std::size_t>(bags * longest), n), filled(counts.size(), 0);
  for (std::size_t k = 0; k < bag.size(); ++k)
    place[static_cast<std::size_t>(bag[k] * longest + filled[static_cast<std::size_t>(bag[k])]++)] = static_cast<int64_t>(k);
  const Tensor lowest = full({1, dim}, -std::numeric_limits<double>::infinity(), rows.dtype());
  const Tensor side_by_side = embedding(cat({rows, lowest}, 0), reshape(tensor_of(place), {bags, longest}));
  const Tensor empty = unsqueeze(tensor_of(counts) == Tensor(0), -1);
  return where(empty, zeros({1, dim}, rows.dtype()), max(side_by_side, 1));
}

}  // namespace

Tensor EmbeddingBag::forward(const Tensor& index, const Tensor& offsets, const Tensor& per_sample_weights) {
  int64_t bags = 0;
  std::vector<int64_t> all_bags = bag_of_each(index, offsets, bags);
  const Array all_rows = checked_rows(*this, index, num_embeddings);
  if (per_sample_weights.defined()) {
    if (options.mode != "sum")
      throw ModuleError(description(), join("per_sample_weights need the mode \"sum\", this is \"", options.mode, "\""));
    check_dtype(*this, per_sample_weights, weight.dtype());
    if (!(per_sample_weights.shape() == index.shape()))
      throw_input(*this, join("per_sample_weights must be of the indices' shape: ", describe(per_sample_weights),
                              ", indices ", describe(index)));
  }
  if (options.max_norm) renormalise(weight, all_rows, *options.max_norm, options.norm_type);
  std::vector<int64_t> rows, bag, places, counts(static_cast<std::size_t>(bags), 0);  // without padding
  for (int64_t k = 0; k < index.size(); ++k) {
    const int64_t row = all_rows.data<int64_t>()[k], b = all_bags[static_cast<std::size_t>(k)];
    if (options.padding_idx && row == *options.padding_idx) continue;
    rows.push_back(row), bag.push_back(b), places.push_back(k), ++counts[static_cast<std::size_t>(b)];
  }
  Tensor x = embedding(weight, tensor_of(rows), {.padding_idx = {}, .sparse = options.sparse});
  if (options.mode == "max") return max_of_bags(x, bag, counts);
  if (per_sample_weights.defined())
    x = x * unsqueeze(index_select(reshape(per_sample_weights, {-1}), 0, tensor_of(places)), -1);
  const Tensor sums = embedding_add(x, tensor_of(bag), bags);
  if (options.mode == "sum") return sums;
  return sums / unsqueeze(maximum(tensor_of(counts), 1).to(weight.dtype()), -1);
}

std::string EmbeddingBag::description() const {
  return description_of("EmbeddingBag", num_embeddings, embedding_dim, options);
}

}  // namespace gradus::nn
