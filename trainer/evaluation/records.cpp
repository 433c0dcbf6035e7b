#include "trainer/evaluation/records.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "data/durable_file.h"
#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kSamples = "samples.jsonl";
constexpr const char* kIdentity = "eval.json";

void add_record(std::string_view line, const std::string& place, RecordMap& records) {
  ordered_json record = ordered_json::parse(line, nullptr, false);
  bool whole = record.is_object() && record.contains("task") && record["task"].is_string() &&
               record.contains("index") && record["index"].is_number_integer() && record.contains("grade") &&
               record["grade"].is_object();
  require(whole,
          place + ": this line is no record of an item; remove the folder, or give another eval.folder");
  RecordKey key{record["task"].get<std::string>(), record["index"].get<int64_t>()};
  records[key] = std::move(record);
}

RecordMap parse_records(const std::string& text, const fs::path& file) {
  RecordMap records;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    add_record(std::string_view(text).substr(begin, end - begin),
               fmt::format("{}:{}", file.string(), ++number), records);
    begin = end + 1;
  }
  return records;
}

// The records of an interrupted evaluation, without a last line that has no end.
RecordMap whole_records(const fs::path& file) {
  if (!fs::exists(file)) return {};
  std::string text = data::read_file(file);
  size_t end = text.rfind('\n');
  size_t whole = end == std::string::npos ? 0 : end + 1;
  if (whole < text.size()) fs::resize_file(file, whole);
  text.resize(whole);
  return parse_records(text, file);
}

void check_identity(const fs::path& folder, const ordered_json& identity) {
  fs::path file = folder / kIdentity;
  if (!fs::exists(file)) {
    require(!fs::exists(folder / kSamples),
            fmt::format("{} holds samples.jsonl, but no eval.json says of what; give another eval.folder",
                        folder.string()));
    return data::write_file(file, identity.dump(1) + "\n");
  }
  ordered_json there = ordered_json::parse(data::read_file(file), nullptr, false);
  if (there == identity) return;
  std::string differs;
  for (const auto& [key, value] : identity.items()) {
    if (!there.is_object() || !there.contains(key) || there[key] != value)
      differs += fmt::format("{}{}", differs.empty() ? "" : ", ", key);
  }
  fail_input(fmt::format(
      "{} holds another evaluation (another {}); give another eval.folder, or remove that one to begin anew",
      folder.string(), differs.empty() ? "set of settings" : differs));
}

}  // namespace

std::string record_line(const ordered_json& record) {
  return record.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

RecordMap read_records(const fs::path& folder) {
  fs::path file = folder / kSamples;
  return parse_records(data::read_file(file), file);
}

EvalRecords::EvalRecords(fs::path folder, const ordered_json& identity) : folder_(std::move(folder)) {
  check_identity(folder_, identity);
  records_ = whole_records(folder_ / kSamples);
  log_.emplace(folder_ / kSamples);
}

void EvalRecords::add(const std::string& lines) {
  if (lines.empty()) return;
  expect(log_.has_value(), "nothing is added to records that were put in order");
  log_->append(lines);
  records_.merge(parse_records(lines, log_->path()));
}

void EvalRecords::put_in_order(const std::vector<std::string>& tasks) {
  std::string text;
  for (const std::string& task : tasks) {
    for (auto one = records_.lower_bound({task, 0}); one != records_.end() && one->first.first == task; ++one)
      text += record_line(one->second);
  }
  log_.reset();
  data::write_file(folder_ / kSamples, text);
}

}  // namespace sextant::trainer
