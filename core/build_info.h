// Version, compiler and instruction set of this build of Gradus.
#pragma once

namespace gradus {

const char* version();   ///< "0.1.0"
const char* compiler();  ///< "g++ 12.2.0"
const char* simd();      ///< instruction set of the kernels: "avx512", "avx2" or "sse2"

}  // namespace gradus
