// metrics.json: what a comparison measured, all digits of every number, null where there is none.
#pragma once

#include <gradus/tools/compare/training.h>

#include <string>
#include <vector>

namespace gradus::tools {

struct Settings {
  std::string command, data, model;
  std::uint64_t seed;
  int threads;
  std::int64_t batch, parameters, train_images, test_images;
  double target;
};

/// Some images of the training set, for the report.
std::string metrics_json(const Settings& settings, const data::ImageSet& train, const std::vector<RunResult>& runs);

}  // namespace gradus::tools
