// The tape as text.
#pragma once

#include <gradus/autograd/tensor.h>

#include <string>
#include <vector>

namespace gradus {

/// The lines behind a tensor, oldest first, each `line op <- lines`: a leaf shows its name, an input nobody differentiates
/// is `constant`, result s of a line with several is `line.s`, and `(walked)` marks a line whose saved arrays a backward has
/// freed. The last line is followed by the tensor's own shape. "constant f32[2,3]" for a tensor without history.
std::string print_tape(const Tensor& t);

/// The lines behind `root` and itself, oldest first.
std::vector<Node*> lines_behind(Node* root);

}  // namespace gradus
