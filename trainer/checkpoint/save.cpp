#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "data/durable_file.h"
#include "parallel/agreement.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/rank_file.h"
#include "trainer/checkpoint/save_plan.h"
#include "trainer/checkpoint/step_folder.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;

// What `action` says when it fails; none when it does not.
template <class Action>
std::optional<std::string> fault_of(Action action) {
  try {
    action();
    return std::nullopt;
  } catch (const std::exception& error) {
    return error.what();
  }
}

// Every rank's report, by rank. All ranks must call.
std::vector<SaveReport> exchange(parallel::Group& world, const SaveReport& mine) {
  std::vector<SaveReport> reports;
  for (const std::string& bytes : parallel::gather_bytes(world, mine.SerializeAsString())) {
    expect(reports.emplace_back().ParseFromString(bytes), "a rank's report arrives whole");
  }
  return reports;
}

// "rank 2: disk full" of the first rank that failed.
std::optional<std::string> first_fault(const std::vector<SaveReport>& reports) {
  for (size_t rank = 0; rank < reports.size(); ++rank) {
    if (reports[rank].has_fault()) return fmt::format("rank {}: {}", rank, reports[rank].fault());
  }
  return std::nullopt;
}

void set_fault(SaveReport& report, const std::optional<std::string>& fault) {
  if (fault) report.set_fault(*fault);
}

// For faults that every rank knows of.
[[noreturn]] void fail_together(const std::string& message) {
  throw parallel::AgreedError(ErrorKind::kEnvironment, message);
}

// Rank 0's own reading of the folder, before it vouches for it: on a folder that hosts do not share it would
// miss what the others wrote.
void check_presence(const fs::path& folder, const Manifest& manifest) {
  for (const Manifest::File& file : manifest.files()) {
    std::error_code error;
    auto bytes = fs::file_size(folder / file.name(), error);
    if (!error && bytes == static_cast<uint64_t>(file.bytes())) continue;
    fail_environment(
        fmt::format("{}: rank {} wrote {} bytes, but rank 0 finds {}; the run's folder must stand on storage "
                    "that all hosts share",
                    (folder / file.name()).string(), file.rank(), file.bytes(),
                    error ? "no such file" : fmt::format("{}", bytes)));
  }
}

}  // namespace

struct CheckpointWriter::Parts {
  Parts(fs::path into, parallel::Group& ranks, Retention keep)
      : folder(std::move(into)), world(ranks), retention(keep) {}

  const fs::path folder;
  parallel::Group& world;
  const Retention retention;

  bool saving = false;
  Manifest header;
  // Of the background thread until `written` is true, then of the caller's.
  std::thread writer;
  SaveReport report;
  std::vector<HostBox> boxes;
  std::map<std::string, std::string> side_files;
  std::atomic<bool> written = false, stop = false;
  // Rank 0 only: removes what retention let go of.
  std::thread remover;
  std::optional<std::string> removal_fault;

  bool first() const { return world.rank() == Rank(0); }
  int64_t step() const { return header.step(); }
  fs::path saving_folder() const { return folder / saving_folder_name(step()); }

  // Throws the same error on every rank when any rank failed. All ranks must call.
  void agree(const std::optional<std::string>& fault) const {
    SaveReport mine;
    set_fault(mine, fault);
    if (auto first = first_fault(exchange(world, mine))) fail_together(*first);
  }

  void take_header(Manifest given) {
    header = std::move(given);
    header.set_format(1);
    header.set_world_size(static_cast<int32_t>(world.size()));
    header.set_checksum_block(kChecksumBlock);
    header.clear_files();
    header.clear_pieces();
  }

  // Rank 0: an empty folder to save into.
  void prepare_folder(const std::map<std::string, std::string>& given_files) {
    for (const auto& [name, bytes] : given_files) {
      expect(is_file_name(name) && !name.starts_with("rank-"), "a side file has a plain name of its own");
    }
    side_files = given_files;
    fs::remove_all(saving_folder());
    fs::create_directories(saving_folder());
  }

  // Copies and sets the background thread going. A rank that can not tells the others at the next poll(),
  // where all meet.
  void start(const std::vector<StateTensor>& state, const SaveReport& announced,
             const std::vector<int>& share) {
    saving = true;
    written = false;
    report.Clear();
    std::optional<std::string> fault = fault_of([&] {
      copy_to_host(state, announced, share);
      writer = std::thread([this] { write(); });
    });
    if (!fault) return;
    set_fault(report, fault);
    written = true;
  }

