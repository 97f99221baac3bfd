// What conv2d and cross_entropy refuse, and what they say.
#include <gradus/tests/helpers/throws.h>

#include <gradus/autograd/ops.h>

#include <doctest/doctest.h>

using namespace gradus;

TEST_CASE("conv2d: what it refuses, and what it says") {
  const Tensor w = leaf(real({8, 3, 3, 3}).array(), "conv1.weight");
  CHECK(
      says(thrown<ShapeError>([&] {
             conv2d(real({4, 1, 28, 28}), w);
           }),
           {"conv2d: ", "1 channel (axis 1)", "wants 3", "f32[4,1,28,28]", "f32[8,3,3,3] (\"conv1.weight\")", "[N,C,H,W]"}));
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({4, 28, 28, 3}), w);
             }),
             {"28 channels", "looks like [N,H,W,C]", "try: x.permute({0, 3, 1, 2})"}));
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({3, 28, 28}), w);
             }),
             {"got 3 axes: f32[3,28,28]", "try: x.reshape({1, 3, 28, 28})"}));
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({28, 28}), real({8, 1, 3, 3}));
             }),
             {"got 2 axes", "try: x.reshape({1, 1, 28, 28})"}));
  CHECK(thrown<ShapeError>([&] {
          conv2d(real({28, 28}), w);
        }).find("try") == std::string::npos);  // one channel would not fit either
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({2, 1, 3, 3}), real({4, 1, 5, 5}));
             }),
             {"kernel 5 by 5", "stride 1", "padding 0", "would give -1 by -1", "try: .padding = 1, or a smaller kernel"}));
  CHECK(conv2d(real({2, 1, 3, 3}), real({4, 1, 5, 5}), {}, {.padding = 1}).shape() == Shape{2, 4, 1, 1});
  CHECK(says(thrown<DtypeError>([&] { conv2d(zeros({1, 3, 9, 9}, u8), w); }), {"u8[1,3,9,9]", "try: x.to(f32) / 255"}));
  CHECK(says(thrown<DtypeError>([&] { conv2d(real({1, 3, 9, 9}, f64), w); }), {"f64[1,3,9,9]", "try: x.to(f32)"}));
  CHECK(says(thrown<ShapeError>([&] { conv2d(real({1, 3, 9, 9}), w, real({4})); }), {"the bias is f32[4], it must be [8]"}));
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({1, 9, 9, 9}), w, {}, {.groups = 3});
             }),
             {"8 output channels", "3 groups"}));
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({1, 3, 9, 9}), w, {}, {.stride = 0});
             }),
             {"stride must be at least 1, got 0"}));
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({1, 3, 9, 9}), w, {}, {.padding = {0, -1}});
             }),
             {"padding must be at least 0, got {0, -1}"}));
  CHECK(says(thrown<ShapeError>([&] {
               conv2d(real({1, 3, 9, 9}), w, {}, {.padding = INT64_MAX});
             }),
             {"padding must be at most 2147483647, got 9223372036854775807"}));
}

TEST_CASE("cross_entropy: what it refuses, and what it says") {
  const Tensor x = real({4, 10});
  const auto labels = [](std::vector<int64_t> v) { return tensor<int64_t>({static_cast<int64_t>(v.size())}, v); };
  CHECK(says(thrown<DtypeError>([&] {
               cross_entropy(x, tensor<float>({4}, {0, 1, 2, 9}));
             }),
             {"cross_entropy: ", "must be integers", "f32[4]", "try: labels.to(i64)"}));
  CHECK(thrown<DtypeError>([&] { cross_entropy(x, tensor<float>({4}, {0, 1, 2.5f, 9})); }).find("try") == std::string::npos);
  CHECK(says(thrown<DtypeError>([&] { cross_entropy(x, softmax(real({4, 10}))); }), {"f32[4,10]", "CrossEntropyOptions{}"}));
  CHECK(says(thrown<ShapeError>([&] {
               cross_entropy(real({2, 4, 5}), zeros({2, 4}, i64));
             }),
             {"f32[2,4,5]", "permute(logits, {0, 2, 1})"}));
  CHECK(says(thrown<ShapeError>([&] { cross_entropy(x, zeros({4, 10}, i64)); }), {"labels.to(f32)"}));
  Array hot = Array::zeros({4, 10}, i64);
  for (int i = 0; i < 4; ++i) hot.uninitialized<int64_t>()[i * 10 + i] = 1;
  CHECK(says(thrown<ShapeError>([&] { cross_entropy(x, Tensor(hot)); }),
             {"look one-hot", "i64[4,10]", "try: labels.argmax(1)"}));
  CHECK(says(thrown<DtypeError>([&] { cross_entropy(x, Tensor(hot.to(f32))); }), {"try: labels.argmax(1)"}));
  CHECK(cross_entropy(x, Tensor(hot).argmax(1)).item() == cross_entropy(x, labels({0, 1, 2, 3})).item());
  CHECK(says(thrown<IndexError>([&] {
               cross_entropy(x, labels({1, 2, 5, 10}));
             }),
             {"label 10 at sample 3", "10 classes", "from 0 to 9", "1 of 4 labels", "smallest 1, largest 10",
              "seem to start at 1"}));
  CHECK(says(thrown<IndexError>([&] { cross_entropy(x, labels({1, -1, 5, -1})); }), {"label -1 at sample 1", "2 of 4"}));
  CHECK(says(thrown<ShapeError>([&] {
               cross_entropy(x, labels({1, 2, 3}));
             }),
             {"batch sizes differ, 4 against 3", "f32[4,10]", "i64[3]"}));
  CHECK(says(thrown<ShapeError>([&] {
               cross_entropy(x, labels({1, 2, 3, 4}).unsqueeze(1));
             }),
             {"i64[4,1]", "must be [4]", "try: labels.squeeze(1)"}));
  CHECK(says(thrown<ShapeError>([&] { cross_entropy(real({10}), labels({1})); }),
             {"[N,C]", "f32[10]", "try: logits.unsqueeze(0)"}));
  CHECK(says(thrown<ShapeError>([&] { cross_entropy(real({0, 10}), labels({})); }), {"batch is empty"}));
  CHECK(says(thrown<DtypeError>([&] { cross_entropy(zeros({4, 10}, i64), labels({1, 2, 3, 4})); }), {"i64[4,10]"}));
}
