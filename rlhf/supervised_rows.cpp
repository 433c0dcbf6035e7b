#include "rlhf/supervised_rows.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/conversation_rows.h"
#include "data/chat/conversation_set.h"
#include "data/chat/known_templates.h"
#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

using Set = std::shared_ptr<const data::ConversationSet>;
using Files = google::protobuf::RepeatedPtrField<std::string>;

Set read(const Files& files, const data::ChatSettings& settings, const data::ChatTemplate& chat,
         int64_t context) {
  std::vector<std::filesystem::path> paths(files.begin(), files.end());
  return std::make_shared<const data::ConversationSet>(paths, settings, chat, context + 1);
}

data::LoaderSource source_of(const Set& set, data::DocumentRange range, const data::LoaderShape& shape,
                             data::Order order, double weight) {
  auto rows = std::make_unique<data::ConversationRows>(set, range, shape.context);
  std::string identity = fmt::format(" conversations {:016x} {} to {} order {} weight {}", set->fingerprint(),
                                     range.first, range.last, static_cast<int>(order), weight);
  int64_t tokens = 0;
  for (int64_t i = range.first; i < range.last; ++i) tokens += static_cast<int64_t>(set->ids(i).size());
  return {"supervised.train", weight, identity,
          std::make_unique<data::EpochRows>(std::move(rows), tokens, order,
                                            RandomKey(shape.seed, "order of conversations"))};
}

std::unique_ptr<data::Loader> loader_of(std::vector<data::LoaderSource> sources,
                                        const data::LoaderShape& shape, data::Order order) {
  std::string identity = fmt::format("supervised rows 1 context {} seed {}", shape.context, shape.seed);
  return std::make_unique<data::Loader>(std::move(sources), shape,
                                        data::LoaderOrder{data::Boundaries::kReset, order, identity, 0});
}

// The shards' rows, which share what the conversations leave of the whole by their own weights.
std::vector<data::LoaderSource> pretraining_sources(const SupervisedRun& run,
                                                    const data::LoaderShape& shape) {
  double share = run.supervised().pretraining_share();
  if (share == 0) return {};
  require(run.data().train_size() > 0,
          "supervised.pretraining_share mixes rows of data.train in, but that lists no shard");
  std::vector<data::LoaderSource> sources = data::corpus_sources(run.data(), shape, data::Split::kTrain);
  double sum = 0;
  for (const auto& source : sources) sum += source.weight;
  for (auto& source : sources) {
    source.weight *= share / sum;
    source.identity += fmt::format(" share {} packing {} reset {}", share,
                                   static_cast<int>(run.data().packing()), run.data().reset_at_documents());
  }
  return sources;
}

}  // namespace

SupervisedRows open_supervised_rows(const SupervisedRun& run, const data::Tokenizer& tokenizer,
                                    const data::LoaderShape& train, const data::LoaderShape& valid) {
  const SupervisedSettings& settings = run.supervised();
  require(settings.valid().empty() || settings.valid_fraction() == 0,
          "supervised.valid lists files and supervised.valid_fraction is given; held-out conversations come "
          "from one of them");
  data::ChatTemplate chat(run.chat(), tokenizer, data::brought_template(run.data().tokenizer()));
  Set set = read(settings.train(), run.chat(), chat, train.context);
  data::DocumentRange learned{0, set->size()};
  SupervisedRows rows;
  rows.text = fmt::format("{} ({} of {} tokens are the assistant's), chat template {}",
                          set->counts().text(train.context + 1), set->said(), set->tokens(),
                          data::ChatSettings::Template_Name(chat.form()));
  std::vector<data::LoaderSource> held_out;
  if (settings.valid_fraction() > 0) {
    learned = data::split_conversations(set->size(), settings.valid_fraction(), data::Split::kTrain);
    auto rest = data::split_conversations(set->size(), settings.valid_fraction(), data::Split::kValid);
    held_out.push_back(source_of(set, rest, valid, data::Order::kCorpus, 1));
    rows.text += fmt::format("; {} of them held out", rest.last - rest.first);
  } else if (!settings.valid().empty()) {
    Set other = read(settings.valid(), run.chat(), chat, valid.context);
    held_out.push_back(source_of(other, {0, other->size()}, valid, data::Order::kCorpus, 1));
    rows.text += fmt::format("; held out: {}", other->counts().text(valid.context + 1));
  }
  std::vector<data::LoaderSource> sources = pretraining_sources(run, train);
  data::Order order = run.data().shuffle() ? data::Order::kShuffled : data::Order::kCorpus;
  sources.insert(sources.begin(), source_of(set, learned, train, order, 1 - settings.pretraining_share()));
  rows.train = loader_of(std::move(sources), train, order);
  if (!held_out.empty()) rows.valid = loader_of(std::move(held_out), valid, data::Order::kCorpus);
  return rows;
}

}  // namespace sextant::rlhf
