#include "data/chat/object_lines.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "data/documents.h"
#include "data/lines.h"

namespace sextant::data {
namespace {

constexpr uint64_t kLongestLine = uint64_t{16} << 20;

nlohmann::json object_of(std::string_view line) {
  nlohmann::json value = nlohmann::json::parse(line, nullptr, false);
  require(!value.is_discarded(), "this line is not JSON");
  if (!value.is_object()) {
    fail_input(fmt::format("this line is {} {}; each line holds an object",
                           value.is_array() || value.is_null() ? "JSON's" : "a", value.type_name()));
  }
  return value;
}

}  // namespace

LineCounts& LineCounts::operator+=(const LineCounts& other) {
  taken += other.taken;
  left_out += other.left_out;
  if (first_fault.empty()) first_fault = other.first_fault;
  return *this;
}

LineCounts each_object(const std::filesystem::path& path, ChatSettings::Fault on_bad_line,
                       const std::function<void(const nlohmann::json& object)>& take) {
  LineReader lines(path, kLongestLine);
  LineCounts counts;
  for (std::string_view line; lines.next(line);) {
    if (!has_text(line)) continue;
    try {
      take(object_of(line));
      ++counts.taken;
    } catch (const RefusedLine& error) {
      fail_input(fmt::format("{}:{}: {}", path.string(), lines.number(), error.what()));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInput) throw;
      std::string fault = fmt::format("{}:{}: {}", path.string(), lines.number(), error.what());
      if (on_bad_line == ChatSettings::refuse) {
        fail_input(fault + "; mend the line, or leave out such lines with chat.on_bad_line=skip");
      }
      ++counts.left_out;
      if (counts.first_fault.empty()) counts.first_fault = fault;
    }
  }
  return counts;
}

std::string text_under(const nlohmann::json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end()) fail_input(fmt::format("\"{}\" is missing", key));
  if (!found->is_string())
    fail_input(fmt::format("\"{}\" is of type {}, not a text", key, found->type_name()));
  return found->get<std::string>();
}

}  // namespace sextant::data
