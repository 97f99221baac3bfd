#include <gradus/nn/layers/position.h>

#include <gradus/nn/init.h>
#include <gradus/nn/layers/internal/check_input.h>

#include <cmath>

namespace gradus::nn {
namespace {

void check_positions(const char* layer, int64_t d_model, const PositionalEncodingOptions& o) {
  check_positive(layer, "d_model", d_model);
  check_positive(layer, "max_len", o.max_len);
}

/// f64 [length, features].
Array sinusoids(int64_t length, int64_t features) {
  Array table({length, features}, f64);
  double* p = table.uninitialized<double>();
  for (int64_t at = 0; at < length; ++at)
    for (int64_t i = 0; i < features; ++i) {
      const double angle =
          static_cast<double>(at) * std::pow(10000.0, -static_cast<double>(i / 2 * 2) / static_cast<double>(features));
      *p++ = i % 2 == 0 ? std::sin(angle) : std::cos(angle);
    }
  return table;
}

/// x plus rows(begin, end) [length, E], the numbers of its positions.
template <class Rows>
Tensor with_positions(const ModuleBase& layer, const Tensor& x, int64_t features, const PositionalEncodingOptions& o,
                      int64_t first, Rows rows) {
  if ((x.rank() != 2 && x.rank() != 3) || x.shape().back() != features)
    throw_input(layer, join("the input must be ", o.batch_first ? "[N, length, " : "[length, N, ", features,
                            "] or [length, ", features, "], got ", describe(x)));
  const bool second = x.rank() == 3 && o.batch_first;
  const int64_t length = x.dim(second ? 1 : 0);
  if (first < 0 || first > o.max_len - length)
    throw_input(layer, join("the input ", describe(x), " begins at position ", first, "; its ", length,
                            " tokens must lie in [0, ", o.max_len, ")"));
  const Tensor added = rows(first, first + length);
  return x + (x.rank() == 3 && !second ? unsqueeze(added, 1) : added);
}

std::string position_text(const char* layer, int64_t d_model, const PositionalEncodingOptions& o) {
  return join(layer, "(", d_model, ", max_len ", o.max_len, o.batch_first ? ", batch first)" : ")");
}

}  // namespace

PositionalEncoding::PositionalEncoding(int64_t features, PositionalEncodingOptions o)
    : d_model(features), options(o), dropout(o.dropout) {
  check_positions("PositionalEncoding", features, o);
  table_ = sinusoids(o.max_len, features);
}

Tensor PositionalEncoding::forward(const Tensor& x, int64_t first) {
  check_dtype(*this, x, is_real(x.dtype()) ? x.dtype() : f32);
  return dropout(with_positions(*this, x, d_model, options, first, [&](int64_t begin, int64_t end) {
    return Tensor(table_.slice(0, begin, end).to(x.dtype()));
  }));
}

std::string PositionalEncoding::description() const { return position_text("PositionalEncoding", d_model, options); }

PositionalEmbedding::PositionalEmbedding(int64_t features, PositionalEncodingOptions o)
    : d_model(features), options(o), dropout(o.dropout) {
  check_positions("PositionalEmbedding", features, o);
  weight = Parameter(zeros({o.max_len, features}));
  init::normal_(weight, 0, 0.02);
}

Tensor PositionalEmbedding::forward(const Tensor& x, int64_t first) {
  check_dtype(*this, x, weight.dtype());
  return dropout(with_positions(*this, x, d_model, options, first,
                                [&](int64_t begin, int64_t end) { return slice(weight, 0, begin, end); }));
}

std::string PositionalEmbedding::description() const { return position_text("PositionalEmbedding", d_model, options); }

}  // namespace gradus::nn
