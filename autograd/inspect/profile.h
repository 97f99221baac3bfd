// Profile: the time of a program by op and module, forward and backward.
#pragma once

#include <gradus/autograd/observe.h>

#include <chrono>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace gradus {

/// Times every op that this thread runs, as long as the object lives:
///
///   Profile profile;
///   for (int i = 0; i < 100; ++i) train_step();
///   std::puts(to_string(profile).c_str());
///   profile.save("profile.json");  // opens in Perfetto (ui.perfetto.dev) and in chrome://tracing
///
/// A span begins where the one before ended and ends when its op has run, so that work of the program between two ops counts
/// for the second; work before a model is called, and an optimizer's step, are spans of their own. A composite op (in the
/// backward pass, too) is one span. Each span costs about a microsecond.
class Profile final : public OpObserver {
 public:
  /// The calls of one op in one module.
  struct Row {
    std::string op;      ///< "conv2d", or the name passed to passed()
    std::string module;  ///< dotted path, "" outside of modules
    bool backward = false;
    std::int64_t calls = 0;
    double seconds = 0;
    std::int64_t multiply_adds = 0;  ///< of products, convolutions and recurrences (core/kernels/multiply_adds.h)
    std::int64_t bytes = 0;          ///< of the inputs and results of its calls
  };

  Profile();
  std::vector<Row> rows() const;  ///< sorted by time, longest first
  double seconds() const { return seconds_; }

  /// Writes the spans, the first `most_spans` of them, as Chrome trace events. Errors: DataError if it cannot.
  void save(const std::string& path) const;
  static constexpr std::size_t most_spans = 1'000'000;

  void after(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs) override;
  void backward_begins(const Node& node) override;
  void backward_ends(const Node& node) override;
  void passed(const char* what) override;

 private:
  using Clock = std::chrono::steady_clock;
  using Key = std::tuple<std::string, std::string, bool>;
  /// Adds a span to the row `key`, from the end of the last one.
  void add(const Key& key, std::int64_t bytes);

  struct Span {
    const Row* row;
    double begin, seconds;
  };
  std::map<Key, Row> rows_;  // a map, whose elements keep their addresses
  std::vector<Span> spans_;
  struct Forward {
    std::string module;
    std::int64_t bytes;
  };
  std::unordered_map<const Node*, Forward> forward_;  // the row of a node's forward pass, which its backward pass belongs to
  int nodes_begun_ = 0;
  Clock::time_point began_, last_;
  std::int64_t multiply_adds_ = 0;  // count at the end of the last span
  double seconds_ = 0;
};

/// A table of rows(), with the share of the time, the rate of multiply-adds, and its share of the rate that the machine
/// reaches in registers, which is measured for it. `most` rows, and the sum of the others.
std::string to_string(const Profile& profile, int most = 30);

}  // namespace gradus
