#include <gradus/core/io/checksum.h>
#include <gradus/core/io/files.h>
#include <gradus/core/random.h>
#include <gradus/train/checkpoint.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

namespace gradus::training {
namespace {

namespace fs = std::filesystem;

constexpr const char *about_key = "gradus.checkpoint", *checksum_key = "checksum";
constexpr std::string_view prefix = "step_", suffix = ".safetensors";
constexpr double format_version = 1;

/// The step in the name of a checkpoint; -1 for another file.
std::int64_t step_of(const std::string& name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return -1;
  const char *begin = name.data() + prefix.size(), *end = name.data() + name.size() - suffix.size();
  std::int64_t step = -1;
  const auto [at, failed] = std::from_chars(begin, end, step);
  return failed == std::errc() && at == end ? step : -1;
}

/// The newest first.
std::vector<std::int64_t> steps_in(const std::string& folder) {
  std::vector<std::int64_t> steps;
  std::error_code failed;
  for (fs::directory_iterator i(folder, failed), end; !failed && i != end; i.increment(failed))
    if (const auto step = step_of(i->path().filename().string()); step >= 0) steps.push_back(step);
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

std::string path_of(const std::string& folder, std::int64_t step) {
  const std::string digits = std::to_string(step);
  const std::string zeros(digits.size() < 8 ? 8 - digits.size() : 0, '0');
  return (fs::path(folder) / join(prefix, zeros, digits, suffix)).string();
}

Array bytes_of_text(const std::string& s) {
  return Array::of<std::uint8_t>({static_cast<std::int64_t>(s.size())}, {s.begin(), s.end()});
}

/// Of everything that a checkpoint holds.
std::string checksum_of(const NamedArrays& tensors, const std::string& about) {
  std::vector<std::int64_t> sums{checksum(bytes_of_text(about))};
  for (const auto& [name, a] : tensors) sums.push_back(checksum(bytes_of_text(name))), sums.push_back(checksum(a));
  return std::to_string(checksum(Array::of<std::int64_t>({static_cast<std::int64_t>(sums.size())}, sums)));
}

const JsonValue& member(const std::string& path, const JsonValue& from, const char* name) {
  const JsonValue* found = from.find(name);
  if (!found) bad_file(path, "is no checkpoint of this version: it lacks \"", name, "\"");
  return *found;
}

std::int64_t count_in(const std::string& path, const JsonValue& from, const char* name) {
  const double* n = member(path, from, name).get_if<double>();
  if (!n || !(*n >= 0 && *n <= 0x1p53) || *n != std::floor(*n)) bad_file(path, "its \"", name, "\" is no count");
  return static_cast<std::int64_t>(*n);
}

/// A number that JSON's doubles cannot hold.
std::uint64_t word_in(const std::string& path, const JsonValue& from, const char* name) {
  const auto* digits = member(path, from, name).get_if<std::string>();
  std::uint64_t word = 0;
  if (!digits ||
      std::from_chars(digits->data(), digits->data() + digits->size(), word).ptr != digits->data() + digits->size())
    bad_file(path, "its \"", name, "\" is no number");
  return word;
}

std::string config_text(const JsonValue* v) {
  const auto* s = v ? v->get_if<std::string>() : nullptr;
  return s ? "\"" + *s + "\"" : "absent";
}

JsonValue read_about(const std::string& path, const Safetensors& file) {
  const auto about = file.metadata.find(about_key), sum = file.metadata.find(checksum_key);
  if (about == file.metadata.end() || sum == file.metadata.end()) bad_file(path, "is no checkpoint of Gradus");
  if (sum->second != checksum_of(file.tensors, about->second))
    bad_file(path, "is damaged: its checksum is not that of what it holds");
  const JsonValue value = parse_json(about->second, path);
  if (const double* version = member(path, value, "version").get_if<double>(); !version || *version != format_version)
    bad_file(path, "is of another version; this library reads version ", text(format_version));
  return value;
}

}  // namespace

Checkpoint::Checkpoint(std::string folder, Config config, int keep)
    : folder_(std::move(folder)), config_(std::move(config)), keep_(keep) {
  if (folder_.empty()) throw DataError("Checkpoint", "the folder's name is empty");
  if (keep < 1) throw DataError("Checkpoint", join("keep is ", keep, "; at least the newest one must stay"));
}

void Checkpoint::add_part(Part part) {
  if (part.name.empty() || part.name.find('/') != part.name.npos)
    throw DataError("Checkpoint", "\"" + part.name + "\" cannot be the name of a part: it is empty or holds '/'");
  for (const Part& p : parts_)
    if (p.name == part.name) throw DataError("Checkpoint", "the part \"" + part.name + "\" was added already");
  parts_.push_back(std::move(part));
}

Checkpoint& Checkpoint::require(const std::string& option, const std::string& value) {
  config_[option] = value;
  return *this;
}

// ---- saving ---------------------------------------------------------------------------------------------------------

void Checkpoint::save(const Position& at) {
  if (!resumed_ && !steps_in(folder_).empty())
    throw DataError("Checkpoint", folder_ + " holds checkpoints of a run that was not resumed",
                    "resume() before the first step, or another folder");
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed) bad_file(folder_, "the folder cannot be made: ", failed.message());

