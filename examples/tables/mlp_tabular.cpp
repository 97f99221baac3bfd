// A table of numbers and categories: embeddings for the categories, and an MLP.
//
//   mlp_tabular                   people made by our own code, with a rule behind them
//   mlp_tabular --data FOLDER     adult-train.csv and adult-test.csv (UCI): who earns more than 50,000 dollars?
#include <gradus/examples/flags.h>
#include <gradus/gradus.h>

using namespace gradus;

/// The columns of adult.csv; the last one is the answer.
const std::vector<std::string> numbers{"0", "2", "4", "10", "11", "12"}, categories{"1", "3", "5", "6", "7", "8", "9", "13"};

/// Columns as the network wants them: numbers of mean 0 and deviation 1, then the categories' places.
struct Encoder {
  std::vector<double> mean, deviation;
  std::vector<data::Categories> known;

  explicit Encoder(const data::Table& train) {
    for (const auto& name : numbers) {
      const Tensor x(train.numbers(name, 0));
      mean.push_back(gradus::mean(x).item());
      deviation.push_back(std::sqrt(gradus::mean(square(x - mean.back())).item()) + 1e-6);
    }
    for (const auto& name : categories) known.emplace_back(train.texts(name));
  }
  data::TensorDataset of(const data::Table& table) const {
    std::vector<Tensor> columns;
    for (std::size_t k = 0; k < numbers.size(); ++k)
      columns.push_back((Tensor(table.numbers(numbers[k], mean[k])) - mean[k]) / deviation[k]);
    for (std::size_t k = 0; k < categories.size(); ++k)
      columns.push_back(Tensor(known[k].encode(table.texts(categories[k]))).to(f32));
    std::vector<int64_t> answers;
    for (const auto& text : table.texts("14")) answers.push_back(text.starts_with(">50K"));
    return data::TensorDataset(stack(columns, 1).array(), Array::of<int64_t>({table.rows()}, answers));
  }
};

struct Net : nn::Module<Net> {
  std::vector<nn::Embedding> embeddings;
  nn::Linear hidden1, hidden2{128, 64}, output{64, 2};
  nn::Dropout dropout{0.2};
  GRADUS_FIELDS(embeddings, hidden1, hidden2, output, dropout)
  explicit Net(const Encoder& encoder) : hidden1(static_cast<int64_t>(numbers.size() + 8 * encoder.known.size()), 128) {
    for (const auto& c : encoder.known) embeddings.emplace_back(c.size(), 8);
  }
  Tensor forward(const Tensor& x) {
    const auto n = static_cast<int64_t>(numbers.size());
    std::vector<Tensor> parts{x.slice(1, 0, n)};
    for (std::size_t k = 0; k < embeddings.size(); ++k)
      parts.push_back(embeddings[k](select(x, 1, n + static_cast<int64_t>(k)).to(i64)));
    return output(dropout(relu(hidden2(dropout(relu(hidden1(cat(parts, 1))))))));
  }
};

/// A table of the same columns: income grows with age, hours and schooling, more in some occupations than in others.
data::Table invented(int64_t rows, std::uint64_t seed) {
  const Philox random{seed, 5};
  std::string csv;
  for (int64_t i = 0; i < rows; ++i) {
    const auto draw = [&](std::uint64_t k, std::uint64_t n) {
      return random.below(16 * static_cast<std::uint64_t>(i) + k, n);
    };
    const auto age = 18 + draw(0, 50), hours = 20 + draw(1, 40), school = 5 + draw(2, 12), work = draw(3, 8),
               state = draw(4, 3);
    const auto score = age / 2 + hours + 3 * school + 6 * (work % 4) + (state == 1 ? 20 : 0) + draw(5, 10);
    csv += join(age, ",w", draw(6, 4), ",", draw(7, 9000), ",e", school, ",", school, ",m", state, ",o", work, ",r,x,y,0,0,",
                hours, ",c,", score > 120 ? ">50K" : "<=50K", "\n");
  }
  return data::parse_csv(csv, {.header = false});
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto table = [&](bool train) {
    if (!flags.data.empty())
      return data::read_csv(flags.data + (train ? "/adult-train.csv" : "/adult-test.csv"), {.header = false});
    return invented(flags.quick ? 1000 : 20000, 2 * flags.seed + train);
  };
  const data::Table learned = table(true), held_out = table(false);
  const Encoder encoder(learned);
  const data::DataLoader train(encoder.of(learned), {.batch_size = flags.batch, .seed = flags.seed});
  const data::TensorDataset rest = encoder.of(held_out);
  const data::DataLoader test(rest, {.batch_size = 500, .shuffle = false});
  Net net(encoder);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = net(Tensor(batch.x));
    return {cross_entropy(logits, Tensor(batch.y)), logits};
  };
  auto options = flags.fit(&test, {training::accuracy(), training::f1()});
  options.unit = "rows";
  const double more = mean(Tensor(rest.y()).to(f32)).item();
  return flags.outcome(net, training::fit(net, optimizer, train, step, options), options, "income",
                       std::max(more, 1 - more));
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "An MLP with embeddings on a table",
                       {.optimizer = "adamw(lr=cosine(2e-3, total=TOTAL))", .epochs = 8, .batch = 128, .quick_length = 8},
                       learn);
}
