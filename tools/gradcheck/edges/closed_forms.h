// What ops are, in closed form and in long double, at more places than one tries by hand. Forms are written from the
// mathematics, not from the op, so that they are right where the op's own formula loses digits.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/tools/gradcheck/edges/jet.h>

#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::tools {

/// One case: `call` on `inputs` tensors of [N, row] (row 0: [N]), and what a row of it is.
struct EdgeForm {
  const char* op;
  const char* label;
  int inputs = 1;
  int row = 0;          ///< 0: elementwise
  bool limits = false;  ///< at infinity the limit is asked for: infinity is read as 1e4000
  std::function<Tensor(const std::vector<Tensor>&)> call;
  /// Given the inputs of one row, one after the other, the results of that row.
  std::function<std::vector<Jet>(std::span<const Jet>)> form;
  double most = std::numeric_limits<double>::infinity();  ///< larger numbers are left out: products of them overflow
};

/// What is wrong at one row.
struct FormFailure {
  int order;
  std::string text;
  std::vector<double> inputs;
};

/// Values within eight roundings of the closed form (of a row: of what its elements contribute), gradients within sixteen of
/// what they and the second derivatives contribute, second derivatives finite where the form's are. Where a value is beyond
/// the dtype (of a row: or below the smallest normal number) derivatives are not asked for, and what of them is below that
/// number may be lost. Adds to `points`.
std::vector<FormFailure> check_form(const EdgeForm& form, Dtype dtype, int& points);

std::vector<EdgeForm> edge_forms();
std::vector<EdgeForm> edge_forms_of_one();       ///< closed_forms_unary.cpp
std::vector<EdgeForm> edge_forms_of_two();       ///< closed_forms_binary.cpp
std::vector<EdgeForm> edge_forms_of_rows();      ///< closed_forms_rows.cpp
std::vector<EdgeForm> edge_forms_of_layers();    ///< closed_forms_layers.cpp
std::vector<EdgeForm> edge_forms_of_products();  ///< closed_forms_products.cpp

}  // namespace gradus::tools
