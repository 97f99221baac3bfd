// The short sub-commands that show what this build is and has.
#pragma once

#include <string>

namespace gradus::tools {

int info_command();                               ///< version, compiler, BLAS, threads, SIMD
int optimizers_command(bool json);                ///< every registered rule
int equations_command(const std::string& spec);   ///< SpecError for a spec that cannot be read

}  // namespace gradus::tools
