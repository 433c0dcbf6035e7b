#include "trainer/config/complaint.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr size_t kMostShown = 20;

bool earlier(const Complaint& a, const Complaint& b) {
  auto order = [](const Complaint& c) {
    return std::make_tuple(c.place->file == kCommandLine, c.place->line == 0, c.place->line, c.place->column);
  };
  return order(a) < order(b);
}

std::string line_of(const Complaint& complaint) {
  if (complaint.key.empty()) return fmt::format("{}: {}", complaint.place->text(), complaint.what);
  return fmt::format("{}: {}: {}", complaint.place->text(), complaint.key, complaint.what);
}

}  // namespace

std::string Place::text() const {
  if (line == 0 || file == kCommandLine) return file;
  return fmt::format("{}:{}:{}", file, line, column);
}

void Origins::forget(const std::string& key) {
  places_.erase(key);
  auto first = places_.lower_bound(key + ".");
  auto last = places_.lower_bound(key + "/");  // '/' follows '.'
  places_.erase(first, last);
}

const Place* Origins::find(const std::string& key) const {
  auto found = places_.find(key);
  return found == places_.end() ? nullptr : &found->second;
}

Place Origins::nearest(const std::string& key) const {
  std::string path = key;
  while (!path.empty()) {
    if (const Place* place = find(path)) return *place;
    size_t dot = path.rfind('.');
    path.resize(dot == std::string::npos ? 0 : dot);
  }
  return Place{file_, 0, 0};
}

std::string complaints_text(std::vector<Complaint> complaints, const Origins& origins) {
  for (Complaint& complaint : complaints) {
    if (!complaint.place) complaint.place = origins.nearest(complaint.key);
  }
  std::stable_sort(complaints.begin(), complaints.end(), earlier);
  std::string text;
  size_t count = std::min(complaints.size(), kMostShown);
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) text += '\n';
    text += line_of(complaints[i]);
  }
  if (complaints.size() > count) text += fmt::format("\nand {} more", complaints.size() - count);
  return text;
}

void check(const std::vector<Complaint>& complaints, const Origins& origins) {
  if (!complaints.empty()) fail_input(complaints_text(complaints, origins));
}

std::string shown(const std::string& text) {
  constexpr size_t kLongest = 60;
  size_t end = std::min(text.size(), kLongest);
  // A cut inside a character would leave half of it.
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  std::string out = "\"";
  for (char c : text.substr(0, end)) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (end < text.size() ? "\"..." : "\"");
}

std::string join_key(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

}  // namespace sextant::trainer
