// The report page: what is embedded, what is escaped, what is refused. What it draws is tested in a browser.
#include <doctest/doctest.h>

#include <string>

#include <nlohmann/json.hpp>

#include <gradus/core/error.h>
#include <gradus/tools/report/report.h>

namespace {

using gradus::DataError;
using gradus::tools::report_page;

/// The text between the tags of <script type="application/json" id="metrics">, as the browser cuts it out.
std::string embedded(const std::string& page) {
  const std::string opening = "<script type=\"application/json\" id=\"metrics\">";
  const std::size_t from = page.find(opening);
  REQUIRE(from != std::string::npos);
  const std::size_t start = from + opening.size();
  const std::size_t end = page.find("</script", start);
  REQUIRE(end != std::string::npos);
  return page.substr(start, end - start);
}

std::string with_run(const std::string& fields) {
  return R"json({"runs": [{"optimizer": "adam(lr=0.001)")json" + fields + "}]}";
}

std::string message_of(const std::string& metrics) {
  try {
    report_page(metrics);
  } catch (const DataError& e) {
    return e.what();
  }
  return "";
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the report embeds the metrics digit for digit") {
  const std::string metrics =
      with_run(R"(, "epochs": [{"epoch": 1, "test_loss": 0.071234567890123456}], "time_to_target": 4.20)");
  const std::string page = report_page(metrics);
  CHECK(embedded(page) == metrics);
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(page.ends_with("</html>\n"));
}

TEST_CASE("no text of the metrics can leave the script element or break a line of it") {
  const std::string hostile = "</script><script>alert(1)</script> <!-- & > \xE2\x80\xA8 \xE2\x80\xA9 \xE2\x82\xAC";
  const nlohmann::json metrics = {{"command", hostile}, {"runs", nlohmann::json::array()}};
  const std::string page = report_page(metrics.dump());
  const std::string inside = embedded(page);
  for (const char* never : {"<", ">", "&", "\xE2\x80\xA8", "\xE2\x80\xA9"}) CHECK_FALSE(mentions(inside, never));
  CHECK(mentions(inside, "\xE2\x82\xAC"));
  CHECK(nlohmann::json::parse(inside) == metrics);
  CHECK_FALSE(mentions(page, "alert(1)</script>"));
}

TEST_CASE("a backslash before an escaped character keeps its meaning") {
  const nlohmann::json metrics = {{"command", "a\\<b\\\\<"}, {"runs", nlohmann::json::array()}};
  CHECK(nlohmann::json::parse(embedded(report_page(metrics.dump()))) == metrics);
}

TEST_CASE("the report needs nothing from outside") {
  const std::string page = report_page(R"({"runs": []})");
  CHECK(mentions(page, "default-src 'none'"));
  for (const char* never : {"src=\"", "@import", "fetch(", "XMLHttpRequest", "url(http", "https://"})
    CHECK_FALSE(mentions(page, never));
}

TEST_CASE("no run, no epoch, nulls everywhere: still a page") {
  CHECK_NOTHROW(report_page(R"({"runs": []})"));
  CHECK_NOTHROW(report_page(with_run("")));
  CHECK_NOTHROW(report_page(R"({"gradus": "0.1.0", "target": null, "samples": null, "runs": []})"));
  CHECK_NOTHROW(report_page(with_run(
      R"(, "epochs": [{"epoch": 1, "train_loss": null, "test_loss": null, "test_accuracy": null, "seconds": null}],
          "steps": {"loss": [2.3, null], "update_norm": [null, null], "lr": [], "seconds": [0.1, 0.2]},
          "time_to_target": null, "steps_to_target": null, "gradient_evaluations": null,
          "state_bytes_per_parameter": null, "diverged": true, "finished": false)")));
}

TEST_CASE("a byte order mark does not reach the browser") {
  CHECK(embedded(report_page("\xEF\xBB\xBF{\"runs\": []}")) == "{\"runs\": []}");
}

TEST_CASE("text that is not JSON is refused") {
  for (const char* text : {"", "{", "{\"runs\": [}", "{\"runs\": []} trailing", "{\"runs\": [NaN]}", "{\"runs\": []}\xFF"})
    CHECK_THROWS_AS(report_page(text), DataError);
  CHECK(mentions(message_of("{"), "not JSON"));
}

TEST_CASE("a field of the wrong type is refused by name") {
  CHECK(mentions(message_of("[]"), "(root)"));
  CHECK(mentions(message_of("{}"), "'runs' is of type null"));
  CHECK(mentions(message_of(R"({"runs": [3]})"), "'runs[0]' is of type number"));
  CHECK(mentions(message_of(R"({"runs": [{}]})"), "'runs[0].optimizer'"));
  const std::string epoch = with_run(R"(, "epochs": [{"test_loss": "low"}])");
  CHECK(mentions(message_of(epoch), "'runs[0].epochs[0].test_loss' is of type string"));
  const std::string steps = with_run(R"(, "steps": {"loss": [1, true]})");
  CHECK(mentions(message_of(steps), "'runs[0].steps.loss[1]' is of type boolean"));
  CHECK(mentions(message_of(with_run(R"(, "time_to_target": "soon")")), "'runs[0].time_to_target'"));
}

TEST_CASE("a sample image must have width times height pixels") {
  const std::string start = R"({"runs": [], "samples": {"width": 2, "height": 2, "labels": [7], "images": [)";
  CHECK_NOTHROW(report_page(start + "[0, 255, 128, 7]]}}"));
  CHECK(mentions(message_of(start + "[0, 255, 128]]}}"), "has 3 pixels; width times height is 4"));
  CHECK(mentions(message_of(R"({"runs": [], "samples": {"images": [[1]]}})"), "'samples.width'"));
}
