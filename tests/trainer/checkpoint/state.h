#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "parallel/base/error.h"
#include "parallel/placement.h"
#include "trainer/checkpoint/checkpoint.h"

namespace sextant::trainer::testing {

namespace fs = std::filesystem;

// A folder of the test's own, removed at its end.
class TemporaryFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "checkpoint_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

// A training state in miniature: 2-D weights, a vector, a scalar, an empty tensor, integers, moments.
struct Whole {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType type = at::kFloat;
};

inline std::vector<Whole> small_state() {
  return {{"weights/embedding.weight", {8, 12}},
          {"weights/norm.weight", {12}},
          {"weights/temperature", {}},
          {"weights/nothing", {0, 4}},
          {"optimizer/first_moment/embedding.weight", {8, 12}},
          {"optimizer/second_moment/embedding.weight", {8, 12}, at::kDouble},
          {"optimizer/counts", {4}, at::kLong}};
}

// The numbers of a tensor: a function of its name's place and the global index alone. No value repeats, and
// fp32 has them only rounded.
inline at::Tensor whole_tensor(const Whole& whole, double seed = 0) {
  at::Tensor indices =
      at::arange(parallel::Slice{{}, whole.shape}.elements(), at::kDouble).reshape(whole.shape);
  double place = static_cast<double>(std::hash<std::string>()(whole.name) % 1000);
  return (indices * 0.37 + place + seed).to(whole.type).contiguous();
}

// How the ranks of a test cut the state.
enum class Cut { kNone, kDim0, kDim1 };

inline parallel::Placement placement(const Whole& whole, Cut cut, int64_t rank, int64_t ranks) {
  int64_t dim = cut == Cut::kNone ? -1 : cut == Cut::kDim0 ? 0 : 1;
  if (dim >= static_cast<int64_t>(whole.shape.size()) || (dim >= 0 && whole.shape[dim] % ranks != 0))
    dim = -1;
  return dim < 0 ? parallel::Placement() : parallel::Placement{{{dim, ranks, rank}}};
}

inline std::vector<StateTensor> cut_state(const std::vector<Whole>& state, Cut cut, int64_t rank,
                                          int64_t ranks, double seed = 0) {
  std::vector<StateTensor> held;
  for (const Whole& whole : state) {
    parallel::Slice box = placement(whole, cut, rank, ranks).local(whole.shape, whole.name);
    at::Tensor tensor = whole_tensor(whole, seed);
    for (size_t d = 0; d < box.shape.size(); ++d) {
      tensor = tensor.narrow(static_cast<int64_t>(d), box.offset[d], box.shape[d]);
    }
    held.push_back({whole.name, whole.shape, box, tensor.contiguous()});
  }
  return held;
}

inline Manifest header_of(int64_t step) {
  Manifest header;
  header.set_step(step);
  header.set_tokens(step * 1024);
  header.set_samples(step * 8);
  header.set_layout("data=1 tensor=1 pipeline=1 context=1 expert=1 zero=0");
  header.mutable_config()->mutable_run()->set_seed(7);
  (*header.mutable_counters())["bad_steps"] = 2;
  header.set_program("sextant test");
  return header;
}

// Reads the same boxes into tensors full of NaN (or -1) and expects the bits of `expected`.
inline void expect_loads(const CheckpointReader& reader, const std::vector<StateTensor>& expected) {
  for (const StateTensor& tensor : expected) {
    StateTensor wanted = tensor;
    wanted.tensor = at::full_like(tensor.tensor, at::isFloatingType(tensor.tensor.scalar_type()) ? NAN : -1);
    reader.read(wanted);
    EXPECT_TRUE(at::equal(wanted.tensor, tensor.tensor)) << tensor.name;
  }
}

// The error that `action` throws; its text holds every part.
inline void expect_error(ErrorKind kind, const std::vector<std::string>& parts,
                         const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "no '" << part << "' in: " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "no error that says '" << parts.at(0) << "'";
}

}  // namespace sextant::trainer::testing
