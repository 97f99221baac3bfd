#include <gradus/optim/spec/registry.h>

namespace gradus::optim {

/// AMSGrad. Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 2018, algorithm 2, with the bias corrections of
/// PyTorch: adam (rules/adam.cpp) with amsgrad on by default.
GRADUS_ALIAS(amsgrad, adam, "Reddi, Kale and Kumar, On the convergence of Adam and beyond, arXiv 1904.09237", 2018,
             {"amsgrad", 1})
}  // namespace gradus::optim
