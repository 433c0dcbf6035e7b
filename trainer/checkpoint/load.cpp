#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/box.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/opened.h"
#include "trainer/checkpoint/step_folder.h"
#include "trainer/checkpoint/verify.h"
#include "trainer/checkpoint/weights_hash.h"

namespace sextant::trainer {
namespace {

using parallel::Slice;

// The same box, its offset counted from the box of `around`.
Slice within(const Slice& box, const Slice& around) {
  Slice moved = box;
  for (size_t d = 0; d < moved.offset.size(); ++d) moved.offset[d] -= around.offset[d];
  return moved;
}

// First and one past the last element, in row-major order, of a box inside a whole of that shape.
std::pair<int64_t, int64_t> extent_of(const Slice& box, const std::vector<int64_t>& whole) {
  int64_t first = 0, last = 0;
  for (size_t d = 0; d < whole.size(); ++d) {
    first = first * whole[d] + box.offset[d];
    last = last * whole[d] + box.offset[d] + box.shape[d] - 1;
  }
  return {first, last + 1};
}

// Runs `action`; what it finds damaged is told with what to do about it.
template <class Action>
void with_remedy(const std::filesystem::path& folder, Action action) {
  try {
    action();
  } catch (const Error& error) {
    fail_input(fmt::format("{}; move {} away to go on from the checkpoint before it", error.what(),
                           folder.string()));
  }
}

bool is_convertible(at::ScalarType from, at::ScalarType to) {
  return from == to || (at::isFloatingType(from) && at::isFloatingType(to));
}

}  // namespace

struct CheckpointReader::Parts {
  std::filesystem::path folder;
  Manifest manifest;
  std::vector<data::MappedFile> files;  // by their index in the manifest
  std::map<std::string, std::vector<const Manifest::Piece*>> tensors;

  void open() {
    manifest = read_manifest(folder / kManifestName);
    std::optional<int64_t> named = step_of_folder(folder.filename().string());
    if (named && *named != manifest.step()) {
      fail_input(fmt::format("{}: the folder's name says step {}, but its {} step {}", folder.string(),
                             *named, kManifestName, manifest.step()));
    }
    for (const FilePieces& file : files_of(manifest)) files.push_back(open_file(folder, file));
    for (const Manifest::Piece& piece : manifest.pieces()) tensors[piece.name()].push_back(&piece);
  }

  const std::vector<const Manifest::Piece*>& pieces(const std::string& name) const {
    auto found = tensors.find(name);
    if (found != tensors.end()) return found->second;
    fail_input(
        fmt::format("{}: holds no tensor {}, which the model of this run has; its {} tensors are listed by "
                    "`sextant checkpoint inspect --json`",
                    folder.string(), name, tensors.size()));
  }

