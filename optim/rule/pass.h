// The pass over all parameters: work cut into pieces, small parameters together, on all threads.
#pragma once

#include <gradus/core/parallel.h>
#include <gradus/optim/norms.h>

namespace gradus::optim {

/// Makes subnormal numbers count as zero on this thread while it lives. Moments of unused weights decay into subnormals
/// after some 800 steps, and each would cost a hundred cycles. All threads do so, and bits do not depend on threads.
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
template <class Rule> struct Work {
  const Rule* rule;
  Dtype dtype;
  Piece piece;
};
using ElementWork = Work<ElementRule>;

/// The work of several parameters cut into pieces of at most piece_elements. Cutting allocates, running does not.
class Pieces {
 public:
  template <class Rule> void cut(const std::vector<Work<Rule>>& work) {
    clear();
    for (std::size_t i = 0; i < work.size(); ++i) add(i, work[i].piece.begin, work[i].piece.end);
    tasks_.push_back(pieces_.size());
  }
  std::size_t count() const { return pieces_.size(); }
  /// The index of the work that piece i belongs to.
  std::size_t item(std::size_t i) const { return pieces_[i].item; }
  Piece of(std::size_t i, Piece whole) const { return whole.begin = pieces_[i].begin, whole.end = pieces_[i].end, whole; }
  /// Calls f(i) for every piece, on all threads unless there is little to do.
  void run(PieceRef f) const;

 private:
  struct Span {
    std::size_t item;
    std::int64_t begin, end;
  };
  void clear();
  void add(std::size_t item, std::int64_t begin, std::int64_t end);
  std::vector<Span> pieces_;
  std::vector<std::size_t> tasks_;  // index of the first piece of each task, and the number of pieces
  std::int64_t total_ = 0, filled_ = 0;
};

/// Runs the pass of element rules.
void run_pass(const std::vector<ElementWork>& work, const Pieces& pieces);

}  // namespace gradus::optim
