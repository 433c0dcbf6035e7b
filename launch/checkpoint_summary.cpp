#include "launch/checkpoint_summary.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "launch/message_json.h"
#include "trainer/scaling/outcome.h"
#include "trainer/sha256.h"

namespace sextant::launch {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kWeights = "weights/";

// "weights" of "weights/blocks.0...", "optimizer/first_moment" of "optimizer/first_moment/blocks.0...".
std::string kind_of(const std::string& tensor) {
  size_t slash = tensor.rfind('/');
  return slash == std::string::npos ? tensor : tensor.substr(0, slash);
}

std::string grouped(int64_t number) {
  std::string digits = fmt::format("{}", number);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string dims(const Json& shape) {
  std::string text;
  for (const Json& size : shape) text += (text.empty() ? "" : " x ") + size.dump();
  return text.empty() ? "one number" : text;
}

std::string model_line(const Json& model) {
  std::string text;
  for (const auto& [key, value] : model.items()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text.empty() ? "not recorded" : text;
}

// Counts and bytes of each kind of tensor; the largest tensors would drown the rest.
std::string tensor_lines(const Json& tensors) {
  struct Sum {
    int64_t count = 0, bytes = 0;
    std::string largest, shape, dtype;
    int64_t largest_bytes = -1;
  };
  std::map<std::string, Sum> kinds;
  for (const auto& [name, tensor] : tensors.items()) {
    Sum& sum = kinds[kind_of(name)];
    auto bytes = tensor["bytes"].get<int64_t>();
    ++sum.count;
    sum.bytes += bytes;
    if (bytes <= sum.largest_bytes) continue;
    sum.largest_bytes = bytes;
    sum.largest = name.substr(name.rfind('/') + 1);
    sum.shape = dims(tensor["shape"]);
    sum.dtype = tensor["dtype"].get<std::string>();
  }
  std::string lines;
  for (const auto& [kind, sum] : kinds) {
    lines += fmt::format("  {:<28} {:>5} tensors {:>10}   largest: {} ({}, {})\n", kind, sum.count,
                         bytes_text(sum.bytes), sum.largest, sum.shape, sum.dtype);
  }
  return lines;
}

void add_tensors(Json& summary, const trainer::Manifest& manifest) {
  std::map<std::string, Json> tensors;
  int64_t parameters = 0;
  for (const trainer::Manifest::Piece& piece : manifest.pieces()) {
    Json& tensor = tensors[piece.name()];
    if (tensor.is_null()) {
      tensor = {{"shape", std::vector<int64_t>(piece.whole().begin(), piece.whole().end())},
                {"dtype", piece.dtype()},
                {"bytes", int64_t{0}},
                {"pieces", int64_t{0}}};
    }
    tensor["bytes"] = tensor["bytes"].get<int64_t>() + piece.bytes();
    tensor["pieces"] = tensor["pieces"].get<int64_t>() + 1;
    int64_t elements = 1;
    for (int64_t size : piece.shape()) elements *= size;
    if (piece.name().starts_with(kWeights)) parameters += elements;
  }
  summary["parameters"] = parameters;
  summary["tensors"] = tensors;
}

}  // namespace

Json checkpoint_json(const trainer::CheckpointReader& checkpoint) {
  const trainer::Manifest& manifest = checkpoint.manifest();
  Json summary;
  summary["folder"] = checkpoint.folder().string();
  summary["step"] = manifest.step();
  summary["tokens"] = manifest.tokens();
  summary["samples"] = manifest.samples();
  summary["layout"] = manifest.layout();
  summary["world_size"] = manifest.world_size();
  summary["weights_sha256"] = checkpoint.weights_sha256();
  summary["program"] = manifest.program();
  summary["data_fingerprint"] = fmt::format("{:016x}", manifest.data_fingerprint());
  summary["tokenizer_fingerprint"] = fmt::format("{:016x}", manifest.tokenizer_fingerprint());
  summary["counters"] =
      std::map<std::string, int64_t>(manifest.counters().begin(), manifest.counters().end());
  add_tensors(summary, manifest);
  summary["model"] = message_json(manifest.config().model());
  if (auto prediction = trainer::stored_prediction(checkpoint)) {
    summary["prediction_sha256"] = trainer::sha256_of(*prediction);
  }
  Json files = Json::array();
  for (const trainer::Manifest::File& file : manifest.files()) {
    files.push_back({{"name", file.name()}, {"bytes", file.bytes()}, {"rank", file.rank()}});
  }
  summary["files"] = files;
  summary["config"] = message_json(manifest.config());
  return summary;
}

std::string checkpoint_text(const Json& summary) {
  std::string text = summary["folder"].get<std::string>() + "\n";
  auto line = [&](const char* what, const std::string& value) {
    text += fmt::format("  {:<16} {}\n", what, value);
  };
  line("step", fmt::format("{} ({} tokens, {} samples)", grouped(summary["step"]), grouped(summary["tokens"]),
                           grouped(summary["samples"])));
  line("parameters", grouped(summary["parameters"]));
  line("model", model_line(summary["model"]));
  line("layout", fmt::format("{}, saved by {} rank{}", summary["layout"].get<std::string>(),
                             summary["world_size"].dump(), summary["world_size"] == 1 ? "" : "s"));
  line("program", summary["program"].get<std::string>());
  line("weights sha256", summary["weights_sha256"].get<std::string>());
  if (summary.contains("prediction_sha256")) {
    line("prediction", "sha256 " + summary["prediction_sha256"].get<std::string>());
  }
  text += "tensors\n" + tensor_lines(summary["tensors"]) + "files\n";
  for (const Json& file : summary["files"]) {
    text += fmt::format("  {:<28} {:>24}   by rank {}\n", file["name"].get<std::string>(),
                        bytes_text(file["bytes"]), file["rank"].dump());
  }
  return text;
}

std::string bytes_text(int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits{"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace sextant::launch
