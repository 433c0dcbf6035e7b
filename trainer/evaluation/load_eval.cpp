#include "trainer/evaluation/load_eval.h"

#include "trainer/config/load.h"
#include "trainer/evaluation/task.h"

namespace sextant::trainer {

EvalRun load_eval(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                  Origins* origins) {
  EvalRun run;
  Origins places;
  if (origins == nullptr) origins = &places;
  load_config(file, overrides, run, origins);
  if (!run.eval().has_folder()) run.mutable_eval()->set_folder("runs/" + file.stem().string());
  check(eval_complaints(run), *origins);
  return run;
}

}  // namespace sextant::trainer
