#include "trainer/checkpoint/dtype.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 15> kTypes{{
    {"F64", at::kDouble},
    {"F32", at::kFloat},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I64", at::kLong},
    {"I32", at::kInt},
    {"I16", at::kShort},
    {"I8", at::kChar},
    {"U64", at::kUInt64},
    {"U32", at::kUInt32},
    {"U16", at::kUInt16},
    {"U8", at::kByte},
    {"BOOL", at::kBool},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E5M2", at::kFloat8_e5m2},
}};

}  // namespace

std::string dtype_name(at::ScalarType type) {
  for (const auto& [name, candidate] : kTypes) {
    if (candidate == type) return std::string(name);
  }
  fail_input(fmt::format("safetensors has no name for tensors of type {}", c10::toString(type)));
}

std::optional<at::ScalarType> dtype_named(std::string_view name) {
  for (const auto& [candidate, type] : kTypes) {
    if (candidate == name) return type;
  }
  return std::nullopt;
}

}  // namespace sextant::trainer
