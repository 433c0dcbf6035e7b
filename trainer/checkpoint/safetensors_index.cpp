#include "trainer/checkpoint/safetensors_index.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/base/error.h"
#include "trainer/checkpoint/json_bounds.h"
#include "trainer/checkpoint/manifest.h"

namespace sextant::trainer {
namespace {

constexpr size_t kMostFiles = 10'000;

// Reads event by event: what the index says of each tensor is known from the files themselves.
class IndexEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::set<std::string> files;
  std::string fault = "is no JSON";

  bool key(string_t& name) override {
    if (depth_ == 1) in_map_ = name == "weight_map";
    return true;
  }
  bool string(string_t& text) override {
    if (!in_map_) return true;
    if (depth_ != 2) return refuse("weight_map holds more than names of files");
    if (!is_file_name(text) || !text.ends_with(".safetensors")) {
      return refuse(fmt::format("'{:.80}' is no name of a .safetensors file beside it", text));
    }
    files.insert(text);
    return files.size() <= kMostFiles || refuse(fmt::format("names more than {} files", kMostFiles));
  }
  bool start_object(std::size_t) override { return ++depth_ < 32 || refuse("is nested too deeply"); }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override { return ++depth_ < 32 || refuse("is nested too deeply"); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_unsigned(number_unsigned_t) override { return other(); }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(fmt::format("is no JSON at byte {}", position));
  }

 private:
  bool other() { return !in_map_ || refuse("weight_map holds more than names of files"); }
  bool refuse(std::string why) {
    fault = std::move(why);
    return false;
  }

  int depth_ = 0;
  bool in_map_ = false;
};

}  // namespace

std::set<std::string> parse_safetensors_index(std::string_view text, const std::string& origin) {
  check_json_bounds(text, origin, {});
  IndexEvents events;
  if (!nlohmann::json::sax_parse(text, &events)) fail_input(fmt::format("{}: {}", origin, events.fault));
  require(!events.files.empty(), fmt::format("{}: its weight_map names no file", origin));
  return std::move(events.files);
}

}  // namespace sextant::trainer
