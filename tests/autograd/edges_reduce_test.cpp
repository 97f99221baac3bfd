// Long sums, running sums and products, medians and extremes: digits where many numbers meet, NaN where there is one.
#include <gradus/core/kernels/reduce.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>

#include <cstring>

#include <gradus/tests/helpers/edges.h>

using namespace gradus;
using namespace gradus::edges;

namespace {

double last(const Array& a) { return a.element(a.size() - 1); }

/// x seen as one lane, as three equal lanes beside each other, and as 70, of which each must give the bits of the one.
bool same_in_columns(const std::function<Tensor(const Tensor&, int)>& f, const Array& x) {
  const Array one = f(Tensor(x), 0).array().contiguous();
  for (const int64_t lanes : {3, 70}) {
    const Array many = f(Tensor(x.unsqueeze(1).expand({x.size(), lanes}).copy()), 0).array();
    const Array lane = many.select(1, lanes - 1).contiguous();
    if (std::memcmp(lane.bytes(), one.bytes(), static_cast<std::size_t>(one.size()) * bytes_of(one.dtype())) != 0)
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("cumsum counts 16,777,316 ones, and is as accurate as sum, in f32 and f64, as is its gradient") {
  CHECK(last(cumsum(ones({16777316}), 0).array()) == 16777316);
  CHECK(cumsum(ones({16777316, 1, 1}), 0).array().element(16777315) == 16777316);
  const int64_t n = 10'000'000;
  const Tensor tenths = leaf(Array::full({n}, 0.1, f32));
  const double tenth = static_cast<double>(0.1f);
  CHECK(last(cumsum(tenths, 0).array()) == doctest::Approx(tenth * n).epsilon(1e-7));
  CHECK(sum(tenths).item() == doctest::Approx(tenth * n).epsilon(1e-6));
  CHECK(grad({sum(cumsum(tenths, 0) * 0.1)}, {tenths})[0].array().element(0) == doctest::Approx(tenth * n).epsilon(1e-6));
  const Array wide = cumsum(full({n}, 0.1, f64), 0).array();
  CHECK(std::fabs(last(wide) - n * 0.1) <= 2e-10);  // a last place is 1.2e-10
  CHECK(last(cumsum(Tensor(Array::of<double>({3}, {1e30, 1, -1e30})), 0).array()) == 1);
  for (const Dtype dtype : {f32, f64})
    CHECK(same_in_columns([](const Tensor& x, int axis) { return cumsum(x, axis); },
                          uniform({1000}, -1, 1, Philox{1, 0}, dtype)));
}

TEST_CASE(
    "cumprod, prod and linear_scan keep their digits on long ways, and pass over what is too large for f32 on the way") {
  const int64_t n = 1'000'000;
  const float step = 1 + 0x1p-20f;
  const double wanted = std::exp(static_cast<double>(n) * std::log(static_cast<double>(step)));
  CHECK(last(cumprod(full({n}, step), 0).array()) == doctest::Approx(wanted).epsilon(1e-7));
  CHECK(prod(full({n}, step)).item() == doctest::Approx(wanted).epsilon(1e-7));
  CHECK(equal(cumprod(numbers({4}, {1e30, 1e30, 1e-30, 1e-30}, f32), 0).array(), {1e30, inf, 1e30, 1}, 1e-6));
  CHECK(equal(cumprod(numbers({4}, {1e-30, 1e-30, 1e30, 1e30}, f32), 0).array(), {1e-30, 0, 1e-30, 1}, 1e-6));
  CHECK(last(linear_scan(ones({16777316}), ones({16777316}), 0).array()) == 16777316);
  CHECK(last(linear_scan(ones({10 * n}), full({10 * n}, 0.1), 0).array()) ==
        doctest::Approx(static_cast<double>(0.1f) * 1e7).epsilon(1e-7));
  const Array wide = linear_scan(ones({10 * n}, f64), full({10 * n}, 0.1, f64), 0).array();
  CHECK(std::fabs(last(wide) - 1e6) <= 2e-10);
  const Tensor factors = Tensor(uniform({1000, 70}, -1, 1, Philox{2, 0}, f32));
  for (const Dtype dtype : {f32, f64}) {
    const Array x = uniform({1000}, 0.9, 1.1, Philox{1, 0}, dtype);
    CHECK(same_in_columns([](const Tensor& t, int axis) { return cumprod(t, axis); }, x));
    CHECK(same_in_columns([](const Tensor& t, int axis) { return linear_scan(t * 0.5, t, axis); }, x));
  }
}

TEST_CASE("running sums and products of infinities, NaN and signed zeros") {
  for (const Dtype dtype : {f32, f64}) {
    const auto sums = [&](const std::vector<double>& x) {
      return cumsum(numbers({static_cast<int64_t>(x.size())}, x, dtype), 0).array();
    };
    const auto products = [&](const std::vector<double>& x) {
      return cumprod(numbers({static_cast<int64_t>(x.size())}, x, dtype), 0).array();
    };
    CHECK(equal(sums({1, inf, 2, -inf, 1}), {1, inf, inf, not_a_number, not_a_number}));
    CHECK(equal(sums({1, not_a_number, 2}), {1, not_a_number, not_a_number}));
    CHECK(equal(products({2, inf, 3, 0}), {2, inf, inf, not_a_number}));
    CHECK(equal(products({0, 5, not_a_number, 1}), {0, 0, not_a_number, not_a_number}));
    CHECK(std::signbit(sums({-0.0, -0.0}).element(1)));
    CHECK(std::signbit(products({-1, 0}).element(1)));
    const Tensor a = numbers({3}, {not_a_number, 0, inf}, dtype), b = numbers({3}, {1, 2, 3}, dtype);
    CHECK(equal(linear_scan(a, b, 0).array(), {1, 2, inf}));  // the first factor meets nothing
  }
}

TEST_CASE("sums down long columns are as accurate as along rows") {
  for (const int64_t columns : {1, 3, 40}) {
    const int64_t n = 10'000'000 / (columns > 3 ? 10 : 1);
    const double wanted = static_cast<double>(0.1f) * static_cast<double>(n);
    const Array tall = Array::full({n, columns}, 0.1, f32);
    CHECK(sum_axes(tall, 1).element(0) == doctest::Approx(wanted).epsilon(3e-6));
    CHECK(sum_axes(tall.transpose(0, 1), 2).element(0) == doctest::Approx(wanted).epsilon(3e-6));
    const Array thick = Array::full({n, columns, 1, 2}, 0.1, f32).transpose(1, 2);  // many short runs
    CHECK(sum_axes(thick, 1 | 8).element(0) == doctest::Approx(2 * wanted).epsilon(3e-6));
  }
  CHECK(equal(sum_axes(Array::full({1000, 2}, inf, f32), 1), {inf, inf}));
}

TEST_CASE("median with NaN is NaN, as in PyTorch, and its gradient goes to the first NaN") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor x = numbers({3, 3}, {1, not_a_number, 3, 5, 4, 6, not_a_number, 0, not_a_number}, dtype);
    const ValuesAndIndices rows = median(x, 1), columns = median(x, 0, true);
    CHECK(equal(rows.values.array(), {not_a_number, 5, not_a_number}));
    CHECK(equal(rows.indices.array(), {1, 0, 0}));
    CHECK(equal(columns.values.array(), {not_a_number, not_a_number, not_a_number}));
    CHECK(equal(columns.indices.array(), {2, 0, 2}));
    CHECK(columns.values.shape() == Shape{1, 3});
    CHECK(equal(grad({sum(rows.values)}, {x})[0].array(), {0, 1, 0, 1, 0, 0, 1, 0, 0}));
    CHECK(equal(kthvalue(x, 1, 1).values.array(), {1, 4, 0}));  // NaN is the largest
    CHECK(equal(sort(x, 1).values.array(), {1, 3, not_a_number, 4, 5, 6, 0, not_a_number, not_a_number}));
    CHECK(equal(topk(x, 1, 1).values.array(), {not_a_number, 6, not_a_number}));
    CHECK(median(numbers({2}, {inf, -inf}, dtype), 0).values.item() == -inf);
  }
  CHECK(median(Tensor(Array::of<int64_t>({3}, {7, 5, 6})), 0).values.item() == 6);
}

TEST_CASE("max, min, argmax and argmin: NaN wins, the first of several, in every layout, and takes the gradient") {
  for (const Dtype dtype : {f32, f64})
    for (const int64_t n : {2, 5, 300, 1000}) {
      Array values_of = uniform({n, 3}, -1, 1, Philox{4, 0}, dtype);
      const int64_t at = n / 2;
      values_of.select(0, at).assign(Array::full({}, not_a_number, dtype), "test");
      values_of.select(0, n - 1).assign(Array::full({}, n - 1 == at ? not_a_number : inf, dtype), "test");
      const Tensor x = leaf(values_of), t = transpose(x, 0, 1);
      const auto place = static_cast<double>(at);
      for (const bool largest : {true, false}) {
        const auto extreme = [&](const Tensor& v, int axis) { return largest ? max(v, axis) : min(v, axis); };
        const auto where_is = [&](const Tensor& v, int axis) { return largest ? argmax(v, axis) : argmin(v, axis); };
        CHECK(equal(extreme(x, 0).array(), {not_a_number, not_a_number, not_a_number}));
        CHECK(equal(extreme(t, 1).array(), {not_a_number, not_a_number, not_a_number}));
        CHECK(equal(where_is(x, 0).array(), {place, place, place}));
        CHECK(equal(where_is(t, 1).array(), {place, place, place}));
        CHECK(equal(where_is(leaf(t.array().copy()), 1).array(), {place, place, place}));
        CHECK(std::isnan((largest ? max(x) : min(x)).item()));
        CHECK(equal(grad({sum(extreme(x, 0))}, {x})[0].array().select(0, at), {1, 1, 1}));
      }
    }
}
