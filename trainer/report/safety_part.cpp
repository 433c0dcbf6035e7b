#include "trainer/report/safety_part.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/chat/object_lines.h"
#include "trainer/report/known_json.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t kMostPrompts = 100;

ordered_json share_of(const ordered_json& share) {
  return {{"share", share.at("share").get<double>()},
          {"low", share.at("low").get<double>()},
          {"high", share.at("high").get<double>()},
          {"answers", share.at("answers").get<int64_t>()},
          {"subjects", share.at("subjects").get<int64_t>()}};
}

// Every model has the measures of the first, and a perplexity where that has one.
ordered_json model_of(const ordered_json& model, const ordered_json& first) {
  ordered_json one{{"name", model.at("name").get<std::string>()},
                   {"checkpoint", model.at("checkpoint").get<std::string>()},
                   {"measures", ordered_json::object()}};
  for (const auto& [name, unused] : first.at("measures").items())
    one["measures"][name] = share_of(model.at("measures").at(name));
  if (first.contains("perplexity")) one["perplexity"] = model.at("perplexity").get<double>();
  return one;
}

ordered_json change_of(const ordered_json& change) {
  ordered_json one{{"better", change.at("better").get<std::string>()}};
  for (const char* key : {"points", "low", "high"}) one[key] = change.at(key).get<double>();
  copy_number(change, "percent", one);
  return one;
}

ordered_json safety_of(const ordered_json& read) {
  const ordered_json& first = read.at("models").at(0);
  ordered_json part{{"models", ordered_json::array()}};
  for (const ordered_json& model : read["models"]) part["models"].push_back(model_of(model, first));
  if (read.contains("changes")) {
    for (const auto& [name, unused] : first["measures"].items())
      part["changes"][name] = change_of(read["changes"].at(name));
  }
  if (read.contains("perplexity_rise_percent"))
    part["perplexity_rise_percent"] = read["perplexity_rise_percent"].get<double>();
  part["failures"] = read.at("failures").get<std::vector<std::string>>();
  return part;
}

ordered_json answers_of(const fs::path& file, ordered_json& notes) {
  ordered_json samples = ordered_json::array();
  std::set<std::string> prompts;
  std::set<std::pair<std::string, std::string>> shown;  // model, prompt
  data::LineCounts counts =
      data::each_object(file, data::ChatSettings::skip, [&](const nlohmann::json& object) {
        std::string model = data::text_under(object, "model"), prompt = data::text_under(object, "prompt");
        if (prompts.size() >= kMostPrompts && !prompts.contains(prompt)) return;
        prompts.insert(prompt);
        if (!shown.emplace(model, prompt).second) return;
        samples.push_back(shortened(object));
      });
  if (counts.left_out > 0)
    notes.push_back(fmt::format("{} damaged lines of samples.jsonl left out; the first is {}",
                                counts.left_out, counts.first_fault));
  return samples;
}

}  // namespace

ordered_json safety_part(const fs::path& folder) {
  ordered_json part = known_json(folder / "safety.json", "sextant safety", safety_of);
  part["notes"] = ordered_json::array();
  part["samples"] = ordered_json::array();
  if (fs::exists(folder / "samples.jsonl"))
    part["samples"] = answers_of(folder / "samples.jsonl", part["notes"]);
  return part;
}

}  // namespace sextant::trainer
