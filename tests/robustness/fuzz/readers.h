// What reads bytes that a stranger may have written, each under a name: for libFuzzer (readers.cpp) and for the replay of
// what is known already (replay.cpp).
#pragma once

#include <string>
#include <vector>

namespace gradus::fuzz {

struct Reader {
  const char* name;
  /// What is accepted is written and read again. Refusing is a gradus::Error; whatever else is thrown, and a promise that
  /// does not hold, is a finding.
  void (*read)(const std::string& bytes);
  std::vector<std::string> (*seeds)();  ///< small inputs that are accepted, made by our own writers
};

const std::vector<Reader>& readers();
std::vector<Reader> data_readers();             ///< those of the rooms data and train; readers() has them, too
const Reader* reader(const std::string& name);  ///< null: there is none

}  // namespace gradus::fuzz
