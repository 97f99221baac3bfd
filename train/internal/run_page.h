// The page of one run: what fit's option `report` writes.
#pragma once

#include <gradus/core/io/json.h>

#include <string>
#include <string_view>

namespace gradus::training {

extern const std::string_view run_html;  ///< the frame, with {{style}}, {{run}} and {{script}}
extern const std::string_view run_js;

/// One self-contained file that fetches nothing and draws `run`, whose text it holds digit for digit: "title", "finding",
/// "command", "gradus" (texts), "settings" (pairs of texts), "x" ("epoch" or "step"), "rows" (Records as JSON), "metrics"
/// (their names), "steps" ({"every", "loss"}); and if there are answers (answers.h), "confusion" and "worst".
std::string run_page(const JsonValue& run);

}  // namespace gradus::training
