#include "trainer/evaluation/text_packing.h"

#include <algorithm>

namespace sextant::trainer {
namespace {

constexpr int64_t kWorthKeeping = 16;  // ids; fewer are read again

}  // namespace

int64_t kept_length(const TextsOfItem& texts) {
  auto kept = static_cast<int64_t>(texts[0].first) - 1;
  for (const ScoredText& text : texts) {
    kept = std::min({kept, static_cast<int64_t>(text.kept), static_cast<int64_t>(text.first) - 1});
    auto [mine, unused] = std::mismatch(text.ids.begin(), text.ids.begin() + kept, texts[0].ids.begin());
    kept = mine - text.ids.begin();
  }
  return kept < kWorthKeeping ? 0 : kept;
}

int64_t TextPacking::child_of(int64_t parent, int64_t id, int64_t position) {
  auto [place, fresh] = child_.try_emplace({parent, id}, std::ssize(nodes_));
  if (fresh) {
    (parent < 0 ? roots_ : nodes_[static_cast<size_t>(parent)].children).push_back(place->second);
    nodes_.push_back({id, position, parent, {}});
  }
  return place->second;
}

void TextPacking::add(const TextsOfItem& texts) {
  for (const ScoredText& text : texts) {
    std::vector<int64_t> path;
    int64_t node = -1;
    for (int64_t t = kept_; t + 1 < std::ssize(text.ids); ++t) {
      node = child_of(node, text.ids[static_cast<size_t>(t)], t);
      path.push_back(node);
    }
    texts_.push_back(&text);
    paths_.push_back(std::move(path));
  }
}

PackedRow TextPacking::row() const {
  PackedRow row;
  std::vector<int64_t> place_of(nodes_.size()), measured(nodes_.size(), -1);
  // Beginnings of branches, each with the branch that it stands behind; the next one last.
  std::vector<std::pair<int64_t, int64_t>> waiting;
  auto wait = [&](const std::vector<int64_t>& beginnings, int64_t parent) {
    for (size_t i = beginnings.size(); i-- > 0;) waiting.emplace_back(beginnings[i], parent);
  };
  wait(roots_, -1);
  while (!waiting.empty()) {
    auto [node, parent] = waiting.back();
    waiting.pop_back();
    Branch branch{std::ssize(row.tokens), 0, parent};
    for (bool more = true; more;) {
      const Node& here = nodes_[static_cast<size_t>(node)];
      place_of[static_cast<size_t>(node)] = std::ssize(row.tokens);
      row.tokens.push_back(here.id);
      row.positions.push_back(here.position);
      more = here.children.size() == 1;
      if (more) node = here.children[0];
    }
    branch.last = std::ssize(row.tokens);
    row.branches.push_back(branch);
    wait(nodes_[static_cast<size_t>(node)].children, std::ssize(row.branches) - 1);
  }
  for (size_t i = 0; i < texts_.size(); ++i) {
    // Id t is predicted at t - 1.
    for (auto t = static_cast<int64_t>(texts_[i]->first); t < std::ssize(texts_[i]->ids); ++t) {
      auto node = static_cast<size_t>(paths_[i][static_cast<size_t>(t - 1 - kept_)]);
      if (measured[node] < 0) {
        measured[node] = std::ssize(row.measured_at);
        row.measured_at.push_back(place_of[node]);
      }
      row.rows.push_back(measured[node]);
      row.targets.push_back(texts_[i]->ids[static_cast<size_t>(t)]);
    }
  }
  return row;
}

}  // namespace sextant::trainer
