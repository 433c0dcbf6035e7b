#include "trainer/evaluation/math_answer.h"

#include <algorithm>
#include <vector>

namespace sextant::trainer {
namespace {

// `from` becomes `to` everywhere.
void swap_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

bool whole_number(const std::string& text) {
  size_t digits = text.starts_with('-') ? 1 : 0;
  return text.size() > digits && text.find_first_not_of("0123456789", digits) == std::string::npos;
}

// Where the brace that opens at `open` closes.
size_t closing_brace(const std::string& text, size_t open) {
  int depth = 0;
  for (size_t at = open; at < text.size(); ++at) {
    depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    if (depth == 0) return at;
  }
  return std::string::npos;
}

// Arguments of a command in braces: \frac12 is \frac{1}{2}, \sqrt3 is \sqrt{3}.
std::string with_braces(const std::string& text, const std::string& command, int arguments) {
  std::string out;
  size_t at = 0;
  for (size_t found; (found = text.find(command, at)) != std::string::npos;) {
    size_t next = found + command.size();
    out += text.substr(at, next - at);
    bool optional = next < text.size() && text[next] == '[';  // the third root
    for (int i = 0; i < arguments && !optional && next < text.size(); ++i) {
      size_t end = text[next] == '{' ? closing_brace(text, next) : next;
      if (end == std::string::npos || text[next] == '\\') break;
      out += text[next] == '{' ? text.substr(next, end + 1 - next) : "{" + text.substr(next, 1) + "}";
      next = end + 1;
    }
    at = next;
  }
  return out + text.substr(at);
}

// What stands behind a unit's \text{ is one; what stands in another is words.
void drop_units(std::string& text) {
  size_t unit = text.find("\\text{ ");
  if (unit != std::string::npos && unit > 0) text.resize(unit);
  for (const char* mark : {"^{\\circ}", "^\\circ", "\\circ", "\\$", "$", "\\%", "%"})
    swap_all(text, mark, "");
}

void drop_spacing(std::string& text) {
  for (const char* mark : {"\\!", "\\,", "\\;", "\\:", "\\ ", "\\left", "\\right", "\n", " ", "\t"})
    swap_all(text, mark, "");
  swap_all(text, "\\\\", "\\");
}

}  // namespace

std::optional<std::string> boxed_answer(const std::string& text) {
  size_t box = std::string::npos, name = 0;
  for (const std::string command : {"\\boxed", "\\fbox"}) {
    size_t found = text.rfind(command);
    if (found == std::string::npos || (box != std::string::npos && found < box)) continue;
    box = found;
    name = command.size();
  }
  if (box == std::string::npos) return std::nullopt;
  size_t open = box + name;
  if (open < text.size() && text[open] == ' ') {
    size_t end = std::min(text.find('$', open), text.size());
    return text.substr(open + 1, end - open - 1);
  }
  if (open >= text.size() || text[open] != '{') return std::nullopt;
  size_t close = closing_brace(text, open);
  if (close == std::string::npos) return std::nullopt;
  return text.substr(open + 1, close - open - 1);
}

std::string normal_math(std::string answer) {
  swap_all(answer, "tfrac", "frac");
  swap_all(answer, "dfrac", "frac");
  drop_units(answer);
  drop_spacing(answer);
  // A point without a zero in front of it.
  if (answer.starts_with('.')) answer = "0" + answer;
  for (const char* before : {"{", "=", ","})
    swap_all(answer, std::string(before) + ".", std::string(before) + "0.");
  // "x = 5" is 5, where what stands in front is one or two letters.
  size_t equals = answer.find('=');
  if (equals != std::string::npos && equals <= 2 && answer.find('=', equals + 1) == std::string::npos)
    answer = answer.substr(equals + 1);
  answer = with_braces(answer, "\\sqrt", 1);
  answer = with_braces(answer, "\\frac", 2);
  if (answer == "0.5") answer = "\\frac{1}{2}";
  size_t slash = answer.find('/');
  if (slash != std::string::npos) {
    std::string above = answer.substr(0, slash), below = answer.substr(slash + 1);
    if (whole_number(above) && whole_number(below)) answer = "\\frac{" + above + "}{" + below + "}";
  }
  return answer;
}

bool math_match(const std::string& completion, const std::string& target) {
  std::optional<std::string> said = boxed_answer(completion);
  return said && normal_math(*said) == normal_math(boxed_answer(target).value_or(target));
}

}  // namespace sextant::trainer
