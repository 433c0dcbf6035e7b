#include "trainer/report/eval_parts.h"

#include <algorithm>
#include <string>
#include <vector>

#include "trainer/report/known_json.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t kMostItems = 100;

ordered_json bin_of(const ordered_json& bin) {
  return {{"low", bin.at("low").get<double>()},
          {"high", bin.at("high").get<double>()},
          {"n", bin.at("n").get<double>()},
          {"confidence", bin.at("confidence").get<double>()},
          {"accuracy", bin.at("accuracy").get<double>()}};
}

// Points of an exam's section, its group, or of all of it.
void add_exam(const ordered_json& result, ordered_json& one) {
  one["out_of"] = result["out_of"].get<double>();
  for (const char* key : {"value", "stderr"}) one[key] = one.at(key);
  if (one["metric"] != "total") one["group"] = one.at("group");
}

ordered_json result_of(const ordered_json& result) {
  ordered_json one{{"task", result.at("task").get<std::string>()}};
  if (result.contains("group")) one["group"] = result["group"].get<std::string>();
  one["metric"] = result.at("metric").get<std::string>();
  for (const char* key : {"value", "stderr", "low", "high"}) copy_number(result, key, one);
  one["n"] = result.at("n").get<int64_t>();
  if (result.contains("out_of")) add_exam(result, one);
  bool binned = one["metric"] == "ece" && !one.contains("group");
  if (!binned && !result.contains("bins")) return one;
  one["bins"] = ordered_json::array();
  for (const ordered_json& bin : result.at("bins")) one["bins"].push_back(bin_of(bin));
  return one;
}

ordered_json mean_of_scores(const ordered_json& scores, const char* of) {
  const ordered_json& mean = scores.at(of);
  return {{"items", mean.at("items").get<int64_t>()},
          {"mean", mean.at("mean").get<double>()},
          {"stderr", mean.at("stderr").get<double>()}};
}

ordered_json item_of(const ordered_json& item) {
  ordered_json one{{"eval", item.at("eval").get<std::string>()}, {"index", item.at("index").get<int64_t>()}};
  for (const char* kind : {"characters", "words"}) {
    if (item.at(kind).empty()) continue;
    const ordered_json& place = item[kind].at(0);
    one["source"] = place.at("source").get<std::string>();
    one["document"] = place.at("document").get<int64_t>();
    one["text"] = place.at("text").get<std::string>();
    break;
  }
  return one;
}

ordered_json contamination_of(const ordered_json& read) {
  ordered_json part{{"evals", read.at("evals").get<std::vector<std::string>>()},
                    {"items", read.at("items").get<int64_t>()},
                    {"contaminated", read.at("contaminated").get<int64_t>()},
                    {"share", read.at("share").get<double>()}};
  for (const char* kind : {"characters", "words"})
    part[kind] = {{"contaminated", read.at(kind).at("contaminated").get<int64_t>()},
                  {"share", read.at(kind).at("share").get<double>()}};
  if (read.contains("scores")) {
    const ordered_json& scores = read["scores"];
    part["scores"] = {{"metric", scores.at("metric").get<std::string>()},
                      {"lower", scores.at("lower").get<std::string>()}};
    for (const char* of : {"all", "clean", "contaminated"}) part["scores"][of] = mean_of_scores(scores, of);
  }
  const ordered_json& items = read.at("contaminated_items");
  part["contaminated_items"] = ordered_json::array();
  for (size_t i = 0; i < std::min(items.size(), kMostItems); ++i)
    part["contaminated_items"].push_back(item_of(items.at(i)));
  return part;
}

}  // namespace

ordered_json eval_part(const fs::path& folder) {
  return known_json(folder / "results.json", "sextant eval", [](const ordered_json& read) {
    ordered_json results = ordered_json::array();
    for (const ordered_json& result : read.get_ref<const ordered_json::array_t&>())
      results.push_back(result_of(result));
    return ordered_json{{"results", std::move(results)}};
  });
}

ordered_json contamination_part(const fs::path& file) {
  return known_json(file, "sextant data contamination --output", contamination_of);
}

}  // namespace sextant::trainer
