// WAV: sound as the RIFF container holds it ("Multimedia programming interface and data specifications 1.0", 1991).
#pragma once

#include <gradus/core/array.h>

#include <string>

namespace gradus::data {

struct Sound {
  Array samples;          ///< f32 [channels, frames], integers divided so that full scale is [-1, 1)
  std::int64_t rate = 0;  ///< frames a second
};

/// PCM of 8, 16, 24 and 32 bits, and IEEE floats of 32 and 64, also as "extensible"; up to 64 channels. Chunks other than
/// "fmt " and "data" are skipped. Errors: DataError naming the file, what its header says and what is there: no RIFF file,
/// cut short, no frame, another encoding.
Sound read_wav(const std::string& path);

}  // namespace gradus::data
