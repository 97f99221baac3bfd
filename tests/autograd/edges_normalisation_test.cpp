// Normalisation, variance and mean of numbers that differ little, and of the largest and smallest: against two passes in
// long double.
#include <gradus/core/kernels/map.h>
#include <gradus/core/random.h>

#include <gradus/tests/helpers/edges.h>

using namespace gradus;
using namespace gradus::edges;

namespace {

using Wide = long double;
struct Rows {
  std::vector<Wide> y, dx;
};

/// (x - mean) / sqrt(variance + eps) of one row, and the gradient from g.
Rows reference(const std::vector<double>& x, const std::vector<double>& g, double eps, bool centred = true) {
  const auto n = static_cast<Wide>(x.size());
  Wide mean = 0, variance = 0, level = 0, tilt = 0;
  for (const double v : x) mean += centred ? v / n : 0;
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  const Wide scale = 1 / std::sqrt(variance + eps);
  Rows r;
  for (const double v : x) r.y.push_back((v - mean) * scale);
  for (std::size_t i = 0; i < x.size(); ++i) level += centred ? g[i] / n : 0, tilt += g[i] * r.y[i] / n;
  for (std::size_t i = 0; i < x.size(); ++i) r.dx.push_back(scale * (g[i] - level - r.y[i] * tilt));
  return r;
}

/// The largest error, against the largest wanted (or 1e-300).
double error_of(const Array& a, const std::vector<Wide>& wanted) {
  Wide worst = 0, largest = 1e-300L;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Wide e = std::fabs(static_cast<Wide>(a.element(static_cast<int64_t>(i))) - wanted[i]);
    worst = std::isfinite(e) ? std::max(worst, e) : std::numeric_limits<Wide>::infinity();
    largest = std::max(largest, std::fabs(wanted[i]));
  }
  return static_cast<double>(worst / largest);
}

struct Layer {
  const char* name;
  std::function<Tensor(const Tensor&, double)> f;
  bool centred = true;
};
/// Each normalises one row of n.
std::vector<Layer> layers() {
  const auto n = [](const Tensor& x) { return x.size(); };
  return {{"layer_norm",
           [n](const Tensor& x, double eps) {
             return layer_norm(reshape(x, {1, n(x)}), {n(x)}, {}, {}, eps);
           }},
          {"group_norm",
           [n](const Tensor& x, double eps) {
             return group_norm(reshape(x, {1, 2, n(x) / 2}), 1, {}, {}, eps);
           }},
          {"instance_norm",
           [n](const Tensor& x, double eps) {
             return instance_norm(reshape(x, {1, 1, n(x)}), {}, {}, eps);
           }},
          {"batch_norm of planes",
           [n](const Tensor& x, double eps) {
             return batch_norm(reshape(x, {2, 1, n(x) / 2}), {}, {}, eps).y;
           }},
          {"batch_norm of rows",
           [n](const Tensor& x, double eps) {
             return batch_norm(reshape(x, {n(x), 1}), {}, {}, eps).y;
           }},
          {"rms_norm",
           [n](const Tensor& x, double eps) {
             return rms_norm(reshape(x, {1, n(x)}), {n(x)}, {}, eps);
           },
           false}};
}

std::vector<double> noise(int64_t n, double level, double size, Dtype dtype, std::uint64_t seed = 3) {
  return values(map([=](auto v) { return level + size * v; }, uniform({n}, -1, 1, Philox{seed, 0}, f64)).to(dtype));
}

}  // namespace

TEST_CASE("normalisation of equal numbers is exactly 0, and its gradient that of a constant") {
  for (const Dtype dtype : {f32, f64})
    for (const double c : {12345.678, -0.1, 1e-3, 3.3e7, 1e20, 1e30, 3e38})
      for (const int64_t n : {2, 4096, 5000})
        for (const Layer& l : layers()) {
          if (!l.centred) continue;
          INFO(std::string(l.name) << ' ' << c << ' ' << n);
          const Tensor x = leaf(Array::full({n}, c, dtype)), y = l.f(x, 1e-5);
          CHECK(equal(flatten(y).array(), std::vector<double>(static_cast<std::size_t>(n), 0)));
          const Array g = grad({sum(y * 12345.678)}, {x})[0].array();
          CHECK(error_of(g, std::vector<Wide>(static_cast<std::size_t>(n), 0)) * 1e-300 <= 1e-1 * (dtype == f32 ? 1 : 1e-9));
        }
}

