// Does a review like its film? Each word, and each pair of neighbours, has a row in a table; what a review says is the mean
// of its rows: Joulin et al., "Bag of tricks for efficient text classification", 2017. A batch reads few rows of many, so
// the table's gradient is sparse.
//
//   sentiment                  reviews made up by our own code
//   sentiment --data FOLDER    pos/ and neg/ of Pang and Lee, "A sentimental education", 2004: the digit behind "cv" in a
//                              file's name is its fold; folds 8 and 9 are held out
#include <gradus/core/io/files.h>
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

#include <filesystem>
#include <map>
#include <sstream>

using namespace gradus;

struct Net : nn::Module<Net> {
  nn::EmbeddingBag bag;
  nn::Dropout dropout{0.5};
  nn::Linear output;
  GRADUS_FIELDS(bag, dropout, output)
  Net(int64_t rows, int64_t width) : bag(rows, width, {.mode = "mean", .sparse = true, .padding_idx = 0}), output(width, 2) {
    bag.weight = nn::Parameter(0.1 * bag.weight.tensor().detach());
  }
  /// x [N, L], row 0 being padding -> [N, 2]
  Tensor forward(const Tensor& x) { return output(dropout(bag(x))); }
};

using Words = std::vector<std::string>;

struct Reviews {
  std::vector<Words> words;  // of each, and pairs of them, once each
  std::vector<int64_t> likes;

  void add(const std::string& text, bool liked) {
    std::istringstream in(text);
    Words all;
    std::string before;
    for (std::string word; in >> word; before = word) {
      all.push_back(word);
      if (!before.empty()) all.push_back(before + " " + word);
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    words.push_back(std::move(all)), likes.push_back(liked);
  }
};

Reviews read(const std::string& folder, bool train) {
  Reviews all;
  for (const bool liked : {false, true}) {
    std::vector<std::filesystem::path> paths;
    std::error_code absent;
    for (const auto& entry : std::filesystem::directory_iterator(folder + (liked ? "/pos" : "/neg"), absent))
      if (entry.path().filename().string().starts_with("cv")) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths)
      if ((path.filename().string()[2] < '8') == train) all.add(read_file(path.string()), liked);
  }
  if (all.likes.empty()) throw DataError(folder, "has no reviews pos/cv... and neg/cv...");
  return all;
}

/// Five things are said of a film, and most of them decide; "not" turns one round.
Reviews invent(int64_t count, std::uint64_t seed) {
  const Words things = {"plot", "cast", "music", "ending", "humour", "camera", "dialogue", "pace"};
  const Words praise = {"good", "clever", "moving", "brilliant", "fresh", "funny"};
  const Words blame = {"bad", "dull", "clumsy", "stale", "boring", "silly"};
  Reviews all;
  for (int64_t i = 0; i < count; ++i) {
    const Philox random{seed, static_cast<std::uint64_t>(i)};
    std::uint64_t drawn = 0;
    const auto one_of = [&](const Words& words) { return words[random.below(drawn++, words.size())]; };
    std::string text;
    int liked = 0;
    for (int sentence = 0; sentence < 5; ++sentence) {
      const bool good = random.below(drawn++, 2) == 0, turned = random.below(drawn++, 3) == 0;
      const std::string thing = one_of(things), word = one_of(good ? praise : blame);
      text += "the " + thing + " is " + (turned ? "not " : "") + word + " . ";
      liked += good != turned;
    }
    all.add(text, liked > 2);
  }
  return all;
}

/// What at least `least` of the reviews have.
data::Categories vocabulary(const Reviews& reviews, int least) {
  std::map<std::string, int> counts;
  for (const Words& words : reviews.words)
    for (const std::string& word : words) ++counts[word];
  Words common;
  for (const auto& [word, count] : counts)
    if (count >= least) common.push_back(word);
  return data::Categories(common);
}

/// Unknown words count as padding, 0.
data::TensorDataset bags(const Reviews& reviews, const data::Categories& known) {
  std::size_t longest = 0;
  for (const Words& words : reviews.words) longest = std::max(longest, words.size());
  std::vector<Tensor> rows;
  for (Words words : reviews.words) {
    words.resize(longest);
    rows.emplace_back(known.encode(words));
  }
  return data::TensorDataset(stack(rows).array(), Array::of<int64_t>({std::ssize(reviews.likes)}, reviews.likes));
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    if (!flags.data.empty()) return read(flags.data, train);
    return invent(flags.quick ? 400 : train ? 4000 : 1000, 2 * flags.seed + train);
  };
  const Reviews reviews = load(true);
  const data::Categories known = vocabulary(reviews, 3);
  const data::DataLoader train(bags(reviews, known), {.batch_size = flags.batch, .seed = flags.seed});
  const data::DataLoader test(bags(load(false), known), {.batch_size = 100, .shuffle = false});
  Net net(known.size(), 32);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = net(Tensor(batch.x));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy()});
  options.unit = "reviews";
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "film reviews", 0.55);
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A bag of words says whether a review likes its film",
                       {.optimizer = "adagrad(lr=0.1)", .epochs = 10, .batch = 32, .quick_length = 8}, learn);
}
