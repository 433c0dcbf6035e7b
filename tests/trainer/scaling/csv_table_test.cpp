#include "trainer/scaling/csv_table.h"

#include <gtest/gtest.h>

#include "tests/data/scratch_folder.h"

namespace sextant::trainer::csv_table_test {
namespace {

using data::expect_has;
using data::message_of;

class CsvTableTest : public ::testing::Test {
 protected:
  std::string refusal(const std::string& bytes, const std::vector<std::string>& columns) {
    std::filesystem::path file = folder_.write("t.csv", bytes);
    return message_of([&] {
      CsvTable table(file, columns);
      for (size_t i = 0; i < table.records(); ++i) table.number(i, 0);
    });
  }
  data::ScratchFolder folder_;
};

TEST_F(CsvTableTest, ReadsChosenColumnsInTheOrderAsked) {
  auto file = folder_.write("t.csv", "a,\"b, with \"\"quotes\"\"\",c\r\n1,2.5,x\r\n\r\n-3e2, 4 ,\"y,z\"");
  CsvTable table(file, {"c", "b, with \"quotes\"", "a"});
  ASSERT_EQ(table.records(), 2u);
  EXPECT_EQ(table.text(1, 0), "y,z");
  EXPECT_EQ(table.number(1, 1), 4);
  EXPECT_EQ(table.number(1, 2), -300);
  EXPECT_EQ(table.place(1), file.string() + ":4");
  EXPECT_EQ(CsvTable::header(file).size(), 3u);
}

TEST_F(CsvTableTest, KeepsEmptyFieldsApart) {
  auto file = folder_.write("t.csv", "a,b,\n,,\n");
  CsvTable table(file, {"a", "b", ""});
  ASSERT_EQ(table.records(), 1u);
  EXPECT_EQ(table.text(0, 1), "");
}

TEST_F(CsvTableTest, RefusesWhatIsNoTableOfNumbers) {
  expect_has(refusal("", {"a"}), "it is empty");
  expect_has(refusal("loss,flops\n1,2\n", {"los"}), "no column \"los\"; did you mean \"loss\"?");
  expect_has(refusal("loss,flops\n1,2\n", {"parameters"}), "its columns are \"loss\", \"flops\"");
  expect_has(refusal("a,a\n1,2\n", {"a"}), "names column \"a\" twice");
  expect_has(refusal("a,b\n1\n", {"a"}), "t.csv:2: 1 fields where the header has 2");
  expect_has(refusal("a,b\n1,2,3\n", {"a"}), "3 fields where the header has 2");
  expect_has(refusal("a\n\"1\n", {"a"}), "t.csv:2: a quote is opened");
  expect_has(refusal("a\n\"1\"2\n", {"a"}), "follows a closing quote");
  for (const char* bad : {"x", "nan", "inf", "-inf", "1e999", "0x10", "1,5", "1 2", "\"\"", "+-1"}) {
    std::string text =
        refusal(std::string("b,a\n1,3\n2,") + (std::string(bad) == "1,5" ? "\"1,5\"" : bad) + "\n", {"a"});
    expect_has(text, "t.csv:3: column \"a\" is ");
    expect_has(text, "no finite number");
  }
}

TEST_F(CsvTableTest, RefusesLinesWithoutEnd) {
  expect_has(refusal("a\n" + std::string(CsvTable::kLongestLine + 10, '1') + "\n", {"a"}), "t.csv");
  std::string control = refusal(std::string("a\n\x01\x02\n"), {"a"});
  EXPECT_EQ(control.find('\x01'), std::string::npos);
}

TEST_F(CsvTableTest, MissingFile) {
  expect_has(message_of([&] { CsvTable table(folder_ / "none.csv", {"a"}); }), "none.csv");
}

}  // namespace
}  // namespace sextant::trainer::csv_table_test
