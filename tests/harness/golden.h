#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/harness/checkout.h"

// Reads the golden files under tests/golden: values made by other implementations (tests/golden/README.md).
namespace sextant::golden {

using Json = nlohmann::json;

// tests/golden/NAME, parsed. Throws when it is missing or no JSON.
inline Json load(const std::string& name) {
  const std::string path = harness::checkout() / "tests/golden" / name;
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": can not be read; the scripts beside it make it again");
  return Json::parse(file);
}

// SplitMix64's mixing of 64 bits.
inline uint64_t mix(uint64_t x) {
  uint64_t z = x + 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

// The weights formula's number in [-1, 1) for element i of the parameter with this key; exact in fp64.
inline double unit(uint64_t key, uint64_t i) {
  return 2.0 * (static_cast<double>(mix((key << 32) + i) >> 11) / 9007199254740992.0) - 1.0;
}

// A parameter's shape; `entry` is one of file["parameters"].
inline std::vector<int64_t> shape(const Json& entry) {
  return entry.at("shape").get<std::vector<int64_t>>();
}

// A parameter's values, row-major, by the formula.
inline std::vector<double> values(const Json& entry) {
  uint64_t count = 1;
  for (int64_t length : shape(entry)) count *= static_cast<uint64_t>(length);
  const uint64_t key = entry.at("key").get<uint64_t>();
  const double centre = entry.at("centre").get<double>();
  const double scale = entry.at("scale").get<double>();
  std::vector<double> result(count);
  for (uint64_t i = 0; i < count; ++i) result[i] = centre + scale * unit(key, i);
  return result;
}

// A list of numbers: file["batch"]["tokens"], file["logits"]["values"] ...
inline std::vector<double> numbers(const Json& list) {
  return list.get<std::vector<double>>();
}
inline std::vector<int64_t> integers(const Json& list) {
  return list.get<std::vector<int64_t>>();
}

// What the files store of a large tensor. l2 and sum are over all values; `first` holds the first eight or
// fewer.
struct Summary {
  double l2 = 0;
  double sum = 0;
  std::vector<double> first;
};

inline Summary summary(const Json& entry) {
  return {entry.at("l2").get<double>(), entry.at("sum").get<double>(), numbers(entry.at("first"))};
}

}  // namespace sextant::golden
