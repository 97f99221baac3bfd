#include <gradus/nn/nn.h>

#include <gradus/core/random.h>
#include <gradus/tests/helpers/nn.h>

#include <doctest/doctest.h>

using namespace gradus;
using testing::same_bits;

namespace {

struct Digits : nn::Module<Digits> {
  nn::Conv2d conv1{1, 16, 3, {.padding = 1}};
  nn::BatchNorm2d norm{16};
  nn::Dropout drop{0.25};
  nn::Linear spare{3, 3}, head{3136, 10};
  GRADUS_FIELDS(conv1, norm, drop, spare, head)
  Tensor forward(const Tensor& x) { return head(drop(flatten(max_pool2d(relu(norm(conv1(x))), 2), 1))); }
};

}  // namespace

TEST_CASE("the summary of a network") {
  Digits net;
  net.spare.requires_grad_(false);
  CHECK(net.summary(Shape{2, 1, 28, 28}) ==
        "input f32[2,1,28,28]\n"
        "module   type                             output        parameters  multiply-adds\n"
        "(whole)  Digits                           [2,10]                 -              -\n"
        "conv1    Conv2d(1 -> 16, 3x3, padding 1)  [2,16,28,28]         160        225,792\n"
        "norm     BatchNorm2d(16)                  [2,16,28,28]          32              -\n"
        "drop     Dropout(0.25)                    [2,3136]               -              -\n"
        "spare    Linear(3 -> 3)                   not called            12              -\n"
        "head     Linear(3136 -> 10)               [2,10]            31,370         62,720\n"
        "31,574 parameters, 31,562 trainable, 126,296 bytes\n"
        "288,512 multiply-adds, results of 652,880 bytes\n");
}

TEST_CASE("a summary changes nothing: neither modes nor statistics nor random numbers nor the tape") {
  Digits net;
  net.drop.eval();
  const NamedArrays before = net.state_dict();
  const Philox random = default_generator().state();
  const bool was_recording = recording;
  net.summary(Shape{2, 1, 28, 28});
  CHECK(net.training());
  CHECK(net.conv1.training());
  CHECK_FALSE(net.drop.training());
  CHECK(recording == was_recording);
  CHECK(default_generator().state().stream == random.stream);
  const NamedArrays after = net.state_dict();
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(same_bits(before[i].second, after[i].second));

  CHECK_THROWS_AS(net.summary(Shape{2, 3, 28, 28}), ShapeError);
  CHECK(net.training());
  CHECK_FALSE(net.drop.training());
  CHECK(recording);
}

TEST_CASE("a summary of integers and of f64") {
  nn::Sequential net{nn::Embedding{10, 4}, nn::Linear{4, 2}};
  CHECK(testing::contains(net.summary(tensor<int64_t>({3}, {1, 2, 3})), "0        Embedding(10, 4)  [3,4]"));
  nn::Linear lin{2, 2};
  lin.to(f64);
  CHECK(testing::contains(lin.summary(Shape{1, 2}), "6 parameters, 6 trainable, 48 bytes"));
}

TEST_CASE("a summary of modules with several inputs and outputs") {
  nn::LSTM lstm{3, 4};
  CHECK(testing::contains(lstm.summary(Shape{5, 2, 3}), "(whole)  LSTM(3 -> 4)  [5,2,4] [1,2,4] [1,2,4]         144"));
  nn::MultiheadAttention attention{4, 2};
  const std::string text = attention.summary(ones({3, 1, 4}), ones({5, 1, 4}), ones({5, 1, 4}));
  CHECK(testing::contains(text, "input f32[3,1,4], f32[5,1,4], f32[5,1,4]\n"));
  CHECK(testing::contains(text, "out_proj"));
  nn::Bilinear both{2, 3, 4};
  CHECK(testing::contains(both.summary(ones({5, 2}), ones({5, 3})), "Bilinear(2, 3 -> 4)  [5,4]"));
}
