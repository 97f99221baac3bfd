// The four shapes of optimizer, ten steps each against a reference written by another route.
#include <gradus/tests/helpers/optim.h>

#include <doctest/doctest.h>

using namespace optim_testing;

namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

Vector vector_of(const Array& a) {
  Vector v;
  for (int64_t i = 0; i < a.size(); ++i) v.push_back(a.element(i));
  return v;
}
double distance(const Array& a, const Vector& v) { return error(a, Array::of<double>(a.shape(), v)); }
double length(const Vector& v) {
  double s = 0;
  for (const double x : v) s += x * x;
  return std::sqrt(s);
}
double dot(const Vector& a, const Vector& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), Vector(b[0].size(), 0.0));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b[0].size(); ++j)
      for (std::size_t k = 0; k < b.size(); ++k) c[i][j] += a[i][k] * b[k][j];
  return c;
}
Matrix transposed(const Matrix& a) {
  Matrix t(a[0].size(), Vector(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[0].size(); ++j) t[j][i] = a[i][j];
  return t;
}
Matrix matrix_of(const Array& a) {
  Matrix m(static_cast<std::size_t>(a.dim(0)), Vector(static_cast<std::size_t>(a.dim(1))));
  for (int64_t i = 0; i < a.dim(0); ++i)
    for (int64_t j = 0; j < a.dim(1); ++j) m[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = a.at({i, j});
  return m;
}

double rosenbrock(const Vector& w, Vector& g) {
  const double x = w[0], y = w[1], r = y - x * x;
  g = {-400 * x * r - 2 * (1 - x), 200 * r};
  return 100 * r * r + (1 - x) * (1 - x);
}
Tensor rosenbrock(const Tensor& x, const Tensor& y) { return sum(100.0 * square(y - square(x)) + square(1.0 - x)); }

/// The BFGS matrix of the pairs, dense: H <- (I - r s y') H (I - r y s') + r s s'.
Matrix bfgs(const Matrix& s, const Matrix& y, std::size_t n) {
  Matrix h(n, Vector(n, 0.0));
  const double first = s.empty() ? 1 : dot(s.back(), y.back()) / dot(y.back(), y.back());
  for (std::size_t i = 0; i < n; ++i) h[i][i] = first;
  for (std::size_t k = 0; k < s.size(); ++k) {
    const double r = 1 / dot(s[k], y[k]);
    Matrix left(n, Vector(n));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) left[i][j] = (i == j) - r * s[k][i] * y[k][j];
    h = product(product(left, h), transposed(left));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) h[i][j] += r * s[k][i] * s[k][j];
  }
  return h;
}
Vector downhill(const Matrix& h, const Vector& g) {
  Vector d(g.size(), 0.0);
  for (std::size_t i = 0; i < g.size(); ++i)
    for (std::size_t j = 0; j < g.size(); ++j) d[i] -= h[i][j] * g[j];
  return d;
}

}  // namespace

TEST_CASE("layer shape: LAMB, its moments as sums over all past gradients") {
  const double lr = 0.02, b1 = 0.8, b2 = 0.95, eps = 1e-6, decay = 0.1;
  auto parameters = leaves({{5, 7}, {3}, {200, 90}});  // the last is several pieces long
  auto opt = optim::make("lamb(lr=0.02, beta1=0.8, beta2=0.95, weight_decay=0.1)", parameters);
  std::vector<Vector> w;
  std::vector<std::vector<Vector>> past(3);
  for (const auto& p : parameters) w.push_back(vector_of(p.second.array()));
  for (int t = 1; t <= 10; ++t) {
    step_with(opt, t);
    for (std::size_t p = 0; p < 3; ++p) {
      past[p].push_back(vector_of(gradient_at(p, t, parameters[p].second)));
      Vector d(w[p].size());
      for (std::size_t i = 0; i < d.size(); ++i) {
        double m = 0, v = 0, total1 = 0, total2 = 0;
        for (int k = 0; k < t; ++k) {
          const double g = past[p][static_cast<std::size_t>(k)][i];
          const double u1 = std::pow(b1, t - 1 - k), u2 = std::pow(b2, t - 1 - k);
          m += u1 * g, v += u2 * g * g, total1 += u1, total2 += u2;
        }
        d[i] = (m / total1) / (std::sqrt(v / total2) + eps) + decay * w[p][i];
      }
      const double ratio = length(w[p]) / length(d);
      for (std::size_t i = 0; i < d.size(); ++i) w[p][i] -= lr * ratio * d[i];
      CHECK(distance(parameters[p].second.array(), w[p]) <= 1e-12);
    }
  }
}

