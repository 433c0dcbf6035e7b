#include "trainer/evaluation/item_objects.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/documents.h"
#include "data/lines.h"
#include "data/token_shard.h"
#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr uint64_t kLongestLine = uint64_t{64} << 20;
constexpr uint64_t kLargestList = uint64_t{1} << 30;

bool begins_list(std::string_view line) {
  size_t begin = line.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && line[begin] == '[';
}

ItemObject item_of_line(std::string_view line, const std::string& origin) {
  ItemObject value = ItemObject::parse(line, nullptr, false);
  if (value.is_discarded())
    fail_input(fmt::format("{}: this line is not JSON; each line holds an object", origin));
  if (!value.is_object()) {
    fail_input(
        fmt::format("{}: this line is of type {}; each line holds an object", origin, value.type_name()));
  }
  return value;
}

std::vector<SourceObject> items_of_list(const std::string& text, const std::string& file) {
  ItemObject list = ItemObject::parse(text, nullptr, false);
  if (list.is_discarded() || !list.is_array()) {
    fail_input(fmt::format(
        "{}: begins with [ but is no JSON array; give an array of objects, or an object a line", file));
  }
  std::vector<SourceObject> objects;
  for (size_t i = 0; i < list.size(); ++i) {
    std::string origin = fmt::format("{}: object {} of the list", file, i + 1);
    require(list[i].is_object(), fmt::format("{} is of type {}, not an object", origin, list[i].type_name()));
    objects.push_back({std::move(list[i]), std::move(origin)});
  }
  return objects;
}

}  // namespace

std::vector<SourceObject> read_item_objects(const std::filesystem::path& path, int64_t limit) {
  data::LineReader lines(path, kLongestLine);
  std::vector<SourceObject> objects;
  std::string list;
  for (std::string_view line; lines.next(line);) {
    if (!list.empty() || (objects.empty() && begins_list(line))) {
      list += line;
      require(list.size() <= kLargestList, path.string() + ": the list has more than 1 GiB");
      continue;
    }
    if (!data::has_text(line)) continue;
    std::string origin = fmt::format("{}:{}", path.string(), lines.number());
    ItemObject object = item_of_line(line, origin);
    objects.push_back({std::move(object), std::move(origin)});
    if (limit > 0 && static_cast<int64_t>(objects.size()) == limit) break;
  }
  if (!list.empty()) objects = items_of_list(list, path.string());
  if (limit > 0 && static_cast<int64_t>(objects.size()) > limit) objects.resize(static_cast<size_t>(limit));
  require(!objects.empty(), path.string() + ": there is no item in this file");
  return objects;
}

std::vector<SourceObject> read_item_shards(const std::filesystem::path& prefix,
                                           const data::Tokenizer& tokenizer, int64_t limit) {
  data::TokenShard shard(prefix);
  int64_t count = limit > 0 ? std::min(limit, shard.documents()) : shard.documents();
  std::vector<SourceObject> objects;
  for (int64_t document = 0; document < count; ++document) {
    int64_t begin = shard.document_begin(document);
    std::vector<int64_t> ids(static_cast<size_t>(shard.document_begin(document + 1) - begin));
    shard.read(begin, ids);
    shard.check_vocabulary(begin, ids, tokenizer.vocabulary());
    if (!ids.empty() && tokenizer.end_of_text() && ids.back() == *tokenizer.end_of_text()) ids.pop_back();
    std::vector<int32_t> narrow(ids.begin(), ids.end());
    objects.push_back({{{"text", tokenizer.decode(narrow, data::Decoded::kWhole)}},
                       fmt::format("{}: document {}", prefix.string(), document)});
  }
  require(!objects.empty(), prefix.string() + ": there is no document in these shards");
  return objects;
}

}  // namespace sextant::trainer
