#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trainer/metrics/append_file.h"

namespace sextant::trainer {

// Records of items, by task and index.
using RecordKey = std::pair<std::string, int64_t>;
using RecordMap = std::map<RecordKey, nlohmann::ordered_json>;

// A record as its line; bytes that are no UTF-8 are replaced.
std::string record_line(const nlohmann::ordered_json& record);

// Reads FOLDER/samples.jsonl. Throws Error(kInput) naming file and line of what is no record.
RecordMap read_records(const std::filesystem::path& folder);

// A folder of an evaluation: eval.json says which one it is, samples.jsonl has a line for each item that is
// done. Of one process.
class EvalRecords {
 public:
  // Goes on with the folder's records, or begins it. `identity` is what an evaluation is: equal for equal
  // items, settings and weights. A last line that was cut short is dropped. Throws Error(kInput) when the
  // folder holds another evaluation, or records that can not be read.
  EvalRecords(std::filesystem::path folder, const nlohmann::ordered_json& identity);

  const RecordMap& records() const { return records_; }
  bool has(const std::string& task, int64_t index) const { return records_.contains({task, index}); }
  // Adds lines, which a killed process does not lose.
  void add(const std::string& lines);
  // Puts samples.jsonl in the order of the tasks, so that it does not show how the work was shared out.
  // Nothing can be added afterwards.
  void put_in_order(const std::vector<std::string>& tasks);

 private:
  std::filesystem::path folder_;
  RecordMap records_;
  std::optional<AppendFile> log_;
};

}  // namespace sextant::trainer
