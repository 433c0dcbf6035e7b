#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/mpi/session.h"

namespace sextant::parallel {
namespace {

MpiSession* opened = nullptr;

}  // namespace

MpiSession& session() {
  return *opened;
}

}  // namespace sextant::parallel

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  sextant::parallel::MpiSession session;
  sextant::parallel::opened = &session;
  // A failing rank leaves the others in a verb: they end themselves soon. All ranks have mpirun as their
  // parent.
  const char* seconds = std::getenv("SEXTANT_TEST_DEADLINE");
  const char* given = std::getenv("SEXTANT_TEST_FOLDER");
  std::string folder = given ? given : testing::TempDir() + "sextant_mpi_" + std::to_string(getppid());
  session.watch(seconds ? std::atof(seconds) : 30.0, folder);
  int failed = RUN_ALL_TESTS();
  if (given == nullptr && failed == 0) {
    session.world()->barrier();
    std::error_code gone_already;
    std::filesystem::remove_all(folder, gone_already);
  }
  return failed;
}
