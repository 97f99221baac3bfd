// Memory over a long training: what the pool has in use must not change, and the process must not grow.
#include <gradus/core/memory/pool.h>
#include <gradus/core/random.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/compare/networks.h>

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

using namespace gradus;

namespace {

/// Bytes of this process in memory.
std::int64_t resident() {
  std::int64_t whole = 0, in_memory = 0;
  std::ifstream("/proc/self/statm") >> whole >> in_memory;
  return in_memory * sysconf(_SC_PAGESIZE);
}

/// Live bytes and blocks and resident bytes after `from` and after `to` steps of CNN training.
void check_steps(bool random_batches, int from, int to) {
  manual_seed(1);
  tools::Cnn network;
  auto optimizer = optim::make("adam(lr=1e-3)", network.named_parameters());
  const Philox random{1, 99};
  const Array images = uniform({32, 1, 28, 28}, 0, 1, Philox{1, 98});
  const Array labels = Array::zeros({32}, i64);
  pool::Usage usage{};
  std::int64_t memory = 0;
  for (int step = 1; step <= to; ++step) {
    const std::int64_t n =
        random_batches ? 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(step), 32)) : 16;
    optimizer.zero_grad();
    cross_entropy(network(Tensor(images.slice(0, 0, n))), Tensor(labels.slice(0, 0, n))).backward();
    optimizer.step();
    if (step == from) {
      optimizer.zero_grad();
      usage = pool::usage();
      memory = resident();
    }
  }
  optimizer.zero_grad();
  const pool::Usage after = pool::usage();
  MESSAGE("live bytes ", usage.live_bytes, " -> ", after.live_bytes, ", blocks ", usage.live_blocks, " -> ",
          after.live_blocks, ", resident ", memory, " -> ", resident());
  CHECK(after.live_bytes == usage.live_bytes);
  CHECK(after.live_blocks == usage.live_blocks);
  CHECK(resident() - memory <= 1 << 20);
}

}  // namespace

TEST_CASE("20,000 steps with one batch size") { check_steps(false, 1000, 20000); }
TEST_CASE("20,000 steps with random batch sizes") { check_steps(true, 1000, 20000); }