TEST_CASE("normalisation of c + noise with large c, and far from it, as of two passes in f64") {
  for (const Dtype dtype : {f32, f64})
    for (const double level : {0.0, 100.0, 12345.678, 1e6})
      for (const int64_t n : {6, 768, 5000})
        for (const Layer& l : layers()) {
          INFO(std::string(l.name) << ' ' << level << ' ' << n);
          const std::vector<double> x = noise(n, level, 1, dtype), g = noise(n, 1, 1, dtype, 8);
          const Rows r = reference(x, g, 1e-5, l.centred);
          const Tensor t = numbers({n}, x, dtype), y = flatten(l.f(t, 1e-5));
          const double digits = dtype == f32 ? 3e-7 : 1e-12 + 1e-16 * level;  // f64: batch_norm keeps a double as the mean
          CHECK(error_of(y.array(), r.y) <= digits);
          const Tensor w = numbers({n}, g, dtype);
          CHECK(error_of(grad({sum(flatten(l.f(t, 1e-5)) * w)}, {t})[0].array(), r.dx) <=
                4 * digits * (l.centred ? 1 : 1 + level));
        }
}

TEST_CASE("normalisation from the smallest numbers to the largest: finite and right, gradients too, also recorded") {
  for (const Dtype dtype : {f32, f64}) {
    std::vector<double> sizes{1e20, 1e-30, 1e30, 1e38, 1e-19, 1e-37};
    if (dtype == f64) sizes.insert(sizes.end(), {1e160, 1e-170, 1.7e308, 1e-290});
    for (const double size : sizes)
      for (const double eps : {0.0, 1e-5})
        for (const Layer& l : layers()) {
          INFO(std::string(l.name) << ' ' << size << ' ' << eps);
          std::vector<double> x = noise(6, 0, size, dtype), g = noise(6, 0, 1, dtype, 8);
          x[2] = -size, x[3] = size;
          x = values(Array::of({6}, x).to(dtype));
          const Rows r = reference(x, g, eps, l.centred);
          const Tensor t = numbers({6}, x, dtype), w = numbers({6}, g, dtype);
          const double digits = dtype == f32 ? 1e-6 : 1e-14;
          CHECK(error_of(flatten(l.f(t, eps)).array(), r.y) <= digits);
          const double largest = std::numeric_limits<float>::max(), scale = static_cast<double>(std::fabs(r.dx[0]));
          if (dtype == f32 && (scale > largest / 10 || scale < 1e-37)) continue;
          CHECK(error_of(grad({sum(flatten(l.f(t, eps)) * w)}, {t})[0].array(), r.dx) <= 4 * digits);
          if (size > 1e300 || size < 1e-280 || (dtype == f32 && (size > 1e37 || size < 1e-36))) continue;
          const Tensor recorded = grad({sum(flatten(l.f(t, eps)) * w)}, {t}, {.create_graph = true})[0];
          CHECK(error_of(recorded.array(), r.dx) <= 10 * digits);
          const Array second = grad({sum(recorded * w)}, {t})[0].array();
          if (size < 1e19 && (size > 1e-18 || eps > 0)) CHECK(finite(second));
        }
  }
}

TEST_CASE("normalisation: NaN and infinity stay in their row, channel or image") {
  for (const Dtype dtype : {f32, f64})
    for (const double bad : {not_a_number, inf}) {
      const Tensor x = numbers({2, 2, 3}, {1, 2, bad, 4, 6, 5, 1, 2, 3, 4, 5, 7}, dtype);
      const auto nans = [](const Tensor& y) {
        int64_t count = 0;
        for (const double v : values(y.array())) count += !std::isfinite(v);
        return count;
      };
      CHECK(nans(layer_norm(x, {3})) == 3);
      CHECK(nans(rms_norm(x, {3})) == (std::isnan(bad) ? 3 : 1));  // inf / inf, and 0 beside it
      CHECK(nans(group_norm(x, 1)) == 6);
      CHECK(nans(instance_norm(x)) == 3);
      CHECK(nans(batch_norm(x, {}, {}).y) == 6);
      CHECK(nans(var(x, {2})) == 1);
      CHECK(nans(gradus::std(x, {2})) == 1);
    }
}

