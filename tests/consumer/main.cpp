// A stranger's program: our Arrays and threads, and a formula of its own over packs. Its output must not depend on flags.
#include <gradus/gradus.h>
#include <gradus/core/pack.h>

#include <cstdio>
#include <cstring>

// -Wextra or -Wshadow with -Werror would refuse this function: the flags of Gradus must not reach a program that uses it.
static int careless(int a, int unused) {
  { int a = 1; (void)a; }
  return a;
}

int main() {
  using namespace gradus;
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
  unsigned long long bits = 1469598103934665603ull;  // FNV-1a of the result's bits
  for (int64_t i = 0; i < n; ++i) {
    unsigned word;
    std::memcpy(&word, out + i, 4);
    bits = (bits ^ word) * 1099511628211ull;
  }
  try {
    (void)Array(Shape{2, 3}).reshape(Shape{4});
  } catch (const Error& e) {
    std::printf("%s\n", e.what());
  }
  std::printf("bits %016llx\n", bits);
  std::fprintf(stderr, "packs of %d bytes\n", static_cast<int>(sizeof(pack<float>)));
  return careless(0, 1);
}
