#pragma once

#include <string>

namespace sextant::rlhf {

// Lines of comparisons: three answers to each prompt, of which two are tied every other time.
inline std::string preferences() {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    std::string prompt(1 + static_cast<size_t>(i % 9), static_cast<char>('a' + i % 20));
    text += R"({"prompt": ")" + prompt + R"(", "responses": ["yes", "n", "maybe"], "ranks": [1, 3, )" +
            (i % 2 == 0 ? "2" : "3") + "]}\n";
  }
  return text;
}

}  // namespace sextant::rlhf
