#include <gradus/tools/report/report.h>

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include <nlohmann/json.hpp>

#include <gradus/core/error.h>
#include <gradus/core/io/fill_template.h>
#include <gradus/tools/report/page.h>
#include <gradus/train/report/texts.h>

namespace gradus::tools {
namespace {

using nlohmann::json;

[[noreturn]] void throw_error(const std::string& field, const json& value, const std::string& right) {
  throw DataError("report", join("metrics field '", field, "' is of type ", value.type_name(), "; it should be ", right));
}

void check_number(const json& value, const std::string& field) {
  if (!value.is_number() && !value.is_null()) throw_error(field, value, "a number or null");
}

void check_numbers(const json& values, const std::string& field) {
  if (!values.is_array()) throw_error(field, values, "an array of numbers");
  for (std::size_t i = 0; i < values.size(); ++i) check_number(values[i], join(field, "[", i, "]"));
}

void check_optional_numbers(const json& object, const std::string& field, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (object.contains(name)) check_number(object[name], join(field, ".", name));
}

void check_run(const json& run, const std::string& field) {
  if (!run.is_object()) throw_error(field, run, "an object");
  const json name = run.value("optimizer", json());
  if (!name.is_string()) throw_error(field + ".optimizer", name, "a string such as \"adam(lr=0.001)\"");
  check_optional_numbers(run, field,
                         {"time_to_target", "steps_to_target", "gradient_evaluations", "state_bytes_per_parameter"});
  const json epochs = run.value("epochs", json::array());
  if (!epochs.is_array()) throw_error(field + ".epochs", epochs, "an array of objects");
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    const std::string here = join(field, ".epochs[", i, "]");
    if (!epochs[i].is_object()) throw_error(here, epochs[i], "an object");
    check_optional_numbers(epochs[i], here, {"epoch", "train_loss", "test_loss", "test_accuracy", "seconds"});
  }
  const json steps = run.value("steps", json::object());
  if (!steps.is_object()) throw_error(field + ".steps", steps, "an object of arrays");
  for (const auto& [key, values] : steps.items()) check_numbers(values, join(field, ".steps.", key));
}

void check_samples(const json& samples) {
  if (!samples.is_object()) throw_error("samples", samples, "an object with images, labels, width and height");
  const json images = samples.value("images", json::array());
  const json labels = samples.value("labels", json::array());
  if (!images.is_array()) throw_error("samples.images", images, "an array of arrays");
  check_numbers(labels, "samples.labels");
  for (const char* side : {"width", "height"}) {
    const json value = samples.value(side, json());
    if (!images.empty() && !value.is_number_unsigned()) throw_error(join("samples.", side), value, "a positive number");
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string here = join("samples.images[", i, "]");
    check_numbers(images[i], here);
    const auto want = samples["width"].get<std::uint64_t>() * samples["height"].get<std::uint64_t>();
    if (images[i].size() != want)
      throw DataError("report",
                      join("metrics field '", here, "' has ", images[i].size(), " pixels; width times height is ", want));
  }
}

void check(const json& metrics) {
  if (!metrics.is_object()) throw_error("(root)", metrics, "an object");
  const json runs = metrics.value("runs", json());
  if (!runs.is_array()) throw_error("runs", runs, "an array with one object for each optimizer");
  for (std::size_t i = 0; i < runs.size(); ++i) check_run(runs[i], join("runs[", i, "]"));
  if (metrics.contains("samples") && !metrics["samples"].is_null()) check_samples(metrics["samples"]);
}

}  // namespace

std::string report_page(const std::string& metrics_json) {
  // A byte order mark is legal to the C++ reader and an error to the browser's.
  const std::string_view text = std::string_view(metrics_json).substr(metrics_json.starts_with("\xEF\xBB\xBF") ? 3 : 0);
  try {
    check(json::parse(text));
  } catch (const json::exception& e) {
    throw DataError("report", join("the metrics are not JSON: ", e.what(), "; they should be the text of a metrics.json"));
  }
  using namespace training;
  return fill_template(page_html, {{"style", page_css},
                                   {"metrics", for_script_element(text)},
                                   {"script", join(scales_js, charts_js, figures_js, page_js)}});
}

}  // namespace gradus::tools