TEST_CASE("var, std and mean: of equal numbers, of c + noise, of large and small numbers") {
  for (const Dtype dtype : {f32, f64}) {
    const double digits = dtype == f32 ? 1e-6 : 1e-13;
    for (const double level : {0.0, 12345.678, -1e6})
      for (const int64_t n : {3, 4096}) {
        const std::vector<double> x = noise(n, level, 1, dtype);
        Wide mean = 0, square = 0;
        for (const double v : x) mean += v / static_cast<Wide>(n);
        for (const double v : x) square += (v - mean) * (v - mean);
        const Tensor row = numbers({n}, x, dtype), columns = expand(reshape(row, {n, 1}), {n, 2});
        const Wide v = square / static_cast<Wide>(n - 1);
        CHECK(error_of(var(row).array(), {v}) <= 10 * digits);
        CHECK(error_of(var(columns, {0}).array(), {v, v}) <= 10 * digits);
        CHECK(error_of(gradus::std(row, {}, 0).array(), {std::sqrt(square / static_cast<Wide>(n))}) <= 10 * digits);
        std::vector<Wide> slopes;
        for (const double e : x) slopes.push_back((e - mean) / (std::sqrt(v) * static_cast<Wide>(n - 1)));
        CHECK(error_of(grad({gradus::std(row)}, {row})[0].array(), slopes) <= 10 * digits);
        const Tensor same = leaf(Array::full({n}, level, dtype));
        CHECK(var(same).item() <= 1e-12 * digits * level * level);
        CHECK(finite(grad({gradus::std(same)}, {same})[0].array()));
      }
    for (const double size : {1e20, 1e-30, 1e37}) {
      const Tensor x = numbers({3}, {size, 2 * size, 3 * size}, dtype);
      CHECK(gradus::std(x).item() / size == doctest::Approx(1).epsilon(1e-6));
      CHECK(equal(grad({gradus::std(x)}, {x})[0].array(), {-.5, 0, .5}, 1e-6));
    }
    CHECK(std::isnan(gradus::std(ones({1}, dtype)).item()));
    CHECK(std::isnan(var(ones({1}, dtype)).item()));
    CHECK(var(ones({1}, dtype), {}, 0).item() == 0);
  }
}

TEST_CASE("the largest numbers: std, var, normalize, cosine_similarity and recorded gradients, beside rows of small ones") {
  for (const Dtype dtype : {f32, f64}) {
    const double top = dtype == f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max(),
                 tiny = dtype == f32 ? 1e-45 : 5e-324;
    const Tensor x = numbers({4, 2}, {top, top, top, -top, tiny, tiny, 1, 3}, dtype);
    CHECK(equal(gradus::std(x, {1}, 0).array(), {0, top, 0, 1}, 1e-6));
    CHECK(equal(var(x, {1}).array(), {0, inf, 0, 2}, 1e-6));
    CHECK(equal(gradus::std(transpose(x, 0, 1), {0}, 0, true).array(), {0, top, 0, 1}, 1e-6));
    const Orders o = orders_of([](const Tensor& t) { return gradus::std(t, {1}, 0); }, x);
    CHECK(equal(o.first, {0, 0, 1, -1, 0, 0, -2, 2}, 1e-6));
    CHECK(o.second_finite);
    CHECK(
        equal(slice(normalize(x, 1), 0, 0, 2).array(), {std::sqrt(.5), std::sqrt(.5), std::sqrt(.5), -std::sqrt(.5)}, 1e-6));
    const Tensor large = slice(x, 0, 0, 2), axis = numbers({1, 2}, {top, 0}, dtype);
    CHECK(equal(cosine_similarity(large, axis, 1, 0).array(), {std::sqrt(.5), std::sqrt(.5)}, 1e-6));
    CHECK(equal(norm(x, 2, {1}).array(), {inf, inf, std::sqrt(2) * tiny, std::sqrt(10)}, 1e-6));
    const Tensor w = numbers({4, 2}, {1, 2, 1, 2, 1, 2, 1, 2}, dtype);
    for (const auto& f :
         {+[](const Tensor& t) { return layer_norm(t, {2}); }, +[](const Tensor& t) { return rms_norm(t, {2}); },
          +[](const Tensor& t) { return batch_norm(transpose(t, 0, 1), {}, {}).y; }}) {
      const Tensor y = f(x), recorded = grad({sum(y * reshape(w, y.shape()))}, {x}, {.create_graph = true})[0];
      CHECK(finite(y.array()));
      CHECK(equal(recorded.array(), values(grad({sum(f(x) * reshape(w, y.shape()))}, {x})[0].array()), 1e-5));
      CHECK(finite(grad({sum(recorded * w)}, {x})[0].array()));
    }
    const Tensor weight = numbers({1}, {top}, dtype), flat = numbers({4, 1}, {3, 3, 3, 3}, dtype);
    CHECK(equal(batch_norm(flat, weight, {}).y.array(), {0, 0, 0, 0}));
  }
}

