#include <gradus/core/io/files.h>
#include <gradus/data/wav.h>

#include <bit>
#include <cstring>
#include <vector>

namespace gradus::data {
namespace {

std::uint32_t little_endian(const unsigned char* p, int bytes) {
  std::uint32_t x = 0;
  for (int i = bytes; i-- > 0;) x = x << 8 | p[i];
  return x;
}

struct WavFormat {
  std::uint32_t tag = 0, channels = 0, rate = 0, block = 0, bits = 0;
};

struct WavChunk {
  std::string id;
  std::uint64_t at = 0, bytes = 0;  // of its contents
};

WavFormat read_format(const InputFile& file, const WavChunk& chunk) {
  const auto& path = file.path();
  unsigned char raw[40] = {};
  if (chunk.bytes < 16) bad_file(path, "its format chunk has ", chunk.bytes, " bytes; it needs at least 16");
  file.read(chunk.at, raw, static_cast<std::size_t>(std::min<std::uint64_t>(chunk.bytes, sizeof raw)));
  WavFormat f{little_endian(raw, 2), little_endian(raw + 2, 2), little_endian(raw + 4, 4), little_endian(raw + 12, 2),
              little_endian(raw + 14, 2)};
  if (f.tag == 0xFFFE && chunk.bytes >= 40) f.tag = little_endian(raw + 24, 2);  // extensible: the subformat's first bytes
  const bool pcm = f.tag == 1 && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32);
  const bool real = f.tag == 3 && (f.bits == 32 || f.bits == 64);
  if (!pcm && !real)
    bad_file(path, "holds format ", f.tag, " of ", f.bits,
             " bits; PCM (1) of 8, 16, 24, 32 and float (3) of 32, 64 are read");
  if (f.channels < 1 || f.channels > 64) bad_file(path, "says it has ", f.channels, " channels; 1 to 64 are read");
  if (f.rate < 1) bad_file(path, "says it has a rate of 0 frames a second");
  if (f.block != f.channels * f.bits / 8)
    bad_file(path, "says a frame takes ", f.block, " bytes; ", f.channels, " channels of ", f.bits, " bits take ",
             f.channels * f.bits / 8);
  return f;
}

float sample(const unsigned char* p, const WavFormat& f) {
  if (f.tag == 3 && f.bits == 32) return std::bit_cast<float>(little_endian(p, 4));
  if (f.tag == 3)
    return static_cast<float>(std::bit_cast<double>(std::uint64_t(little_endian(p + 4, 4)) << 32 | little_endian(p, 4)));
  if (f.bits == 8) return (static_cast<float>(p[0]) - 128) / 128;
  const auto bytes = static_cast<int>(f.bits / 8);
  const std::uint32_t left = little_endian(p, bytes) << (32 - f.bits);  // the sign stands first
  return static_cast<float>(static_cast<double>(static_cast<std::int32_t>(left)) / 0x1p31);
}

Sound read_samples(const InputFile& file, const WavFormat& f, const WavChunk& data) {
  const std::uint64_t frames = data.bytes / f.block;
  if (frames == 0 || data.bytes % f.block != 0)
    bad_file(file.path(), "has ", data.bytes, " bytes of sound; that must be whole frames of ", f.block, ", one at least");
  Sound sound{Array({static_cast<std::int64_t>(f.channels), static_cast<std::int64_t>(frames)}), f.rate};
  float* to = sound.samples.uninitialized<float>();
  const std::uint64_t most = 4096;
  std::vector<unsigned char> some(most * f.block);
  for (std::uint64_t begin = 0; begin < frames; begin += most) {
    const std::uint64_t n = std::min(most, frames - begin);
    file.read(data.at + begin * f.block, some.data(), n * f.block);
    for (std::uint64_t i = 0; i < n; ++i)
      for (std::uint64_t c = 0; c < f.channels; ++c)
        to[c * frames + begin + i] = sample(some.data() + i * f.block + c * (f.bits / 8), f);
  }
  return sound;
}

}  // namespace

Sound read_wav(const std::string& path) {
  const InputFile file(path);
  unsigned char head[12] = {};
  if (file.size() < sizeof head) bad_file(path, "has ", file.size(), " bytes; a WAV file has a header of 12");
  file.read(0, head, sizeof head);
  if (std::memcmp(head, "RIFF", 4) != 0 || std::memcmp(head + 8, "WAVE", 4) != 0)
    bad_file(path, "not a WAV file (it begins with \"", excerpt({reinterpret_cast<char*>(head), sizeof head}), "\")");
  WavFormat format;
  for (std::uint64_t at = sizeof head; at + 8 <= file.size();) {
    unsigned char raw[8];
    file.read(at, raw, sizeof raw);
    const WavChunk chunk{std::string(reinterpret_cast<char*>(raw), 4), at + 8, little_endian(raw + 4, 4)};
    if (chunk.bytes > file.size() - chunk.at)
      bad_file(path, "its chunk \"", excerpt(chunk.id), "\" says ", chunk.bytes, " bytes, ", file.size() - chunk.at,
               " are left; it is cut short");
    if (chunk.id == "fmt ") format = read_format(file, chunk);
    if (chunk.id == "data") {
      if (format.tag == 0) bad_file(path, "its sound stands before its format");
      return read_samples(file, format, chunk);
    }
    at = chunk.at + chunk.bytes + chunk.bytes % 2;
  }
  bad_file(path, format.tag == 0 ? "has no format chunk" : "has no data chunk");
}

}  // namespace gradus::data
