#include "data/contamination/eval_items.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "data/documents.h"
#include "data/lines.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

using EvalJson = nlohmann::ordered_json;  // texts in the order of the file

constexpr uint64_t kLongestItem = uint64_t{16} << 20;

void append_texts(const EvalJson& value, std::string& text) {
  if (value.is_structured()) {
    for (const EvalJson& one : value) append_texts(one, text);
    return;
  }
  if (!value.is_string() && !value.is_number()) return;
  if (!text.empty()) text += '\n';
  text += value.is_string() ? value.get_ref<const std::string&>() : value.dump();
}

// What stands under a dotted path, or null.
const EvalJson* under(const EvalJson& object, std::string_view path) {
  const EvalJson* at = &object;
  while (true) {
    size_t dot = path.find('.');
    if (!at->is_object()) return nullptr;
    auto found = at->find(std::string(path.substr(0, dot)));
    if (found == at->end()) return nullptr;
    at = &*found;
    if (dot == std::string_view::npos) return at;
    path.remove_prefix(dot + 1);
  }
}

std::string keys_of(const EvalJson& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return fmt::format("{}", fmt::join(keys, ", "));
}

std::string text_of(std::string_view line, const std::vector<std::string>& fields) {
  EvalJson object = EvalJson::parse(line, nullptr, false);
  require(object.is_object(), "this line is no JSON object; each line holds an item");
  std::string text;
  for (const std::string& field : fields) {
    if (const EvalJson* value = under(object, field)) append_texts(*value, text);
  }
  require(has_text(text), fmt::format("there is no text under {}; the line has {}", fmt::join(fields, ", "),
                                      keys_of(object)));
  return text;
}

}  // namespace

std::vector<EvalItem> read_eval_items(const std::vector<std::filesystem::path>& files,
                                      const std::vector<std::string>& fields) {
  std::vector<EvalItem> items;
  for (size_t file = 0; file < files.size(); ++file) {
    LineReader lines(files[file], kLongestItem);
    int64_t index = 0;
    for (std::string_view line; lines.next(line);) {
      if (!has_text(line)) continue;
      try {
        items.push_back({static_cast<int32_t>(file), index++, text_of(line, fields)});
      } catch (const Error& error) {
        fail_input(fmt::format("{}:{}: {}", files[file].string(), lines.number(), error.what()));
      }
    }
    require(index > 0, files[file].string() + ": it holds no items");
  }
  return items;
}

}  // namespace sextant::data
