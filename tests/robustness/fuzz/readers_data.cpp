// The readers of data sets, tokenizers and checkpoints.
#include <gradus/autograd/ops.h>
#include <gradus/core/io/checksum.h>
#include <gradus/core/io/json.h>
#include <gradus/core/random.h>
#include <gradus/data/cifar.h>
#include <gradus/data/csv.h>
#include <gradus/data/image.h>
#include <gradus/data/tokenizer.h>
#include <gradus/data/wav.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tests/robustness/fuzz/memory_file.h>
#include <gradus/tests/robustness/fuzz/readers.h>
#include <gradus/train/checkpoint.h>

#include <cstdint>
#include <filesystem>
#include <fstream>

namespace gradus::fuzz {
namespace {

void read_csv_file(const std::string& bytes) {
  const data::Table table = data::read_csv(Memory(bytes).path());
  for (const auto& name : table.names()) {
    const auto texts = table.texts(name);
    promise(static_cast<std::int64_t>(texts.size()) == table.rows(), "every row has a cell of every column");
    data::Categories(texts).encode(texts);
    try {
      table.numbers(name, 0);
    } catch (const DataError&) {  // a column of texts
    }
  }
}
std::vector<std::string> csv_seeds() {
  return {"age,name\n39,\"a, \"\"b\"\"\"\n?, x \r\n\n-2e3,\n", "a\n\"\"\n",
          "\xEF\xBB\xBF"
          "a,b\n1,2"};
}

void read_wav_file(const std::string& bytes) {
  promise(data::read_wav(Memory(bytes).path()).samples.size() > 0, "a sound has a frame");
}
std::vector<std::string> wav_seeds() {
  const std::string riff("RIFF\0\0\0\0WAVE", 12), rate("\x40\x1F\0\0\0\0\0\0", 8);
  return {riff + std::string("fmt \x10\0\0\0\x01\0\x02\0", 12) + rate + std::string("\x04\0\x10\0", 4) +
              std::string("data\x08\0\0\0", 8) + "abcdefgh",
          riff + std::string("LIST\x01\0\0\0x\0", 10) + std::string("fmt \x10\0\0\0\x03\0\x01\0", 12) + rate +
              std::string("\x08\0\x40\0", 4) + std::string("data\x08\0\0\0", 8) + "abcdefgh"};
}

void read_cifar_file(const std::string& bytes) { data::read_cifar10(Memory(bytes).path()); }
std::vector<std::string> cifar_seeds() { return {std::string(3073, '\x03')}; }

void read_tokenizer(const std::string& bytes) {
  const auto tokenizer = data::BytePairTokenizer::load(Memory(bytes).path());
  const Memory saved("");
  tokenizer.save(saved.path());
  promise(data::BytePairTokenizer::load(saved.path()).tokens() == tokenizer.tokens(),
          "what was read is written, and read again");
  try {
    promise(tokenizer.decode(tokenizer.encode(bytes)) == bytes, "a text that is encoded is decoded as itself");
  } catch (const DataError&) {  // a byte that is no token
  }
}
std::vector<std::string> tokenizer_seeds() {
  return {"#version: 0.2\n", "#version: 0.2\n\xC4\xA0 t\n\xC4\xA0 a\nh e\n\xC4\xA0t he\n",
          "#version: 0.2\r\n#bytes: abc\xC4\xA0\r\na b\r\nab ab\r\n"};
}

/// PGM and PPM; PNG and JPEG are libpng's and libjpeg's own affair.
void read_pnm(const std::string& bytes) {
  if (bytes.starts_with("P")) promise(data::read_image(Memory(bytes).path()).size() > 0, "an image has a pixel");
}
std::vector<std::string> pnm_seeds() {
  return {"P5 2 1 255\nab", "P6\n# two\n1 2\n3\n\1\2\3\3\2\1", "P2 2 2 9\n1 2 3\n4", "P3 1 1 255 # red\n255 0 0",
          std::string("P5 1 2 65535\n\1\2\3\4")};
}

/// A number, the part that a checkpoint keeps.
struct Part {
  Array value = Array::full({2}, 7);
  NamedArrays state_dict() const { return {{"value", value}}; }
  void load_state_dict(const NamedArrays& state) {
    if (state.size() != 1 || state[0].first != "value" || state[0].second.shape() != value.shape())
      throw ModuleError("Part", "one value [2] is needed");
    value = state[0].second;
  }
};

/// A safetensors file of a checkpoint that says `about` of itself, with a right checksum, which would keep a mutation from
/// what lies behind it.
std::string checkpoint_file(const std::string& about) {
  const auto text = [](const std::string& s) {
    return checksum(Array::of<std::uint8_t>({static_cast<std::int64_t>(s.size())}, {s.begin(), s.end()}));
  };
  const Array value = Array::full({2}, 9);
  const std::string sum =
      std::to_string(checksum(Array::of<std::int64_t>({3}, {text(about), text("part/value"), checksum(value)})));
  std::string header = "{\"__metadata__\":{\"checksum\":\"" + sum + "\",\"gradus.checkpoint\":";
  if (!append_json(header, about)) throw DataError("about", "is not UTF-8");
  header += "},\"part/value\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const auto length = static_cast<std::uint64_t>(header.size());
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(value.bytes(), 8);
}

/// Removed with all it holds when the program ends.
struct CheckpointFolder {
  std::string path = (std::filesystem::temp_directory_path() / ("gradus-fuzz-" + std::to_string(::getpid()))).string();
  CheckpointFolder() { std::filesystem::create_directories(path); }
  ~CheckpointFolder() { std::filesystem::remove_all(path); }
};

/// The first byte says whether the rest is a whole file, or what a right one says of itself.
void read_checkpoint(const std::string& bytes) {
  if (bytes.empty()) return;
  static const CheckpointFolder folder;
  std::ofstream(folder.path + "/step_00000001.safetensors", std::ios::binary)
      << (bytes[0] == 'f' ? bytes.substr(1) : checkpoint_file(bytes.substr(1)));
  Part part;
  training::Checkpoint checkpoint(folder.path, {{"batch", "64"}});
  checkpoint.add("part", part);
  const Philox before = default_generator().state();
  try {
    const training::Position at = checkpoint.resume();
    promise(at.epoch >= 0 && at.batch >= 0 && at.step >= 0, "a position counts from 0");
    promise(part.value.element(0) == 9 || bytes[0] == 'f', "the part is what the file holds");
  } catch (const Error&) {
    const Philox after = default_generator().state();
    promise(part.value.element(0) == 7 && after.seed == before.seed && after.stream == before.stream,
            "a checkpoint that is refused changes nothing");
    throw;
  }
}
std::vector<std::string> checkpoint_seeds() {
  const std::string about = R"({"batch":3,"config":{"batch":"64"},"epoch":1,"notes":{"best":[0.5,null]},"parts":["part"],)"
                            R"("seed":"18446744073709551615","step":9,"stream":"4","version":1})";
  return {"a" + about, "f" + checkpoint_file(about)};
}

}  // namespace

std::vector<Reader> data_readers() {
  return {{"csv", read_csv_file, csv_seeds},
          {"wav", read_wav_file, wav_seeds},
          {"cifar", read_cifar_file, cifar_seeds},
          {"tokenizer", read_tokenizer, tokenizer_seeds},
          {"pnm", read_pnm, pnm_seeds},
          {"checkpoint", read_checkpoint, checkpoint_seeds}};
}

}  // namespace gradus::fuzz
