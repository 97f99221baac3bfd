#include <gradus/autograd/pending_list.h>

#include <iterator>

namespace gradus {
namespace {

/// The list of a finished traversal, kept so that the next one need not allocate.
thread_local std::vector<PendingList::Pending> spare_list;

constexpr std::size_t most_young = 100;

}  // namespace

PendingList::PendingList() { young_.swap(spare_list); }

PendingList::~PendingList() {
  for (const Pending& d : young_) drop(d);
  if (old_) [[unlikely]]
    drop_old();
  young_.clear();
  young_.swap(spare_list);
}

[[gnu::always_inline]] inline PendingList::Pending PendingList::make(Node* n) {
  auto* grads = static_cast<Tensor*>(
      pool::allocate(pool::class_of(static_cast<std::size_t>(n->outputs) * sizeof(Tensor)), "backward"));
  for (int k = 0; k < n->outputs; ++k) ::new (grads + k) Tensor;
  return {n->sequence, n, grads};
}

void PendingList::drop(const Pending& d) {
  for (int k = 0; k < d.node->outputs; ++k) d.grads[k].~Tensor();
  pool::release(d.grads, pool::class_of(static_cast<std::size_t>(d.node->outputs) * sizeof(Tensor)));
}

[[gnu::always_inline]] inline Tensor* PendingList::put(Node* n, std::size_t i) {
  const Pending d = make(n);
  if (i == young_.size()) [[likely]]
    young_.push_back(d);
  else young_.insert(young_.begin() + static_cast<std::ptrdiff_t>(i), d);
  return d.grads;
}

Tensor* PendingList::slot_for(Node* n) {
  std::size_t i = young_.size();
  while (i > 0 && young_[i - 1].sequence > n->sequence) --i;
  if (i > 0 && young_[i - 1].node == n) return young_[i - 1].grads;
  if (i == 0 && old_ && !old_->empty() && n->sequence <= old_->rbegin()->first) [[unlikely]]
    return slot_among_old(n);
  if (young_.size() == young_.capacity()) [[unlikely]]
    return put_into_full(n, i);
  return put(n, i);
}

/// Inserts a node into a full list; allocates first, since the rest must not fail.
Tensor* PendingList::put_into_full(Node* n, std::size_t i) {
  if (young_.size() < most_young) {
    young_.reserve(2 * young_.size() + 16);
  } else {
    if (i == 0) return slot_among_old(n);
    if (!old_) old_ = std::make_unique<Old>();
    old_->emplace_hint(old_->end(), young_.front().sequence, young_.front());
    young_.erase(young_.begin());
    --i;
  }
  return put(n, i);
}

Tensor* PendingList::slot_among_old(Node* n) {
  const Pending d{n->sequence, n, nullptr};
  if (!old_) old_ = std::make_unique<Old>();
  const auto [at, fresh] = old_->try_emplace(n->sequence, d);
  if (fresh) try {
      at->second = make(n);
    } catch (...) {
      old_->erase(at);
      throw;
    }
  return at->second.grads;
}

const PendingList::Pending* PendingList::find(const Node* n) const {
  for (auto d = young_.rbegin(); d != young_.rend() && d->sequence >= n->sequence; ++d)
    if (d->node == n) return &*d;
  if (!old_) return nullptr;
  const auto at = old_->find(n->sequence);
  return at == old_->end() ? nullptr : &at->second;
}

PendingList::Pending PendingList::pop_old() {
  const auto youngest = std::prev(old_->end());
  const Pending d = youngest->second;
  old_->erase(youngest);
  return d;
}

void PendingList::drop_old() {
  for (const auto& [line, d] : *old_) drop(d);
}

}  // namespace gradus
