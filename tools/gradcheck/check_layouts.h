// Every op in every layout: `gradus gradcheck --layouts`. Each cell holds checked samples, or the reason why it cannot: the
// op's own refusal, found by asking it.
#pragma once

#include <gradus/tools/gradcheck/gradcheck.h>
#include <gradus/tools/gradcheck/layouts.h>

#include <array>
#include <string>
#include <vector>

namespace gradus::tools {

/// Worst figures over some samples, and how many draws they are made of.
struct Figures {
  double first_order = 0, second_order = 0, f32 = 0;
  std::int64_t draws = 0, inconclusive = 0;
  void add(const Figures& o);
};

struct Cell {
  int samples = 0;     ///< checked
  int undecided = 0;   ///< made, and accepted by the op, but too coarse for differences to judge
  std::string reason;  ///< why there is no sample; empty if there is one
};

struct MatrixRow {
  std::string name;
  std::array<Cell, layouts.size()> cells;
  Figures figures;
  std::vector<std::string> complaints;  ///< one for each sample that failed
  int samples() const;
  int undecided() const;
};

struct MatrixOptions {
  /// False: samples of more than eight elements along two random directions, large ones along one and to first order only;
  /// two samples of an op are enough for a layout, and the dense ones are left to check_op(). True: all samples, the whole
  /// Jacobian of small ones, eight directions of others.
  bool thorough = true;
};

/// One op in all layouts. Each sample: gradient against differences to first (1e-8) and second order (1e-6), f32 against f64
/// (1e-5 times its condition number), the same bits with 1, 2, 3 and 7 threads and for inputs that lie otherwise in memory.
MatrixRow check_layouts(const OpInfo& op, const MatrixOptions& options = {});

/// Prints the matrix of every op, or of the one named, with the reasons behind it; writes it to `json_path` unless that is
/// empty. Returns 0 if nothing failed, 1 otherwise. Errors: as gradcheck_command().
int layouts_command(const std::string& op, const std::string& json_path);

}  // namespace gradus::tools
