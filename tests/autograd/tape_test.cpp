// The tape as text.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/inspect/print_tape.h>
#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

using namespace gradus;

TEST_CASE("print_tape shows the nodes behind a tensor in the order they were written") {
  std::string text, walked;
  std::thread([&] {  // a thread of its own starts at line 1
    Tensor x = leaf(Array::ones({2, 3}), "x"), w = leaf(Array::ones({4, 3})), unused = leaf(Array::ones({2}));
    const Tensor other = unused * 2.0;
    const auto halves = split(linear(x, w), 2, 1);
    const Tensor loss = sum(halves[1] * ones({2, 2}) * halves[0]);
    text = print_tape(loss);
    loss.backward();
    walked = print_tape(loss);
  })
      .join();
  CHECK(text ==
        "1 leaf \"x\"\n"
        "2 leaf\n"
        "5 linear <- 1, 2\n"
        "6 split <- 5\n"
        "7 mul <- 6.1, constant\n"
        "8 mul <- 7, 6.0\n"
        "9 sum <- 8 -> f32[]\n");
  CHECK(walked.find("9 sum <- 8 (released) -> f32[]\n") != std::string::npos);
}

TEST_CASE("print_tape of a constant, and of a tensor with a million lines") {
  CHECK(print_tape(ones({2, 3})) == "constant f32[2,3]\n");
  Tensor y = leaf(Array::ones({}));
  for (int i = 0; i < 1000000; ++i) y = y + 1.0;
  const std::string text = print_tape(y);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1000001);
}

TEST_CASE("a node takes more inputs than 16 bits count") {
  const Tensor x = leaf(Array::ones({1}));
  sum(cat(std::vector<Tensor>(65536, x))).backward();
  CHECK(x.grad().item() == 65536);
}
