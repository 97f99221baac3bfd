// Weighted sums along an axis by a constant table: the basis of resizing, adaptive averages and roi_align.
#pragma once

#include <gradus/autograd/tensor.h>

#include <memory>
#include <vector>

namespace gradus {

/// A sparse matrix [rows, columns], whose row i has the entries start[i] .. start[i + 1] - 1.
struct RowWeights {
  int64_t columns = 0;
  std::vector<int64_t> start{0}, column;
  std::vector<double> weight;

  int64_t rows() const { return static_cast<int64_t>(start.size()) - 1; }
  void add(int64_t at, double w) { column.push_back(at), weight.push_back(w); }
  void end_row() { start.push_back(static_cast<int64_t>(column.size())); }

  RowWeights transposed() const {
    std::vector<std::vector<std::pair<int64_t, double>>> rows_of(static_cast<std::size_t>(columns));
    for (std::size_t r = 0; r + 1 < start.size(); ++r)
      for (auto k = static_cast<std::size_t>(start[r]); k < static_cast<std::size_t>(start[r + 1]); ++k)
        rows_of[static_cast<std::size_t>(column[k])].emplace_back(static_cast<int64_t>(r), weight[k]);
    RowWeights t;
    t.columns = rows();
    for (const auto& row : rows_of) {
      for (const auto& [at, w] : row) t.add(at, w);
      t.end_row();
    }
    return t;
  }
};

/// x with axis [columns] replaced by [rows]: result r is the sum of x weighted by row r of the table.
Tensor resample(const Tensor& x, int axis, const std::shared_ptr<const RowWeights>& table);

}  // namespace gradus
