// Gradients of rows: what an embedding with .sparse leaves, how they add up, and which optimizers step them. References:
// tests/vectors/make_sparse_vectors.py.
#include <gradus/tests/helpers/optim.h>

#include <gradus/autograd/backward.h>
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/checkpoint.h>
#include <gradus/autograd/inspect/finite.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/memory/pool.h>
#include <gradus/optim/norms.h>

#include <doctest/doctest.h>

#include <map>

using namespace optim_testing;

namespace {

const std::map<std::string, Array>& sparse_vectors() {
  static const auto all = [] {
    std::map<std::string, Array> m;
    for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/sparse.safetensors").tensors) m[name] = a;
    return m;
  }();
  return all;
}

Tensor indices(const std::vector<int64_t>& rows) { return tensor<int64_t>({static_cast<int64_t>(rows.size())}, rows); }

/// A loss whose gradient of w is `sparse`, if asked for: each row named gets a gradient of its own.
Tensor read_rows(const Tensor& w, const std::vector<int64_t>& rows, bool sparse) {
  const Tensor x = embedding(w, indices(rows), {.sparse = sparse});
  return sum(x * Tensor(numbers(x.shape(), 3, w.dtype())));
}

Array bits_of(const Tensor& t) { return t.array().copy(); }

}  // namespace

TEST_CASE("a sparse gradient holds each row that was read once, and nothing else") {
  const Tensor w = leaf(numbers({1000, 3}, 1), "w");
  embedding(w, indices({7, 999, 7, 0}), {.sparse = true}).sum().backward();
  const SparseGrad g = w.sparse_grad();
  REQUIRE(g.defined());
  CHECK(gradus::same_bits(g.indices.array(), Array::of<int64_t>({3}, {0, 7, 999})));
  CHECK(gradus::same_bits(g.values.array(), Array::of<double>({3, 3}, {1, 1, 1, 2, 2, 2, 1, 1, 1})));
  CHECK(w.grad().shape() == w.shape());  // made dense for whoever wants that
  CHECK(w.grad().sum().item() == 12);
  CHECK(w.sparse_grad().defined());
  w.zero_grad();
  CHECK_FALSE(w.sparse_grad().defined());
  CHECK_FALSE(w.grad().defined());
  CHECK_FALSE(leaf(numbers({2, 2}, 1)).sparse_grad().defined());
}

TEST_CASE("sparse gradients add up as dense ones do, in every order, and are dense as soon as one part is") {
  const Tensor dense = leaf(numbers({40, 3}, 1), "w");
  const std::vector<std::vector<int64_t>> reads{{5, 2, 5}, {39, 5}, {}, {0, 2, 39, 1}};
  for (const int other : {-1, 0, 1, 2, 3}) {  // before which read all of w enters the loss
    const Tensor w = leaf(numbers({40, 3}, 1), "w");
    dense.zero_grad();
    for (int k = 0; k < 4; ++k) {
      for (const Tensor& t : {w, dense})
        if (k == other) sum(square(t)).backward();
      read_rows(w, reads[static_cast<std::size_t>(k)], true).backward();
      read_rows(dense, reads[static_cast<std::size_t>(k)], false).backward();
    }
    CHECK(w.sparse_grad().defined() == (other < 0));
    CHECK(error(w.grad().array(), dense.grad().array()) <= 1e-15);
    if (other < 0) CHECK(w.sparse_grad().indices.size() == 5);
    CHECK(w.leaf()->touched.all() == (other >= 0));
  }
}

TEST_CASE("sparse gradients: padding, frozen leaves, hooks, checkpoints, conversion, and grad()") {
  const Tensor w = leaf(numbers({9, 2}, 1), "w");
  embedding(w, indices({4, 1, 4}), {.padding_idx = 4, .sparse = true}).sum().backward();
  CHECK(gradus::same_bits(w.sparse_grad().indices.array(), Array::of<int64_t>({1}, {1})));
  w.zero_grad();

  const auto inner = [&](const std::vector<Tensor>& x) { return embedding(x[0], indices({4, 1}), {.sparse = true}); };
  sum(checkpoint(inner, {w})).backward();
  CHECK(w.sparse_grad().indices.size() == 2);

  w.leaf()->move_to(w.array().to(f32));
  CHECK(w.sparse_grad().values.dtype() == f32);
  CHECK(w.sparse_grad().indices.size() == 2);

  const Tensor v = leaf(numbers({9, 2}, 1), "v");
  const Tensor doubled = v * 2.0;  // not a leaf: nothing to keep rows in
  embedding(doubled, indices({3}), {.sparse = true}).sum().backward();
  CHECK_FALSE(v.sparse_grad().defined());
  CHECK(v.grad().sum().item() == 4);
  CHECK(grad({embedding(v, indices({3}), {.sparse = true}).sum()}, {v})[0].shape() == v.shape());

  Tensor frozen = leaf(numbers({9, 2}, 1), "f");
  const Tensor loss = embedding(frozen, indices({3}), {.sparse = true}).sum() + v.sum();
  frozen.requires_grad_(false);
  loss.backward();
  CHECK_FALSE(frozen.sparse_grad().defined());

  const auto report = gradcheck(
      [&] {
        return square(embedding(v, indices({3, 0, 3}), {.sparse = true}));
      },
      {v}, {.may_be_zero = true});
  CHECK_MESSAGE(report.passed, report.message);
  CHECK_THROWS_AS(embedding(v, indices({0}), {.padding_idx = 9}), IndexError);
}

