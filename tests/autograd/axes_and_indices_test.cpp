// What PyTorch takes as an axis and as an index: axis 0 of a 0-d tensor, axes that no int holds, -1 as an index; einsum's
// broadcasting; sizes that overflow outside of windows.
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/random.h>
#include <gradus/tests/helpers/throws.h>

#include <limits>

using namespace gradus;

namespace {

Tensor index(const std::vector<int64_t>& v) { return tensor<int64_t>({static_cast<int64_t>(v.size())}, v); }

/// y is 0-d, holds `value`, and its gradient to x is `slope`.
void check_scalar(const char* what, const Tensor& x, const Tensor& y, double value, double slope) {
  CAPTURE(what);
  CHECK(y.rank() == 0);
  CHECK(y.item() == doctest::Approx(value).epsilon(1e-6));
  if (y.requires_grad()) CHECK(grad({y}, {x})[0].item() == doctest::Approx(slope).epsilon(1e-6));
  else CHECK(slope == 0);
}

}  // namespace

TEST_CASE("axis 0 or -1 of a 0-d tensor is that of its one element, as in PyTorch") {
  for (const Dtype t : {f32, f64})
    for (const int axis : {0, -1}) {
      const Tensor x = leaf(Array::full({}, 3, t)), one = leaf(Array::full({}, 1, t)), zero_index = tensor<int64_t>({}, {0});
      for (const bool keep : {false, true}) {
        check_scalar("sum", x, sum(x, {axis}, keep), 3, 1);
        check_scalar("mean", x, mean(x, {axis}, keep), 3, 1);
        check_scalar("var", x, var(x, {axis}, 0, keep), 0, 0);
        check_scalar("max", x, max(x, axis, keep), 3, 1);
        check_scalar("min", x, min(x, axis, keep), 3, 1);
        check_scalar("argmax", x, argmax(x, axis, keep), 0, 0);
        check_scalar("argmin", x, argmin(x, axis, keep), 0, 0);
        check_scalar("logsumexp", x, logsumexp(x, axis, keep), 3, 1);
        check_scalar("norm", x, norm(x, 2, {axis}, keep), 3, 1);
        check_scalar("prod", x, prod(x, axis, keep), 3, 1);
        check_scalar("median", x, median(x, axis, keep).values, 3, 1);
        check_scalar("kthvalue", x, kthvalue(x, 1, axis, keep).values, 3, 1);
      }
      check_scalar("cumsum", x, cumsum(x, axis), 3, 1);
      check_scalar("cumprod", x, cumprod(x, axis), 3, 1);
      check_scalar("linear_scan", x, linear_scan(one, x, axis), 3, 1);
      check_scalar("softmax", x, softmax(x, axis), 1, 0);
      check_scalar("log_softmax", x, log_softmax(x, axis), 0, 0);
      check_scalar("normalize", x, normalize(x, axis), 1, 0);
      check_scalar("sort", x, sort(x, axis).values, 3, 1);
      check_scalar("argsort", x, argsort(x, axis), 0, 0);
      check_scalar("topk", x, topk(x, 1, axis).values, 3, 1);
      check_scalar("flip", x, flip(x, {axis}), 3, 1);
      check_scalar("roll", x, roll(x, {5}, {axis}), 3, 1);
      check_scalar("squeeze", x, squeeze(x, axis), 3, 1);
      check_scalar("transpose", x, transpose(x, axis, 0), 3, 1);
      check_scalar("movedim", x, movedim(x, axis, 0), 3, 1);
      check_scalar("gather", x, gather(x, axis, zero_index), 3, 1);
      check_scalar("scatter_add", x, scatter_add(x, axis, zero_index, {}), 3, 1);
      check_scalar("take_along_dim", x, take_along_dim(x, zero_index, axis), 3, 1);
      check_scalar("index_select", x, index_select(x, axis, index({0})), 3, 1);
      check_scalar("index_add", x, index_add(x, axis, index({0}), one), 4, 1);
      check_scalar("cosine_similarity", x, cosine_similarity(x, one, axis), 1, 0);
      CHECK(flatten(x, axis).shape() == Shape{1});
      CHECK(repeat_interleave(x, 3, axis).shape() == Shape{3});
    }
  // any other axis is refused, and so is what PyTorch refuses of a 0-d tensor
  const Tensor x = leaf(Array::full({}, 3));
  CHECK_THROWS_AS(sum(x, {1}), IndexError);
  CHECK_THROWS_AS(sum(x, 1), IndexError);
  CHECK_THROWS_AS(sum(x, (int64_t(1) << 32) - 1), IndexError);  // not the -1 that an int keeps of it
  CHECK_THROWS_AS(sum(x, {0, -1}), ShapeError);
  CHECK_THROWS_AS(max(x, -2), IndexError);
  CHECK_THROWS_AS(softmax(x, 1), IndexError);
  CHECK_THROWS_AS(squeeze(x, 1), IndexError);
  CHECK_THROWS_AS(cumsum(x, 1), IndexError);
  CHECK_THROWS_AS(topk(x, 2, 0), IndexError);
  for (const auto& refused :
       {+[](const Tensor& s) { (void)select(s, 0, 0); }, +[](const Tensor& s) { (void)slice(s, 0, 0, 1); },
        +[](const Tensor& s) { (void)unbind(s); }, +[](const Tensor& s) { (void)split(s, 1); },
        +[](const Tensor& s) {
          (void)cat({s, s});
        },
        +[](const Tensor& s) { (void)glu(s, 0); }})
    CHECK_THROWS_AS(refused(x), IndexError);
}

