#include <gradus/optim/spec/registry.h>

namespace gradus::optim {

/// NAdamW: Dozat, "Incorporating Nesterov momentum into Adam", 2016, with the decay of Loshchilov and Hutter, "Decoupled
/// weight decay regularization", 2017: nadam (rules/nadam.cpp) with the decay of adamw by default.
GRADUS_ALIAS(nadamw, nadam, "Dozat 2016 with Loshchilov and Hutter 2017; Dahl et al., AlgoPerf, arXiv 2306.07179", 2016,
             {"weight_decay", 0.01}, {"decoupled_weight_decay", 1})
}  // namespace gradus::optim
