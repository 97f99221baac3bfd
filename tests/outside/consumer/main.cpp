// A stranger's program: our Arrays and threads, and a formula, an op and an optimizer of its own. Its output must not depend
// on flags.
#include <gradus/autograd/op.h>
#include <gradus/core/build_info.h>
#include <gradus/core/simd/pack.h>
#include <gradus/gradus.h>
#include <gradus/optim/check/check_rule.h>
#include <gradus/optim/rule/rule.h>

#include <cstdio>
#include <cstring>

// -Wextra or -Wshadow with -Werror would refuse this function: the flags of Gradus must not reach a program that uses it.
static int careless(int a, int unused) {
  {
    int a = 1;
    (void)a;
  }
  return a;
}

using namespace gradus;

struct Bump {
  static constexpr const char* name = "bump";
  static constexpr unsigned reads = reads_input(0);
  template <class V> V f(V x) const { return x * tanh(x) + exp(-(x * x)); }
  template <class V> V df(V g, V x, V) const {
    V t = tanh(x);
    return g * (t + x * (1.0 - t * t) - 2.0 * x * exp(-(x * x)));
  }
  static Samples samples() {
    return {sample("matrix", {sample_values({2, 3})}, [](auto& x) { return formula(Bump{}, x[0]); })};
  }
};

template <class S = double> struct OwnRule {
  S lr = 1e-2, beta = 0.9;
  GRADUS_FIELDS(lr, beta)
  template <class V> struct State {
    V m;
    GRADUS_FIELDS(m)
  };
  struct Step : NoFields {};
  void advance(Step&, S) const {}
  template <class V> auto update(V g, V& w, State<V>& s, const Step&) const {
    s.m = beta * s.m + (1 - beta) * g * abs(g);
    V step = lr * s.m / (sqrt(abs(s.m)) + 1e-8);
    w -= step;
    return GRADUS_SHOW(step);
  }
};

static unsigned long long hash(const Array& a) {  // FNV-1a of the bits
  unsigned long long bits = 1469598103934665603ull;
  for (int64_t i = 0; i < a.size(); ++i) {
    unsigned word;
    std::memcpy(&word, a.bytes() + 4 * i, 4);
    bits = (bits ^ word) * 1099511628211ull;
  }
  return bits;
}

/// Trains with the op and the rule above.
static Array trained() {
  optim::register_rule<OwnRule>("own", {"a stranger", 2026});
  if (const auto report = optim::check_rule("own"); !report.ok()) std::printf("%s", to_string(report).c_str());
  const Tensor w = leaf(uniform({1003}, -3, 3, Philox{1, 2}), "w");
  auto optimizer = optim::make("own(lr=0.05)", std::vector<Tensor>{w});
  for (int i = 0; i < 30; ++i) optimizer.step([&] { return sum(formula(Bump{}, w)); });
  return w.array();
}

int main() {
  std::printf("instruction set %s\n", simd());
  const int64_t n = 100000;
  Array x(Shape{n}), y(Shape{n});
  float* in = x.write<float>("consumer");
  for (int64_t i = 0; i < n; ++i) in[i] = static_cast<float>(i % 977) * 0.37f - 99;
  float* out = y.write<float>("consumer");
  parallel_ranges(n, 4096, [&](int64_t begin, int64_t end) {
    using V = pack<float>;
    for (int64_t i = begin; i < end; i += V::width) {
      const int rest = static_cast<int>(end - i < V::width ? end - i : V::width);
      const V v = V::load_first(in + i, rest);
      (v / (sqrt(abs(v)) + V(1)) * v + V(0.1)).store_first(out + i, rest);
    }
  });
  try {
    (void)Array(Shape{2, 3}).reshape(Shape{4});
  } catch (const Error& e) {
    std::printf("%s\n", e.what());
  }
  std::printf("bits %016llx %016llx\n", hash(y), hash(trained()));
  std::fprintf(stderr, "packs of %d bytes\n", static_cast<int>(sizeof(pack<float>)));
  return careless(0, 1);
}
