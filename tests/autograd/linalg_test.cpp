// Products with unnamed axes, and decompositions of Tensors.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>
#include <gradus/tests/helpers/throws.h>

using namespace gradus;

namespace {

double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return a.size() == 0 ? 0 : max(abs(a - b)).item();
}

}  // namespace

TEST_CASE("einsum: \"...\" stands for the axes without a name") {
  const Tensor a = real({2, 3, 4}, f64), b = real({5, 1, 2, 3}, f64), c = real({4, 3, 2}, f64), v = real({4}, f64),
               d = real({4, 1, 3}, f64);
  CHECK(distance(einsum("...ij->...ji", {a}), a.transpose(1, 2)) == 0);
  CHECK(distance(einsum("...ij", {a}), a) == 0);
  CHECK(distance(einsum("...ij->ij", {a}), a.sum({0})) < 1e-14);
  CHECK(distance(einsum("i...->...", {a}), a.sum({0})) < 1e-14);
  CHECK(distance(einsum("i...j->j...i", {a}), a.permute({2, 1, 0})) == 0);
  CHECK(distance(einsum("ba...", {a}), a.permute({2, 1, 0})) == 0);
  CHECK(distance(einsum("...->...", {v}), v) == 0);
  CHECK(distance(einsum("...i,i->...", {a, v}), matmul(a, v)) < 1e-14);
  CHECK(distance(einsum("...i,...i", {a, v}), matmul(a, v)) < 1e-14);
  CHECK(distance(einsum("... i , i -> ...", {v, v}), dot(v, v)) < 1e-14);
  CHECK(distance(einsum("...ij,...jk", {b, c}), matmul(b, c)) < 1e-14);
  CHECK(distance(einsum("...ij,...jk->k...i", {b, c}), matmul(b, c).permute({3, 0, 1, 2})) < 1e-14);
  CHECK(distance(einsum("...,...->...", {b, d}), b * d) < 1e-14);
  CHECK(distance(einsum("...,...->", {b, d}), sum(b * d)) < 1e-13);
  CHECK(distance(einsum("...ii->...i", {real({2, 3, 3}, f64)}), diagonal(real({2, 3, 3}, f64), 0, 1, 2)) == 0);
  CHECK(distance(einsum("...,...", {zeros({0, 2}, f64), ones({1, 2}, f64)}), zeros({0, 2}, f64)) == 0);
}

TEST_CASE("einsum refuses \"...\" where it cannot stand") {
  const Tensor a = real({2, 3}), b = real({2, 4});
  CHECK(says(thrown<SpecError>([&] { einsum("......->", {a}); }), {"\"...\" twice for one tensor"}));
  CHECK(says(thrown<SpecError>([&] { einsum("...i->......", {a}); }), {"\"...\" twice in the result"}));
  CHECK(says(thrown<SpecError>([&] { einsum("ij->...", {a}); }), {"\"...\" in the result, but in no tensor"}));
  CHECK(says(thrown<SpecError>([&] { einsum("..i->i", {a}); }), {"has the character '.'", "letters or \"...\""}));
  CHECK(says(thrown<SpecError>([&] { einsum("0j->j", {a}); }), {"has the character '0'"}));
  CHECK(says(thrown<ShapeError>([&] { einsum("...ijk->i", {a}); }), {"tensor 0 is f32[2,3]", "at least 3 axes"}));
  CHECK(says(thrown<ShapeError>([&] {
               einsum("...,...->", {a, b});
             }),
             {"an axis of \"...\" has length 3", "f32[2,4], length 4"}));
}

TEST_CASE("qr and eigh of tensors give constants, and refuse to lose a gradient") {
  const Tensor a = real({4, 3}, f64);
  const auto [q, r] = qr(a);
  CHECK(distance(matmul(q, r), a) < 1e-14);
  CHECK(!q.requires_grad());
  const Tensor s = matmul(a, a.transpose(0, 1));
  const auto [values, vectors] = eigh(s);
  CHECK(distance(matmul(vectors * values, vectors.transpose(0, 1)), s) < 1e-13);
  Tensor w = leaf(s.array(), "w");
  CHECK(says(thrown<GraphError>([&] { eigh(w); }), {"eigh: its results have no gradient", "\"w\"", "eigh(a.detach())"}));
  CHECK(says(thrown<GraphError>([&] { qr(w * 2.0); }), {"qr: ", "qr(a.detach())"}));
  CHECK(distance(eigh(w.detach()).values, values) == 0);
  NoGrad guard;
  CHECK(distance(eigh(w).values, values) == 0);
  CHECK_THROWS_AS(eigh(a), ShapeError);
  CHECK_THROWS_AS(qr(Tensor(Array::arange(4))), ShapeError);
}