  NamedArrays tensors;
  JsonValue about, parts;
  for (const Part& p : parts_) {
    parts.push_back(p.name);
    for (auto& [name, a] : p.state_dict()) tensors.emplace_back(p.name + "/" + name, std::move(a));
  }
  about["version"] = format_version;
  about["parts"] = parts;
  JsonValue& config = about["config"] = JsonValue::Object();
  for (const auto& [option, value] : config_) config[option] = value;
  about["epoch"] = at.epoch, about["batch"] = at.batch, about["step"] = at.step, about["notes"] = at.notes;
  const Philox random = default_generator().state();
  about["seed"] = std::to_string(random.seed), about["stream"] = std::to_string(random.stream);
  const std::string text = to_string(about);
  save_safetensors(path_of(folder_, at.step), tensors, {{about_key, text}, {checksum_key, checksum_of(tensors, text)}});
  resumed_ = true;
  remove_old(at.step);
}

/// Also what a killed save left, and what lies ahead: damaged ones that resume() passed over.
void Checkpoint::remove_old(std::int64_t newest_step) const {
  std::vector<std::string> stay;
  for (const std::int64_t step : steps_in(folder_))
    if (step <= newest_step && static_cast<int>(stay.size()) < keep_)
      stay.push_back(fs::path(path_of(folder_, step)).filename().string());
  std::error_code failed;
  for (fs::directory_iterator i(folder_, failed), end; !failed && i != end; i.increment(failed)) {
    const std::string name = i->path().filename().string();
    const bool ours = step_of(name.substr(0, name.find(suffix) + suffix.size())) >= 0;
    if (ours && std::find(stay.begin(), stay.end(), name) == stay.end()) fs::remove(i->path(), failed);
  }
}

// ---- resuming -------------------------------------------------------------------------------------------------------

Checkpoint::Found Checkpoint::newest() {
  damaged_.clear();
  for (const std::int64_t step : steps_in(folder_)) {
    Found found{path_of(folder_, step), {}, {}};
    try {
      found.file = load_safetensors(found.path);
      found.about = read_about(found.path, found.file);
      return found;
    } catch (const DataError& e) {
      damaged_.push_back(e.what());
    }
  }
  if (damaged_.empty()) return {};
  std::string all = join("none of the ", damaged_.size(), " checkpoints can be read:");
  for (const auto& why : damaged_) all += "\n  " + why;
  throw DataError(folder_, all, "another folder, to begin anew");
}

std::string Checkpoint::latest() { return newest().path; }

void Checkpoint::check_config(const Found& found) const {
  std::string differences;
  const auto differs = [&](const std::string& option, const std::string& there, const std::string& here) {
    if (there != here) differences += join("\n  ", option, " is ", there, " there, ", here, " here");
  };
  const JsonValue& config = member(found.path, found.about, "config");
  for (const auto& [option, value] : config_) differs(option, config_text(config.find(option)), "\"" + value + "\"");
  if (const auto* all = config.get_if<JsonValue::Object>())
    for (const auto& [option, value] : *all)
      if (!config_.contains(option)) differs(option, config_text(&value), "absent");
  std::string there, here;
  if (const auto* parts = member(found.path, found.about, "parts").get_if<JsonValue::List>())
    for (const JsonValue& p : *parts) there += (there.empty() ? "" : ", ") + config_text(&p);
  for (const Part& p : parts_) here += (here.empty() ? "\"" : ", \"") + p.name + "\"";
  differs("what is saved", there, here);
  if (!differences.empty())
    throw DataError(found.path, "the checkpoint is of another run; nothing was loaded" + differences,
                    "the options that it was begun with, or another folder");
}

void Checkpoint::load_parts(const Found& found) {
  std::vector<NamedArrays> before;
  try {
    for (const Part& p : parts_) {
      NamedArrays state;
      for (const auto& [name, a] : found.file.tensors)
        if (name.starts_with(p.name + "/")) state.emplace_back(name.substr(p.name.size() + 1), a);
      before.push_back(p.state_dict());
      p.load_state_dict(state);
    }
  } catch (const Error& e) {
    for (std::size_t i = 0; i < before.size(); ++i) parts_[i].load_state_dict(before[i]);
    throw DataError(found.path,
                    join("its \"", parts_[before.size() - 1].name, "\" does not fit; nothing was loaded: ", e.what()));
  }
}

Position Checkpoint::resume() {
  const Found found = newest();
  if (found.path.empty()) {
    resumed_ = true;
    return {};
  }
  check_config(found);
  const std::string& path = found.path;
  Position at{count_in(path, found.about, "epoch"), count_in(path, found.about, "batch"),
              count_in(path, found.about, "step"), member(path, found.about, "notes")};
  const Philox random{word_in(path, found.about, "seed"), word_in(path, found.about, "stream")};
  load_parts(found);
  default_generator().restore(random);
  resumed_ = true;
  return at;
}

}  // namespace gradus::training
