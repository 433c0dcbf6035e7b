#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sextant::trainer {

// The file name of places that are on the command line.
inline constexpr const char* kCommandLine = "command line";

// Where something was written: a file, line and column from 1 (0: the file as a whole), or the command line.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;

  // "FILE:LINE:COLUMN", "FILE" or "command line".
  std::string text() const;
};

// One thing that is wrong with a configuration, and how to fix it.
struct Complaint {
  std::string key;   // "optimizer.learning_rate"; empty: the file as a whole
  std::string what;  // "0 is not above 0; give a number above 0"
  // Left out: where `key` was written, or the section around it, or the file.
  std::optional<Place> place = std::nullopt;
};

// Where each value of a configuration was written. Keys are dotted paths with indexes: "data.train.0.weight".
class Origins {
 public:
  Origins() = default;
  explicit Origins(std::string file) : file_(std::move(file)) {}

  // The configuration file.
  const std::string& file() const { return file_; }
  // A later place of the same key replaces the earlier one.
  void record(const std::string& key, Place place) { places_[key] = std::move(place); }
  // Forgets a key and everything below it.
  void forget(const std::string& key);
  // Where exactly this key was written; null when its value is a default.
  const Place* find(const std::string& key) const;
  // Where a person should look: the key, else the nearest section around it that was written, else the file.
  Place nearest(const std::string& key) const;

 private:
  std::string file_;
  std::map<std::string, Place, std::less<>> places_;
};

// One line a complaint, "PLACE: KEY: WHAT", in the order of the file, then what has no line, then the command
// line's. After 20 the rest are counted.
std::string complaints_text(std::vector<Complaint> complaints, const Origins& origins);

// Throws Error(kInput) with complaints_text, unless there is nothing to complain of.
void check(const std::vector<Complaint>& complaints, const Origins& origins);

// A user's text for a message: quoted, cut to 60 bytes, control characters escaped.
std::string shown(const std::string& text);

// "a.b", or "b" at the root.
std::string join_key(const std::string& parent, const std::string& name);

}  // namespace sextant::trainer
