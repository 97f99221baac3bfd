// The loop that every element goes through. Options and absent slots are tested once per piece: each combination of them has
// a loop of its own in which they are constants.
#pragma once

#include <gradus/optim/rule/any_rule.h>
#include <gradus/optim/rule/math_functions.h>

#include <cstring>
#include <tuple>

/// Inlines a lambda, and the calls in it, under both compilers.
#define GRADUS_DISSOLVE __attribute__((always_inline, flatten))

namespace gradus::optim {
inline namespace GRADUS_ISA {

template <class R>
inline constexpr std::size_t slot_count =
    std::tuple_size_v<decltype(std::declval<typename R::template State<num<float>>&>().fields())>;

/// The slots that the options in force use: a tuple of `always` and bools.
template <class R> GRADUS_INLINE constexpr auto kept_slots(const R& rule) {
  if constexpr (requires { rule.keeps(); }) return rule.keeps();
  else return []<std::size_t... i>(std::index_sequence<i...>) {
      return std::tuple((void(i), always)...);
    }
  (std::make_index_sequence<slot_count<R>>());
}

/// Calls f(rule) in a branch where each bool of the rule is a constant.
template <std::size_t i = 0, class R, class F> GRADUS_INLINE void with_constant_options(R rule, F f) {
  using Fields = decltype(rule.fields());
  if constexpr (i == std::tuple_size_v<Fields>) {
    f(rule);
  } else if constexpr (std::is_same_v<std::remove_cvref_t<std::tuple_element_t<i, Fields>>, bool>) {
    const bool is_on = std::get<i>(rule.fields());
    if (is_on) std::get<i>(rule.fields()) = true, with_constant_options<i + 1>(rule, f);
    else std::get<i>(rule.fields()) = false, with_constant_options<i + 1>(rule, f);
  } else {
    with_constant_options<i + 1>(rule, f);
  }
}

/// Calls f(kept) in a branch where each bool of the tuple is a constant.
template <std::size_t i = 0, class Kept, class F> GRADUS_INLINE void with_constant_slots(Kept kept, F f) {
  if constexpr (i == std::tuple_size_v<Kept>) {
    f(kept);
  } else if constexpr (std::is_same_v<std::tuple_element_t<i, Kept>, bool>) {
    const bool is_kept = std::get<i>(kept);
    if (is_kept) std::get<i>(kept) = true, with_constant_slots<i + 1>(kept, f);
    else std::get<i>(kept) = false, with_constant_slots<i + 1>(kept, f);
  } else {
    with_constant_slots<i + 1>(kept, f);
  }
}

/// Pointers to the weights, gradient and slots of one parameter.
template <class T, std::size_t slots> struct Streams {
  T* w;
  const T* g;
  T* out;  ///< the direction of a layer rule; null for an element rule
  T* slot[slots + 1];
};

template <class T, std::size_t n> Streams<T, n> streams_of(const Piece& p, void* out = nullptr) {
  Streams<T, n> s{static_cast<T*>(p.w), static_cast<const T*>(p.g), static_cast<T*>(out), {}};
  for (std::size_t j = 0; j < n; ++j) s.slot[j] = static_cast<T*>(p.slots[j]);
  return s;
}

template <class P, class State, class Kept, class S>
GRADUS_INLINE State load_state(const S& at, std::int64_t i, const Kept& kept) {
  State s;
  [&]<std::size_t... j>(std::index_sequence<j...>) GRADUS_DISSOLVE {
    ((std::get<j>(s.fields()) = std::get<j>(kept) ? P::load(at.slot[j] + i) : P(0)), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<Kept>>());
  return s;
}

template <class State, class Kept, class S>
GRADUS_INLINE void store_state(const State& s, const S& at, std::int64_t i, const Kept& kept) {
  [&]<std::size_t... j>(std::index_sequence<j...>) GRADUS_DISSOLVE {
    ((std::get<j>(kept) ? std::get<j>(s.fields()).store(at.slot[j] + i) : void()), ...);
  }
  (std::make_index_sequence<std::tuple_size_v<Kept>>());
}

/// Elements begin..end-1, which are whole packs, through a rule. Rule, Step and pointers come BY VALUE: vector stores may
/// alias anything behind a reference, and every constant would be loaded and converted again for each pack.
template <class T, class R>
[[gnu::flatten, gnu::noinline]] void run_packs(const R given, const typename R::Step k, const Streams<T, slot_count<R>> at,
                                               const double factor, const std::int64_t begin, const std::int64_t end) {
  using P = pack<T>;
  using State = typename R::template State<P>;
  with_constant_options(given, [&](const R rule) GRADUS_DISSOLVE {
    with_constant_slots(kept_slots(rule), [&](const auto kept) GRADUS_DISSOLVE {
      auto loop = [&, rule, k, kept](auto scaled) GRADUS_DISSOLVE {
        const Streams<T, slot_count<R>> s = at;
        const P scale(factor);
        for (std::int64_t i = begin; i < end; i += P::width) {
          State state = load_state<P, State>(s, i, kept);
          P w = P::load(s.w + i), g = P::load(s.g + i);
          if constexpr (scaled) g = scale * g;
          if constexpr (requires { rule.direction(g, w, state, k, w); }) {
            P direction;
            rule.direction(g, w, state, k, direction);
            store_state(state, s, i, kept);
            direction.store(s.out + i);
          } else {
            rule.update(g, w, state, k);
            store_state(state, s, i, kept);  // before w, which is ready last
            w.store(s.w + i);
          }
        }
      };
      if (factor == 1) loop(std::false_type());
      else loop(std::true_type());
    });
  });
}

/// Passes elements begin..end-1 of a piece through a rule. A partial pack goes through a buffer, so that memory behind the
/// parameter is not touched.
template <class R>
void run_pieces(const R& rule, const typename R::Step& k, Dtype dtype, const Piece& p, void* out = nullptr) {
  visit_real(dtype, [&]<class T>() {
    constexpr std::size_t n = slot_count<R>;
    constexpr std::int64_t width = pack<T>::width;
    const auto at = streams_of<T, n>(p, out);
    const std::int64_t whole = p.begin + (p.end - p.begin) / width * width;
    if (whole > p.begin) run_packs<T>(rule, k, at, p.factor, p.begin, whole);
    if (whole == p.end) return;

    alignas(64) T buffer[n + 3][static_cast<std::size_t>(width)] = {};
    Streams<T, n> in_buffer{buffer[0], buffer[1], buffer[2], {}};
    const auto bytes = static_cast<std::size_t>(p.end - whole) * sizeof(T);
    std::memcpy(buffer[0], at.w + whole, bytes);
    std::memcpy(buffer[1], at.g + whole, bytes);
    for (std::size_t j = 0; j < n; ++j) {
      in_buffer.slot[j] = buffer[j + 3];
      if (at.slot[j]) std::memcpy(buffer[j + 3], at.slot[j] + whole, bytes);
    }
    run_packs<T>(rule, k, in_buffer, p.factor, 0, width);
    std::memcpy(at.w + whole, buffer[0], bytes);
    if (at.out) std::memcpy(at.out + whole, buffer[2], bytes);
    for (std::size_t j = 0; j < n; ++j)
      if (at.slot[j]) std::memcpy(at.slot[j] + whole, buffer[j + 3], bytes);
  });
}

}  // namespace GRADUS_ISA
}  // namespace gradus::optim
