#include "trainer/scaling/task_logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include "parallel/base/error.h"
#include "trainer/scaling/csv_table.h"

namespace sextant::trainer {
namespace {

using Columns = google::protobuf::RepeatedPtrField<WeightedColumn>;

// A table's column numbers from `first` on belong to `columns`.
double weighted_mean(const CsvTable& table, size_t record, size_t first, const Columns& columns) {
  double sum = 0, weights = 0;
  for (const WeightedColumn& column : columns) {
    sum += column.weight() * table.number(record, first++);
    weights += column.weight();
  }
  return sum / weights;
}

double mean_of_last(const std::vector<double>& values, size_t window) {
  size_t count = std::min(window, values.size());
  double sum = 0;
  for (size_t i = values.size() - count; i < values.size(); ++i) sum += values[i];
  return sum / static_cast<double>(count);
}

// Which columns tell the tokens: one, or the two whose product it is.
std::vector<std::string> token_columns(const TaskLadder& ladder, const std::filesystem::path& file) {
  std::vector<std::string> header = CsvTable::header(file);
  bool counted = std::find(header.begin(), header.end(), ladder.tokens_column()) != header.end();
  if (counted) return {ladder.tokens_column()};
  return {ladder.step_column(), ladder.batch_tokens_column()};
}

}  // namespace

std::vector<Complaint> task_ladder_complaints(const TaskLadder& ladder) {
  std::vector<Complaint> found;
  int fitted = 0;
  for (const TaskLog& run : ladder.runs()) fitted += run.use() == TaskLog::fit ? 1 : 0;
  constexpr int kFewest = 6;  // one more than the first law has parameters
  if (fitted < kFewest) {
    found.push_back(
        {"runs", fmt::format("{} of them are fitted to, and the law of loss has {} parameters; give {} "
                             "or more with use: fit",
                             fitted, kFewest - 1, kFewest)});
  }
  if (fitted == ladder.runs_size()) {
    found.push_back({"runs", "none is predicted; give one use: predict"});
  }
  if (ladder.tasks_size() == 0) found.push_back({"tasks", "there is none; name one with its columns"});
  for (int i = 0; i < ladder.tasks_size(); ++i) {
    const TaskColumns& task = ladder.tasks(i);
    std::string key = fmt::format("tasks.{}", i);
    if (task.loss_size() == 0) found.push_back({key, "loss is missing; name the loss's column"});
    if (task.accuracy_size() == 0) found.push_back({key, "accuracy is missing; name the accuracy's column"});
  }
  return found;
}

std::vector<double> moving_average(const std::vector<double>& values, size_t window) {
  std::vector<double> means;
  for (size_t end = 1; end <= values.size(); ++end) {
    size_t count = std::min(window, end);
    double sum = 0;
    for (size_t i = end - count; i < end; ++i) sum += values[i];
    means.push_back(sum / static_cast<double>(count));
  }
  return means;
}

TaskHistory read_task_log(const TaskLadder& ladder, const TaskLog& run, const TaskColumns& task) {
  std::filesystem::path file = std::filesystem::path(ladder.logs_folder()) / run.file();
  std::vector<std::string> columns = token_columns(ladder, file);
  const size_t losses = columns.size(), accuracies = losses + static_cast<size_t>(task.loss_size());
  for (const WeightedColumn& column : task.loss()) columns.push_back(column.column());
  for (const WeightedColumn& column : task.accuracy()) columns.push_back(column.column());
  CsvTable table(file, columns);
  require(table.records() > 0, file.string() + ": it has no checkpoints, only a header");
  TaskHistory history;
  history.parameters = run.parameters();
  std::vector<double> loss, accuracy;
  for (size_t i = 0; i < table.records(); ++i) {
    loss.push_back(weighted_mean(table, i, losses, task.loss()));
    accuracy.push_back(weighted_mean(table, i, accuracies, task.accuracy()));
    require(loss.back() > 0, table.place(i) + ": the loss of " + task.name() + " is not above 0");
  }
  const size_t last = table.records() - 1;
  history.tokens = table.number(last, 0) * (losses == 2 ? table.number(last, 1) : 1);
  require(history.tokens > 0, table.place(last) + ": the tokens trained on are not above 0");
  const size_t window = static_cast<size_t>(ladder.smooth());
  history.final = {mean_of_last(loss, window), mean_of_last(accuracy, window)};
  auto skipped =
      static_cast<std::ptrdiff_t>(std::ceil(ladder.skip_share() * static_cast<double>(loss.size())));
  loss = moving_average({loss.begin() + skipped, loss.end()}, window);
  accuracy = moving_average({accuracy.begin() + skipped, accuracy.end()}, window);
  for (size_t i = 0; i < loss.size(); ++i) history.course.push_back({loss[i], accuracy[i]});
  return history;
}

}  // namespace sextant::trainer
