// Patches, sampling and boxes: values by hand, and refusals. Their values and gradients are compared in torch_test.cpp.
#include <gradus/autograd/ops.h>
#include <gradus/core/kernels/compare.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>

using namespace gradus;

namespace {

bool equal(const Tensor& a, const Tensor& b) { return same_bits(a.array(), b.array()); }
Tensor counted(const Shape& s) { return reshape(arange(s.size()).to(f32), s); }

}  // namespace

TEST_CASE("unfold has a column for each window, and fold adds them up") {
  const Tensor x = counted({1, 1, 3, 3});
  CHECK(equal(unfold(x, 2), tensor<float>({1, 4, 4}, {0, 1, 3, 4, 1, 2, 4, 5, 3, 4, 6, 7, 4, 5, 7, 8})));
  CHECK(equal(fold(unfold(ones({1, 1, 3, 3}), 2), 3, 2), tensor<float>({1, 1, 3, 3}, {1, 2, 1, 2, 4, 2, 1, 2, 1})));
  CHECK(unfold(zeros({0, 2, 3, 3}), 2).shape() == Shape{0, 8, 4});
  CHECK(says(thrown<ShapeError>([&] { unfold(x, 4); }), {"window of 4", "image of 3 with its padding 0"}));
  CHECK(says(thrown<ShapeError>([&] { fold(ones({1, 4, 5}), 3, 2); }), {"axis 2 4, one for each window over 3"}));
  CHECK(says(thrown<ShapeError>([&] { fold(ones({1, 3, 4}), 3, 2); }), {"a multiple of the kernel's 4 elements"}));
}

TEST_CASE("grid_sample of the identity is the image, and what is outside is what the padding says") {
  const Tensor x = counted({1, 1, 2, 3}), unit = tensor<float>({1, 2, 3}, {1, 0, 0, 0, 1, 0});
  for (const bool corners : {false, true}) {
    const Tensor y = grid_sample(x, affine_grid(unit, x.shape(), corners), {.align_corners = corners});
    CHECK(max(abs(y - x)).item() < 1e-5);
  }
  const Tensor far = full({1, 1, 1, 2}, 1e30);
  CHECK(grid_sample(x, far).item() == 0);
  CHECK(grid_sample(x, far, {.padding_mode = GridPadding::border}).item() == 5);
  CHECK(std::isnan(grid_sample(x, full({1, 1, 1, 2}, std::nan(""))).item()));
  CHECK(grid_sample(x, zeros({1, 0, 4, 2})).shape() == Shape{1, 1, 0, 4});
  CHECK(says(thrown<ShapeError>([&] { grid_sample(x, zeros({2, 1, 1, 2})); }), {"f32[1,1,2,3] and f32[2,1,1,2]"}));
  CHECK(says(thrown<DtypeError>([&] { grid_sample(x, far.to(f64)); }), {"try: grid.to(f32)"}));
  CHECK(
      says(thrown<Error>([&] { grid_sample(x, far, {.mode = Interpolation::bicubic}); }), {"must be nearest or bilinear"}));
  CHECK_THROWS_AS(affine_grid(unit, {2, 1, 2, 3}), ShapeError);
}

TEST_CASE("roi_align of whole pixels are their means; boxes that cannot be are refused") {
  const Tensor x = counted({2, 1, 4, 4});
  const Tensor box = tensor<float>({1, 5}, {1, 0, 0, 4, 4});
  CHECK(equal(roi_align(x, box, 2, {.sampling_ratio = 2, .aligned = true}),
              tensor<float>({1, 1, 2, 2}, {18.5, 20.5, 26.5, 28.5})));
  CHECK(roi_align(x, zeros({0, 5}), 2).shape() == Shape{0, 1, 2, 2});
  const auto refused = [&](double v, int at) {
    Array numbers = box.array().copy();
    numbers.uninitialized<float>()[at] = static_cast<float>(v);
    roi_align(x, Tensor(numbers), 2);
  };
  CHECK(says(thrown<IndexError>([&] { refused(2, 0); }), {"box 0 is of image 2; f32[2,1,4,4] has 2"}));
  CHECK(says(thrown<Error>([&] { refused(std::nan(""), 2); }), {"box 0 holds nan; boxes must be finite"}));
  CHECK_THROWS_AS(refused(1e9, 4), ResourceError);  // a sample for every pixel of a bin
  CHECK_THROWS_AS(roi_align(x, zeros({1, 4}), 2), ShapeError);
}

TEST_CASE("nms keeps the best of boxes that overlap") {
  const Tensor boxes = tensor<float>({4, 4}, {0, 0, 2, 2, 0, 0, 2, 3, 5, 5, 6, 6, 5, 5, 5, 5});
  const Tensor scores = tensor<float>({4}, {0.5F, 0.9F, 0.9F, 0.1F});
  CHECK(equal(nms(boxes, scores, 0.5), tensor<int64_t>({3}, {1, 2, 3})));
  CHECK(equal(nms(boxes, scores, 0.7), tensor<int64_t>({4}, {1, 2, 0, 3})));
  CHECK(nms(zeros({0, 4}), zeros({0}), 0.5).shape() == Shape{0});
  CHECK(box_iou(boxes, boxes).array().element(15) == 0);  // two empty ones
  CHECK(says(thrown<ShapeError>([&] { nms(boxes, zeros({3}), 0.5); }), {"each box must have one"}));
  CHECK(says(thrown<ShapeError>([&] { box_iou(zeros({4}), boxes); }), {"rows (x1, y1, x2, y2), got f32[4]"}));
}

TEST_CASE("logcumsumexp does not overflow, and takes minus infinity as nothing") {
  const Tensor x = leaf(Array::of<double>({4}, {-HUGE_VAL, 1000, 1000, -HUGE_VAL}));
  const Tensor y = logcumsumexp(x, 0);
  CHECK(y.array().element(0) == -HUGE_VAL);
  CHECK(y.array().element(1) == 1000);
  CHECK(y.array().element(3) == doctest::Approx(1000 + std::log(2)));
  sum(slice(y, 0, 1, 4)).backward();
  CHECK(x.grad().array().element(0) == 0);
  CHECK(x.grad().array().element(1) == doctest::Approx(2));
  CHECK(x.grad().array().element(2) == doctest::Approx(1));
  CHECK(logcumsumexp(scalar(2.0, f64), 0).item() == 2);
}