TEST_CASE("sgd, adagrad and lazy_adam step sparse gradients as PyTorch's SGD, Adagrad and SparseAdam do") {
  const auto& v = sparse_vectors();
  int count = 0;
  for (const auto& entry : v) {
    const auto& key = entry.first;
    const Array& expected = entry.second;
    const auto bar = key.find('|');
    if (bar == key.npos) continue;
    const Dtype dtype = key.ends_with("f64") ? f64 : f32;
    const Tensor w = leaf(v.at("start").to(dtype), "w");
    auto opt = optim::make(key.substr(0, bar), std::vector<Tensor>{w});
    double worst = 0;
    for (int64_t t = 0; t < expected.dim(0); ++t) {
      const auto at = [&](const char* name) { return v.at(name).select(0, t); };
      opt.zero_grad();
      const Tensor rows(at("rows").to(i64).copy()), more(at("more").to(i64).copy()), weights(at("weights").to(dtype).copy());
      (sum(embedding(w, rows, {.sparse = true}) * weights) + sum(embedding(w, more, {.sparse = true}))).backward();
      REQUIRE(w.sparse_grad().defined());
      opt.step();
      worst = std::max(worst, error(w.array(), expected.select(0, t)));
    }
    CHECK_MESSAGE(worst <= (dtype == f64 ? 1e-14 : 1e-6), key, " ", worst);
    ++count;
  }
  CHECK(count == 12);
}

TEST_CASE("a step of a sparse gradient has the bits of the same step of the dense one, behind every stage") {
  const std::vector<std::string> stages{"",
                                        "clip_norm(0.1) | ",
                                        "clip_value(0.3) | ",
                                        "agc(0.02) | ",
                                        "skip_nonfinite | clip_norm(0.5) | ",
                                        "accumulate(3) | clip_norm(0.3) | "};
  for (const std::string rule : {"sgd(lr=0.1)", "adagrad(lr=0.1)", "lazy_adam(lr=0.1)", "lazy_adam(lr=0.1, maximize=true)"})
    for (const auto& stage : stages) {
      CAPTURE(stage + rule);
      const Tensor a = leaf(numbers({50, 3}, 1), "w"), b = leaf(numbers({50, 3}, 1), "w");
      const Tensor more_a = leaf(numbers({4}, 2), "v"), more_b = leaf(numbers({4}, 2), "v");
      auto sparse = optim::make(stage + rule, NamedTensors{{"w", a}, {"v", more_a}});
      auto dense = optim::make(stage + rule, NamedTensors{{"w", b}, {"v", more_b}});
      for (int64_t t = 0; t < 9; ++t) {
        const std::vector<int64_t> rows{t * 7 % 50, (t + 1) * 7 % 50, 49, t * 7 % 50};
        sparse.zero_grad(), dense.zero_grad();
        (read_rows(a, rows, true) + sum(square(more_a))).backward();
        (read_rows(b, rows, false) + sum(square(more_b))).backward();
        REQUIRE(a.sparse_grad().defined());
        const auto of_a = rule.starts_with("sgd") || stage.find("accumulate") == std::string::npos;
        if (of_a && (t + 1) % 3 == 0)
          CHECK(to_string(sparse.explain("w", {49, 1})) == to_string(dense.explain("w", {49, 1})));
        sparse.step(), dense.step();
        if (t == 4) {  // saved and loaded in between, also what was gathered
          auto next = optim::make(stage + rule, NamedTensors{{"w", a}, {"v", more_a}});
          next.load_state_dict(sparse.state_dict());
          sparse = std::move(next);
        }
      }
      CHECK(error(a.array(), b.array()) <= 1e-15);  // sums of squares skip zeros, and may be added in another order
      CHECK(error(more_a.array(), more_b.array()) <= 1e-15);
      CHECK(error(a.array(), numbers({50, 3}, 1)) > 1e-3);
    }
}

