#include "parallel/holders.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

using Ranks = std::vector<int64_t>;  // ascending

// FNV-1a, 64 bits: the same on every machine.
class Digest {
 public:
  void add(const void* data, size_t bytes) {
    const auto* from = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < bytes; ++i) value_ = (value_ ^ from[i]) * 0x100000001b3U;
  }
  void add(const std::string& text) { add(text.c_str(), text.size() + 1); }
  void add(const std::vector<int64_t>& numbers) {
    for (int64_t number : numbers) add(&number, sizeof number);
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325U;
};

// What a rank tells the others: the digest of all its names, then one of each tensor's name and slice.
std::string announcement(const std::vector<HeldTensor>& held) {
  Digest names;
  std::vector<uint64_t> words(1);
  for (const HeldTensor& tensor : held) {
    names.add(tensor.name);
    Digest digest;
    digest.add(tensor.name);
    digest.add(tensor.slice.offset);
    digest.add(tensor.slice.shape);
    words.push_back(digest.value());
  }
  words[0] = names.value();
  return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint64_t)};
}

std::vector<std::string> announcements_of(const Holdings& all_held) {
  std::vector<std::string> all;
  all.reserve(all_held.size());
  for (const auto& held : all_held) all.push_back(announcement(held));
  return all;
}

std::vector<uint64_t> words_of(const std::string& bytes) {
  std::vector<uint64_t> words(bytes.size() / sizeof(uint64_t));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

// Every set of the world in the order in which ranks, one after the other, first name it.
class Sets {
 public:
  explicit Sets(const std::vector<std::vector<uint64_t>>& announced) {
    std::map<uint64_t, Ranks> holders;
    for (size_t rank = 0; rank < announced.size(); ++rank) {
      for (size_t i = 1; i < announced[rank].size(); ++i) {
        Ranks& ranks = holders[announced[rank][i]];
        expect(ranks.empty() || ranks.back() != static_cast<int64_t>(rank), "a rank holds a tensor once");
        ranks.push_back(static_cast<int64_t>(rank));
      }
    }
    for (const auto& words : announced) {
      of_.emplace_back();
      for (size_t i = 1; i < words.size(); ++i) {
        const Ranks& ranks = holders[words[i]];
        auto [found, is_new] = numbers_.emplace(ranks, ranks_.size());
        if (is_new) ranks_.push_back(ranks);
        of_.back().push_back(found->second);
      }
    }
  }

  size_t count() const { return ranks_.size(); }
  const Ranks& ranks(size_t set) const { return ranks_[set]; }
  // The sets of a rank's tensors.
  const std::vector<size_t>& of(size_t rank) const { return of_[rank]; }

 private:
  std::vector<Ranks> ranks_;
  std::map<Ranks, size_t> numbers_;
  std::vector<std::vector<size_t>> of_;
};

bool has(const Ranks& ranks, int64_t rank) {
  return std::binary_search(ranks.begin(), ranks.end(), rank);
}

// Sets of several ranks, packed so that those of a round have no rank in common: one split serves a round.
std::vector<std::vector<size_t>> rounds_of(const Sets& sets, int64_t world_size) {
  std::vector<std::vector<size_t>> rounds;
  std::vector<std::vector<bool>> taken;  // by round, by rank
  for (size_t set = 0; set < sets.count(); ++set) {
    const Ranks& ranks = sets.ranks(set);
    if (ranks.size() == 1) continue;
    size_t round = 0;
    auto meets = [&](const std::vector<bool>& ranks_taken) {
      return std::any_of(ranks.begin(), ranks.end(),
                         [&](int64_t rank) { return ranks_taken[static_cast<size_t>(rank)]; });
    };
    while (round < rounds.size() && meets(taken[round])) ++round;
    if (round == rounds.size()) {
      rounds.emplace_back();
      taken.emplace_back(static_cast<size_t>(world_size));
    }
    rounds[round].push_back(set);
    for (int64_t rank : ranks) taken[round][static_cast<size_t>(rank)] = true;
  }
  return rounds;
}

// A set's ranks by part of the world, and by place within a part.
class Parts {
 public:
  Parts(const Ranks& ranks, const PartOf& part_of) {
    std::map<int64_t, int64_t> taken;  // by part
    for (int64_t rank : ranks) {
      int64_t part = part_of(Rank(rank));
      seats_.push_back({part, taken[part]++});
    }
    size_ = taken.begin()->second;
    for (auto [part, places] : taken)
      expect(places == size_, "every part of the world has a set's ranks alike");
  }
  bool several() const { return size_ != static_cast<int64_t>(seats_.size()); }
  std::unique_ptr<Group> shard(Group& set) const {
    if (size_ == 1) return single_rank_group();
    return set.split([&](Rank rank) { return Seat{at(rank).part, rank.value()}; }, set.name() + " shards");
  }
  std::unique_ptr<Group> replica(Group& set) const {
    return set.split([&](Rank rank) { return Seat{at(rank).place, rank.value()}; }, set.name() + " replicas");
  }

 private:
  struct Place {
    int64_t part, place;
  };
  const Place& at(Rank rank) const { return seats_[static_cast<size_t>(rank.value())]; }

  std::vector<Place> seats_;  // by rank of the set
  int64_t size_ = 0;          // ranks in a part
};

}  // namespace

