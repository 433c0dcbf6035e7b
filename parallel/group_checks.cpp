#include "parallel/group_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

namespace sextant::parallel {
namespace {

[[noreturn]] void refuse(const Group& group, const char* verb, const std::string& why) {
  throw std::invalid_argument(fmt::format("{} of group {}: {}", verb, group.name(), why));
}

std::string shape_text(const at::Tensor& tensor) {
  auto sizes = tensor.sizes();
  return fmt::format("[{}] {}", fmt::join(sizes.begin(), sizes.end(), ", "),
                     c10::toString(tensor.scalar_type()));
}

void check_alike(const Group& group, const char* verb, const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.device() != b.device()) {
    refuse(group, verb,
           fmt::format("output {} on {} and input {} on {} differ in type or device", shape_text(a),
                       a.device().str(), shape_text(b), b.device().str()));
  }
}

}  // namespace

void check_whole(const Group& group, const char* verb, const at::Tensor& tensor) {
  if (!tensor.defined()) refuse(group, verb, "the tensor is undefined");
  if (tensor.layout() != at::kStrided || !tensor.is_contiguous()) {
    refuse(group, verb,
           fmt::format("the tensor {} is not contiguous; call contiguous() first", shape_text(tensor)));
  }
}

void check_reducible(const Group& group, const char* verb, const at::Tensor& tensor) {
  check_whole(group, verb, tensor);
  if (tensor.scalar_type() == at::kBool || tensor.is_complex()) {
    refuse(group, verb,
           fmt::format("{} can not be reduced; convert it to a number type", shape_text(tensor)));
  }
}

void check_pieces(const Group& group, const char* verb, const at::Tensor& pieces, const at::Tensor& one) {
  check_whole(group, verb, pieces);
  check_whole(group, verb, one);
  check_alike(group, verb, pieces, one);
  bool fits =
      pieces.dim() >= 1 && pieces.size(0) == group.size() && pieces.numel() == group.size() * one.numel();
  if (!fits) {
    refuse(group, verb,
           fmt::format("{} is not {} pieces of {}: the first dim counts the ranks", shape_text(pieces),
                       group.size(), shape_text(one)));
  }
}

void check_exchange(const Group& group, const at::Tensor& output, const at::Tensor& input) {
  const char* verb = "all_to_all";
  check_whole(group, verb, output);
  check_whole(group, verb, input);
  check_alike(group, verb, output, input);
  bool fits = input.dim() >= 1 && input.size(0) == group.size() && output.sizes() == input.sizes();
  if (!fits) {
    refuse(group, verb,
           fmt::format("output {} and input {} must both be [{}, ...]", shape_text(output), shape_text(input),
                       group.size()));
  }
}

void check_member(const Group& group, const char* verb, Rank member) {
  if (member.value() < 0 || member.value() >= group.size()) {
    refuse(group, verb, fmt::format("rank {} is not among its {} ranks", member.value(), group.size()));
  }
}

void check_peer(const Group& group, const char* verb, Rank peer) {
  check_member(group, verb, peer);
  if (peer == group.rank()) refuse(group, verb, fmt::format("rank {} can not talk to itself", peer.value()));
}

}  // namespace sextant::parallel
