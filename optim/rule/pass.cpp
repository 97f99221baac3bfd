#include <gradus/core/simd/pack.h>
#include <gradus/core/parallel.h>
#include <gradus/optim/rule/pass.h>

#include <algorithm>
#include <cmath>

namespace gradus::optim {
namespace {

constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040;

/// Elements begin..end-1 of work[item].
struct Cut {
  std::size_t item;
  std::int64_t begin, end;
};

template <class Work>
std::int64_t total_elements(const std::vector<Work>& work) {
  std::int64_t n = 0;
  for (const auto& w : work) n += w.piece.end - w.piece.begin;
  return n;
}

template <class Work>
std::vector<Cut> cut(const std::vector<Work>& work) {
  std::vector<Cut> cuts;
  for (std::size_t i = 0; i < work.size(); ++i)
    for (std::int64_t b = work[i].piece.begin; b < work[i].piece.end; b += piece_elements)
      cuts.push_back({i, b, std::min(b + piece_elements, work[i].piece.end)});
  return cuts;
}

/// f(index) for every cut; neighbours that are small together make one task.
template <class F>
void for_cuts(const std::vector<Cut>& cuts, bool serial, F f, const std::function<void()>& begin = {}) {
  if (serial) {
    const FlushSubnormals guard;
    for (std::size_t i = 0; i < cuts.size(); ++i) f(i);
    return;
  }
  std::vector<std::size_t> starts;
  std::int64_t filled = piece_elements;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const std::int64_t n = cuts[i].end - cuts[i].begin;
    if (filled + n > piece_elements) starts.push_back(i), filled = 0;
    filled += n;
  }
  starts.push_back(cuts.size());
  if (begin) begin();
  parallel_for(static_cast<std::int64_t>(starts.size()) - 1, [&](std::int64_t task) {
    const FlushSubnormals guard;
    const auto t = static_cast<std::size_t>(task);
    for (std::size_t i = starts[t]; i < starts[t + 1]; ++i) f(i);
  });
}

template <class T>
void subtract(T* w, const T* direction, double length, std::int64_t begin, std::int64_t end) {
  const T l = static_cast<T>(length);
  for (std::int64_t i = begin; i < end; ++i) w[i] -= l * direction[i];
}

template <class Work>
void run_all(const std::vector<Work>& work, const std::function<void()>& begin = {}) {
  if (total_elements(work) < serial_elements) {
    if (begin) begin();
    const FlushSubnormals guard;
    for (const auto& w : work) w.rule->run(w.dtype, w.piece);
    return;
  }
  const auto cuts = cut(work);
  for_cuts(cuts, false, [&](std::size_t i) {
    const auto& w = work[cuts[i].item];
    Piece p = w.piece;
    p.begin = cuts[i].begin, p.end = cuts[i].end;
    w.rule->run(w.dtype, p);
  }, begin);
}

const char* at(const void* p, Dtype dtype, std::int64_t i) {
  return static_cast<const char*>(p) + i * static_cast<std::int64_t>(bytes_of(dtype));
}

}  // namespace

FlushSubnormals::FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | flush_to_zero | denormals_are_zero); }
FlushSubnormals::~FlushSubnormals() { _mm_setcsr(before_); }

void run_pass(const std::vector<ElementWork>& work, const std::function<void()>& begin) { run_all(work, begin); }
void run_pass(const std::vector<GlobalWork>& work) { run_all(work); }

std::vector<double> measure(const std::vector<GlobalWork>& work) {
  const std::size_t n = work.empty() ? 0 : work[0].rule->sums();
  const auto cuts = cut(work);
  std::vector<double> parts(n * cuts.size()), sums(n);
  for_cuts(cuts, total_elements(work) < serial_elements, [&](std::size_t i) {
    const auto& w = work[cuts[i].item];
    Piece p = w.piece;
    p.begin = cuts[i].begin, p.end = cuts[i].end;
    w.rule->measure(w.dtype, p, parts.data() + n * i);
  });
  for (std::size_t i = 0; i < parts.size(); ++i) sums[i % n] += parts[i];
  return sums;
}

std::vector<LayerNorms> find_directions(const std::vector<LayerWork>& work) {
  const auto cuts = cut(work);
  std::vector<LayerNorms> parts(cuts.size()), norms(work.size());
  for_cuts(cuts, total_elements(work) < serial_elements, [&](std::size_t i) {
    const auto& w = work[cuts[i].item];
    Piece p = w.piece;
    p.begin = cuts[i].begin, p.end = cuts[i].end;
    w.rule->direction(w.dtype, p, w.direction);
    parts[i] = {sum_of_squares(w.dtype, at(p.w, w.dtype, p.begin), p.end - p.begin),
                sum_of_squares(w.dtype, at(w.direction, w.dtype, p.begin), p.end - p.begin)};
  });
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    norms[cuts[i].item].w += parts[i].w;
    norms[cuts[i].item].direction += parts[i].direction;
  }
  for (std::size_t i = 0; i < norms.size(); ++i) {
    const LayerWork& w = work[i];
    const std::int64_t n = w.piece.end - w.piece.begin;
    norms[i] = {root_of_squares(norms[i].w, w.dtype, at(w.piece.w, w.dtype, w.piece.begin), n),
                root_of_squares(norms[i].direction, w.dtype, at(w.direction, w.dtype, w.piece.begin), n)};
  }
  return norms;
}

void run_pass(const std::vector<LayerWork>& work) {
  const auto norms = find_directions(work);
  for (std::size_t i = 0; i < work.size(); ++i)
    if (work[i].rule->norms_first()) work[i].rule->take_norms(work[i].step, norms[i].w, norms[i].direction);
  const auto cuts = cut(work);
  for_cuts(cuts, total_elements(work) < serial_elements, [&](std::size_t i) {
    const auto& w = work[cuts[i].item];
    const LayerNorms& n = norms[cuts[i].item];
    if (w.rule->norms_first()) {
      Piece p = w.piece;
      p.begin = cuts[i].begin, p.end = cuts[i].end;
      return w.rule->run(w.dtype, p);
    }
    const double length = w.rule->length(n.w, n.direction, w.piece.step);
    visit_real(w.dtype, [&]<class T>() {
      subtract(static_cast<T*>(w.piece.w), static_cast<const T*>(w.direction), length, cuts[i].begin, cuts[i].end);
    });
  });
}

}  // namespace gradus::optim
