#include <gradus/core/build_info.h>
#include <gradus/core/simd/pack.h>

namespace gradus {

#define GRADUS_TEXT_OF(x) #x
#define GRADUS_TEXT(x) GRADUS_TEXT_OF(x)

const char* version() { return GRADUS_VERSION; }
const char* simd() { return GRADUS_TEXT(GRADUS_ISA); }
const char* compiler() {
#ifdef __clang__
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace gradus