TEST_CASE("batch_norm without weight and bias, in f32 and f64; group_norm and instance_norm of no images") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor x = leaf(uniform({4, 3, 2}, -1, 1, Philox{1, 1}, dtype)), one = ones({3}, dtype), none = zeros({3}, dtype);
    CHECK(equal(batch_norm(x, {}, {}).y.array(), values(batch_norm(x, one, none).y.array())));
    CHECK(equal(batch_norm(x, one * 2.0, {}).y.array(), values((batch_norm(x, one, none).y * 2.0).array()), 1e-6));
    CHECK(equal(batch_norm(x, {}, one).y.array(), values((batch_norm(x, one, none).y + 1.0).array()), 1e-6));
    CHECK(finite(grad({sum(square(batch_norm(x, {}, {}).y))}, {x}, {.create_graph = true})[0].array()));
    const Tensor no_images = leaf(Array::zeros({0, 4, 3}, dtype));
    for (const Tensor& y :
         {group_norm(no_images, 2, leaf(Array::ones({4}, dtype))), instance_norm(no_images), layer_norm(no_images, {3})}) {
      CHECK(y.shape() == Shape{0, 4, 3});
      CHECK(grad({sum(y)}, {no_images})[0].shape() == Shape{0, 4, 3});
    }
    CHECK_THROWS_AS(group_norm(zeros({2, 4, 0}, dtype), 2), ShapeError);
    CHECK_THROWS_AS(group_norm(zeros({2, 0, 3}, dtype), 2), ShapeError);
    CHECK_THROWS_AS(instance_norm(zeros({2, 4, 0}, dtype)), ShapeError);
  }
}

TEST_CASE("normalisation where sums of floats would overflow or vanish: right, and so are the gradients") {
  constexpr double top = 3e38;
  for (const Dtype dtype : {f32, f64})
    for (const int64_t n : {6, 300, 1024}) {
      std::vector<double> large, outlier = noise(n, 1e-3, 1e-3, dtype), g = noise(n, 0, 1, dtype, 8), shares, small;
      outlier[0] = 1e6;
      for (int64_t i = 0; i < n; ++i) {
        large.push_back(i % 4 < 2 ? top : -top);
        shares.push_back(i / (n < 10 ? 2 : 150) % 2 == 0 ? 2e38 : -2e38);
        small.push_back(1e-20 * static_cast<double>(i % 7 - 3));
      }
      for (const Layer& l : layers()) {
        INFO(std::string(l.name) << ' ' << n);
        const double digits = dtype == f32 ? 1e-6 : 1e-12;
        for (const std::vector<double>& x : {large, outlier, small}) {
          const std::vector<double> held = values(Array::of({n}, x).to(dtype));
          const Rows r = reference(held, g, 1e-5, l.centred);
          const Tensor t = numbers({n}, x, dtype);
          CHECK(error_of(flatten(l.f(t, 1e-5)).array(), r.y) <= digits);
          if (dtype == f32 && x == large) continue;  // the gradient is subnormal
          CHECK(error_of(grad({sum(flatten(l.f(t, 1e-5)) * numbers({n}, g, dtype))}, {t})[0].array(), r.dx) <= 10 * digits);
        }
        // Gradients of which two together are infinite: with eps = 1e6 that of x is not.
        const std::vector<double> x = noise(n, 0, 1, dtype), held = values(Array::of({n}, shares).to(dtype));
        const Rows r = reference(x, held, 1e6, l.centred);
        const Tensor t = numbers({n}, x, dtype);
        const Tensor y = l.f(t, 1e6), seed = reshape(numbers({n}, shares, dtype), y.shape());
        CHECK(error_of(grad({y}, {t}, {}, {seed})[0].array(), r.dx) <= 10 * digits);
      }
    }
}

TEST_CASE("normalisation: what is small beside the first element, and next to it, keeps its digits") {
  for (const Dtype dtype : {f32, f64})
    for (const int64_t n : {10, 1000})
      for (const Layer& l : layers()) {
        if (!l.centred) continue;
        INFO(std::string(l.name) << ' ' << n);
        std::vector<double> x = noise(n, 0, 1e-2, dtype), g = noise(n, 0, 1e-3, dtype, 8);
        x[0] = 1e4, g[1] = 1e3;
        x = values(Array::of({n}, x).to(dtype)), g = values(Array::of({n}, g).to(dtype));
        const Rows r = reference(x, g, 1e-5);
        const Tensor t = numbers({n}, x, dtype), y = flatten(l.f(t, 1e-5));
        const Array dx = grad({sum(y * numbers({n}, g, dtype))}, {t})[0].array();
        const double digits = dtype == f32 ? 2e-5 : 1e-11;  // x - mean is rounded when the mean is 1e3 times its distance
        for (int64_t i = 2; i < n; ++i) {
          const auto k = static_cast<std::size_t>(i);
          CHECK(std::fabs(y.array().element(i) - r.y[k]) <= digits * std::fabs(r.y[k]));
          CHECK(std::fabs(dx.element(i) - r.dx[k]) <= digits * std::fabs(r.dx[k]));
        }
      }
}

