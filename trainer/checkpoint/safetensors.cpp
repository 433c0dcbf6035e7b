#include "trainer/checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "parallel/base/error.h"
#include "trainer/checkpoint/box.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/json_bounds.h"

namespace sextant::trainer {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they stand in memory");

constexpr uint64_t kLargestHeader = 100'000'000;  // as in the format's own reader

// Reads the JSON event by event, so that a hostile header of brackets builds no tree in memory.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderEvents(SafetensorsHeader& header) : header_(header) {}
  const std::string& fault() const { return fault_; }

  bool key(string_t& name) override {
    if (in_ == In::kTop) return begin_entry(name);
    if (in_ == In::kMetadata && header_.metadata.count(name) > 0)
      return refuse("names metadata twice: " + name);
    field_ = name;
    return true;
  }

  bool string(string_t& text) override {
    if (in_ == In::kMetadata) {
      header_.metadata.emplace(field_, text);
      return true;
    }
    if (in_ != In::kTensor || field_ != "dtype" || has_type_) return refuse_value();
    std::optional<at::ScalarType> type = dtype_named(text);
    if (!type) return refuse(fmt::format("gives tensor '{}' the unknown type '{}'", entry_.key, text));
    entry_.type = *type;
    return has_type_ = true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (in_ != In::kNumbers || value > (uint64_t{1} << 62)) return refuse_value();
    (field_ == "shape" ? entry_.shape : offsets_).push_back(static_cast<int64_t>(value));
    return entry_.shape.size() <= 16 && offsets_.size() <= 2 ? true : refuse_value();
  }

  bool start_object(std::size_t) override {
    if (in_ == In::kNothing)
      in_ = In::kTop;
    else if (in_ == In::kTop)
      in_ = entry_.key == "__metadata__" ? In::kMetadata : In::kTensor;
    else
      return refuse_value();
    return true;
  }

  bool end_object() override {
    if (in_ == In::kTop)
      in_ = In::kNothing;
    else if (in_ == In::kTensor && !end_entry())
      return false;
    else
      in_ = In::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    bool fits = in_ == In::kTensor &&
                ((field_ == "shape" && !has_shape_) || (field_ == "data_offsets" && !has_offsets_));
    if (!fits) return refuse_value();
    (field_ == "shape" ? has_shape_ : has_offsets_) = true;
    in_ = In::kNumbers;
    return true;
  }

  bool end_array() override {
    in_ = In::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(fmt::format("is no JSON at byte {}", position + 7));
  }
  bool null() override { return refuse_value(); }
  bool boolean(bool) override { return refuse_value(); }
  bool number_integer(number_integer_t) override { return refuse_value(); }
  bool number_float(number_float_t, const string_t&) override { return refuse_value(); }
  bool binary(binary_t&) override { return refuse_value(); }

 private:
  enum class In { kNothing, kTop, kMetadata, kTensor, kNumbers };

  bool refuse(const std::string& why) {
    fault_ = why;
    return false;
  }
  bool refuse_value() {
    if (in_ == In::kNothing) return refuse("is no JSON object");
    return refuse(fmt::format("has a value that does not belong there, at '{}' of '{}'", field_, entry_.key));
  }

  bool begin_entry(const std::string& name) {
    if (!names_.insert(name).second) return refuse(fmt::format("names '{}' twice", name));
    entry_ = {};
    entry_.key = name;
    offsets_.clear();
    field_.clear();
    has_type_ = has_shape_ = has_offsets_ = false;
    return true;
  }

  bool end_entry() {
    if (!has_type_ || !has_shape_ || offsets_.size() != 2) {
      return refuse(fmt::format("lacks dtype, shape or data_offsets of tensor '{}'", entry_.key));
    }
    std::optional<int64_t> elements = checked_elements(entry_.shape);
    int64_t width = static_cast<int64_t>(c10::elementSize(entry_.type));
    if (!elements || offsets_[1] - offsets_[0] != *elements * width) {
      return refuse(fmt::format("gives tensor '{}' of shape {} and type {} the bytes {} to {}", entry_.key,
                                shape_text(entry_.shape), dtype_name(entry_.type), offsets_[0], offsets_[1]));
    }
    entry_.begin = static_cast<uint64_t>(offsets_[0]);
    entry_.bytes = static_cast<uint64_t>(offsets_[1] - offsets_[0]);
    header_.entries.push_back(entry_);
    return true;
  }

  SafetensorsHeader& header_;
  In in_ = In::kNothing;
  std::string field_, fault_;
  SafetensorsEntry entry_;
  std::vector<int64_t> offsets_;
  bool has_type_ = false, has_shape_ = false, has_offsets_ = false;
  std::set<std::string> names_;
};

[[noreturn]] void refuse_file(const std::string& path, const std::string& why) {
  fail_input(fmt::format("{}: {}; the file is damaged or no safetensors file", path, why));
}

// Entries follow each other from the end of the header to the end of the file: no overlap, no byte left out.
void place_entries(SafetensorsHeader& header, uint64_t file_bytes, const std::string& path) {
  // Empty tensors stand before the one that begins at the same byte.
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.bytes, a.key) < std::tie(b.begin, b.bytes, b.key);
  });
  uint64_t next = header.bytes;
  for (SafetensorsEntry& entry : header.entries) {
    entry.begin += header.bytes;
    if (entry.begin != next) {
      refuse_file(path, fmt::format("tensor '{}' begins at byte {} but the one before it ends at byte {}",
                                    entry.key, entry.begin, next));
    }
    next += entry.bytes;
  }
  if (next != file_bytes) {
    refuse_file(path, fmt::format("its tensors end at byte {} but the file has {} bytes", next, file_bytes));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const uint8_t> file, const std::string& path) {
  uint64_t length = 0;
  if (file.size() < sizeof length) refuse_file(path, fmt::format("only {} bytes long", file.size()));
  std::memcpy(&length, file.data(), sizeof length);
  if (length > file.size() - sizeof length || length > kLargestHeader) {
    refuse_file(path, fmt::format("a header of {} bytes does not fit a file of {}", length, file.size()));
  }
  SafetensorsHeader header;
  header.bytes = sizeof length + length;
  HeaderEvents events(header);
  const auto* text = file.data() + sizeof length;
  check_json_bounds({reinterpret_cast<const char*>(text), length}, path, {.depth = INT32_MAX});
  if (!nlohmann::json::sax_parse(text, text + length, &events))
    refuse_file(path, "its header " + events.fault());
  place_entries(header, file.size(), path);
  return header;
}

std::string lay_out_safetensors(std::vector<SafetensorsEntry>& entries,
                                const std::map<std::string, std::string>& metadata) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    size_t width_a = c10::elementSize(a.type), width_b = c10::elementSize(b.type);
    return std::tie(width_b, a.key) < std::tie(width_a, b.key);
  });
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t next = 0;
  for (SafetensorsEntry& entry : entries) {
    std::optional<int64_t> elements = checked_elements(entry.shape);
    expect(elements.has_value() && entry.key != "__metadata__",
           "an entry has a shape and a name that can be written");
    entry.begin = next;
    entry.bytes = static_cast<uint64_t>(*elements) * c10::elementSize(entry.type);
    next += entry.bytes;
    header[entry.key] = {
        {"dtype", dtype_name(entry.type)}, {"shape", entry.shape}, {"data_offsets", {entry.begin, next}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();
  for (SafetensorsEntry& entry : entries) entry.begin += sizeof length + length;
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

}  // namespace sextant::trainer