TEST_CASE("an axis that no int holds is refused, not cut down to one that is there") {
  const Tensor x = real({2, 3});
  for (const int64_t axis : {int64_t(1) << 31, int64_t(1) << 32, int64_t(1) << 62, std::numeric_limits<int64_t>::max(),
                             -(int64_t(1) << 32), std::numeric_limits<int64_t>::min()}) {
    CAPTURE(axis);
    const auto refused = [&](auto f) { return says(thrown<IndexError>(f), {join("axis ", axis, " is out of range for ")}); };
    CHECK(refused([&] { (void)softmax(x, axis); }));
    CHECK(refused([&] { (void)max(x, axis); }));
    CHECK(refused([&] { (void)x.max(axis); }));
    CHECK(refused([&] { (void)argmax(x, axis); }));
    CHECK(refused([&] { (void)cumsum(x, axis); }));
    CHECK(refused([&] { (void)transpose(x, 0, axis); }));
    CHECK(refused([&] { (void)x.transpose(0, axis); }));
    CHECK(refused([&] { (void)x.array().select(axis, 0); }));
    CHECK(refused([&] { (void)x.dim(axis); }));
    CHECK(refused([&] { (void)unsqueeze(x, axis); }));
    CHECK(refused([&] { (void)flatten(x, axis); }));
    CHECK(refused([&] { (void)cat({x, x}, axis); }));
    CHECK(refused([&] { (void)gather(x, axis, index({0})); }));
    CHECK(refused([&] { (void)sort(x, axis); }));
    CHECK(refused([&] { (void)logsumexp(x, axis); }));
    CHECK(refused([&] { (void)sum(x, axis); }));
    CHECK(refused([&] { (void)x.mean(axis, true); }));
  }
  CHECK(softmax(x, std::size_t(1)).shape() == x.shape());
  CHECK(max(x, static_cast<std::size_t>(1)).shape() == Shape{2});
}

TEST_CASE("-1 is no index: every op refuses it, and says where it stands") {
  const Tensor x = real({3, 2}), wrong = index({0, -1});
  const auto refused = [](auto f, const std::string& op) {
    return says(thrown<IndexError>(f), {op + ": index -1 at [", "indices must lie in [0, "});
  };
  CHECK(refused([&] { (void)one_hot(wrong, 3); }, "one_hot"));
  CHECK(refused([&] { (void)embedding(x, wrong); }, "embedding"));
  CHECK(refused([&] { (void)embedding_add(x.slice(0, 0, 2), wrong, 3); }, "embedding_add"));
  CHECK(refused([&] { (void)gather(x, 0, tensor<int64_t>({1, 2}, {0, -1})); }, "gather"));
  CHECK(refused([&] { (void)scatter_add(x, 0, tensor<int64_t>({3, 2}, {0, 0, 0, 0, -1, 0}), {3, 2}); }, "scatter_add"));
  CHECK(refused([&] { (void)index_select(x, 0, wrong); }, "index_select"));
  CHECK(refused([&] { (void)index_add(x, 0, wrong, x.slice(0, 0, 2)); }, "index_add"));
  CHECK(refused([&] { (void)take_along_dim(x, tensor<int64_t>({1, 2}, {0, -1}), 0); }, "gather"));
  CHECK(take(x, index({-1, -6})).array().element(0) == x.array().element(5));  // as in PyTorch
  CHECK(says(thrown<IndexError>([&] {
               (void)take(x, index({0, -7}));
             }),
             {"take: index -7 at [1]; indices must lie in [-6, 5]"}));
  CHECK(says(thrown<IndexError>([&] { (void)embedding(x, tensor<int64_t>({2, 2}, {0, 1, 2, 3})); }), {"index 3 at [1,1]"}));
  CHECK(says(thrown<IndexError>([&] { (void)one_hot(tensor<std::uint8_t>({2}, {0, 200}), 3); }), {"index 200 at [1]"}));
  CHECK(says(thrown<DtypeError>([&] { (void)embedding(x, real({2})); }), {"indices must be i64 or u8", "x.to(i64)"}));
  CHECK_THROWS_AS(embedding(x, index({std::numeric_limits<int64_t>::min()})), IndexError);
  const Tensor none = embedding(real({0, 2}), Tensor(Array({0}, i64)));
  CHECK(none.shape() == Shape{0, 2});
  // a strided index, and one that is overwritten afterwards
  Tensor wide = tensor<int64_t>({2, 2}, {0, 9, 2, 9});
  const Tensor w = leaf(Array::ones({3, 2})), y = embedding(w, select(wide, 1, 0));
  wide.writable().assign(Array::full({2, 2}, 7, i64), "test");
  sum(y).backward();
  CHECK(w.grad().array().element(0) == 1);
  CHECK(w.grad().array().element(2) == 0);
  CHECK(w.grad().array().element(4) == 1);
}

