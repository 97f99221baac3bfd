// What people get wrong with layers, losses and files, and what is said: word for word. What runs on is a warning (28), or
// has one meaning and is no mistake (9, 19).
#include <gradus/autograd/sample.h>
#include <gradus/core/warning.h>
#include <gradus/data/loader.h>
#include <gradus/nn/nn.h>
#include <gradus/tests/helpers/nn.h>
#include <gradus/tests/helpers/temp_dir.h>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

using namespace gradus;
using testing::message_of;

namespace {

struct Net : nn::Module<Net> {
  nn::Linear fc{784, 10};
  nn::Conv2d conv{3, 8, 3};
  nn::BatchNorm2d bn1{4};
  nn::Embedding tok{10, 4};
  nn::LSTM lstm{10, 20};
  GRADUS_FIELDS(fc, conv, bn1, tok, lstm)
};

struct Ragged {
  int64_t size() const { return 50; }
  data::Example get(int64_t i) const { return {Array::zeros({i == 42 ? 4 : 3}), {}}; }
};

struct Mistake {
  int row;
  std::function<void()> make;
  std::string says;
};

void check_all(const std::vector<Mistake>& mistakes) {
  for (const Mistake& m : mistakes) {
    CAPTURE(m.row);
    CHECK(message_of<Error>(m.make) == m.says);
  }
}

Tensor labels(const std::vector<int64_t>& values) { return tensor({static_cast<int64_t>(values.size())}, values); }

}  // namespace

TEST_CASE("mistakes of shapes") {
  nn::Sequential net{nn::Conv2d{1, 8, 3}, nn::ReLU{}, nn::Flatten{}, nn::Linear{100, 10}};
  Net n;
  (void)n.named_parameters();  // its members know their names
  check_all({
      {1,
       [&] {
         n.fc(zeros({32, 28, 28}));
       },
       "Linear(784 -> 10): the last axis of the input must be 784, got 28: input f32[32,28,28], weight f32[10,784] "
       "[in module \"fc\"]\n  try: x.flatten(1)"},
      {2,
       [&] {
         net(zeros({4, 1, 28, 28}));
       },
       "Linear(100 -> 10): the last axis of the input must be 100, got 5408: input f32[4,5408], weight f32[10,100]; the "
       "input came through Conv2d [4,8,26,26] -> ReLU [4,8,26,26] -> Flatten [4,5408] [in module \"3\"]\n"
       "  try: Linear(5408, 10)"},
      {3,
       [] {
         zeros({32, 10}) + zeros({32});
       },
       "add: [32,10] and [32] do not broadcast: axis 1 is 10 against 32\n  try: b.unsqueeze(1), which gives [32,1]"},
      {4,
       [] {
         matmul(zeros({32, 10}), zeros({32, 10}));
       },
       "matmul: inner dimensions differ: a is f32[32,10], b is f32[32,10]; a's last (10) must equal b's second last (32)\n"
       "  try: matmul(a, transpose(b, 0, 1)), which gives [..,32]"},
      {5,
       [&] {
         n.conv(zeros({4, 28, 28, 3}));
       },
       "Conv2d(3 -> 8, 3x3): the input has 28 channels (axis 1), the weight wants 3: input f32[4,28,28,3], weight "
       "f32[8,3,3,3] (\"conv.weight\"); the layout is [N,C,H,W], the input looks like [N,H,W,C] "
       "[in module \"conv\"]\n  try: x.permute({0, 3, 1, 2})"},
      {6,
       [] {
         nn::Conv2d(1, 8, 3)(zeros({28, 28}));
       },
       "Conv2d(1 -> 8, 3x3): the input must be [N,C,H,W], got 2 axes: f32[28,28]\n  try: x.reshape({1, 1, 28, 28})"},
      {7,
       [] {
         nn::Conv2d(1, 1, 5)(zeros({1, 1, 3, 3}));
       },
       "Conv2d(1 -> 1, 5x5): the kernel is larger than the padded input: kernel 5 by 5, dilation 1, stride 1, padding 0 on "
       "f32[1,1,3,3] would give -1 by -1\n  try: .padding = 1, or a smaller kernel"},
      {8,
       [] {
         reshape(zeros({3, 4}), {5, -1});
       },
       "reshape: [3,4] holds 12 elements, [5,-1] needs a multiple of 5"},
      {10,
       [] {
         cat({zeros({2, 3}), zeros({2, 4}), zeros({2, 3})}, 0);
       },
       "cat: tensor 1 is f32[2,4], tensor 0 is f32[2,3]; only axis 0 may differ: [2,3], [2,4] <-, [2,3]"},
      {11, [] { sum(zeros({2}), {1}); }, "sum: axis 1 is out of range for [2]; it must lie in [-1, 0]"},
      {12,
       [&] {
         n.lstm(zeros({10, 3, 8}));
       },
       "LSTM(10 -> 20): the last axis of the input must be 10, got 8: input f32[10,3,8], weight_ih_l0 f32[80,10]; the "
       "layout is [T, N, F], and axis 0 is 10 [in module \"lstm\"]\n  try: LSTM(8, 20)"},
      {13,
       [&] {
         n.lstm(zeros({5, 3, 10}), {zeros({1, 2, 20}), zeros({1, 2, 20})});
       },
       "LSTM(10 -> 20): the state h is f32[1,2,20], the input f32[5,3,10]; it must be [1,3,20], [layers x directions, "
       "batch, hidden_size] [in module \"lstm\"]"},
      {14, [] { nn::MultiheadAttention(10, 3); },
       "MultiheadAttention: embed_dim 10 does not divide into 3 heads; it does into 1, 2, 5, 10"},
      {15,
       [&] {
         n.bn1(zeros({2, 3, 5, 5}));
       },
       "BatchNorm2d(4): the input has 3 channels (axis 1), the layer has 4: input f32[2,3,5,5] [in module \"bn1\"]\n"
       "  try: BatchNorm2d(3)"},
      {16,
       [] {
         nn::BatchNorm1d{4}(zeros({1, 4}));
       },
       "BatchNorm1d(4): training needs more than one value for each channel, the input is f32[1,4]\n"
       "  try: DataLoader with .drop_last = true if the last batch holds 1 sample, or model.eval()"},
  });
  CHECK(reshape(transpose(zeros({3, 4}), 0, 1), {12}).shape() == Shape{12});  // 9
}

