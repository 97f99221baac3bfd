#include <fmt/format.h>
#include <gradus/tools/gradcheck/edges/points.h>

namespace gradus::tools {
namespace {

/// 1e20 is another number in f32: both dtypes get that one.
double of_f32(double x) { return static_cast<double>(static_cast<float>(x)); }

}  // namespace

std::vector<std::size_t> real_inputs_of(const Sample& s) {
  std::vector<std::size_t> at;
  for (std::size_t k = 0; k < s.inputs.size(); ++k)
    if (s.inputs[k].dtype() == f64 && s.inputs[k].size() > 0) at.push_back(k);
  return at;
}

Array filled_with(const Array& a, double value) { return Array::full(a.shape(), value, a.dtype()); }

Array with_element(const Array& a, int64_t at, double value) {
  Array b = a.copy();
  b.uninitialized<double>()[at] = value;
  return b;
}

Arrays rounded_inputs(const Sample& s) {
  Arrays all;
  for (const Array& a : s.inputs) all.push_back(a.dtype() == f64 ? a.to(f32).to(f64) : a);
  return all;
}

void visit_edges(const Sample& s, const Visit& visit) {
  const Arrays own = rounded_inputs(s);
  for (const std::size_t k : real_inputs_of(s))
    for (const double v : edges) {
      Arrays x = own;
      x[k] = filled_with(own[k], of_f32(v));
      visit(fmt::format("input {} = {}", k, edge_text(v)), x);
      if (own[k].size() == 1) continue;
      const int64_t middle = own[k].size() / 2;
      x[k] = with_element(own[k], middle, of_f32(v));
      visit(fmt::format("input {}[{}] = {}", k, middle, edge_text(v)), x);
    }
}

void visit_pairs(const Sample& s, const Visit& visit) {
  const Arrays own = rounded_inputs(s);
  const auto inputs = real_inputs_of(s);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::size_t j = i; j < inputs.size(); ++j)
      for (const double v : few_edges)
        for (const double w : few_edges) {
          const std::size_t a = inputs[i], b = inputs[j];
          Arrays x = own;
          if (a != b) x[a] = filled_with(own[a], of_f32(v)), x[b] = filled_with(own[b], of_f32(w));
          else if (own[a].size() > 1) x[a] = with_element(with_element(own[a], 0, of_f32(v)), 1, of_f32(w));
          else continue;
          visit(a == b ? fmt::format("input {}[0] = {}, [1] = {}", a, edge_text(v), edge_text(w))
                       : fmt::format("input {} = {}, input {} = {}", a, edge_text(v), b, edge_text(w)),
                x);
        }
}

}  // namespace gradus::tools
