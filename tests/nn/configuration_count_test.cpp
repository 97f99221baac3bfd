// Every layer and every loss that nn's headers declare stands in the vectors of PyTorch with six configurations at least. The
// other tests compare them.
#include <gradus/core/io/files.h>
#include <gradus/core/io/safetensors.h>

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>

using namespace gradus;

namespace {

/// What `pattern` finds in the headers of a folder: its first group.
std::set<std::string> declared(const std::string& folder, const std::string& pattern) {
  std::set<std::string> names;
  const std::regex declaration(pattern);
  for (const auto& file : std::filesystem::directory_iterator(GRADUS_SOURCE_DIR "/nn/" + folder)) {
    if (file.path().extension() != ".h") continue;
    const std::string text = read_file(file.path());
    for (std::sregex_iterator i(text.begin(), text.end(), declaration), end; i != end; ++i) names.insert((*i)[1]);
  }
  return names;
}

/// The cases of each: "l1_loss axes mean" is one of l1_loss. Three reductions of the same inputs count as one.
std::map<std::string, std::set<std::string>> configurations() {
  std::map<std::string, std::set<std::string>> found;
  const std::regex reduction(" (mean|sum|none|batchmean)$");
  for (const std::string file : {"nn", "attention", "nn_layers", "nn_configurations", "recurrent"})
    for (const auto& entry : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/" + file + ".safetensors").tensors) {
      const std::string name = std::regex_replace(entry.first.substr(0, entry.first.find('|')), reduction, "");
      found[name.substr(0, name.find(' '))].insert(name);
    }
  return found;
}

}  // namespace

TEST_CASE("every layer and every loss has six configurations in the vectors of PyTorch") {
  std::set<std::string> names = declared("layers", R"((?:struct|class) (\w+) : (?:public )?(?:Module<|HiddenStateLayer<))");
  CHECK(names.size() > 60);
  // What holds other modules, or is a base of them, and computes nothing of its own.
  for (const char* container : {"HiddenStateLayer", "ModuleDict", "ModuleList", "Residual", "Sequential", "TransformerNorm"})
    CHECK(names.erase(container) == 1);
  std::set<std::string> losses = declared("losses", R"(\nTensor (\w+)\()");
  CHECK(losses.size() > 15);
  losses.insert("mse_loss");  // an op
  names.merge(losses);
  auto found = configurations();
  for (const auto& name : names) {
    INFO(name);
    CHECK(found[name].size() >= 6);
  }
}
