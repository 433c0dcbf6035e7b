#include "trainer/checkpoint/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/box.h"
#include "trainer/checkpoint/dtype.h"

namespace sextant::trainer {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr std::string_view kMagic = "SXTCKPT1";
constexpr size_t kPrefix = 24;
constexpr uint64_t kLargest = uint64_t{1} << 30;
constexpr int64_t kLargestFile = int64_t{1} << 48;  // sums over files stay in range

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  fail_input(fmt::format("{}: {}", path, why));
}

template <class T>
T read_number(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// The fewest and most bytes that a field of the manifest may take on disk, so that parsing a hostile file of
// many empty parts can not fill memory: an empty part is 2 bytes on disk and some 200 in memory.
struct Extent {
  uint32_t fewest, most;
};

std::optional<Extent> extent_of(int field) {
  switch (field) {
    case Manifest::kPiecesFieldNumber:
      return Extent{16, 16U << 20};
    case Manifest::kFilesFieldNumber:
      return Extent{8, 1024};
    case Manifest::kCountersFieldNumber:
      return Extent{6, 1024};
    case Manifest::kConfigFieldNumber:
      return Extent{0, 1U << 20};
    case Manifest::kLayoutFieldNumber:
    case Manifest::kProgramFieldNumber:
      return Extent{0, 1U << 16};
    default:
      return std::nullopt;
  }
}

// Walks the message's outermost fields without building it.
std::string wire_fault(const std::string& bytes) {
  google::protobuf::io::ArrayInputStream array(bytes.data() + kPrefix,
                                               static_cast<int>(bytes.size() - kPrefix));
  CodedInputStream stream(&array);
  int config_fields = 0;
  while (uint32_t tag = stream.ReadTag()) {
    int field = WireFormatLite::GetTagFieldNumber(tag);
    if (Manifest::descriptor()->FindFieldByNumber(field) == nullptr) {
      return fmt::format("field {} is unknown: a later version wrote it", field);
    }
    std::optional<Extent> extent = extent_of(field);
    if (!extent) {
      if (!WireFormatLite::SkipField(&stream, tag)) return fmt::format("field {} is cut off", field);
      continue;
    }
    uint32_t length = 0;
    bool fits = WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED &&
                stream.ReadVarint32(&length) && length >= extent->fewest && length <= extent->most;
    if (!fits || !stream.Skip(static_cast<int>(length)))
      return fmt::format("field {} has no valid length", field);
    if (field == Manifest::kConfigFieldNumber && ++config_fields > 1) return "it holds more than one config";
  }
  return stream.ConsumedEntireMessage() ? "" : "its message ends early";
}

void check_files(const Manifest& manifest, const std::string& path) {
  std::set<std::string> names;
  for (const Manifest::File& file : manifest.files()) {
    if (!is_file_name(file.name()))
      refuse(path, fmt::format("'{}' is no name of a file in a checkpoint", file.name()));
    if (!names.insert(file.name()).second) refuse(path, fmt::format("file {} is listed twice", file.name()));
    if (file.bytes() < 0 || file.bytes() > kLargestFile) {
      refuse(path, fmt::format("file {} can not have {} bytes", file.name(), file.bytes()));
    }
  }
}

std::string piece_fault(const Manifest& manifest, const Manifest::Piece& piece) {
  auto dims = piece.whole_size();
  if (piece.offset_size() != dims || piece.shape_size() != dims)
    return "offset, shape and whole differ in dims";
  parallel::Slice box = piece_slice(piece);
  std::vector<int64_t> whole(piece.whole().begin(), piece.whole().end());
  std::optional<int64_t> elements = checked_elements(box.shape);
  if (!elements || !checked_elements(whole)) return "its shape is too large";
  for (size_t d = 0; d < whole.size(); ++d) {
    if (box.offset[d] < 0 || box.offset[d] > whole[d] - box.shape[d]) {
      return fmt::format("its box of {} at {} leaves the whole of {}", shape_text(box.shape),
                         shape_text(box.offset), shape_text(whole));
    }
  }
  std::optional<at::ScalarType> type = dtype_named(piece.dtype());
  if (!type) return fmt::format("its type '{}' is unknown", piece.dtype());
  if (piece.bytes() != *elements * static_cast<int64_t>(c10::elementSize(*type))) {
    return fmt::format("{} numbers of type {} are not {} bytes", *elements, piece.dtype(), piece.bytes());
  }
  if (piece.file() < 0 || piece.file() >= manifest.files_size())
    return fmt::format("it has no file {}", piece.file());
  int64_t file_bytes = manifest.files(piece.file()).bytes();
  if (piece.begin() < 0 || piece.bytes() > file_bytes || piece.begin() > file_bytes - piece.bytes()) {
    return fmt::format("bytes {} to {} leave its file of {} bytes", piece.begin(),
                       piece.begin() + piece.bytes(), file_bytes);
  }
  if (piece.begin() % static_cast<int64_t>(c10::elementSize(*type)) != 0) {
    return fmt::format("byte {} is no place for numbers of type {}", piece.begin(), piece.dtype());
  }
  int64_t block = manifest.checksum_block();
  int64_t blocks = piece.bytes() / block + (piece.bytes() % block != 0 ? 1 : 0);
  if (piece.checksums_size() != blocks)
    return fmt::format("{} checksums for {} blocks", piece.checksums_size(), blocks);
  return "";
}

void check_pieces(const Manifest& manifest, const std::string& path) {
  if (manifest.checksum_block() < 1) refuse(path, "checksum_block is missing");
  std::map<std::string, std::vector<const Manifest::Piece*>> tensors;
  for (const Manifest::Piece& piece : manifest.pieces()) {
    std::string fault = piece_fault(manifest, piece);
    if (!fault.empty()) refuse(path, fmt::format("tensor {}: {}", piece.name(), fault));
    tensors[piece.name()].push_back(&piece);
  }
  for (const auto& [name, pieces] : tensors) {
    std::vector<parallel::Slice> boxes;
    for (const Manifest::Piece* piece : pieces) {
      bool same =
          std::ranges::equal(piece->whole(), pieces[0]->whole()) && piece->dtype() == pieces[0]->dtype();
      if (!same) refuse(path, fmt::format("tensor {}: its pieces differ in whole shape or type", name));
      boxes.push_back(piece_slice(*piece));
    }
    std::vector<int64_t> whole(pieces[0]->whole().begin(), pieces[0]->whole().end());
    if (auto fault = cover_fault(whole, std::move(boxes)))
      refuse(path, fmt::format("tensor {}: {}", name, *fault));
  }
}

}  // namespace

