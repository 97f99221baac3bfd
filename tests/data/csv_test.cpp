#include <gradus/data/csv.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>

using namespace gradus;
using namespace gradus::data;

namespace {

struct Csv {
  testing::TempDir dir;
  Table of(const std::string& text, const CsvOptions& options = {}) const {
    return read_csv(dir.put("t.csv", text), options);
  }
  std::string refused(const std::string& text, const CsvOptions& options = {}) const {
    return thrown<DataError>([&] { of(text, options); });
  }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a table has names, numbers and texts") {
  const Csv csv;
  const Table t = csv.of("age, name ,x\n39, Ann,1.5\n+7 ,\"a, \"\"b\"\"\n c \",-2e-3\r\n\n?,,?\n");
  CHECK(t.names() == Texts{"age", "name", "x"});
  CHECK(t.rows() == 3);
  CHECK(t.texts("name") == Texts{"Ann", "a, \"b\"\n c ", ""});
  const Array age = t.numbers("age", -1);
  CHECK(age.element(0) == 39);
  CHECK(age.element(1) == 7);
  CHECK(age.element(2) == -1);
  CHECK(t.numbers("x", 0).element(1) == static_cast<double>(-2e-3f));
}

TEST_CASE("a file without a header, other delimiters, marks and line ends") {
  const Csv csv;
  CHECK(csv.of("1,2\n3,4", {.header = false}).numbers("1").element(1) == 4);
  CHECK(csv.of("\xEF\xBB\xBF"
               "a;b\r\n1;2\r\n",
               {.delimiter = ';'})
            .numbers("a")
            .element(0) == 1);
  CHECK(csv.of("a\n\"\"\n\"x\"", {}).texts("a") == Texts{"", "x"});
  CHECK(csv.of("a,b\n,\n  \n\n", {}).rows() == 1);
  CHECK(csv.of("a\tb\n1\t2 \n", {.delimiter = '\t'}).numbers("b").element(0) == 2);
}

TEST_CASE("what is not a table is refused with file and line") {
  const Csv csv;
  CHECK(says(csv.refused("a,b\n1,2\n3\n"), {"t.csv:3", "has 1 cells, the first row has 2"}));
  CHECK(says(csv.refused("a,b\n1,\"2\n3\n"), {"t.csv:2", "a quote that begins here is not closed"}));
  CHECK(says(csv.refused("a,b\n1,\"2\"3\n"), {"t.csv:2", "\"3\" stands behind a quote that was closed"}));
  CHECK(says(csv.refused("a,a\n1,2\n"), {"has two columns \"a\""}));
  CHECK(says(csv.refused("a,b\n"), {"no row behind its header"}));
  CHECK(says(csv.refused(""), {"no row"}));
  CHECK(says(thrown<DataError>([] { read_csv("/none.csv"); }), {"/none.csv"}));
  const Table t = csv.of("age,name\n1,x\n\n2.5.1,\n,\n1e999,\n");
  const auto said = [&](auto f) { return thrown<DataError>(f); };
  CHECK(says(said([&] { t.numbers("age"); }), {"t.csv:4", "column \"age\": \"2.5.1\" is no number"}));
  CHECK(says(said([&] { csv.of("a\n1\n?\n").numbers("a"); }), {"t.csv:3", "has no value here"}));
  CHECK(says(said([&] { csv.of("a\n1e999\n").numbers("a"); }), {"is no number"}));
  CHECK(says(said([&] { csv.of("a\n1,5\n", {.delimiter = ';'}).numbers("a"); }), {"\"1,5\" is no number"}));
  CHECK(says(said([&] { t.texts("nmae"); }), {"has no column \"nmae\"", "try: \"name\""}));
}

TEST_CASE("categories are numbered in alphabetical order, what is unknown is 0") {
  const Categories c({"b", "", "a", "b"});
  CHECK(c.names() == Texts{"a", "b"});
  CHECK(c.size() == 3);
  const Array k = c.encode({"b", "", "a", "z"});
  CHECK((k.element(0) == 2 && k.element(1) == 0 && k.element(2) == 1 && k.element(3) == 0));
}