TEST_CASE("layer shape: a parameter of zeros moves by lr alone") {
  const Tensor w = leaf(Array::zeros({4}, f64));
  auto opt = optim::make("lamb(lr=0.5)", std::vector<Tensor>{w});
  w.set_grad(Array::full({4}, 2, f64));
  opt.step();
  CHECK(w.array().element(0) == doctest::Approx(-0.5).epsilon(1e-5));
}

TEST_CASE("matrix shape: Muon, the polynomial multiplied from the other side") {
  for (const Shape& shape : {Shape{6, 4}, Shape{3, 5}, Shape{4, 4}}) {
    const Tensor w = leaf(numbers(shape, 5));
    auto opt = optim::make("muon(lr=0.02, momentum=0.9)", std::vector<Tensor>{w});
    Matrix x = matrix_of(w.array()), m(x.size(), Vector(x[0].size(), 0.0));
    const double rows = static_cast<double>(shape[0]), columns = static_cast<double>(shape[1]);
    for (int t = 1; t <= 10; ++t) {
      const Array g = numbers(shape, 40u + static_cast<unsigned>(t));
      w.set_grad(g);
      opt.step();
      const Matrix gm = matrix_of(g);
      Matrix u = m;
      double squares = 0;
      for (std::size_t i = 0; i < m.size(); ++i)
        for (std::size_t j = 0; j < m[0].size(); ++j) {
          m[i][j] = 0.9 * m[i][j] + 0.1 * gm[i][j];
          u[i][j] = 0.9 * m[i][j] + 0.1 * gm[i][j];
          squares += u[i][j] * u[i][j];
        }
      for (auto& row : u)
        for (double& e : row) e /= std::sqrt(squares);
      for (int k = 0; k < 5; ++k) {  // u (a I + b u'u + c (u'u)^2)
        const Matrix gram = product(transposed(u), u), gram2 = product(gram, gram);
        Matrix polynomial = gram;
        for (std::size_t i = 0; i < gram.size(); ++i)
          for (std::size_t j = 0; j < gram.size(); ++j)
            polynomial[i][j] = 3.4445 * (i == j) - 4.775 * gram[i][j] + 2.0315 * gram2[i][j];
        u = product(u, polynomial);
      }
      Vector flat;
      for (std::size_t i = 0; i < x.size(); ++i)
        for (std::size_t j = 0; j < x[0].size(); ++j)
          flat.push_back(x[i][j] = x[i][j] * (1 - 0.02 * 0.1) - 0.02 * std::sqrt(std::max(1.0, rows / columns)) * u[i][j]);
      CHECK(distance(w.array(), flat) <= 1e-11);
    }
  }
}

TEST_CASE("matrix shape: another parameter is refused by name before anything moves") {
  auto parameters = leaves({{3, 3}, {3}});
  auto opt = optim::make("muon", parameters);
  const auto before = values(opt);
  CHECK(refuses<OptimError>([&] { step_with(opt, 1); }, "parameter \"b\" is f64[3]"));
  CHECK(same_bits(values(opt), before));
  CHECK(opt.steps() == 0);
  opt.group("b", "adamw(lr=0.1)");
  step_with(opt, 1);
  CHECK_FALSE(same_bits(values(opt), before));
}

TEST_CASE("closure shape: L-BFGS of fixed length against the dense BFGS matrix") {
  const Tensor x = leaf(Array::full({1}, -1.2, f64)), y = leaf(Array::full({1}, 1, f64));
  auto opt = optim::make("lbfgs(lr=0.2, max_iter=1, history_size=4)", std::vector<Tensor>{x, y});
  Vector w{-1.2, 1}, g;
  Matrix s, yy;
  rosenbrock(w, g);
  for (int k = 0; k < 10; ++k) {
    opt.step([&] { return rosenbrock(x, y); });
    const Vector d = downhill(bfgs(s, yy, 2), g), w_old = w, g_old = g;
    const double t = k == 0 ? 0.2 * std::min(1.0, 1 / (std::fabs(g[0]) + std::fabs(g[1]))) : 0.2;
    for (int i = 0; i < 2; ++i) w[static_cast<std::size_t>(i)] += t * d[static_cast<std::size_t>(i)];
    rosenbrock(w, g);
    Vector ds{w[0] - w_old[0], w[1] - w_old[1]}, dg{g[0] - g_old[0], g[1] - g_old[1]};
    if (dot(ds, dg) > 1e-10) s.push_back(ds), yy.push_back(dg);
    if (s.size() > 4) s.erase(s.begin()), yy.erase(yy.begin());
    CHECK(std::fabs(x.item() - w[0]) <= 1e-9);
    CHECK(std::fabs(y.item() - w[1]) <= 1e-9);
  }
}

