#include "trainer/report/law_part.h"

#include <fmt/format.h>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/scaling/csv_table.h"
#include "trainer/sha256.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kLongestPoints = uint64_t{1} << 24;

double above_zero(const CsvTable& table, size_t record, size_t column) {
  double value = table.number(record, column);
  if (value <= 0) fail_input(fmt::format("{}: {} is not above 0", table.place(record), value));
  return value;
}

}  // namespace

ordered_json law_part(const std::filesystem::path& file) {
  std::string text = data::read_file(file, kLongestPoints);
  CsvTable table(file, {"flops", "loss"});
  ordered_json points = ordered_json::array();
  for (size_t i = 0; i < table.records(); ++i)
    points.push_back({{"flops", above_zero(table, i, 0)}, {"loss", above_zero(table, i, 1)}});
  require(!points.empty(), file.string() + ": there is no run in it");
  return {{"points", std::move(points)}, {"sha256", sha256_of(text)}};
}

}  // namespace sextant::trainer