TEST_CASE("rules that would move other rows refuse a sparse gradient, name those that step it, and change nothing") {
  for (const std::string spec :
       {"adam", "adamw", "sgd(lr=0.1, momentum=0.9)", "sgd(lr=0.1, weight_decay=0.1)", "muon", "lion", "rmsprop", "lamb",
        "adagrad(weight_decay=0.1)", "schedule_free_sgd", "lookahead(adam)", "clip_norm(1) | adam"}) {
    const Tensor w = leaf(numbers({9, 4}, 1), "w"), v = leaf(numbers({2, 2}, 2), "v");
    auto opt = optim::make(spec, NamedTensors{{"v", v}, {"w", w}});
    (read_rows(w, {3, 1}, true) + sum(v)).backward();
    const Array before = bits_of(w), before_v = bits_of(v);
    std::string said;
    try {
      opt.step();
    } catch (const OptimError& e) {
      said = e.what();
    }
    CAPTURE(spec);
    CAPTURE(said);
    CHECK(said.find("the gradient of \"w\" is sparse") != said.npos);
    for (const std::string good : {"adagrad", "lazy_adam", "sgd"}) CHECK(said.find(good) != said.npos);
    CHECK(said.find("adamw,") == said.npos);
    CHECK(gradus::same_bits(w.array(), before));
    CHECK(gradus::same_bits(v.array(), before_v));
    CHECK(opt.steps() == 0);
  }
  for (const std::string spec : {"sam(sgd(lr=0.1))", "lbfgs"}) {
    const Tensor w = leaf(numbers({9, 4}, 1), "w");
    auto opt = optim::make(spec, NamedTensors{{"w", w}});
    const Array before = bits_of(w);
    CHECK(refuses<OptimError>([&] { opt.step([&] { return read_rows(w, {3, 1}, true); }); }, "is sparse"));
    CHECK(gradus::same_bits(w.array(), before));
  }
  const Tensor w = leaf(numbers({9, 4}, 1), "w");  // a wrapper of one that steps them
  auto opt = optim::make("lookahead(sgd(lr=0.1), k=2)", NamedTensors{{"w", w}});
  read_rows(w, {3, 1}, true).backward();
  opt.step(), opt.step();
  CHECK(opt.steps() == 2);
}

TEST_CASE("clip_grad_norm, the watch for NaN and warnings see the numbers of a sparse gradient") {
  const Tensor a = leaf(numbers({50, 3}, 1), "a"), b = leaf(numbers({50, 3}, 1), "b");
  read_rows(a, {4, 40, 4}, true).backward();
  read_rows(b, {4, 40, 4}, false).backward();
  const double norm = optim::clip_grad_norm(std::vector<Tensor>{a}, 0.1);
  CHECK(norm == doctest::Approx(optim::clip_grad_norm(std::vector<Tensor>{b}, 0.1)));
  REQUIRE(a.sparse_grad().defined());
  CHECK(error(a.grad().array(), b.grad().array()) <= 1e-15);

  a.zero_grad();
  const Tensor nan = scalar(std::nan(""), f64);
  (embedding(a, indices({2}), {.sparse = true}).sum() * nan).backward();
  auto opt = optim::make("skip_nonfinite | sgd(lr=0.1)", NamedTensors{{"a", a}});
  const Array before = bits_of(a);
  opt.step();
  CHECK(opt.skipped().parameter == "a");
  CHECK(gradus::same_bits(a.array(), before));
}

TEST_CASE("a sparse gradient takes memory for its rows, not for the table") {
  const Tensor w = leaf(Array::zeros({200000, 16}));
  std::vector<int64_t> rows;
  for (int64_t k = 0; k < 512; ++k) rows.push_back(k * 7919 % 200000);
  const Tensor loss = embedding(w, indices(rows), {.sparse = true}).sum();
  loss.backward();
  const SparseGrad g = w.sparse_grad();
  const auto bytes = static_cast<std::size_t>(g.values.size()) * 4 + w.leaf()->touched.list().capacity() * 8;
  CHECK(g.values.dim(0) == 512);
  CHECK(bytes <= 2 * 512 * 16 * 4);
}

TEST_CASE("a dense embedding of which every row is read steps as any parameter, with every rule that takes gradients") {
  const Tensor w = leaf(Array::ones({3, 2}, f64)), same = leaf(Array::ones({3, 2}, f64));
  const Tensor ids(Array::of<int64_t>({4}, {2, 0, 1, 2}));
  auto adam = optim::make("adam(lr=0.1)", std::vector<Tensor>{w}),
       other = optim::make("adam(lr=0.1)", std::vector<Tensor>{same});
  for (int t = 0; t < 2; ++t) {
    adam.zero_grad(), other.zero_grad();
    sum(square(embedding(w, ids))).backward();
    sum(square(index_select(same, 0, ids))).backward();
    adam.step(), other.step();
  }
  CHECK(same_bits(w.array(), same.array()));
}
