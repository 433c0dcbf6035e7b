#include "trainer/checkpoint/save_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "parallel/base/error.h"
#include "trainer/checkpoint/box.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/manifest.h"

namespace sextant::trainer {
namespace {

// One box of a tensor and who holds it.
struct Box {
  const Manifest::Piece* piece = nullptr;
  struct Holder {
    size_t rank;
    int index;
  };
  std::vector<Holder> holders;
};

using Boxes = std::map<std::string, std::map<std::string, Box>>;  // by tensor, by place

Boxes gather_boxes(const std::vector<SaveReport>& reports) {
  Boxes boxes;
  for (size_t rank = 0; rank < reports.size(); ++rank) {
    for (int index = 0; index < reports[rank].pieces_size(); ++index) {
      const Manifest::Piece& piece = reports[rank].pieces(index);
      // A rank may hold nothing of a tensor. A tensor of no elements is still written, once.
      bool whole_is_empty = std::ranges::count(piece.whole(), 0) > 0;
      if (piece.bytes() == 0 && !whole_is_empty) continue;
      std::string place = fmt::format("{}+{}", fmt::join(piece.offset(), ","), fmt::join(piece.shape(), ","));
      if (whole_is_empty) place = "empty";
      Box& box = boxes[piece.name()][place];
      if (box.piece == nullptr) box.piece = &piece;
      box.holders.push_back({rank, index});
    }
  }
  return boxes;
}

void check_tensor(const std::string& name, const std::map<std::string, Box>& boxes) {
  const Manifest::Piece& first = *boxes.begin()->second.piece;
  std::vector<parallel::Slice> slices;
  for (const auto& [place, box] : boxes) {
    if (!std::ranges::equal(box.piece->whole(), first.whole()) || box.piece->dtype() != first.dtype()) {
      throw std::logic_error(
          fmt::format("ranks disagree about the whole shape or the type of tensor {}", name));
    }
    slices.push_back(piece_slice(*box.piece));
  }
  std::vector<int64_t> whole(first.whole().begin(), first.whole().end());
  if (auto fault = cover_fault(whole, std::move(slices))) {
    throw std::logic_error(fmt::format("tensor {} can not be saved: {}", name, *fault));
  }
}

}  // namespace

SaveReport announce(const std::vector<StateTensor>& state) {
  SaveReport report;
  for (const StateTensor& held : state) {
    expect(held.split.defined() ? held.split.elements() == held.slice.elements()
                                : held.tensor.sizes() == at::IntArrayRef(held.slice.shape),
           "a state tensor has the shape of its box");
    Manifest::Piece* piece = report.add_pieces();
    piece->set_name(held.name);
    piece->mutable_whole()->Add(held.whole.begin(), held.whole.end());
    piece->mutable_offset()->Add(held.slice.offset.begin(), held.slice.offset.end());
    piece->mutable_shape()->Add(held.slice.shape.begin(), held.slice.shape.end());
    piece->set_dtype(dtype_name(held.type()));
    piece->set_bytes(held.slice.elements() * static_cast<int64_t>(c10::elementSize(held.type())));
  }
  return report;
}

std::vector<std::vector<int>> plan_save(const std::vector<SaveReport>& reports) {
  Boxes boxes = gather_boxes(reports);
  std::vector<const Box*> largest_first;
  for (const auto& [name, of_tensor] : boxes) {
    check_tensor(name, of_tensor);
    for (const auto& [place, box] : of_tensor) largest_first.push_back(&box);
  }
  std::stable_sort(largest_first.begin(), largest_first.end(),
                   [](const Box* a, const Box* b) { return a->piece->bytes() > b->piece->bytes(); });
  std::vector<int64_t> bytes(reports.size(), 0);
  std::vector<std::vector<int>> plan(reports.size());
  for (const Box* box : largest_first) {
    const Box::Holder* least = &box->holders[0];
    for (const Box::Holder& holder : box->holders) {
      if (bytes[holder.rank] < bytes[least->rank]) least = &holder;
    }
    bytes[least->rank] += box->piece->bytes();
    plan[least->rank].push_back(least->index);
  }
  return plan;
}

}  // namespace sextant::trainer
