#include <gradus/nn/layers/key_value_cache.h>

#include <algorithm>

namespace gradus::nn {
namespace {

/// `old`'s first rows in an Array with room for `room`, of the batch, heads and features of `more` [N, heads, length, D].
Array with_room(const Array& old, int64_t length, const Array& more, int64_t room) {
  Array wider({more.dim(0), room, more.dim(1), more.dim(3)}, more.dtype(), "KeyValueCache");
  if (length > 0) wider.slice(1, 0, length).assign(old.slice(1, 0, length), "KeyValueCache");
  return wider;
}

}  // namespace

void KeyValueCache::check(const ModuleBase& layer, int64_t batch, int64_t heads, int64_t features, Dtype dtype) const {
  if (length_ == 0) return;
  const Array& k = keys_;
  if (k.dim(0) == batch && k.dim(2) == heads && k.dim(3) == features && k.dtype() == dtype) return;
  const auto text = [](Dtype of, int64_t n, int64_t h, int64_t d) { return join(of, " [", n, ",", h, ",length,", d, "]"); };
  throw ShapeError(layer.description(),
                   join("the cache holds keys ", text(k.dtype(), k.dim(0), k.dim(2), k.dim(3)),
                        ", batch, heads, length and features; this call's are ", text(dtype, batch, heads, features)),
                   "cache.clear()");
}

KeyValueCache::Heads KeyValueCache::all() const {
  const auto seen = [&](const Array& a) { return Tensor(a.slice(1, 0, length_).transpose(1, 2)); };
  return {seen(keys_), seen(values_)};
}

KeyValueCache::Heads KeyValueCache::append(const Heads& more) {
  const int64_t added = more.k.dim(2), length = length_ + added;
  const bool own = keys_.unique() && values_.unique();  // else a copy of this, or who asked, sees the same numbers
  if (!own || length_ == 0 || length > keys_.dim(1)) {
    const int64_t room = std::max<int64_t>(64, 2 * length);
    Array keys = with_room(keys_, length_, more.k.array(), room), values = with_room(values_, length_, more.v.array(), room);
    keys_ = std::move(keys), values_ = std::move(values);
  }
  keys_.slice(1, length_, length).assign(more.k.array().transpose(1, 2), "KeyValueCache");
  values_.slice(1, length_, length).assign(more.v.array().transpose(1, 2), "KeyValueCache");
  length_ = length;
  return all();
}

}  // namespace gradus::nn
