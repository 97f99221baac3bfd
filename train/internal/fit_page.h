// What the page of a run by fit shows.
#pragma once

#include <gradus/train/fit.h>
#include <gradus/train/internal/answers.h>
#include <gradus/train/internal/records.h>

#include <string>

namespace gradus::training {

/// What fit is given, and what has come of it so far.
struct Run {
  nn::ModuleBase& net;
  const optim::Optimizer& optimizer;
  const data::DataLoader& loader;
  const FitOptions& options;
  const FitResult& result;
  const LossCurve& losses;
  const Answers& answers;
};
/// The text of the page.
std::string fit_page(const Run& run);

}  // namespace gradus::training
