// Bugs 13 to 21: products, broadcasting, views, rows by index.
#pragma once

#include <gradus/tests/autograd/planted_gradients/bug.h>

namespace gradus::planted {

inline Tensor turned(const Tensor& m) { return transpose(m, -2, -1); }
inline Tensor product(const Tensor& a, const Tensor& b) { return matmul(a, b); }
inline Tensor right_da(const Tensor& g, const Tensor&, const Tensor& b) { return matmul(g, turned(b)); }
inline Tensor right_db(const Tensor& g, const Tensor& a, const Tensor&) { return matmul(turned(a), g); }

enum class Sum { last, mean, none };
/// x [N, C] + row [C].
inline Call bias(Sum how) {
  return of_two([](auto& x, auto& row) { return square(x) + row; }, [](auto& g, auto& x, auto&) { return 2.0 * (g * x); },
                [how](auto& g, auto&, auto&) -> Tensor {
                  return how == Sum::last ? select(g, 0, -1) : how == Sum::mean ? mean(g, {0}) : g;
                });
}

inline std::vector<Bug> product_bugs() {
  const Array a = sample_values({3, 3}), b = sample_values({3, 3}, -2, 2, 2);
  const Array x = sample_values({4, 3}), row = sample_values({3}, -2, 2, 3);
  const Array many = sample_values({3, 2, 2}), more = sample_values({3, 2, 2}, -2, 2, 4);
  const Array keys = sample_values({5, 3}, -2, 2, 5);
  const Tensor index = ints({2, 0, 2, 1});
  const auto rows =
      of_one([index](auto& w) { return embedding(w, index); }, [](auto& g, auto&, auto&) {  // what is written last wins
        return stack({select(g, 0, 1), select(g, 0, 3), select(g, 0, 2)});
      });
  const auto query = [](const std::vector<Tensor>& in) {
    return wrong(
        {in[0], in[1]}, [](auto& t) { return softmax(0.5 * matmul(t[0], turned(t[1]))); },
        [](BackwardContext& back, const Kept& k) {
          const Tensor y = k.y(), &g = back.grad();
          const Tensor scores = y * (g - sum(g * y, {-1}, true));
          back.accumulate(0, [&] { return matmul(scores, k.x(1)); });
          back.accumulate(1, [&] { return 0.5 * matmul(turned(scores), k.x(0)); });
        });
  };
  return {
      {"matmul",
       "the first gradient is transposed",
       "transposed",
       of_two(
           product, [](auto& g, auto& p, auto& q) { return turned(right_da(g, p, q)); }, right_db),
       {a, b}},
      {"matmul",
       "a g where a^T g was meant",
       "transposed",
       of_two(product, right_da, [](auto& g, auto& p, auto&) { return matmul(p, g); }),
       {a, b}},
      {"bias", "the gradient of the last line only", "missing sum", bias(Sum::last), {x, row}},
      {"bias", "the mean over the rows, not the sum", "missing sum", bias(Sum::mean), {x, row}},
      {"bias", "not summed over the rows at all", "missing sum", bias(Sum::none), {x, row}},
      {"transpose",
       "the backward pass reshapes where it should transpose",
       "transposed",
       of_one([](auto& t) { return turned(square(t)); },
              [](auto& g, auto& t, auto&) { return 2.0 * (reshape(g, t.shape()) * t); }),
       {x}},
      {"batched matmul",
       "the factor is taken from the next matrix of the batch",
       "shifted",
       of_two(
           product, [](auto& g, auto&, auto& q) { return matmul(g, turned(roll(q, {-1}, {0}))); }, right_db),
       {many, more}},
      {"attention scores", "the query's gradient lacks the scale 1/2", "factor", query, {x, keys}},
      {"embedding", "a row used twice gets the gradient of its last use only", "detached", rows, {sample_values({3, 2})}},
  };
}

}  // namespace gradus::planted
