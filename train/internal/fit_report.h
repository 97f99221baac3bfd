// What fit prints: the progress line, the table, the CSV file.
#pragma once

#include <gradus/train/fit.h>

namespace gradus::training {

struct Progress {
  std::int64_t epoch, epochs;                                          // epochs is 0 where steps are counted
  std::int64_t batch, batches;                                         // of the epoch, or of all
  double items_per_second, loss, metric, grad_norm, lr, seconds_left;  ///< NaN: is not shown
};
std::string progress_text(const Progress& p, const FitOptions& options);
std::string table_head(const FitOptions& options);
std::string table_row(const Record& r, double items_per_second, const FitOptions& options);
std::string csv_of(const std::vector<Record>& records, const FitOptions& options);

}  // namespace gradus::training
