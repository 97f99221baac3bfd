// What a test does otherwise in a sanitizer's build.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // g++
#define GRADUS_SANITIZED 1
#elif defined(__has_feature)  // clang++
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GRADUS_SANITIZED 1
#endif
#endif

namespace gradus::testing {

#ifdef GRADUS_SANITIZED
inline constexpr bool sanitized = true;  // such a program reserves more addresses than a limit may allow
#else
inline constexpr bool sanitized = false;
#endif

/// Of long lists a sanitizer's build takes every fifth entry: the others differ from it in their values, which every other
/// build checks, not in the memory that they touch.
inline constexpr int sampled_every = sanitized ? 5 : 1;

}  // namespace gradus::testing