TEST_CASE("mistakes of labels, targets and dtypes") {
  Net n;
  (void)n.named_parameters();  // its members know their names
  const Tensor logits = zeros({4, 10});
  check_all({
      {17,
       [] {
         nn::MSELoss{}(zeros({4, 1}), zeros({4}));
       },
       "mse_loss: prediction f32[4,1] and target f32[4] would broadcast to [4,4]; the shapes must be equal\n"
       "  try: target.unsqueeze(1)"},
      {17,
       [] {
         l1_loss(zeros({4, 1}), zeros({4}));
       },
       "l1_loss: prediction f32[4,1] and target f32[4] would broadcast to [4,4]; the shapes must be equal\n"
       "  try: target.unsqueeze(1)"},
      {18, [&] { cross_entropy(logits, zeros({4})); },
       "cross_entropy: class labels must be integers (i64 or u8), got f32[4]; probabilities would be f32[4,10]\n"
       "  try: labels.to(i64)"},
      {20,
       [&] {
         cross_entropy(logits, one_hot(labels({1, 2, 3, 4}), 10, i64));
       },
       "cross_entropy: the labels look one-hot (each row is a single 1): logits f32[4,10], labels i64[4,10]\n"
       "  try: labels.argmax(1)"},
      {21,
       [&] {
         cross_entropy(logits, labels({1, 2, 3, 10}));
       },
       "cross_entropy: label 10 at sample 3; the logits have 10 classes, so labels run from 0 to 9; 1 of 4 labels are out "
       "of range (smallest 1, largest 10); they seem to start at 1"},
      {22,
       [&] {
         cross_entropy(logits, labels({0, -1, 3, 9}));
       },
       "cross_entropy: label -1 at sample 1; the logits have 10 classes, so labels run from 0 to 9; 1 of 4 labels are out "
       "of range (smallest -1, largest 9)\n  try: {.ignore_index = -1}, which skips such samples"},
      {23,
       [&] {
         cross_entropy(logits, labels({0, 1, 3}));
       },
       "cross_entropy: the batch sizes differ, 4 against 3: logits f32[4,10], labels i64[3]; the labels must be [4]"},
      {24,
       [] {
         matmul(zeros({2, 2}), zeros({2, 2}, f64));
       },
       "matmul: f32[2,2] and f64[2,2] do not mix\n  try: b.to(f32)"},
      {25,
       [&] {
         n.fc(zeros({2, 784}, u8));
       },
       "Linear(784 -> 10): the input is u8[2,784]; this layer computes in f32 [in module \"fc\"]\n"
       "  try: x.to(f32) / 255"},
      {26, [] { zeros({3}, i64).requires_grad_(); },
       "requires_grad_: only f32 and f64 tensors have gradients, this is i64[3]"},
      {27,
       [] {
         binary_cross_entropy(tensor<float>({2}, {1.5F, 0.5F}), zeros({2}));
       },
       "binary_cross_entropy: probabilities must lie in [0, 1], got 1.5 at element 0 of f32[2]\n"
       "  try: binary_cross_entropy_with_logits, which applies sigmoid itself"},
      {29,
       [&] {
         n.tok(labels({10, 0}));
       },
       "Embedding(10, 4): index 10 at [0]; rows run 0..9 [in module \"tok\"]"},
  });
  CHECK(cross_entropy(logits, tensor<std::uint8_t>({4}, {1, 2, 3, 4})).rank() == 0);  // 19

  std::vector<std::string> warned;
  const WarningHandler before =
      set_warning_handler([&](Warning w, const std::string& m) { warned.push_back(to_string(w) + " " + m); });
  const Tensor x = leaf(sample_values({4, 10}).to(f32)), y = labels({0, 1, 3, 9});
  cross_entropy(softmax(x), y), cross_entropy(softmax(x), y);
  set_warning_handler(before);
  REQUIRE(warned.size() == 1);  // 28
  CHECK(warned[0] ==
        "W01 cross_entropy: all 4 rows of f32[4,10] lie in [0, 1] and sum to 1: they look like the result of softmax, which "
        "cross_entropy applies itself\n  try: cross_entropy(logits, labels), without softmax before it");
}

