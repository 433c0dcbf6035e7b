#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "parallel/base/number.h"

namespace sextant::parallel {

// Where ranks leave word of the verb that they wait in, so that a rank that gives up waiting can tell who
// never came. It must work while the network does not: it is not made of collectives. Thread-safe.
class NoticeBoard {
 public:
  virtual ~NoticeBoard() = default;
  // Replaces what `rank` (of the world) said before. Never throws: a full disk must not end a healthy run.
  virtual void post(Rank rank, const std::string& notice) noexcept = 0;
  // What `rank` said last.
  virtual std::optional<std::string> read(Rank rank) const = 0;
  // True for the one rank that may speak for all; where ranks can not agree, for each.
  virtual bool claim_report() noexcept = 0;
};

// For ranks that are threads of this process. Every rank may report.
std::shared_ptr<NoticeBoard> memory_notice_board();

// One small file a rank, `waiting-rank-3.txt`, in a folder that all ranks see; made when needed. Removes what
// an earlier run left for rank `own`. Throws Error(kEnvironment) when the folder can not be made.
std::shared_ptr<NoticeBoard> folder_notice_board(const std::filesystem::path& folder, Rank own);

// Writes `text` to crash-rank-3.txt in `folder`: exit codes and stderr of dying ranks race, a file does not.
// Returns where it went, or nothing when it could not be written.
std::optional<std::filesystem::path> write_crash_note(const std::filesystem::path& folder, Rank rank,
                                                      const std::string& text) noexcept;

}  // namespace sextant::parallel