Holders::Holders(Group& world, const std::vector<HeldTensor>& held, const PartOf& part_of)
    : Holders(gather_bytes(world, announcement(held)), world, part_of) {}

Holders Holders::known(Group& world, const Holdings& all_held, const PartOf& part_of) {
  return {announcements_of(all_held), world, part_of};
}

Holders::Holders(const std::vector<std::string>& announcements, Group& world, const PartOf& part_of) {
  std::vector<std::vector<uint64_t>> announced;  // by rank
  announced.reserve(announcements.size());
  for (const std::string& bytes : announcements) announced.push_back(words_of(bytes));
  Sets all(announced);
  int64_t me = world.rank().value();

  std::map<size_t, std::unique_ptr<Group>> groups;  // of this rank, by the world's number of the set
  for (const auto& round : rounds_of(all, world.size())) {
    auto set_of = [&](int64_t rank) {
      return std::find_if(round.begin(), round.end(), [&](size_t set) { return has(all.ranks(set), rank); });
    };
    // A rank without a set in this round is a group by itself, of a colour that no set has.
    auto color_of = [&](int64_t rank) {
      auto set = set_of(rank);
      return set != round.end() ? static_cast<int64_t>(*set) : static_cast<int64_t>(all.count()) + rank;
    };
    auto seating = [&](Rank rank) { return Seat{color_of(rank.value()), rank.value()}; };
    auto group = world.split(seating, fmt::format("holders {}", color_of(me)));
    if (auto mine = set_of(me); mine != round.end()) groups[*mine] = std::move(group);
  }

  std::map<size_t, size_t> local;  // the world's number of a set -> this rank's
  for (size_t set = 0; set < all.count(); ++set) {
    const Ranks& ranks = all.ranks(set);
    if (!has(ranks, me)) continue;
    local[set] = sets_.size();
    bool alike = std::all_of(ranks.begin(), ranks.end(), [&](int64_t rank) {
      return announced[static_cast<size_t>(rank)][0] == announced[static_cast<size_t>(me)][0];
    });
    sets_.push_back({ranks.size() == 1 ? single_rank_group() : std::move(groups[set]), alike});
    Set& mine = sets_.back();
    if (part_of != nullptr) {
      Parts parts(ranks, part_of);
      if (parts.several()) mine.shard = parts.shard(*mine.group), mine.replica = parts.replica(*mine.group);
    }
    if (mine.replica == nullptr) mine.replica = single_rank_group();
  }
  for (size_t set : all.of(static_cast<size_t>(me))) set_of_.push_back(local[set]);
}

}  // namespace sextant::parallel
