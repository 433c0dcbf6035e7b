#include "trainer/scaling/task_prediction.h"

#include <cmath>

#include "trainer/scaling/fit.h"
#include "trainer/scaling/points.h"

namespace sextant::trainer {
namespace {

const PowerLaw kLaw{2, PowerLaw::Floor::kConstant};

LogPoints final_points(const std::vector<TaskHistory>& histories) {
  LogPoints points;
  points.log_x.resize(2);
  for (const TaskHistory& history : histories) {
    points.log_x[0].push_back(std::log(history.parameters));
    points.log_x[1].push_back(std::log(history.tokens));
    points.log_y.push_back(std::log(history.final.loss));
  }
  return points;
}

Bounds paper_bounds() {
  Bounds bounds = law_bounds(kLaw);
  for (int term = 0; term < 2; ++term) bounds.lower[static_cast<size_t>(kLaw.coefficient(term))] = 0;
  return bounds;
}

double loss_of(const Parameters& law, const TaskHistory& history) {
  double log_x[2] = {std::log(history.parameters), std::log(history.tokens)};
  return std::exp(kLaw.log_value(law, log_x));
}

}  // namespace

TaskFit predict_task(const std::string& name, double chance, const std::vector<TaskHistory>& fitted,
                     const std::vector<TaskHistory>& predicted) {
  const LogPoints points = final_points(fitted);
  require_enough(points, kLaw, "task " + name);
  Minimum law = minimise(HuberOfLogs(kLaw, points), paper_bounds(), {3, 6, 0.1, 0.2, 0});
  std::vector<LossAndAccuracy> course;
  TaskFit fit{name, law.at, law.value, {}, 0, {}};
  for (const TaskHistory& run : fitted) {
    course.insert(course.end(), run.course.begin(), run.course.end());
    fit.fit_error += std::abs(loss_of(law.at, run) / run.final.loss - 1) / static_cast<double>(fitted.size());
  }
  fit.sigmoid = fit_sigmoid(std::move(course), chance);
  for (const TaskHistory& run : predicted) {
    double loss = loss_of(law.at, run);
    fit.predictions.push_back(
        {run.parameters, run.tokens, run.final, loss, fit.sigmoid.at(run.final.loss), fit.sigmoid.at(loss)});
  }
  return fit;
}

std::vector<TaskFit> predict_tasks(const TaskLadder& ladder) {
  std::vector<TaskFit> fits;
  for (const TaskColumns& task : ladder.tasks()) {
    std::vector<TaskHistory> fitted, predicted;
    for (const TaskLog& run : ladder.runs()) {
      (run.use() == TaskLog::fit ? fitted : predicted).push_back(read_task_log(ladder, run, task));
    }
    fits.push_back(predict_task(task.name(), task.chance(), fitted, predicted));
  }
  return fits;
}

}  // namespace sextant::trainer
