// The readers, and their entry for libFuzzer:
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/replay_readers --write-seeds corpus
//   build/fuzz/fuzz_readers --reader=npy corpus/npy -max_total_time=600 -rss_limit_mb=2048
#include <gradus/autograd/ops.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/zip.h>
#include <gradus/core/io/npy.h>
#include <gradus/core/io/npz.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/io/torch_file.h>
#include <gradus/data/idx.h>
#include <gradus/optim/optimizer.h>
#include <gradus/optim/spec/spec.h>
#include <gradus/tests/robustness/fuzz/memory_file.h>
#include <gradus/tests/robustness/fuzz/readers.h>

#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <stdexcept>

namespace gradus::fuzz {
namespace {

std::string bits(const Array& a) {
  const Array dense = a.contiguous();
  return describe(a) + std::string(dense.bytes(), static_cast<std::size_t>(dense.size()) * bytes_of(dense.dtype()));
}
std::string bits(const NamedArrays& state) {
  std::string all;
  for (const auto& [name, a] : state) all += name + '\0' + bits(a);
  return all;
}

/// What `save` puts into a file of the directory that TMPDIR names: saving waits for the disk, where there is one.
template <class Save> std::string written(Save save) {
  std::string path = std::filesystem::temp_directory_path() / "gradus-fuzz-XXXXXX";
  const int descriptor = mkstemp(path.data());
  if (descriptor < 0) throw std::runtime_error("no temporary file can be made");
  ::close(descriptor);
  std::string all;
  try {
    save(path);
    all = read_file(path);
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
  ::unlink(path.c_str());
  return all;
}

template <class T> Array counting(const Shape& shape) {
  Array a(shape, dtype_of<T>());
  for (int64_t i = 0; i < a.size(); ++i) a.uninitialized<T>()[i] = static_cast<T>(i % 7);
  return a;
}

// ---- files ----------------------------------------------------------------------------------------------------------

void read_safetensors(const std::string& bytes) {
  const Safetensors found = load_safetensors(Memory(bytes).path());
  const std::string again = written([&](const std::string& path) { save_safetensors(path, found.tensors, found.metadata); });
  const Safetensors second = load_safetensors(Memory(again).path());
  promise(bits(second.tensors) == bits(found.tensors) && second.metadata == found.metadata,
          "what was read is written, and read again");
}
std::vector<std::string> safetensors_seeds() {
  const NamedArrays some = {{"a.weight", counting<float>({2, 3})},
                            {"b", counting<int64_t>({})},
                            {"none", counting<double>({0, 2})},
                            {"flags", counting<bool>({5})},
                            {"\xC3\xA4 \"q\"", counting<std::uint8_t>({3})}};
  return {written([&](const std::string& p) { save_safetensors(p, {}); }),
          written([&](const std::string& p) { save_safetensors(p, {some[0]}); }), written([&](const std::string& p) {
            save_safetensors(p, some, {{"format", "pt"}, {"note", "line\n\t\\"}});
          })};
}

void read_npy(const std::string& bytes) {
  const Array found = load_npy(Memory(bytes).path());
  const std::string again = written([&](const std::string& path) { save_npy(path, found); });
  promise(bits(load_npy(Memory(again).path())) == bits(found), "what was read is written, and read again");
}
std::string npy_of(const std::string& header, const std::string& data, char major = 1) {
  std::string s = std::string("\x93NUMPY", 6) + major + '\0' + static_cast<char>(header.size() & 255) +
                  static_cast<char>(header.size() >> 8);
  if (major > 1) s += std::string(2, '\0');
  return s + header + data;
}
std::vector<std::string> npy_seeds() {
  return {written([](const std::string& p) {
            save_npy(p, counting<float>({2, 3}));
          }),
          written([](const std::string& p) { save_npy(p, counting<int64_t>({})); }),
          written([](const std::string& p) {
            save_npy(p, counting<bool>({0, 4}));
          }),
          npy_of("{'descr': '>f8', 'fortran_order': True, 'shape': (2, 1), }\n", std::string(16, '\1')),
          npy_of("{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }\n", std::string(6, '\1'), 2),
          npy_of("{'descr': 'u4', 'fortran_order': False, 'shape': (1,), }\n", std::string(4, '\1'), 3)};
}

void read_idx_file(const std::string& bytes) { data::read_idx(Memory(bytes).path()); }
std::vector<std::string> idx_seeds() {
  return {std::string("\0\0\x08\x01\0\0\0\x03", 8) + "abc",
          std::string("\0\0\x08\x03\0\0\0\x01\0\0\0\x02\0\0\0\x02", 16) + "abcd",
          std::string("\0\0\x0C\x01\0\0\0\x01", 8) + "abcd", std::string("\0\0\x0D\x01\0\0\0\x01\0\0\0\0", 12),
          std::string("\0\0\x0E\x01\0\0\0\x01", 8) + std::string(8, '\0')};
}

std::string gzipped(const std::string& bytes) {
  z_stream z{};
  if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib");
  std::string out(bytes.size() + 256, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())), z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data()), z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
void read_npz(const std::string& bytes) {
  const NamedArrays found = load_npz(Memory(bytes).path());
  const std::string again = written([&](const std::string& path) { save_npz(path, found); });
  promise(bits(load_npz(Memory(again).path())) == bits(found), "what was read is written, and read again");
}
std::vector<std::string> npz_seeds() {
  const NamedArrays some = {{"a.weight", counting<float>({2, 3})}, {"b", counting<int64_t>({})}, {"", counting<bool>({0})}};
  // One member, deflated: np.savez_compressed(n=np.zeros(600, "u1")).
  const std::string member = npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (600,), }\n", std::string(600, '\0'));
  const std::string packed = gzipped(member), raw = packed.substr(10, packed.size() - 18);
  const auto number = [](std::uint64_t n, int width) {
    std::string s;
    for (int i = 0; i < width; ++i, n >>= 8) s += static_cast<char>(n & 255);
    return s;
  };
  const std::string shared = number(20, 2) + number(0, 2) + number(8, 2) + number(0, 4) +
                             packed.substr(packed.size() - 8, 4) + number(raw.size(), 4) + number(member.size(), 4) +
                             number(5, 2) + number(0, 2);
  const std::string local = "PK\3\4" + shared + "n.npy" + raw;
  const std::string entry = "PK\1\2" + number(20, 2) + shared + number(0, 14) + "n.npy";
  const std::string end = "PK\5\6" + number(0, 4) + number(1, 2) + number(1, 2) + number(entry.size(), 4) +
                          number(local.size(), 4) + number(0, 2);
  return {written([](const std::string& p) { save_npz(p, {}); }), written([&](const std::string& p) { save_npz(p, some); }),
          local + entry + end};
}

/// What torch.save() writes, with a pickle of one's own.
std::string torch_of(const std::string& pickle) {
  std::string file;
  ZipWriter zip([&](std::string_view bytes) { file += bytes; });
  zip.add("x/data.pkl", pickle, "");
  zip.add("x/byteorder", "little", "");
  zip.add("x/data/0", std::string(24, '\1'), "");
  zip.add("x/data/1", std::string(3, '\1'), "");
  zip.finish();
  return file;
}
std::string torch_tensor(const std::string& storage, int count, const std::string& size, const std::string& stride) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((\x8c\7storagectorch\n" + storage + "\n\x8c\1" +
         (storage == "BoolStorage" ? "1" : "0") + "\x8c\3cpuK" + static_cast<char>(count) + "tQK" + '\0' + size + stride +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}
/// The first byte says whether the rest is a pickle, which then lies in a right archive, or the whole file.
void read_torch(const std::string& bytes) {
  if (bytes.empty()) return;
  const std::string file = bytes[0] == 'p' ? torch_of(bytes.substr(1)) : bytes.substr(1);
  for (const auto& [name, a] : load_torch(Memory(file).path())) {
    promise(a.defined(), "a tensor that is listed is there");
    if (a.size() <= 10'000) bits(a);  // inside its storage, which ASan watches; an expanded one may have 2^44 elements
  }
}
std::vector<std::string> torch_seeds() {
  const std::string two_by_three = "K\2K\3\x86", plain = "K\3K\1\x86", turned = "K\1K\2\x86";
  const std::string a = torch_tensor("FloatStorage", 6, two_by_three, plain);
  const std::string b = torch_tensor("FloatStorage", 6, two_by_three, turned);
  const std::string c = torch_tensor("BoolStorage", 3, "K\3\x85", "K\1\x85"), d = torch_tensor("HalfStorage", 12, ")", ")");
  const std::string state = "\x80\2ccollections\nOrderedDict\n)R(\x8c\1a" + a + "\x8c\1b" + b + "\x8c\1c" + c +
                            "u}\x8c\x9_metadata}\x8c\1vK\1ssb.";
  const std::string nested = "\x80\4\x95" + std::string(8, '\0') + "}\x94(\x8c\5epochM\1\1\x8c\4lossG" +
                             std::string(8, '\1') + "\x8c\5model}\x94\x8c\1h" + d + "sK\7](" + c +
                             "Ne\x8c\4noneN\x8c\5truth\x88u.";
  return {"p" + state, "p" + nested, "p\x80\2}.", "z" + torch_of(state)};
}

std::vector<std::string> gzip_seeds() {
  std::vector<std::string> all;
  for (const std::string& s : idx_seeds()) all.push_back(gzipped(s));
  const std::string s = idx_seeds()[0];
  all.push_back(gzipped(s.substr(0, 5)) + gzipped(s.substr(5)));  // two members
  return all;
}
/// Also the bytes as what a right gzip file holds: a checksum would keep a mutation from what lies behind it.
void read_gzip(const std::string& bytes) {
  try {
    data::read_idx(Memory(gzipped(bytes)).path());
  } catch (const Error&) {
  }
  read_idx_file(bytes);
}

// ---- texts ----------------------------------------------------------------------------------------------------------

NamedTensors parameters() {
  return {{"a.weight", leaf(counting<float>({3, 2}), "a.weight")}, {"a.bias", leaf(counting<float>({3}), "a.bias")}};
}

void read_spec(const std::string& text) {
  optim::parse_spec(text);
  const optim::Optimizer made = optim::make(text, parameters());
  const std::string spec = made.spec();
  promise(optim::make(spec, parameters()).spec() == spec, "the spec of an optimizer reads back as the same");
}
std::vector<std::string> spec_seeds() {
  return {"adam",
          "sgd(lr=0.1, momentum=0.9, nesterov=true)",
          "adamw(lr=3e-4, beta1=0.9, beta2=0.95, weight_decay=0.01)",
          "skip_nonfinite | accumulate(4) | clip_norm(1) | adamw(lr=cosine(3e-4, total=20000, warmup=500))",
          "lookahead(adam(lr=1e-3), k=5)",
          "lbfgs(history_size=5)",
          "rmsprop(dialect=keras)",
          "sam(sgd(lr=0.1), rho=0.05)"};
}

void read_schedule(const std::string& text) {
  const optim::Schedule made(text);
  const std::string spec = made.spec();
  optim::Schedule again(spec);
  promise(again.spec() == spec, "the text of a schedule reads back as the same");
  for (const std::int64_t k : {std::int64_t(0), std::int64_t(1), std::int64_t(1000), INT64_MAX}) {
    const double a = made.at(k), b = again.at(k);
    promise(a == b || (a != a && b != b), "a schedule that was read back has the same values");
  }
  again.load_state(made.state());
}
std::vector<std::string> schedule_seeds() {
  return {"0.1",
          "cosine(0.1, total=100)",
          "cosine(3e-4, total=20000, warmup=500)",
          "step(0.1, size=30, gamma=0.1)",
          "linear(1, total=10)",
          "plateau(0.1)",
          "one_cycle(0.1, total=100)",
          "exponential(0.1, gamma=0.99)"};
}

// ---- saved optimizers -----------------------------------------------------------------------------------------------

constexpr const char* saved_specs[] = {"adam(lr=1e-2)", "sgd(lr=1e-2, momentum=0.9)",
                                       "skip_nonfinite | accumulate(2) | adamw(lr=cosine(1e-2, total=100))",
                                       "lbfgs(history_size=2)"};

optim::Optimizer stepped(const std::string& spec) {
  optim::Optimizer made = optim::make(spec, parameters());
  for (int k = 0; k < 2; ++k)
    made.step([&] {
      Tensor loss;
      for (const auto& [name, t] : made.parameters()) loss = loss.defined() ? loss + sum(t * t) : sum(t * t);
      return loss;
    });
  return made;
}

/// The first byte chooses the optimizer that the rest, a safetensors file, is loaded into.
void read_optimizer(const std::string& bytes) {
  if (bytes.empty()) return;
  const NamedArrays state = load_safetensors(Memory(bytes.substr(1)).path()).tensors;
  optim::Optimizer into = stepped(saved_specs[static_cast<unsigned char>(bytes[0]) % std::size(saved_specs)]);
  const std::string before = bits(into.state_dict());
  try {
    into.load_state_dict(state);
  } catch (const Error&) {
    promise(bits(into.state_dict()) == before, "a state that is refused changes nothing");
    throw;
  }
  const NamedArrays saved = into.state_dict();
  into.load_state_dict(saved);
  promise(bits(into.state_dict()) == bits(saved), "what was loaded can be saved, and loaded again");
}
std::vector<std::string> optimizer_seeds() {
  std::vector<std::string> all;
  for (std::size_t k = 0; k < std::size(saved_specs); ++k) {
    const NamedArrays state = stepped(saved_specs[k]).state_dict();
    all.push_back(static_cast<char>(k) + written([&](const std::string& p) { save_safetensors(p, state); }));
  }
  return all;
}

}  // namespace

const std::vector<Reader>& readers() {
  static const std::vector<Reader> own = {{"safetensors", read_safetensors, safetensors_seeds},
                                          {"npy", read_npy, npy_seeds},
                                          {"npz", read_npz, npz_seeds},
                                          {"torch", read_torch, torch_seeds},
                                          {"idx", read_idx_file, idx_seeds},
                                          {"gzip", read_gzip, gzip_seeds},
                                          {"spec", read_spec, spec_seeds},
                                          {"schedule", read_schedule, schedule_seeds},
                                          {"optimizer", read_optimizer, optimizer_seeds}};
  static const std::vector<Reader> all = [] {
    std::vector<Reader> both = own;
    for (const Reader& r : data_readers()) both.push_back(r);
    return both;
  }();
  return all;
}

const Reader* reader(const std::string& name) {
  for (const Reader& r : readers())
    if (name == r.name) return &r;
  return nullptr;
}

}  // namespace gradus::fuzz

#ifdef GRADUS_FUZZ
namespace {
const gradus::fuzz::Reader* chosen = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i)
    if (std::strncmp((*argv)[i], "--reader=", 9) == 0) chosen = gradus::fuzz::reader((*argv)[i] + 9);
  if (chosen) return 0;
  std::fprintf(stderr, "fuzz_readers --reader=NAME [CORPUS] [libFuzzer's options]; the names:\n");
  for (const auto& r : gradus::fuzz::readers()) std::fprintf(stderr, "  %s\n", r.name);
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    chosen->read(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const gradus::Error&) {
  }
  return 0;  // anything else that is thrown ends the program, and is reported
}
#endif
