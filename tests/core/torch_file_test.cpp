// Files of torch.save(): those that PyTorch wrote (tests/vectors/make_file_vectors.py), and pickles that want more than data.
#include <gradus/core/error.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/zip.h>
#include <gradus/core/io/torch_file.h>

#include <doctest/doctest.h>

#include <map>
#include <string_view>

#include <gradus/tests/helpers/same_arrays.h>
#include <gradus/tests/helpers/temp_dir.h>

using namespace gradus;
using gradus::testing::expected_of;
using gradus::testing::same_arrays;
using gradus::testing::TempDir;
using gradus::testing::vector_file;
using namespace std::string_literals;

namespace {

/// An archive as torch.save() makes it.
std::string torch_archive(const TempDir& dir, const std::string& pickle,
                          const std::map<std::string, std::string>& members = {{"data/0", "12345678"}}) {
  const std::string path = dir / "x.pt";
  write_atomically(path, [&](OutputFile& out) {
    ZipWriter zip([&](std::string_view bytes) { out.write(bytes); });
    zip.add("x/data.pkl", pickle, "");
    for (const auto& [name, bytes] : members) zip.add("x/" + name, bytes, "");
    zip.finish();
  });
  return path;
}

std::string torch_thrown(const std::string& path) {
  try {
    load_torch(path);
  } catch (const DataError& e) {
    CHECK(e.op() == path);
    return std::string(e.what()).substr(path.size() + 2);
  }
  return "no error";
}

std::string text(const std::string& s) { return "\x8c"s + static_cast<char>(s.size()) + s; }
std::string byte(int n) { return "K"s + static_cast<char>(n); }
std::string storage(const std::string& type, const std::string& key, int count) {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") + byte(count) + "tQ";
}
/// A tensor of the storage "0" with two floats.
std::string tensor(const std::string& offset, const std::string& size, const std::string& stride,
                   const std::string& from = storage("FloatStorage", "0", 2)) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + from + offset + size + stride + "\x89" + "ccollections\nOrderedDict\n)RtR";
}
/// {"w": value}
std::string dict(const std::string& value) { return "\x80\2}(" + text("w") + value + "u."; }

const std::string two = byte(2) + "\x85", one = byte(1) + "\x85";

}  // namespace

TEST_CASE("load_torch: state dicts that PyTorch wrote, by either protocol") {
  for (const char* file : {"state.pt", "protocol4.pt"}) {
    CAPTURE(file);
    const NamedArrays state = load_torch(vector_file(file));
    CHECK(same_arrays(state, expected_of("state")));
    const std::map<std::string, Array> a(state.begin(), state.end());
    CHECK(state.at(0).first == "weight");
    for (const char* shared : {"tied", "transposed", "window", "row", "expanded"})
      CHECK(a.at(shared).shares_storage(a.at("weight")));
    CHECK_FALSE(a.at("f64").shares_storage(a.at("weight")));
    CHECK(a.at("weight").dense());
  }
}

TEST_CASE("load_torch: a checkpoint gives its tensors under dotted names") {
  CHECK(same_arrays(load_torch(vector_file("checkpoint.pt")), expected_of("checkpoint")));
}

TEST_CASE("load_torch: what is no such file is refused") {
  const TempDir dir;
  CHECK(torch_thrown(dir.put("a", "hello")) == "not a zip archive (starts with \"hello\")");
  CHECK(torch_thrown(dir.put("a",
                             "\x80\2\x8a\nl\xfc\x9c"
                             "F\xf9 j")) ==
        "a bare pickle, as PyTorch wrote before 1.6; this is not read\n"
        "  try: torch.save(torch.load(path, weights_only=True), path)");
  CHECK(torch_thrown(vector_file("arrays.npz")) == "a zip archive without data.pkl: torch.save() has not written it");
  CHECK(torch_thrown(torch_archive(dir, dict(tensor(byte(0), two, one)), {{"constants.pkl", ""}, {"data/0", "12345678"}})) ==
        "a TorchScript archive, which is a program\n  try: torch.save(model.state_dict(), path)");
  const std::string whole = read_file(vector_file("state.pt"));
  for (std::size_t n = 0; n < whole.size(); n += 7) CHECK(torch_thrown(dir.put("a", whole.substr(0, n))) != "no error");
}

TEST_CASE("load_torch: a pickle runs nothing; what tensors do not need is refused by its name") {
  const TempDir dir;
  const auto refused = [&](const std::string& pickle) { return torch_thrown(torch_archive(dir, pickle)); };
  REQUIRE(refused(dict(tensor(byte(0), two, one))) == "no error");
  const auto global = [](const std::string& name) {
    return "refused: its pickle asks for \"" + name +
           "\", which tensors do not need, or whose numbers no Array has\n"
           "  try: torch.save({k: v.float() for k, v in model.state_dict().items()}, path)";
  };
  CHECK(refused("\x80\2cposix\nsystem\n(X\4\0\0\0echotR."s) == global("posix.system"));
  CHECK(refused("\x80\4" + text("builtins") + text("eval") + "\x93.") == global("builtins.eval"));
  CHECK(refused("\x80\2ctorch\nComplexFloatStorage\n.") == global("torch.ComplexFloatStorage"));
  CHECK(refused("\x80\2ctorch\nsystem\nx.") == global("torch.system"));
  for (const char* code : {"i", "o", "\x81", "\x92", "\x82", "I", "S", "U", "P", "l", "d", "0", "2", "1", "C", "\x8f"})
    CHECK(refused("\x80\2"s + code + "aaaa\nbbbb\n.").starts_with("pickle at byte 2: refused: opcode \""));
  CHECK(refused("\x80\2)R.") == "pickle at byte 4: it takes a value where there is none");
  CHECK(refused("\x80\2ctorch\nFloatStorage\n)R.") == "pickle at byte 24: it calls \"torch.FloatStorage\", which is a type");
  CHECK(refused("\x80\2K\1)R.") == "pickle at byte 6: what is called is an integer; a global would be right");
}

