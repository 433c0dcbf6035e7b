#include "data/contamination/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sextant::data {
namespace {

using ReportJson = nlohmann::ordered_json;

double share(int64_t part, size_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<size_t>(whole, 1));
}

double megabytes_per_second(const SearchResult& result) {
  return static_cast<double>(result.text_bytes) / 1e6 / std::max(result.seconds, 1e-9);
}

const char* name_of(NeedleSettings::Substrings substrings) {
  switch (substrings) {
    case NeedleSettings::Substrings::kNone:
      return "none";
    case NeedleSettings::Substrings::kThree:
      return "three";
    case NeedleSettings::Substrings::kAll:
      return "all";
  }
  return "";
}

ReportJson places_json(const std::vector<OverlapPlace>& places, const ContaminationReport& report) {
  ReportJson list = ReportJson::array();
  for (const OverlapPlace& place : places) {
    list.push_back({{"source", report.sources[static_cast<size_t>(place.source)]},
                    {"document", place.document},
                    {"position", place.position},
                    {"needle", place.needle},
                    {"text", place.text}});
  }
  return list;
}

ReportJson kind_json(Overlap overlap, const ContaminationReport& report) {
  return {{"contaminated", report.count(overlap)},
          {"share", share(report.count(overlap), report.items.size())},
          {"items_without_needles", report.without(overlap)}};
}

ReportJson mean_json(const MeanScore& score) {
  return {{"items", score.items}, {"mean", score.mean}, {"stderr", score.standard_error}};
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x20; }, ' ');
  return text;
}

std::string score_line(const char* what, const MeanScore& score) {
  return fmt::format("  {:<24} {:.4f} +- {:.4f}  ({} items)\n", what, score.mean, score.standard_error,
                     score.items);
}

std::string item_text(size_t i, const ContaminationReport& report) {
  const EvalItem& item = report.items[i];
  std::string text = fmt::format("{} item {}\n", report.evals[static_cast<size_t>(item.file)], item.index);
  for (Overlap overlap : {Overlap::kCharacters, Overlap::kWords}) {
    const auto& places = report.result.items[i].places[static_cast<size_t>(overlap)];
    if (places.empty()) continue;
    text += fmt::format("  {} in {}, document {}, position {}: {}\n",
                        overlap == Overlap::kWords ? "13 words" : "characters",
                        report.sources[static_cast<size_t>(places[0].source)], places[0].document,
                        places[0].position, one_line(places[0].text));
  }
  return text;
}

}  // namespace

std::vector<bool> ContaminationReport::contaminated() const {
  std::vector<bool> found;
  found.reserve(result.items.size());
  for (const ItemOverlap& item : result.items) found.push_back(item.contaminated());
  return found;
}

int64_t ContaminationReport::count() const {
  return std::count_if(result.items.begin(), result.items.end(),
                       [](const ItemOverlap& item) { return item.contaminated(); });
}

int64_t ContaminationReport::count(Overlap overlap) const {
  return std::count_if(result.items.begin(), result.items.end(),
                       [&](const ItemOverlap& item) { return item.found(overlap); });
}

int64_t ContaminationReport::without(Overlap overlap) const {
  return std::count_if(result.items.begin(), result.items.end(), [&](const ItemOverlap& item) {
    return item.needles[static_cast<size_t>(overlap)] == 0;
  });
}

std::string contamination_text(const ContaminationReport& report, size_t most) {
  const SearchResult& result = report.result;
  std::string text =
      fmt::format("{} items in {} documents, {:.1f} MB of text; {:.1f} MB/s on {} threads\n",
                  report.items.size(), result.documents, static_cast<double>(result.text_bytes) / 1e6,
                  megabytes_per_second(result), result.threads);
  auto line = [&](const std::string& what, int64_t count) {
    text += fmt::format("  {:<24} {:>6}  {:6.2f} %\n", what, count, 100 * share(count, report.items.size()));
  };
  if (report.settings.substrings != NeedleSettings::Substrings::kNone)
    line(report.settings.substrings == NeedleSettings::Substrings::kAll ? "50 characters, any"
                                                                        : "50 characters, three",
         report.count(Overlap::kCharacters));
  if (report.settings.words) line("13 words", report.count(Overlap::kWords));
  line("contaminated", report.count());
  if (report.scores) {
    const ContaminationScores& scores = *report.scores;
    text += fmt::format("score{}{}\n", scores.metric.empty() ? "" : ": ", scores.metric) +
            score_line("of all", scores.all) + score_line("without contaminated", scores.clean) +
            score_line("of contaminated", scores.contaminated);
    text += fmt::format("  the lower one, to be told: {:.4f}, {}\n",
                        scores.clean_is_lower() ? scores.clean.mean : scores.all.mean,
                        scores.clean_is_lower() ? "without contaminated" : "of all");
  }
  size_t told = 0;
  for (size_t i = 0; i < report.items.size() && told < most; ++i) {
    if (!result.items[i].contaminated()) continue;
    text += item_text(i, report);
    ++told;
  }
  if (auto left = report.count() - static_cast<int64_t>(told); left > 0)
    text += fmt::format("and {} more; --json and --output tell all\n", left);
  return text;
}

std::string contamination_json(const ContaminationReport& report) {
  const SearchResult& result = report.result;
  ReportJson json = {{"evals", report.evals},
                     {"items", report.items.size()},
                     {"contaminated", report.count()},
                     {"share", share(report.count(), report.items.size())},
                     {"characters", kind_json(Overlap::kCharacters, report)},
                     {"words", kind_json(Overlap::kWords, report)},
                     {"settings",
                      {{"substrings", name_of(report.settings.substrings)},
                       {"substring_characters", kOverlapCharacters},
                       {"seed", report.settings.seed},
                       {"ngrams", report.settings.words},
                       {"ngram_words", kOverlapWords}}},
                     {"training",
                      {{"sources", report.sources},
                       {"documents", result.documents},
                       {"bytes", result.text_bytes},
                       {"seconds", result.seconds},
                       {"threads", result.threads},
                       {"megabytes_per_second", megabytes_per_second(result)}}}};
  if (report.scores) {
    json["scores"] = {{"metric", report.scores->metric},
                      {"all", mean_json(report.scores->all)},
                      {"clean", mean_json(report.scores->clean)},
                      {"contaminated", mean_json(report.scores->contaminated)},
                      {"lower", report.scores->clean_is_lower() ? "clean" : "all"}};
  }
  json["contaminated_items"] = ReportJson::array();
  for (size_t i = 0; i < report.items.size(); ++i) {
    if (!result.items[i].contaminated()) continue;
    json["contaminated_items"].push_back({{"eval", report.evals[static_cast<size_t>(report.items[i].file)]},
                                          {"index", report.items[i].index},
                                          {"characters", places_json(result.items[i].places[0], report)},
                                          {"words", places_json(result.items[i].places[1], report)}});
  }
  return json.dump(2, ' ', false, ReportJson::error_handler_t::replace) + "\n";
}

}  // namespace sextant::data
