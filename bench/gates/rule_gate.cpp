// Gate of docs/decisions/rules.md: the AdamW text read with packs against the faster of a hand-written loop and intrinsics,
// same flags, same memory, same pieces of work; then a whole step over 100 tensors of [100, 1000] (W7) against the bare
// streams of the same bytes. Medians of the ratios of interleaved pairs.
//
//   rule_gate [pairs]          at least 30 by default
#include <gradus/core/parallel.h>
#include <gradus/optim/optimizer.h>

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

using namespace gradus;

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

/// Options of the update and its numbers per step, at step 10.
struct Constants {
  float b1 = 0.9f, a1 = static_cast<float>(1 - 0.9), b2 = 0.999f, a2 = static_cast<float>(1 - 0.999);
  float eps = 1e-8f, lr = 1e-3f;
  float decay = static_cast<float>(1e-3 * 0.01), c1 = static_cast<float>(1 / (1 - std::pow(0.9, 10))),
        c2 = static_cast<float>(1 / (1 - std::pow(0.999, 10)));
};

using Loop = void (*)(Constants, float*, const float*, float*, float*, int64_t, int64_t);

void hand_loop(const Constants c, float* __restrict w, const float* __restrict g, float* __restrict m, float* __restrict v,
               int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    m[i] = c.b1 * m[i] + c.a1 * g[i];
    v[i] = c.b2 * v[i] + c.a2 * g[i] * g[i];
    w[i] -= c.lr * (c.c1 * m[i] / (std::sqrt(c.c2 * v[i]) + c.eps)) + c.decay * w[i];
  }
}

#if defined(__AVX512F__)
void intrinsics(const Constants c, float* w, const float* g, float* m, float* v, int64_t begin, int64_t end) {
  const __m512 b1 = _mm512_set1_ps(c.b1), a1 = _mm512_set1_ps(c.a1), b2 = _mm512_set1_ps(c.b2), a2 = _mm512_set1_ps(c.a2);
  const __m512 eps = _mm512_set1_ps(c.eps), lr = _mm512_set1_ps(c.lr), decay = _mm512_set1_ps(c.decay);
  const __m512 c1 = _mm512_set1_ps(c.c1), c2 = _mm512_set1_ps(c.c2);
  for (int64_t i = begin; i < end; i += 16) {
    const __m512 x = _mm512_loadu_ps(w + i), y = _mm512_loadu_ps(g + i);
    const __m512 mm = _mm512_add_ps(_mm512_mul_ps(b1, _mm512_loadu_ps(m + i)), _mm512_mul_ps(a1, y));
    const __m512 vv = _mm512_add_ps(_mm512_mul_ps(b2, _mm512_loadu_ps(v + i)), _mm512_mul_ps(_mm512_mul_ps(a2, y), y));
    const __m512 root = _mm512_add_ps(_mm512_maskz_sqrt_ps(0xffff, _mm512_mul_ps(c2, vv)), eps);
    const __m512 step = _mm512_mul_ps(lr, _mm512_div_ps(_mm512_mul_ps(c1, mm), root));
    _mm512_storeu_ps(w + i, _mm512_sub_ps(x, _mm512_add_ps(step, _mm512_mul_ps(decay, x))));
    _mm512_storeu_ps(m + i, mm);
    _mm512_storeu_ps(v + i, vv);
  }
}
#else
constexpr Loop intrinsics = hand_loop;
#endif

struct Numbers {
  Array w, g, m, v;
  explicit Numbers(int64_t n) : w(make(n, 0.5)), g(make(n, 1e-3)), m(make(n, 0)), v(make(n, 0)) {}
  static Array make(int64_t n, double x) { return Array::full({n}, x, f32); }
};

void run_by_hand(Loop loop, Numbers& x) {
  const Constants c;
  const int64_t n = x.w.size();
  float *w = x.w.uninitialized<float>(), *m = x.m.uninitialized<float>(), *v = x.v.uninitialized<float>();
  const float* g = x.g.data<float>();
  auto piece = [=](int64_t i) {
    const optim::FlushSubnormals guard;
    loop(c, w, g, m, v, i * optim::piece_elements, std::min(n, (i + 1) * optim::piece_elements));
  };
  const int64_t pieces = (n + optim::piece_elements - 1) / optim::piece_elements;
  if (n < optim::serial_elements)
    for (int64_t i = 0; i < pieces; ++i) piece(i);
  else parallel_for(pieces, piece);
}

/// Medians of seconds a call, and of the ratio of each to the last, over interleaved rounds in turning order.
struct Figures {
  std::vector<double> time, ratio;
};
Figures interleave(const std::vector<std::function<void()>>& calls, int rounds, int repeats) {
  const std::size_t count = calls.size();
  std::vector<std::vector<double>> times(count), ratios(count);
  for (int r = -2; r < rounds; ++r) {
    std::vector<double> now(count);
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t i = (k + static_cast<std::size_t>(r + 2)) % count;
      const double start = seconds();
      for (int n = 0; n < repeats; ++n) calls[i]();
      now[i] = (seconds() - start) / repeats;
    }
    if (r < 0) continue;
    for (std::size_t i = 0; i < count; ++i) times[i].push_back(now[i]), ratios[i].push_back(now[i] / now.back());
  }
  Figures f;
  for (std::size_t i = 0; i < count; ++i) f.time.push_back(median(times[i])), f.ratio.push_back(median(ratios[i]));
  return f;
}