std::string manifest_bytes(const Manifest& manifest) {
  std::string message;
  {
    google::protobuf::io::StringOutputStream text(&message);
    google::protobuf::io::CodedOutputStream stream(&text);
    stream.SetSerializationDeterministic(true);  // the order of counters
    expect(manifest.SerializeToCodedStream(&stream), "a manifest can be written");
  }
  expect(message.size() <= kLargest, "a manifest stays within the size that its reader accepts");
  uint64_t length = message.size();
  uint64_t sum = data::checksum({reinterpret_cast<const uint8_t*>(message.data()), message.size()});
  std::string bytes(kMagic);
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return bytes + message;
}

Manifest read_manifest(const std::filesystem::path& file) {
  std::string bytes = data::read_file(file, kLargest + kPrefix);
  std::string path = file.string();
  if (bytes.size() < kPrefix || std::string_view(bytes).substr(0, kMagic.size()) != kMagic) {
    refuse(path, fmt::format("is no checkpoint manifest: it does not begin with {} at byte 0", kMagic));
  }
  auto length = read_number<uint64_t>(bytes, 8);
  if (length != bytes.size() - kPrefix) {
    refuse(path, fmt::format("says at byte 8 that {} bytes follow byte 24, but {} do", length,
                             bytes.size() - kPrefix));
  }
  auto stored = read_number<uint64_t>(bytes, 16);
  uint64_t sum =
      data::checksum({reinterpret_cast<const uint8_t*>(bytes.data()) + kPrefix, bytes.size() - kPrefix});
  if (stored != sum) {
    refuse(path,
           fmt::format("damaged: the checksum at byte 16 is {:016x}, but the bytes from 24 on give {:016x}",
                       stored, sum));
  }
  std::string fault = wire_fault(bytes);
  Manifest manifest;
  if (fault.empty() && !manifest.ParseFromArray(bytes.data() + kPrefix, static_cast<int>(length))) {
    fault = "its message can not be read";
  }
  if (!fault.empty()) refuse(path, fault);
  if (manifest.format() != 1)
    refuse(path, fmt::format("has format {}, but this program reads 1", manifest.format()));
  check_files(manifest, path);
  check_pieces(manifest, path);
  return manifest;
}

bool is_file_name(const std::string& name) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name[0] != '.' && name[0] != '-' && name != kManifestName &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::string piece_key(const Manifest::Piece& piece) {
  if (std::ranges::equal(piece.whole(), piece.shape())) return piece.name();
  return fmt::format("{}@{}", piece.name(), fmt::join(piece.offset(), ","));
}

parallel::Slice piece_slice(const Manifest::Piece& piece) {
  return {{piece.offset().begin(), piece.offset().end()}, {piece.shape().begin(), piece.shape().end()}};
}

}  // namespace sextant::trainer
