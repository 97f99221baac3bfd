#include <gradus/bench/workloads.h>

namespace gradus::bench {

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = [] {
    std::vector<Workload> list;
    for (const auto& part : {overhead_workloads(), training_workloads(), optimizer_workloads(), op_workloads()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

}  // namespace gradus::bench
