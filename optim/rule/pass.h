// One pass over all parameters: what a step costs.
#pragma once

#include <gradus/optim/norms.h>

#include <functional>

namespace gradus::optim {

/// Subnormal numbers count as zero on this thread while this lives. Moments of unused weights decay into subnormals after
/// some 800 steps, and each would cost a hundred cycles. The same on every thread, so bits do not depend on threads.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  unsigned before_;
};

/// One parameter's share of a step; the piece spans all of it, or a run of rows.
struct ElementWork {
  const ElementRule* rule;
  Dtype dtype;
  Piece piece;
};
/// All of them, in pieces of piece_elements, small parameters together. begin() is called once, when all is ready.
void run_pass(const std::vector<ElementWork>& work, const std::function<void()>& begin = {});

struct LayerWork {
  const LayerRule* rule;
  Dtype dtype;
  Piece piece;
  void* direction;  ///< room for as many numbers as w has
  double* step = nullptr;  ///< the piece's, for a rule that takes norms first
};
struct LayerNorms {
  double w, direction;
};
struct GlobalWork {
  const GlobalRule* rule;
  Dtype dtype;
  Piece piece;
};
/// The first half of a global rule's step: the sums over everything, all of one rule.
std::vector<double> measure(const std::vector<GlobalWork>& work);
/// The second.
void run_pass(const std::vector<GlobalWork>& work);

/// Directions and norms; then w -= length(norms) * direction, or the update of a rule that takes norms first.
void run_pass(const std::vector<LayerWork>& work);
/// The first half of it: fills `direction`, changes the slots, leaves w.
std::vector<LayerNorms> find_directions(const std::vector<LayerWork>& work);

}  // namespace gradus::optim