TEST_CASE("mistakes of files and data sets") {
  const testing::TempDir dir;
  const std::string cut = dir / "net.safetensors", notes = dir / "notes.txt";
  Net n;
  (void)n.named_parameters();  // its members know their names
  n.save(cut);
  std::filesystem::resize_file(cut, 2000);
  std::ofstream(notes) << "hello world, this is no checkpoint";
  nn::Linear fc{784, 10};
  const NamedArrays misspelt{{"weigth", Array::zeros({10, 784})}, {"bias", Array::zeros({11})}};
  const std::string truncated = cut + ": truncated: header says 43,816 bytes, the file has 2,000";
  const std::string text = notes +
                           ": not a safetensors file (starts with \"hello wo\"): as a header length that is "
                           "8,031,924,123,371,070,824 bytes, at most 100,000,000 are read";
  check_all({
      {54, [&] { fc.load_state_dict(misspelt); },
       "Linear: the state does not fit, nothing was loaded\n  missing: \"weight\"\n"
       "  unexpected: \"weigth\" (did you mean \"weight\"?)\n  another shape or type: \"bias\" is f32[11], here f32[10]"},
      {55, [&] { n.load(cut); }, truncated},
      {56, [&] { n.load(notes); }, text},
      {63,
       [] {
         data::DataLoader loader(Ragged{}, {.batch_size = 25});
         for (const auto& batch : loader.epoch(0)) (void)batch;
       },
       "DataLoader: items 0 and 42 do not stack: x is f32[3] and f32[4]; every item of a data set must have the same shape "
       "and dtype\n  try: {.pad = data::PaddingValues{}}: sequences are padded to the longest"},
  });
}
