#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "data/chat/chat.pb.h"
#include "parallel/base/error.h"

namespace sextant::data {

// What became of the lines of a file.
struct LineCounts {
  int64_t taken = 0;
  int64_t left_out = 0;
  std::string first_fault;  // of the first line that was left out, with file and line
  LineCounts& operator+=(const LineCounts& other);
};

// What `take` throws of a line that may not be left out, whatever on_bad_line says.
class RefusedLine final : public Error {
 public:
  explicit RefusedLine(const std::string& message) : Error(ErrorKind::kInput, message) {}
};

// Calls `take` with the JSON object of each line; empty lines are passed over. What is wrong with a line,
// `take` says by throwing Error(kInput): the line is then refused, with file and line in front of the
// message, or left out and counted. Files may be packed (gzip, zstd); a line has 16 MiB at most.
LineCounts each_object(const std::filesystem::path& path, ChatSettings::Fault on_bad_line,
                       const std::function<void(const nlohmann::json& object)>& take);

// The text under a key. Throws Error(kInput) when there is none.
std::string text_under(const nlohmann::json& object, const char* key);

}  // namespace sextant::data
