#include "launch/ranks.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "parallel/agreement.h"
#include "parallel/base/error.h"

namespace sextant::launch {
namespace {

// Ranks that fail for the same reason at the same moment would all speak. Lower ranks go first; whoever
// speaks ends the others.
void wait_for_turn(int64_t rank) {
  std::this_thread::sleep_for(
      std::chrono::milliseconds(rank == 0 ? 0 : 500 + 20 * std::min<int64_t>(rank, 100)));
}

int end_world(parallel::MpiSession& session, const std::exception& error, int code) {
  wait_for_turn(session.rank().value());
  if (session.size() > 1) {
    std::fprintf(stderr, "sextant: rank %ld: %s\n", static_cast<long>(session.rank().value()), error.what());
    std::fflush(stderr);
    session.abort(code);
  }
  report(error);
  return code;
}

}  // namespace

int launcher_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    if (const char* value = std::getenv(name)) return static_cast<int>(std::strtol(value, nullptr, 10));
  }
  return 0;
}

void report(const std::exception& error) {
  std::fprintf(stderr, "sextant: %s\n", error.what());
  std::fflush(stderr);
}

void report_before_ranks_meet(const std::exception& error) {
  if (launcher_rank() == 0) return report(error);
  // mpirun ends every rank as soon as the first one has left with an error, rank 0 maybe before it has
  // spoken.
  std::this_thread::sleep_for(std::chrono::seconds(2));
}

int run_on_ranks(const std::function<int(parallel::MpiSession&, parallel::Group& world)>& body) {
  parallel::MpiSession session;
  auto world = session.world();
  try {
    return body(session, *world);
  } catch (const parallel::AgreedError& error) {
    if (world->rank() == Rank(0)) report(error);
    return exit_code(error.kind());
  } catch (const Error& error) {
    return end_world(session, error, exit_code(error.kind()));
  } catch (const std::exception& error) {
    return end_world(session, std::runtime_error(fmt::format("internal error: {}", error.what())), 1);
  }
}

}  // namespace sextant::launch
