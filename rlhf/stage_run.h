#pragma once

#include <google/protobuf/message.h>

#include <filesystem>
#include <string>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"

// A stage of alignment is configured by a message of its own, whose fields 1 to 6 are those of trainer.Run:
// the same sections with the same keys and meanings. Its own sections have numbers from 16 on.
namespace sextant::rlhf {

// The sections that a stage shares with pretraining.
trainer::Run base_of(const google::protobuf::Message& stage);

// Puts them back, completed.
void set_base(const trainer::Run& base, google::protobuf::Message& stage);

// Reads a stage's YAML file and the command line's overrides; see trainer::load_config and load_run.
void load_stage(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                google::protobuf::Message& stage, trainer::Origins* origins);

// In which settings of its own sections a stage differs from how it was: see trainer::changed_settings.
std::vector<std::string> changed_own_settings(const google::protobuf::Message& before,
                                              const google::protobuf::Message& now);

// The messages of all stages.
std::vector<const google::protobuf::Descriptor*> stages();

// These, and those of other files that commands read, which train nothing.
std::vector<const google::protobuf::Descriptor*> documents();

// The messages of files that are no runs: ladders, the logs of ladders, rubrics.
std::vector<const google::protobuf::Descriptor*> other_files();

// Which message a file is: that of the document whose own section it has, one of other_files() of which it
// has a key, else trainer.Run. Faults in the file are not told here.
const google::protobuf::Descriptor& kind_of_file(const std::filesystem::path& file);

}  // namespace sextant::rlhf
