// The same bits at any number of threads, on Arrays large enough that the work is really cut into pieces.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/parallel.h>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>

using namespace gradus;

namespace {

struct Threads {
  int before = threads();
  ~Threads() { set_threads(before); }
};

Tensor big(const Shape& shape, unsigned seed, double low = -2) { return leaf(sample_values(shape, low, 2, seed).to(f32)); }

using Call = std::function<Tensor(const std::vector<Tensor>&)>;

/// Result and gradients as one string of bits.
std::string bits(const Call& f, const std::vector<Tensor>& inputs) {
  std::string all;
  auto add = [&all](const Array& a) {
    const Array dense = a.copy();
    all.append(dense.bytes(), static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype()));
  };
  const Tensor y = f(inputs);
  add(y.array());
  std::vector<Tensor> leaves;
  for (const Tensor& t : inputs)
    if (t.requires_grad()) leaves.push_back(t);
  const Tensor seed(sample_values(y.shape(), -1, 1, 99).to(y.dtype()));
  for (const Tensor& g : grad({y}, leaves, {}, {seed})) add(g.array());
  return all;
}

bool same_at_every_count(const Call& f, const std::vector<Tensor>& inputs) {
  Threads restore;
  set_threads(1);
  const std::string one = bits(f, inputs);
  for (const int n : {2, 3, 7}) {
    set_threads(n);
    if (bits(f, inputs) != one) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the asked number of threads really works") {
  if (std::string_view(parallel_backend()) == "serial") return;
  Threads restore;
  for (const int n : {2, 3, 7}) {
    CAPTURE(n);
    set_threads(n);
    std::mutex mutex;
    std::set<std::thread::id> ids;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    parallel_for(n, [&](std::int64_t) {  // a piece waits until all have begun, so each needs a thread of its own
      for (;;) {
        {
          std::lock_guard lock(mutex);
          ids.insert(std::this_thread::get_id());
          if (static_cast<int>(ids.size()) == n || std::chrono::steady_clock::now() > deadline) return;
        }
        std::this_thread::yield();
      }
    });
    CHECK(static_cast<int>(ids.size()) == n);
  }
}

TEST_CASE("large ops give the same bits, forth and back, with 1, 2, 3 and 7 threads") {
  const Tensor a = big({300, 1001}, 1), b = big({300, 1001}, 2, 0.5), row = big({1001}, 3), column = big({300, 1}, 4);
  const Tensor w = big({400, 1001}, 5), images = big({8, 16, 28, 28}, 6), kernel = big({32, 16, 3, 3}, 7),
               shift = big({32}, 8);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < 300; ++i) chosen.push_back(i * 37 % 1001);
  const Tensor labels(Array::of({300}, chosen));
  const std::vector<std::pair<const char*, Call>> cases{
      {"elementwise", [](auto& x) { return tanh(x[0]) * x[1] / (exp(x[0]) + 1.0); }},
      {"broadcast", [](auto& x) { return x[0] * x[2] + x[3]; }},
      {"sum", [](auto& x) { return sum(x[0] * x[1]); }},
      {"sum of rows", [](auto& x) { return sum(x[0] * x[1], {1}); }},
      {"sum of columns", [](auto& x) { return sum(x[0] * x[1], {0}); }},
      {"sum of a transpose", [](auto& x) { return sum(transpose(x[0], 0, 1), {0}); }},
      {"max", [](auto& x) { return max(x[0], 1); }},
      {"product", [](auto& x) { return matmul(x[0], transpose(x[4], 0, 1)); }},
      {"linear", [](auto& x) { return linear(x[0], x[4]); }},
      {"norm", [](auto& x) { return norm(x[0]); }},
      {"softmax", [](auto& x) { return softmax(x[0]); }},
      {"log_softmax over columns", [](auto& x) { return log_softmax(x[0], 0); }},
      {"cross entropy", [&](auto& x) { return cross_entropy(x[0], labels); }},
      {"embedding", [&](auto& x) { return embedding(transpose(x[0], 0, 1), labels); }},
      {"dropout", [](auto& x) { return dropout(x[0], 0.3, 5); }},
      {"convolution", [](auto& x) { return conv2d(x[5], x[6], x[7], {.padding = 1}); }},
      {"strided convolution", [](auto& x) { return conv2d(x[5], x[6], x[7], {.stride = 2, .padding = 1}); }},
      {"max pool", [](auto& x) { return max_pool2d(x[5], 2); }},
      {"average pool", [](auto& x) { return avg_pool2d(x[5], 3, {.stride = 2}); }},
      {"batch norm", [](auto& x) { return batch_norm(conv2d(x[5], x[6]), x[7], x[7]).y; }},
  };
  const std::vector<Tensor> all{a, b, row, column, w, images, kernel, shift};
  for (const auto& one : cases) {
    INFO(std::string(one.first));
    CHECK(same_at_every_count(
        [&](const std::vector<Tensor>& x) {
          Tensor y = one.second(x);
          for (const Tensor& t : x) y = y + 0.0f * sum(slice(flatten(t), 0, 0, 1));  // so that every leaf is used
          return y;
        },
        all));
  }
}

TEST_CASE("a sum whose order depends on the number of threads is noticed") {
  if (std::string_view(parallel_backend()) == "serial") return;
  const Tensor x = big({100003}, 1);
  const Call planted = [](const std::vector<Tensor>& in) {
    const Array& a = in[0].array();
    std::vector<float> parts(static_cast<std::size_t>(threads()));
    const int64_t piece = a.size() / threads() + 1;
    parallel_for(threads(), [&](std::int64_t p) {
      for (int64_t i = p * piece; i < std::min(a.size(), (p + 1) * piece); ++i)
        parts[static_cast<std::size_t>(p)] += a.data<float>()[i];
    });
    float total = 0;
    for (const float part : parts) total += part;
    return sum(in[0]) * 0.0 + static_cast<double>(total);
  };
  CHECK_FALSE(same_at_every_count(planted, {x}));
}
