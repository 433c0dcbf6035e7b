#include "trainer/plan/played_layout.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <map>

#include "parallel/layout.h"

namespace sextant::trainer {
namespace {

using parallel::Group;
using parallel::Traffic;

using Counts = std::map<Traffic::Call, double>;

std::vector<double*> numbers_of(Rehearsed& played) {
  RankBytes& b = played.bytes;
  return {&b.program,
          &b.weights,
          &b.gradients,
          &b.optimizer,
          &b.activations,
          &b.buffers,
          &played.forward_seconds,
          &played.backward_seconds,
          &played.rest_seconds};
}

void put(const Counts& counts, std::vector<double>& words) {
  words.push_back(static_cast<double>(counts.size()));
  for (const auto& [call, count] : counts) {
    const auto& [verb, type, members, span, bytes] = call;
    words.insert(words.end(),
                 {static_cast<double>(verb), static_cast<double>(type), static_cast<double>(members),
                  static_cast<double>(span), static_cast<double>(bytes), count});
  }
}

Counts take(const double*& word) {
  Counts counts;
  auto left = static_cast<size_t>(*word++);
  for (; left > 0; --left, word += 6) {
    counts[{static_cast<parallel::Verb>(word[0]), static_cast<at::ScalarType>(word[1]),
            static_cast<int64_t>(word[2]), static_cast<int64_t>(word[3]), static_cast<int64_t>(word[4])}] =
        word[5];
  }
  return counts;
}

// A rank's part as it tells the others; a fault's text instead where it has one.
std::string told(Rehearsed played) {
  std::vector<double> words;
  for (double* number : numbers_of(played)) words.push_back(*number);
  put(played.calls_of_microbatch, words);
  put(played.calls_of_step, words);
  return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(double)};
}

Rehearsed heard(const std::string& bytes) {
  std::vector<double> words(bytes.size() / sizeof(double));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  Rehearsed played;
  const double* word = words.data();
  for (double* number : numbers_of(played)) *number = *word++;
  played.calls_of_microbatch = take(word);
  played.calls_of_step = take(word);
  return played;
}

// Who plays what in a round: pipeline ranks in turn; of a model in one piece, every rank its own part.
struct PlayedPart {
  int64_t stage;
  Rank rank;
};

PlayedPart part_of(const parallel::Layout& layout, int64_t player, int64_t players, int64_t round) {
  if (layout.pipeline == 1) return {0, Rank(player % layout.ranks())};
  parallel::Coordinate at;
  at.pipeline = (round * players + player) % layout.pipeline;
  return {at.pipeline, parallel::rank_at(layout, at)};
}

// Plays, and comes to every meeting even after a fault, so that nobody waits for it in vain.
std::string play(const Run& config, int64_t ranks, Rank role, at::Device device, Group& world,
                 Rehearsed& played) {
  int64_t met = 0;
  auto meet = [&] {
    ++met;
    world.barrier();
  };
  std::string fault;
  try {
    played = rehearse(config, ranks, role, device, meet);
  } catch (const std::bad_alloc&) {
    fault = "there is not the memory to try it here";
  } catch (const std::exception& error) {
    fault = error.what();
  }
  while (met < kRehearsedSteps) meet();
  return fault;
}

// The most of everything: ranks wait for the slowest. The calls are the same.
Rehearsed joined(const std::vector<Rehearsed>& alike) {
  Rehearsed all = alike.front();
  std::vector<double*> most = numbers_of(all);
  for (Rehearsed each : alike) {
    std::vector<double*> numbers = numbers_of(each);
    for (size_t i = 0; i < most.size(); ++i) *most[i] = std::max(*most[i], *numbers[i]);
  }
  return all;
}

}  // namespace

PlayedLayout play_layout(const Run& config, int64_t ranks, at::Device device, Group& world) {
  parallel::Layout layout = parallel::layout_for(config.parallel(), ranks);
  int64_t players = world.size(), rounds = (layout.pipeline + players - 1) / players;
  std::vector<std::vector<Rehearsed>> by_stage(static_cast<size_t>(layout.pipeline));
  PlayedLayout result;
  for (int64_t round = 0; round < rounds && result.fault.empty(); ++round) {
    Rehearsed mine;
    PlayedPart part = part_of(layout, world.rank().value(), players, round);
    std::string fault = play(config, ranks, part.rank, device, world, mine);
    for (const std::string& theirs : parallel::gather_bytes(world, fault))
      if (result.fault.empty()) result.fault = theirs;
    std::vector<std::string> all = parallel::gather_bytes(world, told(mine));
    for (int64_t player = 0; player < players; ++player) {
      int64_t stage = part_of(layout, player, players, round).stage;
      by_stage[static_cast<size_t>(stage)].push_back(heard(all[static_cast<size_t>(player)]));
    }
  }
  if (!result.fault.empty()) return result;
  for (const auto& alike : by_stage) result.stages.push_back(joined(alike));
  return result;
}

}  // namespace sextant::trainer