TEST_CASE("batch_norm: the gradients of weight and bias where products of floats vanish or overflow") {
  for (const Dtype dtype : {f32, f64})
    for (const bool planes : {false, true})
      for (const double size : {1e-25, 1e-15, 1.0, 1e15}) {
        CAPTURE(planes);
        CAPTURE(size);
        const int64_t n = 64;
        std::vector<double> x = noise(n, 0, size, dtype), g = noise(n, 1e-25, 1e-25, dtype, 8);
        x = values(Array::of({n}, x).to(dtype));
        const Rows r = reference(x, g, 0);
        Wide slope = 0, level = 0;
        for (std::size_t i = 0; i < x.size(); ++i) slope += g[i] * r.y[i], level += g[i];
        const Shape shape = planes ? Shape{4, 1, 16} : Shape{n, 1};
        const Tensor w = leaf(Array::ones({1}, dtype)), b = leaf(Array::zeros({1}, dtype));
        const Tensor y = batch_norm(numbers(shape, x, dtype), w, b, 0).y;
        const auto both = grad({y}, {w, b}, {}, {numbers(shape, g, dtype)});
        CHECK(error_of(both[0].array(), {slope}) <= (dtype == f32 ? 1e-5 : 1e-12));
        CHECK(error_of(both[1].array(), {level}) <= (dtype == f32 ? 1e-6 : 1e-13));
        g[9] = inf;
        const Tensor again = batch_norm(numbers(shape, x, dtype), w, b, 0).y;
        CHECK(grad({again}, {b}, {}, {numbers(shape, g, dtype)})[0].item() == inf);
      }
}

TEST_CASE("var and std: gradients and recorded gradients, of means near and far from 0, beside equal numbers and NaN") {
  for (const Dtype dtype : {f32, f64})
    for (const double level : {0.0, 0.3, 12345.678, -1e6})
      for (const bool root : {false, true}) {
        CAPTURE(level);
        CAPTURE(root);
        const int64_t n = 70;
        const std::vector<double> x = noise(n, level, 1, dtype);
        Wide mean = 0, squares = 0;
        for (const double v : x) mean += v / static_cast<Wide>(n);
        for (const double v : x) squares += (v - mean) * (v - mean);
        const Wide y = squares / static_cast<Wide>(n - 1);
        std::vector<Wide> slopes;
        for (const double v : x) slopes.push_back((v - mean) / static_cast<Wide>(n - 1) * (root ? 1 / std::sqrt(y) : 2));
        const auto f = [root](const Tensor& t, const std::vector<int>& axes) {
          return root ? gradus::std(t, axes) : var(t, axes);
        };
        const double digits = dtype == f32 ? 2e-6 : 1e-13;
        const Tensor t = numbers({n}, x, dtype);
        CHECK(error_of(f(t, {}).array(), {root ? std::sqrt(y) : y}) <= digits);
        CHECK(error_of(grad({f(t, {})}, {t})[0].array(), slopes) <= digits);
        const Tensor recorded = grad({f(t, {})}, {t}, {.create_graph = true})[0];
        CHECK(error_of(recorded.array(), slopes) <= 5 * digits);
        CHECK(finite(grad({sum(square(recorded))}, {t})[0].array()));
        const Tensor same = leaf(Array::full({n}, level, dtype)), bad = leaf(Array::full({n}, not_a_number, dtype));
        const Tensor three = stack({t, same, bad}, 0), columns = transpose(three, 0, 1);
        const Tensor of_rows = slice(f(three, {1}), 0, 0, 2), of_columns = slice(f(columns, {0}), 0, 0, 2);
        const Array rows = grad({of_rows}, {t, same}, {.retain_graph = true}, {ones({2}, dtype)})[0].array();
        CHECK(error_of(rows, slopes) <= digits);
        CHECK(error_of(grad({of_columns}, {t, same}, {}, {ones({2}, dtype)})[0].array(), slopes) <= digits);
        CHECK(f(three, {1}).array().element(1) <= (dtype == f32 ? 1e-9 : 1e-20) * level * level);
        CHECK(std::isnan(f(three, {1}).array().element(2)));
      }
}
