#include <gradus/data/loader.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/throws.h>

using namespace gradus;
using namespace gradus::data;

namespace {

std::vector<double> numbers(const Array& a) {
  std::vector<double> all;
  for (std::int64_t i = 0; i < a.size(); ++i) all.push_back(a.element(i));
  return all;
}
using Numbers = std::vector<double>;

/// Item i has 1 + i % 4 steps, all of them i.
struct Sequences {
  std::int64_t size() const { return 9; }
  Example get(std::int64_t i) const {
    return {Array::full({1 + i % 4, 2}, static_cast<double>(i)), Array::full({1 + i % 4}, i, i64)};
  }
};

}  // namespace

TEST_CASE("collate stacks what is alike") {
  const std::vector<Example> items = {{Array::full({2}, 1), Array::full({}, 5, i64)},
                                      {Array::full({2}, 2), Array::full({}, 6, i64)}};
  const Batch b = collate(items);
  CHECK(describe(b.x) == "f32[2,2]");
  CHECK(numbers(b.x) == Numbers{1, 1, 2, 2});
  CHECK(numbers(b.y) == Numbers{5, 6});
  CHECK_FALSE(b.lengths.defined());
  CHECK_FALSE(collate(std::vector<Example>{{Array::ones({3}), {}}}).y.defined());
}

TEST_CASE("collate pads sequences at their end, and says their lengths") {
  const std::vector<Example> items = {{Array::full({2, 1}, 1), Array::full({1}, 5, i64)},
                                      {Array::full({0, 1}, 2), Array::full({3}, 6, i64)},
                                      {Array::arange(3, f32).reshape({1, 3}).transpose(0, 1), Array::full({0}, 7, i64)}};
  const Batch b = collate(items, data::PaddingValues{.x = -1, .y = -100});
  CHECK(describe(b.x) == "f32[3,3,1]");
  CHECK(numbers(b.x) == Numbers{1, 1, -1, -1, -1, -1, 0, 1, 2});
  CHECK(numbers(b.y) == Numbers{5, -100, -100, 6, 6, 6, -100, -100, -100});
  CHECK(numbers(b.lengths) == Numbers{2, 0, 3});
  const std::vector<Example> labelled = {{Array::full({2}, 1), Array::full({}, 5, i64)},
                                         {Array::full({1}, 2), Array::full({}, 6, i64)}};
  CHECK(numbers(collate(labelled, data::PaddingValues{}).x) == Numbers{1, 1, 2, 0});
  CHECK(numbers(collate(labelled, data::PaddingValues{}).y) == Numbers{5, 6});
}

TEST_CASE("a loader that pads gives the same batches with every number of workers") {
  const auto all = [](int workers) {
    std::vector<Numbers> found;
    for (auto& b :
         DataLoader(Sequences{}, {.batch_size = 4, .num_workers = workers, .pad = data::PaddingValues{.y = -1}}).epoch(2))
      for (const Array& a : {b.x, b.y, b.lengths}) found.push_back(numbers(a));
    return found;
  };
  const auto expected = all(0);
  CHECK(expected.size() == 9);
  for (const int workers : {1, 2, 3}) CHECK(all(workers) == expected);
  const Batch b = DataLoader(Sequences{}, {.batch_size = 3, .shuffle = false, .pad = data::PaddingValues{}}).batch(0, 0);
  CHECK(numbers(b.x) == Numbers{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2, 2});
  CHECK(numbers(b.lengths) == Numbers{1, 2, 3});
}

TEST_CASE("what does not stack is refused with both items") {
  const std::vector<Example> ragged = {{Array::ones({2}), {}}, {Array::ones({3}), {}}};
  const std::int64_t numbers_of[] = {7, 9};
  CHECK(thrown<DataError>([&] { collate(ragged, {}, numbers_of); }) ==
        "DataLoader: items 7 and 9 do not stack: x is f32[2] and f32[3]; every item of a data set must have the same shape "
        "and dtype\n  try: {.pad = data::PaddingValues{}}: sequences are padded to the longest");
  const std::vector<Example> wide = {{Array::ones({2, 3}), {}}, {Array::ones({2, 4}), {}}};
  CHECK(thrown<DataError>([&] { collate(wide, data::PaddingValues{}); }).find("but for the length of its first axis") !=
        std::string::npos);
  CHECK_THROWS_AS(collate(std::vector<Example>{{Array::ones({2}), {}}, {Array::ones({2}, f64), {}}}, data::PaddingValues{}),
                  DataError);
  CHECK_THROWS_AS(collate(std::vector<Example>{{Array::ones({2}), {}}, {{}, {}}}, data::PaddingValues{}), DataError);
  CHECK_THROWS_AS(collate(std::vector<Example>{{Array::ones({}), {}}}, data::PaddingValues{}), DataError);
  CHECK_THROWS_AS(collate(std::vector<Example>{{Array::ones({1}), {}}, {Array::ones({1}), Array::ones({1})}}), DataError);
  CHECK_THROWS_AS(collate({}), DataError);
  CHECK_THROWS_AS(collate(std::vector<Example>{{{}, Array::ones({1})}}), DataError);
}
