#include "trainer/checkpoint/rank_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/safetensors.h"

namespace sextant::trainer {
namespace {

void write_box(data::DurableFile& file, HostBox& box, const std::atomic<bool>& stop) {
  if (box.make) box.tensor = box.make();
  expect(static_cast<int64_t>(box.tensor.nbytes()) == box.piece.bytes() && box.tensor.is_contiguous(),
         "a box is as large as it was announced");
  const auto* bytes = static_cast<const uint8_t*>(box.tensor.const_data_ptr());
  for (int64_t at = 0; at < box.piece.bytes(); at += kChecksumBlock) {
    if (stop) fail_environment("the save was given up");
    int64_t count = std::min(kChecksumBlock, box.piece.bytes() - at);
    // Summed from memory, so that what the disk makes of it is checked against what was meant.
    box.piece.add_checksums(data::checksum({bytes + at, static_cast<size_t>(count)}));
    file.write(bytes + at, static_cast<size_t>(count));
  }
}

void add_file(SaveReport& report, const std::string& name, uint64_t bytes, int64_t rank,
              const std::string& header) {
  Manifest::File* file = report.add_files();
  file->set_name(name);
  file->set_bytes(static_cast<int64_t>(bytes));
  file->set_header_checksum(data::checksum({reinterpret_cast<const uint8_t*>(header.data()), header.size()}));
  file->set_rank(static_cast<int32_t>(rank));
}

void write_boxes(const std::filesystem::path& folder, int64_t rank, std::vector<HostBox>& boxes,
                 SaveReport& report, const std::atomic<bool>& stop) {
  std::unordered_map<std::string, HostBox*> by_key;
  std::vector<SafetensorsEntry> entries;
  for (HostBox& box : boxes) {
    std::string key = piece_key(box.piece);
    by_key[key] = &box;
    at::ScalarType type = dtype_named(box.piece.dtype()).value();
    entries.push_back({key, type, {box.piece.shape().begin(), box.piece.shape().end()}});
  }
  std::string header = lay_out_safetensors(entries, {{"format", "pt"}});
  std::string name = fmt::format("rank-{:05}.safetensors", rank);
  data::DurableFile file(folder / name);
  file.write(header);
  for (const SafetensorsEntry& entry : entries) {
    HostBox& box = *by_key.at(entry.key);
    write_box(file, box, stop);
    box.piece.set_file(report.files_size());
    box.piece.set_begin(static_cast<int64_t>(entry.begin));
    *report.add_pieces() = std::move(box.piece);
    box.tensor.reset();  // gives the memory back as the file grows
  }
  file.publish();
  add_file(report, name, file.size(), rank, header);
}

}  // namespace

SaveReport write_rank_file(const std::filesystem::path& folder, int64_t rank, std::vector<HostBox>& boxes,
                           const std::map<std::string, std::string>& side_files,
                           const std::atomic<bool>& stop) {
  SaveReport report;
  if (!boxes.empty()) write_boxes(folder, rank, boxes, report, stop);
  for (const auto& [name, bytes] : side_files) {
    data::write_file(folder / name, bytes);
    add_file(report, name, bytes.size(), rank, bytes);
  }
  return report;
}

}  // namespace sextant::trainer
