#include "rlhf/episode_rows.h"

#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

// An episode's numbers where its answer's tokens are the targets, from `begin` on.
void place(const google::protobuf::RepeatedField<double>& numbers, size_t begin, std::vector<float>& column) {
  for (int t = 0; t < numbers.size(); ++t)
    column[begin + static_cast<size_t>(t)] = static_cast<float>(numbers.Get(t));
}

void place_columns(const Episode& episode, size_t begin, data::Batch& batch) {
  for (int t = 0; t < episode.response_size(); ++t)
    batch.columns[kAnswer][begin + static_cast<size_t>(t)] = 1;
  place(episode.log_probabilities(), begin, batch.columns[kBefore]);
  place(episode.reference_log_probabilities(), begin, batch.columns[kReference]);
  place(episode.advantages(), begin, batch.columns[kAdvantage]);
  place(episode.values(), begin, batch.columns[kValue]);
  place(episode.returns(), begin, batch.columns[kReturn]);
}

}  // namespace

int64_t length_of(const Episode& episode) {
  return episode.prompt_size() + episode.response_size();
}

data::Batch episode_rows(const std::vector<const Episode*>& episodes, int64_t time) {
  data::Batch batch;
  batch.rows = static_cast<int64_t>(episodes.size());
  batch.time = time;
  auto size = static_cast<size_t>(batch.rows * time);
  batch.tokens.resize(size);
  batch.targets.resize(size);
  batch.positions.resize(size);
  batch.columns.assign(kColumns, std::vector<float>(size));
  for (size_t row = 0; row < episodes.size(); ++row) {
    const Episode& episode = *episodes[row];
    expect(length_of(episode) <= time && episode.prompt_size() > 0, "an episode fits its row");
    std::vector<int64_t> ids(episode.prompt().begin(), episode.prompt().end());
    ids.insert(ids.end(), episode.response().begin(), episode.response().end());
    size_t begin = row * static_cast<size_t>(time);
    for (size_t t = 0; t < static_cast<size_t>(time); ++t) {
      batch.tokens[begin + t] = t < ids.size() ? ids[t] : 0;
      batch.targets[begin + t] = t + 1 < ids.size() ? ids[t + 1] : 0;
      batch.positions[begin + t] = static_cast<int64_t>(t);
    }
    place_columns(episode, begin + static_cast<size_t>(episode.prompt_size()) - 1, batch);
  }
  batch.loss_mask = batch.columns[kAnswer];
  return batch;
}

void append_rows(data::Batch& batch, const data::Batch& more, double weight) {
  expect(batch.time == more.time, "rows are of one time");
  auto append = [](auto& all, const auto& some) { all.insert(all.end(), some.begin(), some.end()); };
  if (!more.documents.empty()) {
    batch.documents.assign(batch.tokens.size(), 0);
    append(batch.documents, more.documents);
  }
  append(batch.tokens, more.tokens);
  append(batch.targets, more.targets);
  append(batch.loss_mask, more.loss_mask);
  append(batch.positions, more.positions);
  for (auto& column : batch.columns) column.resize(batch.tokens.size());
  size_t first = batch.tokens.size() - more.tokens.size();
  for (size_t i = 0; i < more.loss_mask.size(); ++i)
    batch.columns[kPretraining][first + i] = static_cast<float>(weight) * more.loss_mask[i];
  batch.rows += more.rows;
}

}  // namespace sextant::rlhf
