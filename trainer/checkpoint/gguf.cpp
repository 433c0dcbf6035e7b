#include "trainer/checkpoint/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <set>

#include "parallel/base/error.h"
#include "trainer/checkpoint/box.h"

namespace sextant::trainer {
namespace {

constexpr uint64_t kLeastEntry = 8 + 4 + 1;           // an empty key, a type, a byte
constexpr uint64_t kLeastTensor = 8 + 4 + 8 + 4 + 8;  // an empty name, one dim, a type, an offset
constexpr uint32_t kMostDims = 4;

// Bytes of a value; 0 for texts and lists, whose length stands before them.
uint64_t width_of(GgufValueType type) {
  switch (type) {
    case GgufValueType::kU8:
    case GgufValueType::kI8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kU16:
    case GgufValueType::kI16:
      return 2;
    case GgufValueType::kU32:
    case GgufValueType::kI32:
    case GgufValueType::kF32:
      return 4;
    case GgufValueType::kU64:
    case GgufValueType::kI64:
    case GgufValueType::kF64:
      return 8;
    case GgufValueType::kText:
    case GgufValueType::kArray:
      return 0;
  }
  return 0;
}

// Goes through the file's bytes; no length is believed before it is compared with what is left.
class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& origin) : bytes_(bytes), origin_(origin) {}

  uint64_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }

  [[noreturn]] void fail(const std::string& why) const {
    fail_input(fmt::format("{}: at byte {}: {}; the file is damaged or no GGUF file", origin_, at_, why));
  }

  std::span<const uint8_t> take(uint64_t count) {
    if (count > left()) fail(fmt::format("{} bytes are announced, but {} are left", count, left()));
    auto part = bytes_.subspan(at_, count);
    at_ += count;
    return part;
  }

  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view text() {
    auto bytes = take(number<uint64_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  uint64_t count(const char* what, uint64_t least_bytes) {
    auto count = number<uint64_t>();
    if (count > left() / least_bytes) {
      fail(fmt::format("{} {} do not fit the {} bytes left", count, what, left()));
    }
    return count;
  }

  GgufValueType value_type() {
    auto type = number<uint32_t>();
    if (type > static_cast<uint32_t>(GgufValueType::kF64))
      fail(fmt::format("unknown type of value {}", type));
    return static_cast<GgufValueType>(type);
  }

  GgufArray array() {
    GgufArray list;
    list.type = value_type();
    if (list.type == GgufValueType::kArray) fail("lists of lists are not supported");
    uint64_t width = width_of(list.type);
    list.count = count("entries of a list", width == 0 ? 8 : width);
    uint64_t begin = at_;
    if (width > 0) take(list.count * width);
    if (width == 0) {
      for (uint64_t i = 0; i < list.count; ++i) text();
    }
    list.bytes = bytes_.subspan(begin, at_ - begin);
    return list;
  }

  GgufValue value(GgufValueType type) {
    switch (type) {
      case GgufValueType::kU8:
        return int64_t{number<uint8_t>()};
      case GgufValueType::kI8:
        return int64_t{number<int8_t>()};
      case GgufValueType::kU16:
        return int64_t{number<uint16_t>()};
      case GgufValueType::kI16:
        return int64_t{number<int16_t>()};
      case GgufValueType::kU32:
        return int64_t{number<uint32_t>()};
      case GgufValueType::kI32:
        return int64_t{number<int32_t>()};
      case GgufValueType::kF32:
        return number<float>();
      case GgufValueType::kBool:
        return number<uint8_t>() != 0;
      case GgufValueType::kText:
        return text();
      case GgufValueType::kArray:
        return array();
      case GgufValueType::kU64:
        return number<uint64_t>();
      case GgufValueType::kI64:
        return number<int64_t>();
      case GgufValueType::kF64:
        return number<double>();
    }
    fail("unknown type of value");
  }

  // Description of a tensor; `offset` is from the start of the tensors' bytes.
  GgufTensor tensor(uint64_t& offset) {
    GgufTensor tensor;
    tensor.name = text();
    auto dims = number<uint32_t>();
    if (dims == 0 || dims > kMostDims) fail(fmt::format("tensor '{:.80}' has {} dims", tensor.name, dims));
    for (uint32_t d = 0; d < dims; ++d) {
      auto extent = number<uint64_t>();
      if (extent > (uint64_t{1} << 62)) fail(fmt::format("tensor '{:.80}' is {} long", tensor.name, extent));
      tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(extent));
    }
    auto type = number<uint32_t>();
    std::optional<GgufBlock> block = gguf_block(type);
    if (!block) {
      fail_input(
          fmt::format("{}: tensor '{:.80}' is of type {}, which is not read; F32, F16, BF16, Q4_0, Q4_1, "
                      "Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K are",
                      origin_, tensor.name, type));
    }
    tensor.type = static_cast<GgufTensorType>(type);
    std::optional<int64_t> elements = checked_elements(tensor.shape);
    if (!elements || tensor.shape.back() % block->numbers != 0) {
      fail(fmt::format("tensor '{:.80}' has a shape of {}, and {} comes in blocks of {}", tensor.name,
                       shape_text(tensor.shape), block->name, block->numbers));
    }
    offset = number<uint64_t>();
    // Where the bytes are is known at the end of the descriptions; until then only how many.
    uint64_t bytes = static_cast<uint64_t>(*elements / block->numbers) * static_cast<uint64_t>(block->bytes);
    if (bytes > bytes_.size()) {
      fail(fmt::format("tensor '{:.80}' of {} bytes in a file of {}", tensor.name, bytes, bytes_.size()));
    }
    tensor.bytes = bytes_.first(bytes);
    return tensor;
  }

 private:
  std::span<const uint8_t> bytes_;
  const std::string& origin_;
  uint64_t at_ = 0;
};

}  // namespace

