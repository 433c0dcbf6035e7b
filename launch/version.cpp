#include "launch/version.h"

#include <ATen/Version.h>
#include <fmt/format.h>
#include <google/protobuf/stubs/common.h>
#include <mpi.h>
#include <torch/headeronly/version.h>

#include <array>

#include "build_stamp.h"

namespace sextant::launch {
namespace {

// "Open MPI v4.1.4" out of a paragraph; may be asked before MPI_Init.
std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  std::string whole(text.data(), static_cast<size_t>(length));
  return whole.substr(0, whole.find_first_of(",\n"));
}

}  // namespace

std::string program_text() {
  return fmt::format("sextant {} ({})", build_stamp::kVersion, build_stamp::kCommit);
}

std::string version_text() {
  std::string protobuf = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
  return fmt::format(
      "sextant {}\n"
      "  commit       {}\n"
      "  build        {}, {}\n"
      "  libtorch     {}\n"
      "  MPI          {}\n"
      "  protobuf     {}\n"
      "  yaml-cpp     {}\n"
      "  processor    {}\n"
      "  accelerator  {}",
      build_stamp::kVersion, build_stamp::kCommit, build_stamp::kBuildType, build_stamp::kCompiler,
      TORCH_VERSION, mpi_version(), protobuf, build_stamp::kYamlVersion, at::get_cpu_capability(),
      build_stamp::kAccelerator);
}

}  // namespace sextant::launch
