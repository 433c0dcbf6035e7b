#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sextant::trainer {

// Chosen columns of a file of comma-separated values with a header line (RFC 4180): fields may stand in
// double quotes, a quote in one is written twice; a line is a record, so no field holds a newline. Packed
// files and CRLF are read, empty lines are not records. Memory is that of the chosen columns.
class CsvTable {
 public:
  static constexpr uint64_t kLongestLine = uint64_t{1} << 20;
  static constexpr size_t kMostRecords = 10'000'000;

  // Throws Error(kInput) naming file and line: a column that the header lacks (with the one that was meant)
  // or has twice, a record with more or fewer fields than the header, a quote that is never closed, a line
  // over kLongestLine, more records than kMostRecords, no header.
  CsvTable(const std::filesystem::path& path, const std::vector<std::string>& columns);

  size_t records() const { return lines_.size(); }
  // Of the chosen columns: `column` counts in the order in which they were asked for.
  const std::string& text(size_t record, size_t column) const { return fields_[column][record]; }
  // The field as a finite number; throws Error(kInput) naming file, line, column and what stands there.
  double number(size_t record, size_t column) const;
  // "FILE:LINE" of a record, for messages.
  std::string place(size_t record) const;

  // The column names of a file. Throws as the constructor does.
  static std::vector<std::string> header(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> fields_;  // [columns][records]
  std::vector<int64_t> lines_;                    // [records]
};

}  // namespace sextant::trainer
