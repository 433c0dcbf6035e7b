#include <string>
#include <vector>

#include "tests/fuzz/target.h"
#include "trainer/config/load.h"

namespace sextant::fuzz {

// The bytes as a run's YAML file; their first line as an override too.
void yaml(std::span<const uint8_t> bytes) {
  std::string text(bytes.begin(), bytes.end());
  trainer::Run run;
  trainer::Origins origins;
  std::vector<std::string> overrides;
  if (text.starts_with("#=")) overrides.push_back(text.substr(2, text.find('\n') - 2));
  MemoryFile file(bytes);
  trainer::load_config(file.path(), overrides, run, &origins);
}

}  // namespace sextant::fuzz
