#include "tests/gpu/on_device.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

namespace sextant::parallel {
namespace {

// Waits for the carrier's work, then brings the result back to the host once.
class CopiedWork : public Work {
 public:
  CopiedWork(std::unique_ptr<Work> carried, at::Tensor host, at::Tensor device)
      : carried_(std::move(carried)), host_(std::move(host)), device_(std::move(device)) {}

  void wait() override {
    carried_->wait();
    bring_back();
  }

  bool progress() override {
    if (!carried_->progress()) return false;
    wait();
    return true;
  }

 private:
  void bring_back() {
    if (std::exchange(is_back_, true) || !host_.defined()) return;
    host_.copy_(device_);
  }

  std::unique_ptr<Work> carried_;
  at::Tensor host_, device_;
  bool is_back_ = false;
};

class OnDevice : public Group {
 public:
  OnDevice(std::unique_ptr<Group> carrier, at::Device device)
      : carrier_(std::move(carrier)), device_(device) {}

  Rank rank() const override { return carrier_->rank(); }
  int64_t size() const override { return carrier_->size(); }
  Rank world_rank(Rank member) const override { return carrier_->world_rank(member); }
  const std::string& name() const override { return carrier_->name(); }

  std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce how) override {
    at::Tensor there = copy(tensor);
    return copied(carrier_->all_reduce_async(there, how), tensor, there);
  }
  std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) override {
    at::Tensor there = copy(output);
    return copied(carrier_->all_gather_async(there, copy(input)), output, there);
  }
  std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) override {
    at::Tensor there = copy(output);
    return copied(carrier_->reduce_scatter_async(there, copy(input)), output, there);
  }
  std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) override {
    at::Tensor there = copy(output);
    return copied(carrier_->all_to_all_async(there, copy(input)), output, there);
  }
  std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) override {
    at::Tensor there = copy(tensor);
    return copied(carrier_->broadcast_async(there, from), tensor, there);
  }
  std::unique_ptr<Work> send_async(at::Tensor tensor, Rank to) override {
    at::Tensor there = copy(tensor);
    return copied(carrier_->send_async(there, to), at::Tensor(), there);
  }
  std::unique_ptr<Work> recv_async(at::Tensor tensor, Rank from) override {
    at::Tensor there = copy(tensor);
    return copied(carrier_->recv_async(there, from), tensor, there);
  }
  void barrier() override { carrier_->barrier(); }
  std::unique_ptr<Group> split(const Seating& seating, const std::string& name) override {
    return on_device(carrier_->split(seating, name), device_);
  }

 private:
  // Keeps strides, so that a backend sees what it has to refuse.
  at::Tensor copy(const at::Tensor& host) const {
    return host.defined() ? host.to(device_, /*non_blocking=*/false, /*copy=*/true) : host;
  }
  static std::unique_ptr<Work> copied(std::unique_ptr<Work> carried, at::Tensor host, at::Tensor there) {
    return std::make_unique<CopiedWork>(std::move(carried), std::move(host), std::move(there));
  }

  std::unique_ptr<Group> carrier_;
  at::Device device_;
};

}  // namespace

std::unique_ptr<Group> on_device(std::unique_ptr<Group> carrier, at::Device device) {
  return std::make_unique<OnDevice>(std::move(carrier), device);
}

}  // namespace sextant::parallel
