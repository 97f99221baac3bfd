// Every allocation fails once: number k, for all k, of the pool's and of operator new's. Each time a typed error, nothing
// half-changed, nothing lost, and what comes next has the right bits.
#include <gradus/autograd/sample.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/memory/pool.h>
#include <gradus/core/parallel.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tests/helpers/sanitized.h>
#include <gradus/tests/helpers/temp_dir.h>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>

using namespace gradus;

namespace {

constinit thread_local std::int64_t until_failure = 0;  // of operator new, 0: never
constinit thread_local std::int64_t held = 0;           // blocks made minus blocks freed on this thread

void* plain_new(std::size_t bytes) {
  if (until_failure > 0 && --until_failure == 0) throw std::bad_alloc();
  void* p = std::malloc(bytes ? bytes : 1);
  if (!p) throw std::bad_alloc();
  ++held;
  return p;
}
void plain_delete(void* p) noexcept {
  if (p) --held;
  std::free(p);
}

}  // namespace

void* operator new(std::size_t bytes) { return plain_new(bytes); }
void* operator new[](std::size_t bytes) { return plain_new(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {  // of std::stable_sort
  try {
    return plain_new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* p) noexcept { plain_delete(p); }
void operator delete[](void* p) noexcept { plain_delete(p); }
void operator delete(void* p, std::size_t) noexcept { plain_delete(p); }
void operator delete[](void* p, std::size_t) noexcept { plain_delete(p); }

namespace {

struct Net : nn::Module<Net> {
  nn::Conv2d conv{1, 3, 3, {.padding = 1}};
  nn::Linear hidden{3 * 4 * 4, 8}, output{8, 4};
  GRADUS_FIELDS(conv, hidden, output)
  Tensor forward(const Tensor& x) { return output(relu(hidden(flatten(max_pool2d(relu(conv(x)), 2), 1)))); }
};

std::string bits(const NamedArrays& state) {
  std::string all;
  for (const auto& [name, a] : state)
    all += name + describe(a) + std::string(a.bytes(), static_cast<std::size_t>(a.size()) * bytes_of(a.dtype()));
  return all;
}

struct Training {
  Net net;
  optim::Optimizer optimizer;
  Tensor x{sample_values({2, 1, 8, 8}, -1, 1, 5).to(f32)}, labels{Array::of<int64_t>({2}, {1, 3})};
  explicit Training(const std::string& spec)
      : net((manual_seed(4), Net())), optimizer(optim::make(spec, net.named_parameters())) {
    net(x);
    if (!spec.starts_with("muon")) return;  // which moves matrices
    for (const char* other : {"conv.weight", "*.bias"}) optimizer.group(other, "adam(lr=1e-2)");
  }

  void step() {
    optimizer.zero_grad();
    cross_entropy(net(x), labels).backward();
    optimizer.step();
  }
  std::string state() { return bits(net.state_dict()) + bits(optimizer.state_dict()); }
};

enum class Kind { pool, standard };

/// An op that no module calls throws what the standard library throws (docs/threads.md).
bool loss_outside = false;

/// Runs f with the k-th allocation failing. "" if there was no k-th; else the type of the error.
std::string failing(Kind kind, std::int64_t k, const std::function<void()>& f) {
  std::string error = "none";
  bool reached;
  if (kind == Kind::pool) pool::fail_at(k);
  else until_failure = k;
  try {
    f();
  } catch (const ResourceError&) {
    error = "ResourceError";
  } catch (const std::bad_alloc&) {
    error = loss_outside ? "ResourceError" : "bad_alloc";
  } catch (const std::exception& e) {
    until_failure = 0;
    error = std::string("another: ") + e.what();
  }
  if (kind == Kind::pool) reached = pool::fail_at(0) == 0;
  else reached = std::exchange(until_failure, 0) == 0;
  return reached ? error : std::string();
}

struct NothingLost {
  std::int64_t blocks = held;
  ~NothingLost() { CHECK(held == blocks); }
};

/// For all k: `act` fails with a typed error, `state` and what is live are as before, and `act` then does what it does.
/// Where there is a `go_back`, `state` and what is live are as they may be, and `act` does what it does after that.
struct Case {
  std::function<void()> act, clean_up;
  std::function<std::string()> state;
  std::function<void()> go_back = {};
};
int check_every_failure(Kind kind, const std::function<Case()>& make) {
  std::string after;
  for (int warm = 0; warm < 2; ++warm) {  // what is kept for the next time is there
    const Case c = make();
    c.act();
    after = c.state();
  }
  for (std::int64_t k = 1;; k += testing::sampled_every) {
    CAPTURE(k);
    const NothingLost check;
    const Case c = make();
    c.clean_up();
    const std::string before = c.state();
    c.clean_up();
    const pool::Usage live = pool::usage();
    const std::string error = failing(kind, k, c.act);
    if (error.empty()) return static_cast<int>(k) - 1;
    if (error != "none") {
      if (error != "ResourceError") {
        CHECK(error == "ResourceError");
        return -1;
      }
      if (c.go_back) c.go_back();
      c.clean_up();
      const pool::Usage now = c.go_back ? live : pool::usage();
      const bool same = now.live_blocks == live.live_blocks && now.live_bytes == live.live_bytes;
      if (!same) {
        CHECK(now.live_blocks == live.live_blocks);
        CHECK(now.live_bytes == live.live_bytes);
        return -1;
      }
      if (c.state() != before) {
        CHECK_MESSAGE(false, "half-changed");
        return -1;
      }
      c.act();
    }
    if (c.state() != after) {
      CHECK_MESSAGE(false, "other bits afterwards");
      return -1;
    }
  }
}

void check(const std::function<Case()>& make) {
  const int before = threads();
  set_threads(1);
  const int blocks = check_every_failure(Kind::pool, make), others = check_every_failure(Kind::standard, make);
  MESSAGE(blocks, std::string(" blocks of the pool, "), others, std::string(" of operator new"));
  CHECK(blocks >= 0);
  CHECK(others > 0);
  set_threads(before);
}

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

TEST_CASE("every allocation of a first and of a later training step fails once") {
  loss_outside = true;
  for (const std::string spec : {"adam(lr=1e-2)", "sgd(lr=1e-2, momentum=0.9)", "adamw(lr=1e-2)", "lamb(lr=1e-2)", "prodigy",
                                 "adafactor", "clip_norm(0.1) | adam"})
    for (const int warm : {0, 2}) {
      CAPTURE(spec);
      CAPTURE(warm);
      check([&] {
        auto t = std::make_shared<Training>(spec);
        for (int i = 0; i < warm; ++i) t->step();
        return Case{[t] { t->step(); }, [t] { t->optimizer.zero_grad(); }, [t] { return t->state(); }};
      });
    }
  loss_outside = false;
}

TEST_CASE("every allocation of net.save and net.load fails once") {
  const testing::TempDir directory;
  const std::string old = directory / "old.safetensors", path = directory / "net.safetensors";
  Training("adam(lr=1e-2)").net.save(old);
  check([&] {
    auto t = std::make_shared<Training>("adam(lr=1e-2)");
    t->step();
    std::filesystem::copy_file(old, path, std::filesystem::copy_options::overwrite_existing);
    return Case{[t, path] { t->net.save(path); }, [t] { t->optimizer.zero_grad(); },
                [t, path] { return t->state() + contents(path); }};
  });
  check([&] {
    auto t = std::make_shared<Training>("adam(lr=1e-2)");
    t->step();
    return Case{[t, old] { t->net.load(old); }, [t] { t->optimizer.zero_grad(); }, [t] { return t->state(); }};
  });

  CHECK(directory.files() == 2);  // nothing is left behind
}

TEST_CASE("every allocation of saving and loading an optimizer fails once") {
  const testing::TempDir directory;
  const std::string old = directory / "old.safetensors", path = directory / "state.safetensors";
  {
    Training t("adam(lr=1e-2)");
    t.step(), t.step();
    save_safetensors(old, t.optimizer.state_dict());
  }
  check([&] {
    auto t = std::make_shared<Training>("adam(lr=1e-2)");
    t->step();
    std::filesystem::copy_file(old, path, std::filesystem::copy_options::overwrite_existing);
    return Case{[t, path] { save_safetensors(path, t->optimizer.state_dict()); }, [t] { t->optimizer.zero_grad(); },
                [t, path] { return t->state() + contents(path); }};
  });
  check([&] {
    auto t = std::make_shared<Training>("adam(lr=1e-2)");
    t->step();
    return Case{[t, old] { t->optimizer.load_state_dict(load_safetensors(old).tensors); }, [t] { t->optimizer.zero_grad(); },
                [t] { return t->state(); }};
  });
}

namespace {

/// To what it is now.
std::function<void()> backward(const std::shared_ptr<Training>& t) {
  return [t, weights = t->net.state_dict(), state = t->optimizer.state_dict()] {
    t->net.load_state_dict(weights);
    t->optimizer.load_state_dict(state);
  };
}

/// A step of each spec, with gradients that are there; where it is not `whole`, after a failure back to the state before.
void check_steps(const std::vector<std::string>& specs, bool whole) {
  for (const std::string& spec : specs)
    for (const int warm : {0, 1, 2}) {
      CAPTURE(spec);
      CAPTURE(warm);
      check([&] {
        auto t = std::make_shared<Training>(spec);
        for (int i = 0; i < warm; ++i) t->step();
        t->optimizer.zero_grad();
        cross_entropy(t->net(t->x), t->labels).backward();
        return Case{[t] { t->optimizer.step(); }, [] {}, [t] { return t->state(); }, whole ? nullptr : backward(t)};
      });
    }
}

void check_closure_steps(const std::vector<std::string>& specs, bool whole) {
  loss_outside = true;
  for (const std::string& spec : specs)
    for (const int warm : {0, 2}) {
      CAPTURE(spec);
      CAPTURE(warm);
      check([&] {
        auto t = std::make_shared<Training>(spec);
        const auto step = [t] { t->optimizer.step([t] { return cross_entropy(t->net(t->x), t->labels); }); };
        for (int i = 0; i < warm; ++i) step();
        return Case{step, [t] { t->optimizer.zero_grad(); }, [t] { return t->state(); }, whole ? nullptr : backward(t)};
      });
    }
  loss_outside = false;
}

}  // namespace

TEST_CASE(
    "every allocation of a step fails once: wrappers, averages, line searches and sharpness happen whole or not at all") {
  check_steps({"lookahead(adam(lr=1e-2), k=2)", "asgd(lr=1e-2)", "schedule_free_sgd(lr=1e-2)"}, true);
  check_closure_steps({"lbfgs(history_size=2)", "sam(sgd(lr=1e-2))", "asam(sgd(lr=1e-2))"}, true);
}

TEST_CASE(
    "every allocation of a step fails once: of the rules that may have moved some parameters, a checkpoint is the backward "
    "pass") {
  check_steps({"lamb(lr=1e-2)", "lars(lr=1e-2, momentum=0.9)", "novograd(lr=1e-2)", "mars(lr=1e-2)", "adafactor(lr=1e-2)",
               "muon(lr=1e-2)", "shampoo(lr=1e-2)", "soap(lr=1e-2)", "dog", "prodigy",
               "clip_norm(0.1) | agc | adam(lr=1e-2)", "accumulate(2) | clip_norm(1) | sgd(lr=1e-2, momentum=0.9)"},
              false);
  check_closure_steps({"adahessian(lr=1e-2)", "polyak"}, false);
}
