#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>

namespace sextant::trainer {

// The name that the safetensors format gives to a type of number: "F32", "BF16", ... Throws Error(kInput) for
// one that it has no name for.
std::string dtype_name(at::ScalarType type);

// The type with that name; none when there is no such type.
std::optional<at::ScalarType> dtype_named(std::string_view name);

}  // namespace sextant::trainer
