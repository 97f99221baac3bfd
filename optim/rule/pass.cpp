#include <gradus/core/simd/pack.h>
#include <gradus/optim/rule/pass.h>

#include <algorithm>

namespace gradus::optim {
namespace {

constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040;

}  // namespace

FlushSubnormals::FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | flush_to_zero | denormals_are_zero); }
FlushSubnormals::~FlushSubnormals() { _mm_setcsr(before_); }

void Pieces::clear() {
  pieces_.clear(), tasks_.clear();
  total_ = 0, filled_ = piece_elements;
}

void Pieces::add(std::size_t item, std::int64_t begin, std::int64_t end) {
  total_ += end - begin;
  for (; begin < end; begin += piece_elements) {
    const std::int64_t n = std::min(piece_elements, end - begin);
    if (filled_ + n > piece_elements) tasks_.push_back(pieces_.size()), filled_ = 0;
    filled_ += n;
    pieces_.push_back({item, begin, begin + n});
  }
}

void Pieces::run(PieceRef f) const {
  const auto task = [&](std::size_t from, std::size_t to) {
    const FlushSubnormals guard;
    for (std::size_t i = from; i < to; ++i) f(static_cast<std::int64_t>(i));
  };
  if (total_ < serial_elements) return task(0, pieces_.size());
  parallel_for(static_cast<std::int64_t>(tasks_.size()) - 1,
               [&](std::int64_t t) { task(tasks_[static_cast<std::size_t>(t)], tasks_[static_cast<std::size_t>(t) + 1]); });
}

void run_pass(const std::vector<ElementWork>& work, const Pieces& pieces) {
  pieces.run([&](std::int64_t k) {
    const auto i = static_cast<std::size_t>(k);
    const ElementWork& w = work[pieces.item(i)];
    w.rule->run(w.dtype, pieces.of(i, w.piece));
  });
}

}  // namespace gradus::optim
