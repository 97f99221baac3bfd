// print_tape() prints the tape as text.
#pragma once

#include <gradus/autograd/tensor.h>

#include <string>
#include <vector>

namespace gradus {

/// The nodes behind a tensor, oldest first, each `node op <- nodes`: a leaf shows its name, an input without gradient is
/// `constant`, result s of a node with several is `node.s`, and `(released)` marks a node whose saved arrays a backward has
/// freed. The last node is followed by the tensor's own shape. "constant f32[2,3]" for a tensor without history.
std::string print_tape(const Tensor& t);

/// The nodes behind `root` and `root` itself, oldest first.
std::vector<Node*> nodes_behind(Node* root);

}  // namespace gradus
