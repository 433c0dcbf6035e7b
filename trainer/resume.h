#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "trainer/checkpoint/checkpoint.pb.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// Every setting in which two messages of one type differ, "optimizer.learning_rate: 0.001 -> 0.0003".
std::vector<std::string> changed_settings(const google::protobuf::Message& before,
                                          const google::protobuf::Message& now);

// How a run's settings differ from those of the checkpoint that it is to go on from.
struct ResumeDifferences {
  std::vector<std::string> changed;  // "optimizer.learning_rate: 0.001 -> 0.0003", which may be meant
};

// Throws Error(kInput), with every reason, when going on would not be the same training: another model, seed,
// batch, data or tokenizer. What the layout, logging or the schedule changes is only reported.
ResumeDifferences check_resume(const Manifest& manifest, const Run& config, uint64_t data_fingerprint,
                               uint64_t tokenizer_fingerprint);

}  // namespace sextant::trainer
