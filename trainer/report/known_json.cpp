#include "trainer/report/known_json.h"

#include <fmt/format.h>

#include "data/durable_file.h"
#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kLongestFile = uint64_t{1} << 28;
constexpr size_t kLongestText = 4000;

}  // namespace

ordered_json known_json(const std::filesystem::path& file, const std::string& writer,
                        const std::function<ordered_json(const ordered_json&)>& take) {
  ordered_json read = ordered_json::parse(data::read_file(file, kLongestFile), nullptr, false);
  try {
    return take(read);
  } catch (const nlohmann::json::exception& error) {
    fail_input(fmt::format("{}: it is not what `{}` writes ({}); make it again", file.string(), writer,
                           error.what()));
  }
}

void copy_number(const ordered_json& from, const char* key, ordered_json& to) {
  if (!from.contains(key)) return;
  to[key] = from[key].is_null() ? ordered_json(nullptr) : ordered_json(from[key].get<double>());
}

ordered_json shortened(const nlohmann::json& sample) {
  ordered_json made(sample);
  for (const char* key : {"prompt", "text"}) {
    if (!made.contains(key) || !made[key].is_string()) continue;
    auto text = made[key].get<std::string>();
    if (text.size() <= kLongestText) continue;
    size_t end = kLongestText;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    made[key] = text.substr(0, end) + " [...]";
  }
  return made;
}

}  // namespace sextant::trainer
