#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "parallel/base/error.h"
#include "parallel/group_nccl.h"
#include "tests/mpi/session.h"
#include "tests/parallel/group_verbs.h"

// The verb checks with tensors on a GPU: over MPI, staged through host memory, and over NCCL.
namespace sextant::parallel::device_tensors_test {
namespace {

bool has_gpu() {
  return at::globalContext().hasCUDA();
}

// Takes the checks' CPU tensors, gives copies of them on the GPU to the group under test, and brings results
// back.
class OnDevice : public Group {
 public:
  explicit OnDevice(std::unique_ptr<Group> inner) : inner_(std::move(inner)) {}

  Rank rank() const override { return inner_->rank(); }
  int64_t size() const override { return inner_->size(); }
  const std::string& name() const override { return inner_->name(); }
  Rank world_rank(Rank member) const override { return inner_->world_rank(member); }
  void barrier() override { inner_->barrier(); }
  std::unique_ptr<Group> split(const Seating& seating, const std::string& name) override {
    return std::make_unique<OnDevice>(inner_->split(seating, name));
  }

  std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce how) override {
    at::Tensor there = on_device(tensor);
    return back(inner_->all_reduce_async(there, how), tensor, there);
  }
  std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) override {
    at::Tensor there = on_device(output);
    return back(inner_->all_gather_async(there, on_device(input)), output, there);
  }
  std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) override {
    at::Tensor there = on_device(output);
    return back(inner_->reduce_scatter_async(there, on_device(input)), output, there);
  }
  std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) override {
    at::Tensor there = on_device(output);
    return back(inner_->all_to_all_async(there, on_device(input)), output, there);
  }
  std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) override {
    at::Tensor there = on_device(tensor);
    return back(inner_->broadcast_async(there, from), tensor, there);
  }
  std::unique_ptr<Work> send_async(at::Tensor tensor, Rank to) override {
    return inner_->send_async(on_device(tensor), to);
  }
  std::unique_ptr<Work> recv_async(at::Tensor tensor, Rank from) override {
    at::Tensor there = on_device(tensor);
    return back(inner_->recv_async(there, from), tensor, there);
  }

 private:
  class Return : public Work {
   public:
    Return(std::unique_ptr<Work> work, at::Tensor to, at::Tensor from)
        : work_(std::move(work)), to_(std::move(to)), from_(std::move(from)) {}
    void wait() override {
      work_->wait();
      bring_back();
    }
    bool progress() override {
      if (!work_->progress()) return false;
      wait();
      return true;
    }

   private:
    void bring_back() {
      if (to_.defined()) to_.copy_(from_);
      to_.reset();
    }
    std::unique_ptr<Work> work_;
    at::Tensor to_, from_;
  };

  static at::Tensor on_device(const at::Tensor& tensor) {
    return tensor.defined() ? tensor.to(at::kCUDA) : tensor;
  }
  static std::unique_ptr<Work> back(std::unique_ptr<Work> work, at::Tensor to, at::Tensor from) {
    return std::make_unique<Return>(std::move(work), std::move(to), std::move(from));
  }

  std::unique_ptr<Group> inner_;
};

// One GPU a rank as far as they go.
void choose_device() {
  c10::impl::VirtualGuardImpl cuda(c10::kCUDA);
  auto index = session().local_rank().value() % cuda.deviceCount();
  cuda.setDevice(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)));
}

class DeviceVerbs : public testing::TestWithParam<VerbCheck> {};

TEST_P(DeviceVerbs, StagedOverMpi) {
  if (!has_gpu()) GTEST_SKIP() << "this machine or build has no GPU";
  choose_device();
  OnDevice world(session().world());
  GetParam().run(world);
}

TEST_P(DeviceVerbs, OverNccl) {
  if (!has_gpu()) GTEST_SKIP() << "this machine or build has no GPU";
  choose_device();
  auto bootstrap = session().world();
  if (auto obstacle = nccl_obstacle(*bootstrap)) GTEST_SKIP() << *obstacle;
  OnDevice world(nccl_group(*bootstrap, session().watchdog()));
  GetParam().run(world);
}

INSTANTIATE_TEST_SUITE_P(All, DeviceVerbs, testing::ValuesIn(verb_checks()),
                         [](const auto& check) { return std::string(check.param.name); });

TEST(Nccl, CpuTensorsGoOverTheBootstrap) {
  auto bootstrap = session().world();
  if (has_gpu()) choose_device();
  if (auto obstacle = nccl_obstacle(*bootstrap)) GTEST_SKIP() << *obstacle;
  auto world = nccl_group(*bootstrap, session().watchdog());
  EXPECT_EQ(reduce_numbers(*world, {1.0})[0], static_cast<double>(world->size()));
}

TEST(Nccl, AnObstacleIsTheSameEverywhereAndSaysWhatToDo) {
  auto world = session().world();
  if (has_gpu()) choose_device();
  std::string obstacle = nccl_obstacle(*world).value_or("");
  for (const std::string& theirs : gather_bytes(*world, obstacle)) EXPECT_EQ(theirs, obstacle);
  if (obstacle.empty()) return;
  try {
    nccl_group(*world, session().watchdog());
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), obstacle);
    EXPECT_EQ(error.kind(), ErrorKind::kEnvironment);
  }
  if (!nccl_available() && !has_gpu()) {
    bool says_how = obstacle.find("cmake --preset cuda") != std::string::npos ||
                    obstacle.find("sees no GPU") != std::string::npos;
    EXPECT_TRUE(says_how) << obstacle;
  }
}

}  // namespace
}  // namespace sextant::parallel::device_tensors_test
