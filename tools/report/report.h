// The page that shows what `gradus compare` measured.
#pragma once

#include <string>

namespace gradus::tools {

/// Turns the text of a metrics.json into report.html: one self-contained file that fetches nothing.
///
/// The page holds the metrics text itself, digit for digit, and draws everything from it in the browser. Every final
/// figure stands in the DOM as <td data-run="0" data-metric="test_loss" data-value="0.0712...">; a number that is not
/// there is data-value="null". <body data-ready="1"> says that drawing is done.
///
/// Only "runs" is required (it may be empty), with "optimizer" in each; any number may be null.
/// Throws DataError if the text is not JSON, or if a field has the wrong type.
std::string report_page(const std::string& metrics_json);

}  // namespace gradus::tools
