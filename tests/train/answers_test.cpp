// What a page says of a model's answers: the counts, which items are the worst, their images.
#include <gradus/autograd/ops.h>
#include <gradus/core/random.h>
#include <gradus/train/internal/answers.h>
#include <gradus/train/internal/records.h>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace gradus;
using namespace gradus::training;

namespace {

JsonValue page_of(const Answers& a) {
  JsonValue page;
  a.put(page);
  return page;
}

double number(const JsonValue& page, std::size_t k, const char* name) {
  return number_in(page.find("worst")->get_if<JsonValue::List>()->at(k), name);
}

}  // namespace

TEST_CASE("classes: the confusion matrix adds up over batches, and the largest cross-entropy comes first") {
  Answers answers;
  const Tensor scores = tensor<float>({2, 2}, {2, 0, 0, 3});
  answers.add({Array::zeros({2, 5}), Array::of<int64_t>({2}, {0, 0})}, scores, {7, 8});
  answers.add({Array::zeros({2, 5}), Array::of<int64_t>({2}, {1, 1})}, scores, {9, 4});
  const JsonValue page = page_of(answers);
  CHECK(to_string(*page.find("confusion")) == R"({"classes":2,"counts":[1,1,1,1]})");
  REQUIRE(page.find("worst")->get_if<JsonValue::List>()->size() == 4);
  CHECK(number(page, 0, "item") == 8);  // class 0 with a score 3 below the other's
  CHECK(number(page, 0, "loss") == doctest::Approx(std::log1p(std::exp(3.0))));
  CHECK(number(page, 0, "target") == 0);
  CHECK(number(page, 0, "answer") == 1);
  CHECK(number(page, 0, "confidence") == doctest::Approx(1 / (1 + std::exp(-3.0))));
  CHECK(number(page, 1, "item") == 9);
  CHECK(number(page, 3, "item") == 4);
}

TEST_CASE("numbers: the squared error; NaN is the largest loss, and 24 items are kept") {
  Answers answers;
  std::vector<float> said;
  std::vector<std::int64_t> items;
  for (int i = 0; i < 30; ++i) said.push_back(static_cast<float>(i)), items.push_back(i);
  said[3] = std::numeric_limits<float>::quiet_NaN();
  answers.add({Array::zeros({30, 2}), Array::zeros({30})}, Tensor(Array::of<float>({30}, said)), items);
  const JsonValue page = page_of(answers);
  CHECK_FALSE(page.find("confusion"));
  REQUIRE(page.find("worst")->get_if<JsonValue::List>()->size() == 24);
  CHECK(number(page, 0, "item") == 3);
  CHECK(number(page, 1, "loss") == 29 * 29);
  CHECK(number(page, 23, "item") == 7);
}

TEST_CASE("an item with one or three planes is an image; other answers are left out") {
  Answers answers;
  answers.add({normal({1, 1, 4, 6}, 0, 1, {1, 2}), Array::zeros({1}, i64)}, tensor<float>({1, 2}, {1, 0}), {0});
  const JsonValue page = page_of(answers);
  const auto& worst = *page.find("worst")->get_if<JsonValue::List>();
  CHECK(
      worst[0].find("image")->get_if<std::string>()->starts_with("data:image/png;base64,iVBORw0KGgo"));  // PNG's first bytes

  Answers none;
  none.add({Array::zeros({2, 5}), Array::of<int64_t>({2}, {0, -100})}, zeros({2, 3}), {0, 1});  // a target that is left out
  none.add({Array::zeros({2, 5}), Array::zeros({2, 5}, i64)}, zeros({10, 3}), {0, 1});          // a sequence
  none.add({Array::zeros({2, 5}), {}}, zeros({2, 3}), {0, 1});
  none.add({Array::zeros({2, 5}), Array::zeros({2}, i64)}, {}, {0, 1});
  CHECK(to_string(page_of(none)) == "null");
}

TEST_CASE("a curve of losses keeps its mean in few points, also when it is saved in between") {
  LossCurve whole, part;
  double sum = 0;
  for (int i = 0; i < 3000; ++i) {
    whole.add(i), part.add(i), sum += i;
    if (i == 1234) {
      const JsonValue saved = part.json();
      part = LossCurve();
      part.load(saved);
    }
  }
  CHECK(to_string(whole.json()) == to_string(part.json()));
  CHECK(whole.every() == 8);
  REQUIRE(whole.points().size() == 375);
  for (std::size_t k = 0; k < 375; ++k) CHECK(whole.points()[k] == 8.0 * static_cast<double>(k) + 3.5);
}
