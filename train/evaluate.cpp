#include <gradus/core/error.h>
#include <gradus/nn/eval_mode.h>
#include <gradus/train/evaluate.h>

namespace gradus::training {

Evaluation evaluate(nn::ModuleBase& net, const data::DataLoader& loader, const StepFunction& step,
                    const std::vector<Metric>& metrics) {
  const NoGrad unrecorded;
  const nn::EvalMode eval_mode(net);
  Evaluation result;
  std::vector<std::vector<double>> totals(metrics.size());
  double items = 0;
  for (auto& batch : loader.epoch(0)) {
    const StepResult r = step(batch);
    const auto n = static_cast<double>(batch.x.dim(0));
    result.loss += r.loss.item() * n;
    items += n;
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      const auto sums = metrics[m].sums(r.output, Tensor(batch.y));
      totals[m].resize(std::max(totals[m].size(), sums.size()));
      for (std::size_t i = 0; i < sums.size(); ++i) totals[m][i] += sums[i];
    }
  }
  result.loss /= items;
  for (std::size_t m = 0; m < metrics.size(); ++m) result.metrics.push_back(metrics[m].value(totals[m]));
  return result;
}

}  // namespace gradus::training
