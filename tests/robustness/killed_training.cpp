// killed_training KILLS: a run that saves a checkpoint at every step is killed (kill -9) at any moment, and started again,
// KILLS times; whenever it comes to its end it begins anew. No checkpoint may be unreadable, and each end must have the bits
// of a run that nobody disturbed.
#include <gradus/core/io/files.h>
#include <gradus/core/parallel.h>
#include <gradus/tests/helpers/killed_child.h>
#include <gradus/train/fit.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/training.h>

using namespace gradus;

namespace {

/// Writes the bits of the end to FOLDER/end. Passed-over checkpoints are counted: FOLDER/damaged.
void train_run(const std::string& folder) {
  set_threads(2);
  gradus::testing::SmallRun run;
  training::Checkpoint checkpoint(folder);
  checkpoint.latest();
  if (!checkpoint.damaged().empty()) write_atomically(folder + "/damaged", checkpoint.damaged()[0]);
  training::fit(run.net, run.optimizer, run.loader, run.step(),
                {.epochs = 12, .average = 0.9, .checkpoint = checkpoint, .checkpoint_every = 0, .progress = false});
  write_atomically(folder + "/end", run.bits());
}

bool killed(const std::string& folder, useconds_t microseconds) {
  return testing::killed([&] { train_run(folder); }, microseconds);
}

}  // namespace

int main(int, char** argv) {
  const int kills = argv[1] ? std::atoi(argv[1]) : 30;
  const gradus::testing::TempDir dir;
  killed(dir / "whole", 0);
  const std::string expected = read_file(dir / "whole/end");
  std::mt19937 random(1);
  int done = 0, ends = 0, failures = 0;
  for (int run = 0; done < kills; ++run) {
    const std::string folder = dir / ("run" + std::to_string(run));
    while (done < kills && killed(folder, static_cast<useconds_t>(10'000 + random() % 100'000))) ++done;
    if (done == kills) killed(folder, 0);
    if (std::filesystem::exists(folder + "/damaged"))
      ++failures, std::printf("FAILED: %s\n", read_file(folder + "/damaged").c_str());
    if (read_file(folder + "/end") != expected) ++failures, std::printf("FAILED: run %d has other bits\n", run);
    std::filesystem::remove_all(folder);
    ++ends;
  }
  std::printf("%d kills, %d runs came to their end, %d failures\n", done, ends, failures);
  return failures == 0 ? 0 : 1;
}
