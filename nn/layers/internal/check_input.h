// For layers' .cpp files: refusing an input with the layer, its path, the shapes that led here, and a line that would work.
#pragma once

#include <gradus/nn/module.h>

namespace gradus::nn {

/// ShapeError "LAYER: PROBLEM; it came through Conv2d [4,8,26,26] -> ..."
[[noreturn]] void throw_input(const ModuleBase& layer, const std::string& problem, const std::string& hint = {});

/// Throws `e`, which an op has thrown, again in the layer's name. `hint` serves if the op gave none.
[[noreturn]] void throw_input(const ModuleBase& layer, const ShapeError& e, const std::string& hint = {});

/// DtypeError unless x has the dtype the layer computes in.
void check_dtype(const ModuleBase& layer, const Tensor& x, Dtype wanted);

/// ShapeError of a constructor unless value >= 1.
void check_positive(const char* layer, const char* name, int64_t value);

/// "3x3".
std::string by(Pair p);
/// "2" if both lengths are equal, else "{2, 1}": as one writes it in C++.
std::string code(Pair p);
inline bool is(Pair p, int64_t both) { return p.h == both && p.w == both; }

}  // namespace gradus::nn
