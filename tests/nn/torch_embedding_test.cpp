// EmbeddingBag, and embeddings that renormalise, against PyTorch (tests/vectors/make_nn_layer_vectors.py); what they refuse.
#include <gradus/tests/helpers/nn.h>
#include <gradus/tests/helpers/nn_vectors.h>

using namespace gradus;
using testing::check_layer;
using testing::contains;
using testing::In;
using testing::message_of;
using testing::nn_vectors;
using testing::norm_wise;
using testing::Out;

namespace {

const auto whole = [](nn::EmbeddingBag& e, const In& x) { return Out{e(x[0])}; };
const auto with_offsets = [](nn::EmbeddingBag& e, const In& x) { return Out{e(x[0], x[1])}; };

}  // namespace

TEST_CASE("EmbeddingBag is PyTorch's: sums, means and maxima, empty bags, padding, weights, dense and sparse") {
  for (const std::string mode : {"sum", "mean", "max"})
    for (const bool sparse : {false, true}) {
      const auto bag = [&](int64_t dim, std::optional<int64_t> padding, bool last) {
        return nn::EmbeddingBag{
            7, dim, {.mode = mode, .sparse = sparse, .include_last_offset = last, .padding_idx = padding}};
      };
      check_layer("EmbeddingBag " + mode + " rows", bag(3, {}, false), whole);
      check_layer("EmbeddingBag " + mode + " offsets", bag(4, {}, false), with_offsets);
      check_layer("EmbeddingBag " + mode + " padding", bag(3, 5, false), whole);
      check_layer("EmbeddingBag " + mode + " last offset", bag(1, {}, true), with_offsets);
    }
  check_layer("EmbeddingBag weights rows", nn::EmbeddingBag{7, 3, {.mode = "sum", .padding_idx = -2}},
              [](auto& e, const In& x) { return Out{e(x[0], {}, x[1])}; });
  check_layer("EmbeddingBag weights offsets", nn::EmbeddingBag{7, 3, {.mode = "sum", .sparse = true}},
              [](auto& e, const In& x) { return Out{e(x[0], x[1], x[2])}; });
}

TEST_CASE("max_norm scales the rows that are read down, in place, as PyTorch does") {
  const auto rows = [](auto& e, const In& x) { return Out{e(x[0])}; };
  check_layer("Embedding max_norm", nn::Embedding{7, 4, {.max_norm = 0.7}}, rows, false);
  check_layer("Embedding max_norm 1", nn::Embedding{7, 4, {.max_norm = 0.9, .norm_type = 1}}, rows, false);
  check_layer("Embedding max_norm 3", nn::Embedding{7, 4, {.padding_idx = 5, .max_norm = 0.4, .norm_type = 3}}, rows, false);
  check_layer("EmbeddingBag max_norm", nn::EmbeddingBag{7, 4, {.max_norm = 0.7}}, rows, false);

  nn::Embedding e{4, 2, {.max_norm = 1}};
  e.weight.writable().assign(Array::of<float>({4, 2}, {3, 4, 0.3F, 0.4F, 0, 2, 30, 40}), "test");
  e(tensor<int64_t>({3}, {0, 1, 0}));
  CHECK(norm_wise(e.weight.array(), Array::of<float>({4, 2}, {0.6F, 0.8F, 0.3F, 0.4F, 0, 2, 30, 40})) < 1e-6);
  CHECK(e.description() == "Embedding(4, 2, max_norm 1)");
}

TEST_CASE("an Embedding with .sparse leaves a gradient of rows, without its padding row, and an optimizer steps it") {
  nn::Embedding e{1000, 4, {.padding_idx = 0, .sparse = true}};
  sum(e(tensor<int64_t>({4}, {5, 0, 999, 5}))).backward();
  const SparseGrad g = e.weight.tensor().sparse_grad();
  REQUIRE(g.defined());
  CHECK(g.indices.size() == 2);
  CHECK(e.description() == "Embedding(1000, 4, padding_idx 0, sparse)");
  e.zero_grad();
  CHECK_FALSE(e.weight.grad().defined());
}

TEST_CASE("an EmbeddingBag refuses what does not fit, and says what would") {
  nn::EmbeddingBag e{7, 3, {.mode = "sum"}}, mean{7, 3};
  const Tensor index = tensor<int64_t>({4}, {0, 6, 2, 1});
  const auto offsets = [](std::vector<int64_t> o) { return tensor<int64_t>({static_cast<int64_t>(o.size())}, o); };
  CHECK(message_of<IndexError>([&] {
          e(tensor<int64_t>({1, 2}, {0, 7}));
        }) == "EmbeddingBag(7, 3, sum): index 7 at [0,1]; rows run 0..6");
  CHECK(contains(message_of<ShapeError>([&] { e(index); }), "the indices must be [B, L], or [n] with offsets [B]"));
  CHECK(contains(message_of<IndexError>([&] { e(index, offsets({1, 2})); }), "the first bag must begin at 0, got 1"));
  CHECK(contains(message_of<IndexError>([&] { e(index, offsets({0, 3, 2})); }), "got 3 and 2 for bag 1"));
  CHECK(contains(message_of<IndexError>([&] { e(index, offsets({0, 5})); }), "at most 4, the number of indices"));
  CHECK(contains(message_of<DtypeError>([&] { e(ones({2, 2})); }), "try: x.to(i64)"));
  CHECK(contains(message_of<ModuleError>([&] { mean(index, offsets({0}), ones({4})); }), "need the mode \"sum\""));
  CHECK(contains(message_of<ShapeError>([&] { e(index, offsets({0}), ones({3})); }), "must be of the indices' shape"));
  CHECK(contains(message_of<ModuleError>([] { nn::EmbeddingBag(7, 3, {.mode = "median"}); }), "got \"median\""));
  CHECK(contains(message_of<ModuleError>([] { nn::Embedding(7, 3, {.max_norm = 0}); }), "max_norm must be above 0, got 0"));
  CHECK(e(Tensor(Array({0, 3}, i64))).shape() == Shape{0, 3});
  CHECK(norm_wise(mean(Tensor(Array({2, 0}, i64))).array(), Array::zeros({2, 3})) == 0);
}
