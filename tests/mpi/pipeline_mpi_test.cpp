#include <gtest/gtest.h>

#include "tests/mpi/session.h"
#include "tests/parallel/staged_network.h"

namespace sextant::parallel::pipeline_mpi_test {
namespace {

// Messages of 1 MB, which MPI hands over only when both ends are there.
TEST(PipelineMpi, EveryScheduleGivesTheGradientsOfOneRank) {
  auto world = session().world();
  try_all_schedules(*world, 1024, 128);
}

}  // namespace
}  // namespace sextant::parallel::pipeline_mpi_test
