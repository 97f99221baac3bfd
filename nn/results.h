// The tensors among the arguments of a forward and in what it returns: for hooks on modules and for observers.
#pragma once

#include <gradus/autograd/tensor.h>

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradus::nn {

namespace results {

struct Any {
  template <class T> operator T() const;
};
template <class T, class... Values>
concept made_of = requires {
  T{std::declval<Values>()...};
};
template <class T>
concept tuple_like = requires {
  std::tuple_size<T>::value;
};

}  // namespace results

/// f(tensor) for each in `x`: a Tensor, a pair, tuple or vector with some, or a plain struct of two or three members.
template <class T, class F> void each_tensor(T& x, F&& f) {
  using results::Any;
  if constexpr (std::is_same_v<T, Tensor>) {
    f(x);
  } else if constexpr (results::tuple_like<T>) {
    std::apply([&](auto&... parts) { (each_tensor(parts, f), ...); }, x);
  } else if constexpr (requires { x.begin(), x.end(), x.push_back(*x.begin()); }) {
    if constexpr (std::is_class_v<typename T::value_type>)
      for (auto& part : x) each_tensor(part, f);
  } else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>) {
    if constexpr (results::made_of<T, Any, Any, Any> && !results::made_of<T, Any, Any, Any, Any>) {
      auto& [a, b, c] = x;
      each_tensor(a, f), each_tensor(b, f), each_tensor(c, f);
    } else if constexpr (results::made_of<T, Any, Any> && !results::made_of<T, Any, Any, Any>) {
      auto& [a, b] = x;
      each_tensor(a, f), each_tensor(b, f);
    }
  }
}

template <class T> std::vector<Tensor> tensors_in(T& x) {
  std::vector<Tensor> all;
  each_tensor(x, [&](const Tensor& t) { all.push_back(t); });
  return all;
}

/// The arguments that are Tensors.
template <class... Args> std::vector<Tensor> tensors_among(const Args&... args) {
  std::vector<Tensor> all;
  const auto take = [&](const auto& x) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(x)>, Tensor>) all.push_back(x);
  };
  (take(args), ...);
  return all;
}

/// f(args...) with other tensors in the places of those that tensors_among() has found.
template <class F, class... Args> decltype(auto) call_with(F f, const std::vector<Tensor>& tensors, Args&... args) {
  std::size_t next = 0;
  const auto in_place_of = [&]<class A>(A& x) -> decltype(auto) {
    if constexpr (std::is_same_v<std::remove_cv_t<A>, Tensor>) return (tensors[next++]);
    else return (x);
  };
  return std::apply(f, std::tuple<decltype(in_place_of(args))...>{in_place_of(args)...});  // braces: from left to right
}

}  // namespace gradus::nn
