#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/kernels/split_master.h"
#include "trainer/model/parameter.h"

namespace sextant::trainer {

// What this rank's optimizer updates of one parameter: the flat range [begin, end) of its local slice, maybe
// none of it. The ranges of all `holders` are the slice.
struct OwnedPiece {
  const Parameter* parameter = nullptr;
  int64_t begin = 0, end = 0;
  at::Tensor master;  // [end - begin]; undefined where it is split
  SplitMaster split;  // [end - begin] the value and what it leaves out of the master; or none
  at::Tensor grad;    // [end - begin], master's type: the sum over all holders at update(), which spoils it
  at::Tensor value;   // [end - begin]; undefined where it is the master's own memory
  parallel::Group* holders = nullptr;  // who share the slice out among them; null: it is here as a whole

  int64_t elements() const { return end - begin; }
  bool is_whole() const { return holders == nullptr; }
  // Type and device of its numbers.
  at::TensorOptions options() const;
};

// The piece's master, [elements]: its own memory, or where it is split a copy. To be changed in place and
// handed to set_master.
at::Tensor master_of(const OwnedPiece& piece);
// Sets the master, and the value that follows from it. master [elements], of any floating type.
void set_master(const OwnedPiece& piece, const at::Tensor& master);

// Every parameter as a whole, with its gradient as it stands now (undefined outside training).
std::vector<OwnedPiece> whole_pieces(const ParameterList& parameters);

// A tensor of the optimizer that lies beside a piece, element by element, as checkpoints name it: the boxes
// of the parameter's logical shape that it holds. They share its memory.
std::vector<StateTensor> state_beside(const OwnedPiece& piece, const std::string& kind,
                                      const at::Tensor& tensor);
// The same of the piece's master.
std::vector<StateTensor> weight_state(const OwnedPiece& piece);

// Copies masters into the pieces' values where these are of another type. After each change of masters.
void refresh_values(const std::vector<OwnedPiece>& pieces);

}  // namespace sextant::trainer
