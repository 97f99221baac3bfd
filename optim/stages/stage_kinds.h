// The stage that an Optimizer asks for what it has seen; the others are in stages.cpp.
#pragma once

#include <gradus/optim/stages/stages.h>

namespace gradus::optim {

class SkipNonfinite final : public Stage {
 public:
  using Stage::Stage;
  std::unique_ptr<Stage> clone() const override { return std::make_unique<SkipNonfinite>(*this); }
  bool apply(std::vector<Flow>& flows, const std::vector<FlowParameter>& parameters) override;
  std::string held_back() const override;
  NamedArrays state(const std::vector<FlowParameter>& parameters) const override;
  void load_state(Finder& from, const std::vector<FlowParameter>& parameters) override;
  const Skipped& skipped() const { return skipped_; }

 private:
  Skipped skipped_;
};

}  // namespace gradus::optim
