// Profile: every op once, under its module, forward and backward, with the multiply-adds that its kernels do.
#include <gradus/autograd/inspect/finite.h>
#include <gradus/autograd/inspect/profile.h>
#include <gradus/core/io/files.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/core/kernels/multiply_adds.h>
#include <gradus/nn/nn.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tests/helpers/temp_dir.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace gradus;

namespace {

struct Net : nn::Module<Net> {
  nn::Conv2d conv{2, 3, 3};
  nn::Linear output{3 * 4 * 5, 4};
  GRADUS_FIELDS(conv, output)
  Tensor forward(const Tensor& x) { return output(flatten(relu(conv(x)), 1)); }
};

struct Training {
  Net net;
  optim::Optimizer optimizer = optim::make("sgd(lr=0.1)", net.named_parameters());
  Tensor x = ones({7, 2, 6, 7}), labels{Array::zeros({7}, i64)};
  void step() {
    optimizer.zero_grad();
    cross_entropy(net(x), labels).backward();
    optimizer.step();
  }
};

const Profile::Row* find(const std::vector<Profile::Row>& rows, const std::string& op, bool backward) {
  for (const auto& r : rows)
    if (r.op == op && r.backward == backward) return &r;
  return nullptr;
}

}  // namespace

TEST_CASE("profile: ops, modules, calls and multiply-adds of training steps") {
  Training t;
  Profile profile;
  for (int i = 0; i < 3; ++i) t.step();
  const auto rows = profile.rows();
  constexpr std::int64_t conv = 7 * 3 * 4 * 5 * 2 * 9, linear = 7 * 60 * 4;
  const auto expect = [&](const char* op, bool backward, const char* module, std::int64_t work) {
    CAPTURE(op);
    const Profile::Row* r = find(rows, op, backward);
    REQUIRE(r);
    CHECK(r->module == module);
    CHECK(r->calls == 3);
    CHECK(r->seconds > 0);
    CHECK(r->multiply_adds == 3 * work);
  };
  expect("conv2d", false, "conv", conv);
  expect("conv2d", true, "conv", conv);  // the images want no gradient: the weights' alone
  expect("linear", false, "output", linear);
  expect("linear", true, "output", 2 * linear);
  expect("relu", true, "", 0);
  expect("cross_entropy", false, "", 0);
  expect("optimizer step", false, "", 0);
  expect("outside the model", false, "", 0);
  CHECK(find(rows, "conv2d", false)->bytes == 3 * 4 * (7 * 2 * 6 * 7 + 3 * 2 * 9 + 3 + 7 * 3 * 4 * 5));
  double sum = 0;
  for (const auto& r : rows) sum += r.seconds;
  CHECK(sum == doctest::Approx(profile.seconds()));
  for (std::size_t i = 1; i < rows.size(); ++i) CHECK(rows[i - 1].seconds >= rows[i].seconds);
}

TEST_CASE("profile: a step has the bits that it has without one") {
  manual_seed(3);
  Training with;
  manual_seed(3);
  Training without;
  {
    const Profile profile;
    with.step();
  }
  without.step();
  const auto a = with.net.state_dict(), b = without.net.state_dict();
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(same_bits(a[i].second, b[i].second));
}

TEST_CASE("profile: the file is Chrome's trace format, spans in order and apart") {
  const testing::TempDir dir;
  Training t;
  Profile profile;
  t.step();
  profile.save(dir / "profile.json");
  const auto json = nlohmann::json::parse(read_file(dir / "profile.json"));
  std::int64_t calls = 0;
  for (const auto& r : profile.rows()) calls += r.calls;
  const auto& events = json.at("traceEvents");
  REQUIRE(static_cast<std::int64_t>(events.size()) == calls);
  double end = 0;
  bool backward = false;
  for (const auto& e : events) {
    CHECK(e.at("ph") == "X");
    CHECK(e.at("ts").get<double>() >= end - 0.002);  // printed to a nanosecond
    end = e.at("ts").get<double>() + e.at("dur").get<double>();
    backward |= e.at("name") == "conv2d backward" && e.at("cat") == "backward" && e.at("args").at("module") == "conv";
  }
  CHECK(backward);
  CHECK_THROWS_AS(profile.save(dir / "none/profile.json"), DataError);
}

TEST_CASE("profile: the table has a line for each row, and one for what is left out") {
  Training t;
  Profile profile;
  t.step();
  const std::string all = to_string(profile), few = to_string(profile, 2);
  CHECK(all.find("conv2d backward              conv ") != all.npos);
  CHECK(all.find("GFLOP/s") != all.npos);
  CHECK(static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n')) == profile.rows().size() + 2);
  CHECK(std::count(few.begin(), few.end(), '\n') == 5);
  CHECK(few.find("more") != few.npos);
}

TEST_CASE("profile: an inner observer has its ops to itself") {
  Training t;
  Profile profile;
  CHECK_FALSE(find_non_finite([&] { return cross_entropy(t.net(t.x), t.labels); }));
  CHECK(find(profile.rows(), "conv2d", false) == nullptr);
  t.step();
  CHECK(find(profile.rows(), "conv2d", false)->calls == 1);
}

TEST_CASE("multiply-adds are counted once, and the rate in registers is a rate") {
  const std::int64_t before = multiply_adds;
  matmul(ones({5, 4, 3}), ones({3, 2}));
  CHECK(multiply_adds - before == 5 * 4 * 3 * 2);
  CHECK(most_multiply_adds_per_second() > 1e8);
}
