// Twelve ways in which the inputs of an op can lie, and samples for each, made from the op's own samples: nobody has to
// write them for a new op. Leaves stay dense: the op sees views of them, so that the gradient runs through the view, too.
#pragma once

#include <gradus/autograd/op.h>

#include <array>
#include <vector>

namespace gradus::tools {

enum class Layout { contiguous, transposed, strided, expanded, empty, one, scalar, large, twice, subsets, seed, extreme };

struct LayoutInfo {
  Layout layout;
  const char* name;    ///< of the column
  bool one_is_enough;  ///< candidates are alternatives: the first that can be judged stands for the others
  const char* meaning;
};
inline constexpr std::array layouts{
    LayoutInfo{Layout::contiguous, "dense", false, "the op's own samples"},
    LayoutInfo{Layout::transposed, "transposed", false,
               "every input is a view whose axes are in the opposite order in memory"},
    LayoutInfo{Layout::strided, "strided", false, "every second number of a longer last axis, from the second on"},
    LayoutInfo{Layout::expanded, "expanded", true, "one row, or column, seen again and again with stride 0"},
    LayoutInfo{Layout::empty, "size 0", true, "an input without elements"},
    LayoutInfo{Layout::one, "size 1", true, "axes of length 1, a single element in some input"},
    LayoutInfo{Layout::scalar, "0-d", true, "an input without axes"},
    LayoutInfo{Layout::large, "large", true, "so many elements that several threads share them"},
    LayoutInfo{Layout::twice, "twice", true, "the same tensor as two inputs"},
    LayoutInfo{Layout::subsets, "subsets", false, "some inputs are constants: each subset that requires a gradient"},
    LayoutInfo{Layout::seed, "seed", false, "the incoming gradient is strided and transposed, or expanded with stride 0"},
    LayoutInfo{Layout::extreme, "extreme", false, "inputs times 1e-150, 1e-8, 30, 1e8, 1e150"},
};

/// Samples of this layout made from one sample, the likeliest first. Some may be refused by the op: that is how it is found
/// out what the op does not admit. None: nothing in the sample could be changed so, see why_not().
Samples candidates(const Sample& s, Layout layout);

/// The reason if no sample of an op gave a candidate, e.g. "it has one input".
const char* why_not(Layout layout, const Samples& samples);

}  // namespace gradus::tools
