#include <gradus/core/build_info.h>
#include <gradus/tools/compare/metrics.h>

#include <nlohmann/json.hpp>

#include <algorithm>

namespace gradus::tools {
namespace {

using Json = nlohmann::ordered_json;  // it writes NaN as null

constexpr std::int64_t samples_shown = 20;

template <class T> Json or_null(const std::optional<T>& x) { return x ? Json(*x) : Json(nullptr); }

Json samples(const data::ImageSet& set) {
  Json images = Json::array(), labels = Json::array();
  const std::int64_t n = std::min(samples_shown, set.labels.size()), h = set.images.dim(1), w = set.images.dim(2);
  const auto* pixels = set.images.data<std::uint8_t>();
  for (std::int64_t i = 0; i < n; ++i) {
    images.push_back(std::vector<int>(pixels + i * h * w, pixels + (i + 1) * h * w));
    labels.push_back(static_cast<int>(set.labels.element(i)));
  }
  return {{"images", images}, {"labels", labels}, {"width", w}, {"height", h}};
}

Json run_json(const RunResult& r) {
  Json epochs = Json::array();
  for (const EpochResult& e : r.epochs)
    epochs.push_back({{"epoch", e.epoch},
                      {"train_loss", e.train_loss},
                      {"test_loss", e.test_loss},
                      {"test_accuracy", e.test_accuracy},
                      {"seconds", e.seconds}});
  return {{"optimizer", r.optimizer},
          {"epochs", epochs},
          {"steps",
           {{"loss", r.steps.loss}, {"update_norm", r.steps.update_norm}, {"lr", r.steps.lr}, {"seconds", r.steps.seconds}}},
          {"time_to_target", or_null(r.time_to_target)},
          {"steps_to_target", or_null(r.steps_to_target)},
          {"gradient_evaluations", r.gradient_evaluations},
          {"state_bytes_per_parameter", r.state_bytes_per_parameter},
          {"diverged", r.diverged},
          {"finished", r.finished}};
}

}  // namespace

std::string metrics_json(const Settings& s, const data::ImageSet& train, const std::vector<RunResult>& runs) {
  Json all = {{"gradus", version()},
              {"command", s.command},
              {"seed", s.seed},
              {"threads", s.threads},
              {"data", s.data},
              {"model", s.model},
              {"batch", s.batch},
              {"parameters", s.parameters},
              {"train_images", s.train_images},
              {"test_images", s.test_images},
              {"target", s.target},
              {"samples", samples(train)}};
  all["runs"] = Json::array();
  for (const RunResult& r : runs) all["runs"].push_back(run_json(r));
  return all.dump() + "\n";
}

}  // namespace gradus::tools
