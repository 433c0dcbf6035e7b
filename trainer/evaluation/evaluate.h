#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "parallel/group.h"
#include "parallel/mesh.h"
#include "trainer/checkpoint/checkpoint.pb.h"
#include "trainer/evaluation/code_sandbox.h"
#include "trainer/evaluation/eval_model.h"
#include "trainer/evaluation/records.h"
#include "trainer/evaluation/task.h"

namespace sextant::trainer {

// The items of each task, in the order of the settings.
using EvalItems = std::vector<std::vector<EvalItem>>;

// What makes an evaluation what it is, for EvalRecords: settings that show in results, the texts of all items
// and the weights, the judge's too where it has its own; of endpoints their addresses and models (no
// checkpoint is looked at).
nlohmann::ordered_json eval_identity(const EvalSettings& settings, const EvalItems& items,
                                     const Manifest& checkpoint, const Manifest* judge = nullptr);

// What an evaluation works with.
struct EvalTools {
  EvalModel& model;                      // under test
  EvalModel& judge;                      // may be the same
  const CodeSandbox* sandbox = nullptr;  // null where no task has programs
};

enum class EvalOutcome { kFinished, kStopped };

struct EvalProgress {
  int64_t done = 0, of = 0;  // items, those of earlier starts included
  double items_per_second = 0;
};

// Measures every item that has no record yet. The longest come first, dealt out among the ranks of the data
// axis; records reach `records`, which rank 0 alone has, as they are made. `progress` is called there now and
// then, `stop` is asked on rank 0. All ranks of `world`, which carries host memory and has the mesh's ranks
// in their order, must call, with equal items.
EvalOutcome evaluate_items(const EvalTools& tools, const EvalSettings& settings, const EvalItems& items,
                           const parallel::Mesh& mesh, parallel::Group& world, EvalRecords* records,
                           const std::function<void(const EvalProgress&)>& progress,
                           const std::function<bool()>& stop);

}  // namespace sextant::trainer
