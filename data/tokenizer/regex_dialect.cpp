#include "data/tokenizer/regex_dialect.h"

#include <vector>

#include "data/tokenizer/unicode_classes.h"

namespace sextant::data {
namespace {

class Dialect {
 public:
  explicit Dialect(std::string_view regex) : in_(regex) {
    while (at_ < in_.size()) in_class_ ? inside_class() : outside_class();
  }
  std::string take() { return std::move(out_); }

 private:
  void outside_class() {
    char c = in_[at_];
    if (c == '+' && behind_interval_) return repeat_interval();
    behind_interval_ = c == '}';
    size_t start = out_.size();
    if (c == '\\') {
      escape();
    } else {
      out_ += c;
      ++at_;
    }
    if (c == '[') open_class();
    if (c == '(') groups_.push_back(start);
    if (c == ')' && !groups_.empty()) {
      start = groups_.back();
      groups_.pop_back();
    }
    bool quantifier = std::string_view("*+?").find(c) != std::string_view::npos;
    if (c == '{') interval_ = true;
    if (!quantifier && !interval_) atom_ = start;
    if (c == '}') interval_ = false;
  }

  // A ] stands for itself where it comes first.
  void open_class() {
    in_class_ = true;
    for (char first : {'^', ']'}) {
      if (at_ < in_.size() && in_[at_] == first) out_ += in_[at_++];
    }
  }

  void inside_class() {
    char c = in_[at_];
    if (c == '\\') return escape();
    if (c == '[' && at_ + 1 < in_.size() && in_[at_ + 1] == ':') {
      size_t close = in_.find(":]", at_ + 2);
      size_t end = close == std::string_view::npos ? in_.size() : close + 2;
      out_.append(in_.substr(at_, end - at_));
      at_ = end;
      return;
    }
    if (c == ']') in_class_ = false;
    out_ += c;
    ++at_;
  }

  void repeat_interval() {
    out_.insert(atom_, "(?:");
    out_ += ")+";
    ++at_;
    behind_interval_ = false;
  }

  void escape() {
    if (at_ + 1 == in_.size()) {
      out_ += in_[at_++];
      return;
    }
    char escaped = in_[at_ + 1];
    at_ += 2;
    if (escaped == 's') {
      out_ += "\\p{White_Space}";
    } else if (escaped == 'S') {
      out_ += "\\P{White_Space}";
    } else if (escaped == 'p' || escaped == 'P') {
      property(escaped);
    } else {
      out_.append("\\").append(1, escaped);
    }
  }

  // What is negated inside a class stays as it is: a class can not take members away.
  void property(char escaped) {
    std::string younger;
    std::string_view name;
    if (at_ < in_.size() && in_[at_] == '{') {
      size_t close = in_.find('}', at_);
      name = in_.substr(at_, close == std::string_view::npos ? close : close + 1 - at_);
      at_ += name.size();
      if (name.size() > 2) younger = younger_members(name.substr(1, name.size() - 2));
    }
    bool negated = escaped == 'P';
    if (younger.empty() || (negated && in_class_)) {
      out_.append("\\").append(1, escaped).append(name);
    } else if (in_class_) {
      out_.append("\\p").append(name).append(younger);
    } else {
      out_.append(negated ? "[^" : "[").append("\\p").append(name).append(younger).append("]");
    }
  }

  std::string_view in_;
  std::string out_;
  size_t at_ = 0;
  size_t atom_ = 0;  // where in out_ the last atom starts: what a quantifier repeats
  std::vector<size_t> groups_;
  bool in_class_ = false, interval_ = false, behind_interval_ = false;
};

}  // namespace

std::string in_pcre2_dialect(std::string_view regex) {
  return Dialect(regex).take();
}

}  // namespace sextant::data
