// Checkpoint: a run that was killed goes on where it was, and has the bits of one that never stopped.
//
//   training::Checkpoint checkpoint("runs/digits", {{"program", "digits"}, {"batch", "64"}});
//   checkpoint.add("model", net).add("optimizer", optimizer);
//   training::Position at = checkpoint.resume();              // the beginning, if there is nothing yet
//   for (; at.epoch < 5; at.next_epoch())
//     for (auto& batch : loader.epoch(at.epoch, at.batch)) {
//       ...
//       at.next_batch();
//       if (at.step % 100 == 0) checkpoint.save(at);
//     }
#pragma once

#include <gradus/core/io/json.h>
#include <gradus/core/io/safetensors.h>

#include <concepts>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gradus::training {

/// Where a run is: the batch that comes next, and what else it wants to remember.
struct Position {
  std::int64_t epoch = 0, batch = 0;  ///< from 0
  std::int64_t step = 0;              ///< batches taken in all
  JsonValue notes = {};               ///< losses so far, the best one, ...
  void next_batch() { ++batch, ++step; }
  void next_epoch() { ++epoch, batch = 0; }
};

/// What a Checkpoint can keep: modules, optimizers with their schedules, averages, and what you write yourself.
template <class T>
concept Stateful = requires(T& part, const NamedArrays& state) {
  { part.state_dict() } -> std::convertible_to<NamedArrays>;
  part.load_state_dict(state);
};

class Checkpoint {
 public:
  using Config = std::map<std::string, std::string>;  ///< option -> value

  /// Checkpoints are the files step_N.safetensors of `folder`, which is made by the first save; the newest `keep` of them
  /// stay. `config` is what a run must have in common with the one that it continues: its program, the batch size, ...
  explicit Checkpoint(std::string folder, Config config = {}, int keep = 2);

  /// The part must outlive this. They are loaded in the order of adding: a model before its optimizer. Errors: DataError for
  /// a name that is given twice or holds '/'.
  template <Stateful T> Checkpoint& add(const std::string& name, T& part) {
    add_part({name, [&part] { return part.state_dict(); }, [&part](const NamedArrays& s) { part.load_state_dict(s); }});
    return *this;
  }
  Checkpoint& require(const std::string& option, const std::string& value);  ///< one more of the config

  /// Every part, the position, and the state of this thread's default_generator(), in one file with a checksum. It is
  /// written beside and then renamed: whatever happens, the ones before are whole. Errors: DataError, also if the folder
  /// holds checkpoints of a run that this one has not resumed.
  void save(const Position& at);

  /// Puts all parts and the generator where the newest whole checkpoint had them; the beginning if there is none. A damaged
  /// one is passed over (see damaged()). Errors: DataError if all of them are damaged, or if it is of another program or
  /// configuration, or a part does not fit, with the differences; nothing is changed then.
  Position resume();

  /// The path of the newest whole checkpoint, or "". Errors: DataError if there are some, and all are damaged.
  std::string latest();
  /// Of the last resume() or latest(): which were passed over, and why.
  const std::vector<std::string>& damaged() const { return damaged_; }
  const std::string& folder() const { return folder_; }

 private:
  struct Part {
    std::string name;
    std::function<NamedArrays()> state_dict;
    std::function<void(const NamedArrays&)> load_state_dict;
  };
  struct Found {
    std::string path;
    Safetensors file;
    JsonValue about;
  };
  void add_part(Part part);
  Found newest();
  void check_config(const Found& found) const;
  void load_parts(const Found& found);
  void remove_old(std::int64_t newest_step) const;

  std::string folder_;
  Config config_;
  int keep_;
  std::vector<Part> parts_;
  std::vector<std::string> damaged_;
  bool resumed_ = false;
};

}  // namespace gradus::training