/// The faster of loop and intrinsics is chosen by its own median; the ratio is that of interleaved pairs with it.
void gate(int64_t n, int pairs) {
  Numbers x(n);
  const auto rule = optim::new_rule("adamw");
  std::vector<double> step(2);
  rule->advance(step.data(), 10);
  void* slots[] = {x.m.uninitialized<float>(), x.v.uninitialized<float>(), nullptr};
  const std::vector<optim::ElementWork> work{
      {static_cast<const optim::ElementRule*>(rule.get()),
       f32,
       {x.w.uninitialized<float>(), x.g.data<float>(), slots, step.data(), 1.0, 0, n}}};
  for (const int t : {1, 2}) {
    set_threads(t);
    const int repeats = static_cast<int>(std::max<int64_t>(1, 4000000 / n));
    optim::Pieces pieces;  // cut anew at each step, in the room of the last one
    auto by_rule = [&] { pieces.cut(work), optim::run_pass(work, pieces); };
    const auto hand = interleave({[&] { run_by_hand(hand_loop, x); }, [&] { run_by_hand(intrinsics, x); }}, pairs, repeats);
    const Loop best = hand.ratio[0] < 1 ? hand_loop : intrinsics;
    const auto f = interleave({by_rule, [&] { run_by_hand(best, x); }}, pairs, repeats);
    const double per = 1e9 / static_cast<double>(n) * 1000;
    std::printf("%9lld %d  %8.1f %8.1f %8.1f   rule/best %5.3f", static_cast<long long>(n), t, f.time[0] * per,
                hand.time[0] * per, hand.time[1] * per, f.ratio[0]);
    if (n <= 1000000) {
      const Tensor w = leaf(x.w);
      w.set_grad(x.g);
      auto opt = optim::make("adamw", std::vector<Tensor>{w});
      const auto whole = interleave({[&] { opt.step(); }, [&] { run_by_hand(best, x); }}, pairs, repeats);
      std::printf("   whole step %8.1f, /best %5.3f", whole.time[0] * per, whole.ratio[0]);
    }
    std::printf("\n");
  }
}

/// The same bytes with no arithmetic to speak of: w, g and `slots` more are read, w and those are written.
void streams(std::vector<std::vector<Array>>& tensors, std::size_t slots) {
  parallel_for(static_cast<int64_t>(tensors.size()), [&](int64_t k) {
    auto& t = tensors[static_cast<std::size_t>(k)];
    const int64_t n = t[0].size();
    float* __restrict w = t[0].uninitialized<float>();
    const float* __restrict g = t[1].data<float>();
    float* __restrict m = t[2].uninitialized<float>();
    float* __restrict v = t[3].uninitialized<float>();
    if (slots == 0)
      for (int64_t i = 0; i < n; ++i) w[i] += g[i];
    if (slots == 1)
      for (int64_t i = 0; i < n; ++i) m[i] += g[i], w[i] += m[i];
    if (slots == 2)
      for (int64_t i = 0; i < n; ++i) m[i] += g[i], v[i] -= g[i], w[i] += m[i] + v[i];
    if (slots < 3) return;
    constexpr int64_t block = 512;  // all arrays of a block stay in the first-level cache
    for (int64_t at = 0; at < n; at += block) {
      const int64_t end = std::min(n, at + block);
      for (std::size_t s = 0; s < slots; ++s) {
        float* __restrict slot = t[2 + s].uninitialized<float>();
        for (int64_t i = at; i < end; ++i) slot[i] += g[i];
      }
      for (int64_t i = at; i < end; ++i) w[i] += m[i];
    }
  });
}

void w7(const std::string& spec, int pairs) {
  std::size_t slots = 0;
  const auto rule_only = optim::make(spec, std::vector<Tensor>{leaf(Array::zeros({1}))});
  for (const optim::Slot& slot : rule_only.rule().slots()) slots += slot.kept;
  std::vector<Tensor> parameters;
  std::vector<std::vector<Array>> arrays;
  for (int i = 0; i < 100; ++i) {
    parameters.push_back(leaf(Array::full({100, 1000}, 0.5, f32)));
    parameters.back().set_grad(Array::full({100, 1000}, 1e-3, f32));
    arrays.emplace_back();
    for (std::size_t k = 0; k < std::max<std::size_t>(4, 2 + slots); ++k)
      arrays.back().push_back(Array::full({100, 1000}, 1e-3, f32));
  }
  auto opt = optim::make(spec, parameters);
  const double bytes = 1e7 * 4 * (3 + 2 * static_cast<double>(slots));
  for (const int t : {1, 2}) {
    set_threads(t);
    const auto f = interleave({[&] { opt.step(); }, [&] { streams(arrays, slots); }}, pairs, 1);
    std::printf("%-22s %d  %8.2f ms  %6.1f GB/s   streams %6.1f GB/s   of their bandwidth %5.1f %%\n", spec.c_str(), t,
                f.time[0] * 1e3, bytes / f.time[0] * 1e-9, bytes / f.time[1] * 1e-9, 100 / f.ratio[0]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int pairs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 30;
  std::printf("AdamW, f32, ns per 1000 parameters; medians of %d interleaved rounds\n", pairs);
  std::printf("%9s %s  %8s %8s %8s\n", "n", "T", "rule", "loop", "intrin.");
  for (const int64_t n : {64, 4096, 1000000, 50000000}) gate(n, pairs);
  std::printf("\nW7: one step over 100 tensors of [100, 1000], f32\n");
  w7("sgd(momentum=0.9)", pairs);
  for (const optim::RuleEntry& rule : optim::all_rules())
    if (rule.shape == "element" && !optim::new_rule(rule.info.name)->needs_closure()) w7(rule.info.name, pairs);
}