GgufFile::GgufFile(std::span<const uint8_t> file, std::string origin) : origin_(std::move(origin)) {
  Reader reader(file, origin_);
  if (reader.number<uint32_t>() != 0x46554747) reader.fail("does not begin with the letters GGUF");
  version_ = reader.number<uint32_t>();
  if (version_ != 2 && version_ != 3)
    reader.fail(fmt::format("version {} is not read; 2 and 3 are", version_));
  uint64_t tensors = reader.count("tensors", kLeastTensor);
  uint64_t entries = reader.count("entries of metadata", kLeastEntry);
  entries_.reserve(entries);
  for (uint64_t i = 0; i < entries; ++i) {
    std::string_view key = reader.text();
    GgufValueType type = reader.value_type();
    entries_.push_back({key, reader.value(type)});
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  auto twice = std::adjacent_find(entries_.begin(), entries_.end(),
                                  [](const Entry& a, const Entry& b) { return a.key == b.key; });
  if (twice != entries_.end()) fail(std::string(twice->key.substr(0, 80)), "stands there twice");
  std::vector<uint64_t> offsets(tensors);
  std::set<std::string_view> names;
  tensors_.reserve(tensors);
  for (uint64_t i = 0; i < tensors; ++i) {
    tensors_.push_back(reader.tensor(offsets[i]));
    if (!names.insert(tensors_.back().name).second) {
      reader.fail(fmt::format("tensor '{:.80}' stands there twice", tensors_.back().name));
    }
  }
  uint64_t alignment = find("general.alignment") == nullptr
                           ? 32
                           : static_cast<uint64_t>(integer("general.alignment", 1, 1 << 20));
  uint64_t start = (reader.at() + alignment - 1) / alignment * alignment;
  for (uint64_t i = 0; i < tensors; ++i) {
    GgufTensor& tensor = tensors_[i];
    bool fits = start <= file.size() && offsets[i] <= file.size() - start &&
                tensor.bytes.size() <= file.size() - start - offsets[i];
    if (!fits || offsets[i] % alignment != 0) {
      fail_input(
          fmt::format("{}: tensor '{:.80}' of {} bytes at byte {} + {} does not lie, aligned, inside "
                      "the file of {} bytes; is it whole?",
                      origin_, tensor.name, tensor.bytes.size(), start, offsets[i], file.size()));
    }
    tensor.bytes = file.subspan(start + offsets[i], tensor.bytes.size());
  }
}

void GgufFile::fail(const std::string& key, const std::string& why) const {
  fail_input(fmt::format("{}: {}: {}", origin_, key, why));
}

const GgufValue* GgufFile::find(std::string_view key) const {
  auto found = std::lower_bound(entries_.begin(), entries_.end(), key,
                                [](const Entry& entry, std::string_view name) { return entry.key < name; });
  return found != entries_.end() && found->key == key ? &found->value : nullptr;
}

const GgufValue& GgufFile::at(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) fail(key, "is missing");
  return *value;
}

int64_t GgufFile::integer(const std::string& key, int64_t minimum, int64_t maximum) const {
  const GgufValue& value = at(key);
  std::optional<int64_t> number;
  if (const auto* given = std::get_if<int64_t>(&value)) number = *given;
  if (const auto* given = std::get_if<uint64_t>(&value)) {
    number = static_cast<int64_t>(std::min(*given, static_cast<uint64_t>(INT64_MAX)));
  }
  if (!number) fail(key, "is no whole number");
  if (*number < minimum || *number > maximum) {
    fail(key, fmt::format("{} is not between {} and {}", *number, minimum, maximum));
  }
  return *number;
}

std::optional<int64_t> GgufFile::integer_if_given(const std::string& key, int64_t minimum,
                                                  int64_t maximum) const {
  if (find(key) == nullptr) return std::nullopt;
  return integer(key, minimum, maximum);
}

double GgufFile::positive(const std::string& key) const {
  const GgufValue& value = at(key);
  double number = 0;
  if (const auto* given = std::get_if<float>(&value))
    number = std::strtod(fmt::format("{}", *given).c_str(), nullptr);
  if (const auto* given = std::get_if<double>(&value)) number = *given;
  if (!(number > 0) || !std::isfinite(number)) fail(key, "is no number above 0");
  return number;
}

std::string_view GgufFile::text(const std::string& key) const {
  const auto* value = std::get_if<std::string_view>(&at(key));
  if (value == nullptr) fail(key, "is no text");
  return *value;
}

std::vector<std::string_view> GgufFile::texts(const std::string& key) const {
  const auto* list = std::get_if<GgufArray>(&at(key));
  if (list == nullptr || list->type != GgufValueType::kText) fail(key, "is no list of texts");
  Reader reader(list->bytes, origin_);
  std::vector<std::string_view> texts(list->count);
  for (std::string_view& text : texts) text = reader.text();
  return texts;
}

std::vector<int64_t> GgufFile::integers(const std::string& key) const {
  const auto* list = std::get_if<GgufArray>(&at(key));
  bool known = list != nullptr && (list->type == GgufValueType::kI32 || list->type == GgufValueType::kU32);
  if (!known) fail(key, "is no list of whole numbers of 32 bits");
  Reader reader(list->bytes, origin_);
  std::vector<int64_t> numbers(list->count);
  for (int64_t& number : numbers) {
    number = list->type == GgufValueType::kI32 ? int64_t{reader.number<int32_t>()}
                                               : int64_t{reader.number<uint32_t>()};
  }
  return numbers;
}

bool GgufFile::flag_or(const std::string& key, bool otherwise) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return otherwise;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  fail(key, "is neither true nor false");
}

}  // namespace sextant::trainer