TEST_CASE("closure shape: L-BFGS with a line search goes along -H g and meets the strong Wolfe conditions") {
  const Tensor x = leaf(Array::full({1}, -1.2, f64)), y = leaf(Array::full({1}, 1, f64));
  auto opt = optim::make("lbfgs(max_iter=1, line_search_fn=strong_wolfe, tolerance_change=0, tolerance_grad=0)",
                         std::vector<Tensor>{x, y});
  Vector w{-1.2, 1}, g;
  Matrix s, yy;
  double f = rosenbrock(w, g);
  for (int k = 0; k < 10; ++k) {
    const double reported = opt.step([&] { return rosenbrock(x, y); });
    CHECK(reported == doctest::Approx(f).epsilon(1e-10));
    const Vector d = downhill(bfgs(s, yy, 2), g), next{x.item(), y.item()};
    Vector g_next;
    const double f_next = rosenbrock(next, g_next);
    const Vector moved{next[0] - w[0], next[1] - w[1]}, turned{g_next[0] - g[0], g_next[1] - g[1]};
    const double t = dot(moved, d) / dot(d, d), slope = dot(g, d);
    CHECK(std::fabs(moved[0] * d[1] - moved[1] * d[0]) <= 1e-9 * length(moved) * length(d));
    CHECK(t > 0);
    CHECK(f_next <= f + 1e-4 * t * slope);
    CHECK(std::fabs(dot(g_next, d)) <= -0.9 * slope);
    s.push_back(moved), yy.push_back(turned);
    w = next, g = g_next, f = f_next;
  }
  for (int k = 0; k < 40 && f > 1e-10; ++k) {
    opt.step([&] { return rosenbrock(x, y); });
    f = rosenbrock({x.item(), y.item()}, g);
  }
  CHECK(f <= 1e-10);
  MESSAGE("Rosenbrock from (-1.2, 1): " << f << " after " << opt.evaluations().gradient << " evaluations");
}

TEST_CASE("closure shape: L-BFGS survives a loss that is not a number") {
  const Tensor x = leaf(Array::full({1}, 0.5, f64));
  auto opt = optim::make("lbfgs(lr=100, line_search_fn=strong_wolfe)", std::vector<Tensor>{x});
  for (int k = 0; k < 5; ++k) opt.step([&] { return sum(x - log(x)); });  // x <= 0 has no loss; the minimum is 1
  CHECK(x.item() == doctest::Approx(1).epsilon(1e-5));
  const Tensor z = leaf(Array::full({1}, 2, f64));
  auto other = optim::make("lbfgs", std::vector<Tensor>{z});
  other.step([&] { return sum(z) * std::nan(""); });
  CHECK(z.item() == 2);
}

TEST_CASE("closure shape: SAM around SGD with momentum, on a coupled quartic") {
  // f = sum_i (x_i^4 / 4 - b_i x_i) + x_0 x_1; its gradient by hand in the reference.
  const Vector b{0.5, -1, 2, 0.1};
  const Tensor p = leaf(numbers({2}, 1)), q = leaf(numbers({2}, 2));
  auto opt = optim::make("sam(sgd(lr=0.1, momentum=0.9), rho=0.05)", std::vector<Tensor>{p, q});
  Vector w = vector_of(p.array()), v(4, 0.0);
  for (const double x : vector_of(q.array())) w.push_back(x);
  auto gradient = [&](const Vector& x) {
    Vector g(4);
    for (std::size_t i = 0; i < 4; ++i) g[i] = x[i] * x[i] * x[i] - b[i];
    g[0] += x[1], g[1] += x[0];
    return g;
  };
  const Tensor bp = tensor<double>({2}, {0.5, -1}), bq = tensor<double>({2}, {2, 0.1});
  for (int t = 1; t <= 10; ++t) {
    opt.step([&] {
      return sum(pow(p, 4) * 0.25 - bp * p) + sum(pow(q, 4) * 0.25 - bq * q) + sum(p.slice(0, 0, 1) * p.slice(0, 1, 2));
    });
    const Vector g = gradient(w);
    Vector up = w;
    for (std::size_t i = 0; i < 4; ++i) up[i] += 0.05 * g[i] / length(g);
    const Vector h = gradient(up);
    for (std::size_t i = 0; i < 4; ++i) {
      v[i] = 0.9 * v[i] + h[i];
      w[i] -= 0.1 * v[i];
    }
    CHECK(distance(p.array(), {w[0], w[1]}) <= 1e-12);
    CHECK(distance(q.array(), {w[2], w[3]}) <= 1e-12);
  }
  CHECK(opt.evaluations().gradient == 20);
  CHECK(opt.spec().find("sam(sgd(lr=0.1, momentum=0.9") == 0);
}