TEST_CASE("load_torch: pickles that are none, or build what no file of their size may") {
  const TempDir dir;
  const auto refused = [&](const std::string& pickle) { return torch_thrown(torch_archive(dir, pickle)); };
  CHECK(refused("") == "pickle at byte 0: it is cut short");
  CHECK(refused("\x80\1.") == "pickle at byte 2: protocol 1; 2 to 5 are read");
  CHECK(refused("\x80\2.") == "pickle at byte 3: it ends with 0 values; one is right");
  CHECK(refused("\x80\2NN.") == "pickle at byte 5: it ends with 2 values; one is right");
  CHECK(refused("\x80\2N.N") == "pickle at byte 4: 1 bytes follow its end");
  CHECK(refused("\x80\2X\xff\xff\xff\xff.") == "pickle at byte 7: it is cut short");
  CHECK(refused("\x80\2h\5.") == "pickle at byte 4: it asks for value 5 of 0 that it has remembered");
  CHECK(refused("\x80\2Nq\5.") == "pickle at byte 5: it remembers value 5 before value 0");
  CHECK(refused("\x80\2t.") == "pickle at byte 3: it takes values from a mark that is not there");
  CHECK(refused("\x80\2(\x85.") == "pickle at byte 4: it takes a value where there is none");
  CHECK(refused("\x80\2}NNs(.") != "no error");
  CHECK(refused("\x80\2}(Nu.") == "pickle at byte 6: a key of a dict has no value");
  CHECK(refused("\x80\2]K\1K\2s.") == "pickle at byte 8: it puts items into a dict or list; a dict would be right");
  CHECK(refused("\x80\2}\x94K\1h\0s."s) ==  // {1: itself}
        "pickle at byte 10: a dict or list holds itself, or more than 32 are nested");
  CHECK(refused("\x80\2" + std::string(300'000, 'N') + ".").find("builds more than a file of this size may") !=
        std::string::npos);
  std::string laughs = "\x80\2](]K\1a\x94";  // each list holds the one before ten times
  for (int i = 0; i < 20; ++i) {
    laughs += "](";
    for (int k = 0; k < 10; ++k) laughs += "h"s + static_cast<char>(i);
    laughs += "e\x94";
  }
  CHECK(refused(laughs + "e.").find("builds more than a file of this size may") != std::string::npos);
}

TEST_CASE("load_torch: tensors that do not fit their storage") {
  const TempDir dir;
  const auto refused = [&](const std::string& pickle) { return torch_thrown(torch_archive(dir, pickle)); };
  const std::string minus = "J\xff\xff\xff\xff", large = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
  const std::string over = "tensor \"w\": shape [2] from element ";
  CHECK(refused(dict(tensor(byte(1), two, one))) == over + "1 on goes over the end of its storage of 2");
  CHECK(refused(dict(tensor(byte(0), two, two))) == over + "0 on goes over the end of its storage of 2");
  CHECK(refused(dict(tensor(minus, two, one))) == over + "-1 on goes over the end of its storage of 2");
  CHECK(refused(dict(tensor(large, two, one))).find("goes over the end of its storage of 2") != std::string::npos);
  CHECK(refused(dict(tensor(byte(0), two, large + "\x85"))).find("goes over the end") != std::string::npos);
  CHECK(refused(dict(tensor(byte(0), large + "\x85", byte(0) + "\x85"))).find("needs more bytes than can be addressed") !=
        std::string::npos);
  CHECK(refused(dict(tensor(byte(0), minus + "\x85", one))).find("a length or stride is no integer from 0") !=
        std::string::npos);
  CHECK(refused(dict(tensor(byte(0), two, ")"))).find("has 1 axes and 0 strides") != std::string::npos);
  CHECK(refused(dict(tensor(byte(0), two, one, storage("FloatStorage", "7", 2)))) ==
        "tensor \"w\": there is no member data/7 with its numbers");
  CHECK(refused(dict(tensor(byte(0), two, one, storage("DoubleStorage", "0", 2)))) ==
        "tensor \"w\": its storage takes 16 bytes, member \"x/data/0\" has 8");
  CHECK(refused(dict(tensor(byte(0), one, one, storage("BoolStorage", "0", 8)))) ==
        "tensor \"w\": element 0 of its storage is no value that bool can hold");
  CHECK(refused(dict(tensor(byte(0), two, one, "N"))).find("a tensor is not made of (storage, ") != std::string::npos);
  const std::string again = "\x80\2}(" + text("a") + tensor(byte(0), two, one) + text("b") +
                            tensor(byte(0), one, one, storage("DoubleStorage", "0", 1)) + "u.";
  CHECK(refused(again) == "tensor \"b\": its storage \"0\" is also one of another type");
  CHECK(refused("\x80\2}(" + text("w") + tensor(byte(0), two, one) + text("w") + tensor(byte(0), two, one) + "u.") ==
        "tensor \"w\": two tensors bear this name");
  CHECK(refused("\x80\2}(N" + tensor(byte(0), two, one) + "u.").find("a key of a dict is None") != std::string::npos);
  CHECK(refused("\x80\2}(" + text("\xff") + tensor(byte(0), two, one) + "u.").find("is not UTF-8") != std::string::npos);
}