TEST_CASE("einsum broadcasts a length of 1 against any other, as NumPy and PyTorch") {
  for (const Dtype t : {f32, f64}) {
    const Tensor one = leaf(Array::full({1}, 2, t)), three = leaf(Array::arange(3, f64).to(t)), m = real({3, 3}, t);
    const auto equal = [](const Tensor& a, const Tensor& b) {
      return a.shape() == b.shape() && (a.size() == 0 || max(abs(a - b).flatten()).item() < 1e-5);
    };
    CHECK(equal(einsum("i,i->i", {one, three}), three * 2.0));
    CHECK(equal(einsum("i,i->i", {three, one}), three * 2.0));
    CHECK(equal(einsum("i,i->", {one, three}), sum(three) * 2.0));
    CHECK(equal(einsum("i,i", {one, three}), sum(three) * 2.0));
    CHECK(equal(einsum("ij,jk->ik", {m, real({1, 2}, t)}), matmul(m, expand(real({1, 2}, t), {3, 2}))));
    CHECK(equal(einsum("ij,ij->ij", {real({1, 3}, t), real({3, 1}, t)}), real({1, 3}, t) * real({3, 1}, t)));
    CHECK(equal(einsum("ii,i->i", {leaf(Array::full({1, 1}, 4, t)), three}), three * 4.0));
    CHECK(equal(einsum("i,i->i", {one, leaf(Array::zeros({0}, t))}), zeros({0}, t)));
    sum(einsum("i,i->i", {one, three})).backward();
    CHECK(one.grad().item() == 3);
    CHECK(three.grad().array().element(2) == 2);
  }
  CHECK(says(thrown<ShapeError>([] {
               einsum("i,i->i", {real({2}), real({3})});
             }),
             {"axis 'i' has length 2", "length 3", "or one of them 1"}));
  CHECK(says(thrown<ShapeError>([] {
               einsum("ii->i", {real({1, 3})});
             }),
             {"length 1", "length 3", "on a diagonal they must be equal"}));
}

TEST_CASE("counts and lengths that overflow, outside of windows") {
  constexpr int64_t huge = int64_t(1) << 62, least = std::numeric_limits<int64_t>::min(),
                    most = std::numeric_limits<int64_t>::max();
  const Tensor x = tensor<float>({5}, {0, 1, 2, 3, 4});
  const auto at = [](const Tensor& t, int64_t i) { return t.array().element(i); };
  CHECK(at(roll(x, {-most}, {0}), 0) == static_cast<double>(most % 5));
  CHECK(at(roll(x, {least}, {0}), 0) == static_cast<double>(((least % 5) * -1) % 5));
  CHECK(at(roll(x, {most}, {0}), 0) == static_cast<double>((5 - most % 5) % 5));
  CHECK(says(thrown<ResourceError>([] { permutation(int64_t(1) << 40, 1); }), {"permutation"}));
  CHECK(says(thrown<ResourceError>([=] { permutation(most, 1); }), {"permutation", "9223372036854775807"}));
  CHECK(says(thrown<ShapeError>([] { permutation(-1, 1); }), {"permutation: the length must be at least 0, got -1"}));
  CHECK(says(thrown<ResourceError>([] { (void)sum(expand(ones({1}), {int64_t(1) << 60})); }),
             {"expand", "1152921504606846976"}));
  CHECK(says(thrown<ResourceError>([] {
               (void)max(expand(ones({1, 1}), {int64_t(1) << 30, int64_t(1) << 30}));
             }),
             {"expand"}));
  CHECK(says(thrown<ResourceError>([] { (void)split(expand(ones({1}), {int64_t(1) << 40}), 1); }), {"split", "16777215"}));
  CHECK(chunk(x, most).size() == 5);
  CHECK(chunk(x, 2)[0].shape() == Shape{3});
  CHECK(split(x, most).size() == 1);
  CHECK_THROWS_AS(repeat(x, {huge}), ResourceError);
  CHECK_THROWS_AS(repeat_interleave(x, huge, 0), ResourceError);
  CHECK(repeat(zeros({0}), {int64_t(1) << 31}).shape() == Shape{0});
  const Tensor w = leaf(Array::ones({5}));
  const Tensor y = slice(w, 0, 3, 5, most);
  sum(y).backward();
  CHECK(w.grad().array().element(3) == 1);
  CHECK(w.grad().array().element(4) == 0);
}
