#pragma once

#include <filesystem>
#include <functional>

namespace sextant::trainer {

// Makes a folder that appears whole or not at all: `write` fills a hidden one beside it, which then gets the
// name. Throws Error(kInput) when `folder` exists and is not empty.
void make_folder(const std::filesystem::path& folder,
                 const std::function<void(const std::filesystem::path&)>& write);

}  // namespace sextant::trainer
