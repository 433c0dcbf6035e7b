#include "trainer/scaling/csv_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "data/lines.h"
#include "parallel/base/error.h"
#include "trainer/config/complaint.h"
#include "trainer/config/nearest.h"

namespace sextant::trainer {
namespace {

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// The fields of one line, unquoted, into `fields`, whose strings are used again.
void split(std::string_view line, const std::string& place, std::vector<std::string>& fields) {
  size_t count = 0, at = 0;
  for (bool more = true; more; ++count) {
    if (fields.size() <= count) fields.emplace_back();
    std::string& field = fields[count];
    field.clear();
    if (at < line.size() && line[at] == '"') {
      for (++at;; ++at) {
        require(at < line.size(), place +
                                      ": a quote is opened and never closed on this line; close it (a "
                                      "field can not hold a newline)");
        if (line[at] != '"')
          field += line[at];
        else if (at + 1 < line.size() && line[at + 1] == '"')
          field += line[at++];
        else
          break;
      }
      ++at;
      require(at >= line.size() || line[at] == ',',
              place +
                  ": something follows a closing quote; put a comma behind it, or write a quote within a "
                  "field twice");
    } else {
      size_t end = std::min(line.find(',', at), line.size());
      field = line.substr(at, end - at);
      at = end;
    }
    more = at < line.size();
    ++at;
  }
  fields.resize(count);
}

std::string listed(const std::vector<std::string>& header) {
  constexpr size_t kMost = 12;
  std::string text;
  for (size_t i = 0; i < std::min(kMost, header.size()); ++i) text += (i == 0 ? "" : ", ") + shown(header[i]);
  if (header.size() > kMost) text += fmt::format(" and {} more", header.size() - kMost);
  return text;
}

size_t find_column(const std::string& name, const std::vector<std::string>& header,
                   const std::filesystem::path& path) {
  auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    std::string meant = nearest(name, header);
    fail_input(fmt::format(
        "{}: there is no column {}; {}", path.string(), shown(name),
        meant.empty() ? "its columns are " + listed(header) : "did you mean " + shown(meant) + "?"));
  }
  if (std::find(found + 1, header.end(), name) != header.end()) {
    fail_input(fmt::format("{}: the header names column {} twice; rename one", path.string(), shown(name)));
  }
  return static_cast<size_t>(found - header.begin());
}

std::vector<std::string> read_header(data::LineReader& reader, const std::filesystem::path& path) {
  std::string_view line;
  while (reader.next(line)) {
    line = without_line_end(line);
    if (line.empty()) continue;
    std::vector<std::string> header;
    split(line, fmt::format("{}:{}", path.string(), reader.number()), header);
    return header;
  }
  fail_input(path.string() + ": it is empty; a header line with the columns' names comes first");
}

}  // namespace

CsvTable::CsvTable(const std::filesystem::path& path, const std::vector<std::string>& columns)
    : path_(path), columns_(columns), fields_(columns.size()) {
  data::LineReader reader(path, kLongestLine);
  const std::vector<std::string> header = read_header(reader, path);
  std::vector<size_t> wanted;
  wanted.reserve(columns.size());
  for (const std::string& name : columns) wanted.push_back(find_column(name, header, path));
  std::string_view line;
  std::vector<std::string> record;
  while (reader.next(line)) {
    line = without_line_end(line);
    if (line.empty()) continue;
    std::string here = fmt::format("{}:{}", path.string(), reader.number());
    split(line, here, record);
    if (record.size() != header.size()) {
      fail_input(fmt::format("{}: {} fields where the header has {}; a comma within a field wants quotes",
                             here, record.size(), header.size()));
    }
    if (lines_.size() == kMostRecords) {
      fail_input(
          fmt::format("{}: more than {} records; this is for the points of a fit", here, kMostRecords));
    }
    lines_.push_back(reader.number());
    for (size_t i = 0; i < wanted.size(); ++i) fields_[i].push_back(record[wanted[i]]);
  }
}

double CsvTable::number(size_t record, size_t column) const {
  std::string_view field = text(record, column);
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  double value = 0;
  auto [end, fault] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (field.empty() || fault != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) {
    fail_input(
        fmt::format("{}: column {} is {}, which is no finite number; write one such as 3.25 or 1e18, or "
                    "take the line out",
                    place(record), shown(columns_[column]), shown(text(record, column))));
  }
  return value;
}

std::string CsvTable::place(size_t record) const {
  return fmt::format("{}:{}", path_.string(), lines_[record]);
}

std::vector<std::string> CsvTable::header(const std::filesystem::path& path) {
  data::LineReader reader(path, kLongestLine);
  return read_header(reader, path);
}

}  // namespace sextant::trainer
