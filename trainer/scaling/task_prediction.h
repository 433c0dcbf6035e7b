#pragma once

#include <string>
#include <vector>

#include "trainer/scaling/power_law.h"
#include "trainer/scaling/sigmoid.h"
#include "trainer/scaling/task_logs.h"

namespace sextant::trainer {

// A big run's accuracy on a task, predicted in two steps from small runs (Bhagia et al. 2024, "Establishing
// Task Scaling Laws via Compute-Efficient Model Ladders", arXiv 2412.04403): the task's loss from model size
// and tokens, the accuracy from the loss.

struct TaskPrediction {
  double parameters = 0, tokens = 0;
  LossAndAccuracy actual;
  double loss = 0;                // step 1: from parameters and tokens
  double accuracy_from_loss = 0;  // step 2 alone: from the actual loss
  double accuracy = 0;            // both, one after the other
};

struct TaskFit {
  std::string name;
  Parameters law{};  // log A, log B, alpha, beta, log E
  double objective = 0;
  Sigmoid sigmoid;
  double fit_error = 0;                     // mean of |law - loss| / loss over the fitted runs
  std::vector<TaskPrediction> predictions;  // in the order of the runs that are predicted
};

// `fitted` and `predicted` are one task's histories. The law is fitted as the paper does: summed Huber loss
// of logarithms, from its one start, within log A, log B >= 0.
TaskFit predict_task(const std::string& name, double chance, const std::vector<TaskHistory>& fitted,
                     const std::vector<TaskHistory>& predicted);

// All tasks of a ladder, in its order. Throws Error(kInput) as read_task_log does.
std::vector<TaskFit> predict_tasks(const TaskLadder& ladder);

}  // namespace sextant::trainer
