// W7: the optimizer alone, 100 tensors of [100, 1000]; and AdamW on one tensor.
#include <gradus/autograd/ops.h>
#include <gradus/bench/workloads.h>
#include <gradus/optim/optimizer.h>

#include <memory>

namespace gradus::bench {
namespace {

Workload update(const std::string& name, const std::string& spec, double bytes_per_parameter, int tensors = 100,
                const Shape& shape = {100, 1000}) {
  return {name, "us", bytes_per_parameter * tensors * static_cast<double>(shape.size()), [spec, tensors, shape] {
            std::vector<Tensor> parameters;
            for (int i = 0; i < tensors; ++i) {
              parameters.push_back(leaf(randn(shape).array(), "p" + std::to_string(i)));
              parameters.back().set_grad(randn(shape).array());
            }
            auto optimizer = std::make_shared<optim::Optimizer>(optim::make(spec, parameters));
            return [optimizer] { optimizer->step(); };
          }};
}

}  // namespace

std::vector<Workload> optimizer_workloads() {
  return {
      update("W7_sgd", "sgd(lr=1e-3)", 12),
      update("W7_momentum", "sgd(lr=1e-3, momentum=0.9)", 20),
      update("W7_nesterov", "sgd(lr=1e-3, momentum=0.9, nesterov=true)", 20),
      update("W7_adam", "adam(lr=1e-3)", 28),
      update("W7_amsgrad", "adam(lr=1e-3, amsgrad=true)", 36),
      update("W7_adamw", "adamw(lr=1e-3)", 28),
      update("W7_rmsprop", "rmsprop(lr=1e-3)", 20),
      update("W7_adagrad", "adagrad(lr=1e-3)", 20),
      update("W7_adadelta", "adadelta(lr=1e-3)", 28),
      update("W7_adamax", "adamax(lr=1e-3)", 28),
      update("W7_nadam", "nadam(lr=1e-3)", 28),
      update("W7_radam", "radam(lr=1e-3)", 28),
      update("W7_asgd", "asgd(lr=1e-3)", 20),
      update("W7_rprop", "rprop(lr=1e-3)", 28),
      update("W7_adafactor", "adafactor(lr=1e-3)", 12),
      update("W7_muon", "muon(lr=1e-3)", 20),
      update("adamw_4k", "adamw(lr=1e-3)", 28, 1, {4096}),
      update("adamw_1M", "adamw(lr=1e-3)", 28, 1, {1000000}),
      update("adamw_50M", "adamw(lr=1e-3)", 28, 1, {50000000}),
  };
}

}  // namespace gradus::bench
