#include <gradus/core/parallel.h>
#include <gradus/train/checkpoint.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>
#include <gradus/tests/helpers/training.h>

#include <fstream>

using namespace gradus;
using testing::SmallRun;
using training::Checkpoint;
using training::Position;

namespace {

/// The plain loop, up to `last` steps, saved every third one.
void train_until(SmallRun& run, const std::string& folder, std::int64_t last) {
  Checkpoint checkpoint(folder, {{"program", "test"}});
  checkpoint.add("model", run.net).add("optimizer", run.optimizer);
  for (Position at = checkpoint.resume(); at.step < last; at.next_epoch())
    for (auto& batch : run.loader.epoch(at.epoch, at.batch)) {
      run.optimizer.zero_grad();
      cross_entropy(run.net(Tensor(batch.x)), Tensor(batch.y)).backward();
      run.optimizer.step();
      at.next_batch();
      if (at.step % 3 == 0) checkpoint.save(at);
      if (at.step == last) return;
    }
}

/// A checkpoint of one small array, at the given step.
struct Numbers {
  NamedArrays values{{"a", Array::full({3}, 1.0)}};
  NamedArrays state_dict() const { return values; }
  void load_state_dict(const NamedArrays& state) {
    if (state.size() != 1 || state[0].second.size() != 3) throw DataError("Numbers", "three numbers are needed");
    values = state;
  }
};

void flip(const std::string& path, std::size_t at, char by) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char c = static_cast<char>(file.get() ^ by);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(c);
}

std::size_t size_of(const std::string& path) { return static_cast<std::size_t>(std::filesystem::file_size(path)); }

}  // namespace

TEST_CASE("a run that goes on from its checkpoint, in the middle of an epoch, has the bits of one that never stopped") {
  for (const int threads_now : {1, 2}) {
    set_threads(threads_now);
    for (const std::string spec : {"adamw(lr=cosine(1e-2, total=40))", "accumulate(2) | sgd(lr=0.1, momentum=0.9)"}) {
      SmallRun whole(spec);
      const testing::TempDir dir;
      train_until(whole, dir / "whole", 17);
      const std::string expected = whole.bits();
      for (const std::int64_t stop : {4, 7, 12}) {
        const std::string folder = dir / std::to_string(stop);
        {
          SmallRun first(spec);
          train_until(first, folder, stop);
        }
        SmallRun second(spec);
        manual_seed(99);  // what the checkpoint does not put right stays wrong
        train_until(second, folder, 17);
        CHECK_MESSAGE((second.bits() == expected), spec, " stopped at step ", stop, ", ", threads_now, " threads");
      }
    }
  }
  set_threads(2);
}

TEST_CASE("the newest checkpoints stay, and what a killed save left goes") {
  const testing::TempDir dir;
  Numbers numbers;
  Checkpoint checkpoint(dir.path());
  checkpoint.add("numbers", numbers);
  CHECK(checkpoint.resume().step == 0);
  CHECK(checkpoint.latest().empty());
  dir.put("step_00000001.safetensors.tmp.12.0", "half a file");
  dir.put("mine.txt", "not ours");
  for (std::int64_t step = 1; step <= 4; ++step) checkpoint.save({.step = step});
  CHECK(checkpoint.latest() == dir / "step_00000004.safetensors");
  CHECK(dir.files() == 3);
  CHECK(std::filesystem::exists(dir / "step_00000003.safetensors"));
  CHECK(std::filesystem::exists(dir / "mine.txt"));
}

TEST_CASE("a checkpoint that was damaged anywhere is passed over for the one before") {
  const testing::TempDir dir;
  Numbers numbers;
  Checkpoint checkpoint(dir.path());
  checkpoint.add("numbers", numbers);
  Position at{.step = 1};
  checkpoint.save(at);
  numbers.values[0].second = Array::full({3}, 2.0);
  at.step = 2, at.notes = "a note";
  checkpoint.save(at);
  const std::string newest = dir / "step_00000002.safetensors", before = dir / "step_00000001.safetensors";
  for (std::size_t i = 0; i < size_of(newest); ++i) {
    flip(newest, i, 0x10);
    const std::string found = checkpoint.latest();
    CHECK_MESSAGE(found == before, "byte ", i, " was changed");
    CHECK(checkpoint.damaged().size() == 1);
    flip(newest, i, 0x10);
  }
  CHECK(checkpoint.latest() == newest);

  std::filesystem::resize_file(newest, size_of(newest) - 1);
  CHECK(checkpoint.resume().step == 1);
  CHECK(numbers.values[0].second.element(0) == 1);
  flip(before, size_of(before) - 1, 1);
  CHECK(says(thrown<DataError>([&] { checkpoint.resume(); }),
             {dir.path(), "none of the 2 checkpoints can be read", "step_00000001", "checksum", "try: another folder"}));
}

TEST_CASE("a checkpoint of another program or configuration is refused with the differences") {
  const testing::TempDir dir;
  SmallRun run;
  Checkpoint first(dir.path(), {{"program", "digits"}, {"batch", "8"}, {"only there", "1"}});
  first.add("model", run.net).add("optimizer", run.optimizer).save({.step = 7});

  Checkpoint other(dir.path(), {{"program", "letters"}, {"batch", "8"}, {"only here", "2"}});
  other.add("model", run.net);
  CHECK(says(thrown<DataError>([&] { other.resume(); }),
             {"step_00000007", "of another run", "program is \"digits\" there, \"letters\" here",
              "only there is \"1\" there, absent here", "only here is absent there, \"2\" here",
              "what is saved is \"model\", \"optimizer\" there, \"model\" here", "try: "}));
  CHECK(says(thrown<DataError>([&] { other.save({.step = 8}); }), {"holds checkpoints of a run that was not resumed"}));

  nn::Linear larger(7, 16);
  Checkpoint misfit(dir.path(), {{"program", "digits"}, {"batch", "8"}, {"only there", "1"}});
  SmallRun intact;
  const std::string bits = intact.bits();
  misfit.add("model", intact.net).add("optimizer", larger);
  CHECK(says(thrown<DataError>([&] { misfit.resume(); }), {"its \"optimizer\" does not fit; nothing was loaded"}));
  CHECK((intact.bits() == bits));
}

TEST_CASE("what a Checkpoint cannot keep is refused") {
  Numbers numbers;
  CHECK(says(thrown<DataError>([] { Checkpoint(""); }), {"Checkpoint: the folder's name is empty"}));
  CHECK(says(thrown<DataError>([] { Checkpoint("x", {}, 0); }), {"keep is 0"}));
  Checkpoint checkpoint("x");
  CHECK(says(thrown<DataError>([&] { checkpoint.add("a/b", numbers); }), {"\"a/b\" cannot be the name of a part"}));
  checkpoint.add("a", numbers);
  CHECK(says(thrown<DataError>([&] { checkpoint.add("a", numbers); }), {"\"a\" was added already"}));
  Checkpoint nowhere("/proc/none");
  CHECK(says(thrown<DataError>([&] { nowhere.save({}); }), {"/proc/none", "cannot be made"}));
  const testing::TempDir dir;
  save_safetensors(dir / "step_00000003.safetensors", {{"a", Array::full({3}, 1.0)}});
  Checkpoint stranger(dir.path());
  CHECK(says(thrown<DataError>([&] { stranger.latest(); }), {"is no checkpoint of Gradus"}));
}