  // This rank's share, in host memory.
  void copy_to_host(const std::vector<StateTensor>& state, const SaveReport& announced,
                    const std::vector<int>& share) {
    boxes.clear();
    for (int index : share) {
      const StateTensor& held = state[static_cast<size_t>(index)];
      at::Tensor copy = held.numbers();
      // A split one's numbers are a copy already.
      if (!held.split.defined()) copy = at::empty(copy.sizes(), at::TensorOptions(held.type())).copy_(copy);
      boxes.push_back({announced.pieces(index), copy});
    }
  }

  void write() {
    SaveReport wrote;
    set_fault(wrote, fault_of([&] {
                wrote = write_rank_file(saving_folder(), world.rank().value(), boxes, side_files, stop);
              }));
    boxes.clear();
    report = std::move(wrote);
    written = true;
  }

  // Rank 0: puts the parts together and gives them their name.
  void publish(const std::vector<SaveReport>& reports) {
    for (const SaveReport& from : reports) {
      int first_file = header.files_size();
      header.mutable_files()->MergeFrom(from.files());
      for (const Manifest::Piece& piece : from.pieces()) {
        Manifest::Piece* added = header.add_pieces();
        *added = piece;
        added->set_file(first_file + piece.file());
      }
    }
    check_presence(saving_folder(), header);
    data::write_file(saving_folder() / kManifestName, manifest_bytes(header));
    publish_step(folder, step());
  }

  // Rank 0: takes the names of old checkpoints away now; their bytes go in the background.
  void remove_old() {
    if (remover.joinable()) remover.join();
    if (removal_fault) fail_environment(*std::exchange(removal_fault, std::nullopt));
    for (int64_t old : steps_to_remove(published_steps(folder), step(), retention)) retire_step(folder, old);
    remover = std::thread(
        [this] { removal_fault = fault_of([&] { remove_left_overs(folder, LeftOvers::kRetired); }); });
  }

  // All ranks have written their part, or failed to: publishes, or says on every rank why not.
  void conclude() {
    if (writer.joinable()) writer.join();
    saving = false;
    std::vector<SaveReport> reports = exchange(world, report);
    std::string name = step_folder_name(step());
    std::error_code ignored;
    if (auto fault = first_fault(reports)) {
      if (first()) fs::remove_all(saving_folder(), ignored);
      fail_together(fmt::format("{} could not be saved: {}", name, *fault));
    }
    std::optional<std::string> fault;
    if (first()) {
      if (auto why = fault_of([&] { publish(reports); })) {
        fs::remove_all(saving_folder(), ignored);
        fault = fmt::format("{} could not be saved: {}", name, *why);
      } else if (auto why_not = fault_of([&] { remove_old(); })) {
        fault =
            fmt::format("{} is saved, but checkpoints before it could not be removed: {}", name, *why_not);
      }
    }
    agree(fault);
  }
};

CheckpointWriter::CheckpointWriter(fs::path folder, parallel::Group& world, Retention retention)
    : parts_(new Parts(std::move(folder), world, retention)) {
  std::optional<std::string> fault;
  if (parts_->first()) {
    fault = fault_of([&] {
      fs::create_directories(parts_->folder);
      data::sync_folder(fs::absolute(parts_->folder).parent_path());
      remove_left_overs(parts_->folder, LeftOvers::kDeadSaves);
    });
  }
  parts_->agree(fault);
}

CheckpointWriter::~CheckpointWriter() {
  // No collectives here: other ranks may be gone. A save under way stays unpublished, and the next run
  // removes it.
  parts_->stop = true;
  if (parts_->writer.joinable()) parts_->writer.join();
  if (parts_->remover.joinable()) parts_->remover.join();
}

void CheckpointWriter::begin(Manifest header, const std::vector<StateTensor>& state,
                             const std::map<std::string, std::string>& side_files) {
  finish();
  Parts& parts = *parts_;
  parts.take_header(std::move(header));
  SaveReport mine = announce(state);
  mine.set_step(parts.step());
  if (parts.first()) set_fault(mine, fault_of([&] { parts.prepare_folder(side_files); }));
  std::vector<SaveReport> reports = exchange(parts.world, mine);
  if (auto fault = first_fault(reports)) {
    fail_together(fmt::format("{} could not be saved: {}", step_folder_name(parts.step()), *fault));
  }
  for (const SaveReport& report : reports) {
    expect(report.step() == parts.step(), "all ranks save the same step");
  }
  parts.start(state, mine, plan_save(reports)[static_cast<size_t>(parts.world.rank().value())]);
}

void CheckpointWriter::poll() {
  if (!parts_->saving) return;
  double written = parts_->written ? 1 : 0;
  if (parallel::reduce_numbers(parts_->world, {written}, parallel::Reduce::kMin)[0] == 1) parts_->conclude();
}

void CheckpointWriter::finish() {
  if (parts_->saving) parts_->conclude();
}

bool CheckpointWriter::under_way() const {
  return parts_->saving;
}

}  // namespace sextant::trainer