  // Copies what the piece holds of the wanted box, after checking every block that the copy reads.
  void copy(const Manifest::Piece& piece, StateTensor& wanted) const {
    Slice held = piece_slice(piece);
    Slice both = parallel::intersect(held, wanted.slice);
    if (both.elements() == 0) return;
    Slice source = within(both, held), target = within(both, wanted.slice);
    at::ScalarType type = dtype_named(piece.dtype()).value();
    auto width = static_cast<int64_t>(c10::elementSize(type));
    auto [first, end] = extent_of(source, held.shape);
    const data::MappedFile& file = files[static_cast<size_t>(piece.file())];
    std::vector<std::string> faults = damaged_blocks(file, manifest.files(piece.file()), piece,
                                                     manifest.checksum_block(), first * width, end * width);
    with_remedy(folder, [&] { require(faults.empty(), faults.empty() ? std::string() : faults[0]); });
    // The mapping is only read; from_blob knows no constant memory.
    auto* bytes = const_cast<uint8_t*>(file.bytes().data()) + piece.begin();
    at::Tensor stored = at::from_blob(bytes, held.shape, at::TensorOptions(type));
    view_of(wanted.tensor.detach(), target).copy_(view_of(stored, source));
  }
};

CheckpointReader::CheckpointReader(const std::filesystem::path& folder) : parts_(std::make_unique<Parts>()) {
  parts_->folder = resolve_checkpoint(folder);
  with_remedy(parts_->folder, [this] { parts_->open(); });
}

CheckpointReader::~CheckpointReader() = default;

const Manifest& CheckpointReader::manifest() const {
  return parts_->manifest;
}

const std::filesystem::path& CheckpointReader::folder() const {
  return parts_->folder;
}

void CheckpointReader::read(StateTensor& wanted) const {
  if (wanted.split.defined()) {
    StateTensor joined{wanted.name, wanted.whole, wanted.slice, wanted.numbers()};
    read(joined);
    return wanted.split.put(joined.tensor);
  }
  const std::vector<const Manifest::Piece*>& pieces = parts_->pieces(wanted.name);
  if (!std::ranges::equal(pieces[0]->whole(), wanted.whole)) {
    fail_input(fmt::format(
        "{}: tensor {} has the shape {}, but this run's model wants {}; give the model.* settings "
        "that the checkpoint was trained with",
        parts_->folder.string(), wanted.name,
        shape_text({pieces[0]->whole().begin(), pieces[0]->whole().end()}), shape_text(wanted.whole)));
  }
  expect(wanted.tensor.sizes() == at::IntArrayRef(wanted.slice.shape),
         "a tensor to read has the shape of its box");
  at::ScalarType stored = dtype_named(pieces[0]->dtype()).value();
  if (!is_convertible(stored, wanted.tensor.scalar_type())) {
    fail_input(fmt::format("{}: tensor {} holds numbers of type {}, which are not converted to {}",
                           parts_->folder.string(), wanted.name, pieces[0]->dtype(),
                           dtype_name(wanted.tensor.scalar_type())));
  }
  for (const Manifest::Piece* piece : pieces) parts_->copy(*piece, wanted);
}

at::Tensor CheckpointReader::read_whole(const std::string& name) const {
  const Manifest::Piece& piece = *parts_->pieces(name)[0];
  StateTensor all{name, {piece.whole().begin(), piece.whole().end()}, {}, {}};
  all.slice = {std::vector<int64_t>(all.whole.size(), 0), all.whole};
  all.tensor = at::empty(all.whole, at::TensorOptions(dtype_named(piece.dtype()).value()));
  read(all);
  return all.tensor;
}

at::Tensor CheckpointReader::read_layer(const std::string& name, int64_t layer) const {
  const Manifest::Piece& piece = *parts_->pieces(name)[0];
  StateTensor one{name, {piece.whole().begin(), piece.whole().end()}, {}, {}};
  one.slice = {std::vector<int64_t>(one.whole.size(), 0), one.whole};
  one.slice.offset[0] = layer;
  one.slice.shape[0] = 1;
  one.tensor = at::empty(one.slice.shape, at::TensorOptions(dtype_named(piece.dtype()).value()));
  read(one);
  return one.tensor[0];
}

std::map<std::string, std::vector<int64_t>> CheckpointReader::tensors() const {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [name, pieces] : parts_->tensors) {
    shapes[name] = {pieces[0]->whole().begin(), pieces[0]->whole().end()};
  }
  return shapes;
}

std::string CheckpointReader::side_file(const std::string& name) const {
  for (int i = 0; i < parts_->manifest.files_size(); ++i) {
    const Manifest::File& file = parts_->manifest.files(i);
    if (file.name() != name) continue;
    const data::MappedFile& mapped = parts_->files[static_cast<size_t>(i)];
    with_remedy(parts_->folder, [&] { check_side_file(mapped, file); });
    return {mapped.bytes().begin(), mapped.bytes().end()};
  }
  fail_input(fmt::format("{}: holds no file {}", parts_->folder.string(), name));
}

std::string CheckpointReader::weights_sha256() const {
  return hash_weights(*this);
}

std::vector<std::string> CheckpointReader::verify() const {
  return verify_checkpoint(parts_->folder);
}

}  // namespace sextant::trainer
