#include "trainer/config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "trainer/config/characters.h"

namespace sextant::trainer {
namespace {

constexpr size_t kDeepest = 64;
constexpr size_t kMostNodes = 10'000;
constexpr size_t kMostMarks = 10'000;
constexpr const char* kByteOrderMark = "\xef\xbb\xbf";

// Line and column in characters, from what yaml-cpp counts in bytes.
class LineTable {
 public:
  explicit LineTable(const std::string& text) : characters_(text.size() + 1) {
    starts_.push_back(0);
    for (size_t i = 0; i < text.size(); ++i) {
      bool continues = (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80;
      characters_[i + 1] = characters_[i] + (continues ? 0 : 1);
      if (text[i] == '\n') starts_.push_back(i + 1);
    }
  }

  int line(const YAML::Mark& mark) const { return mark.line < 0 ? 0 : mark.line + 1; }
  int column(const YAML::Mark& mark) const {
    if (mark.line < 0 || static_cast<size_t>(mark.line) >= starts_.size()) return 1;
    size_t start = starts_[static_cast<size_t>(mark.line)];
    size_t at = std::min(start + static_cast<size_t>(std::max(mark.column, 0)), characters_.size() - 1);
    return static_cast<int>(characters_[at] - characters_[start]) + 1;
  }
  YAML::Mark mark(size_t offset) const {
    YAML::Mark mark;
    auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
    mark.line = static_cast<int>(after - starts_.begin()) - 1;
    mark.column = static_cast<int>(offset - *(after - 1));
    return mark;
  }

 private:
  std::vector<uint32_t> characters_;  // before each byte
  std::vector<size_t> starts_;        // of lines, in bytes
};

// Ends the parse: what follows can not be judged.
struct Abandon : std::exception {};

// Builds the tree from yaml-cpp's events. Aliases arrive as events and are never followed.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const LineTable& lines, std::string file, std::vector<Complaint>& complaints)
      : lines_(lines), file_(std::move(file)), complaints_(complaints) {}

  YamlNode root;
  bool has_document() const { return documents_ > 0; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    complain(mark, "a second document; a configuration is one document: remove this --- and what follows it");
    throw Abandon{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(node(YamlNode::Kind::kNull, mark)); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    // Its anchor was complained of.
    add(node(YamlNode::Kind::kRefused, mark));
  }

  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    complain(mark,
             fmt::format("&{} is an anchor; anchors and aliases are not allowed here: write the value out at "
                         "each place",
                         name.substr(0, 40)));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    YamlNode scalar = node(refused_tag(mark, tag) ? YamlNode::Kind::kRefused : YamlNode::Kind::kScalar, mark);
    scalar.style = tag == "!" ? YamlNode::Style::kQuoted : YamlNode::Style::kPlain;
    scalar.text = value;
    add(std::move(scalar));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, YamlNode::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, YamlNode::Kind::kMap);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  // A list or map whose end has not come yet.
  struct Open {
    YamlNode node;
    YamlNode::Kind kind;          // what it is, even where the node is refused
    std::optional<YamlNode> key;  // of a map: the key whose value comes next
    std::unordered_map<std::string, int> lines_of_keys;
  };

  YamlNode node(YamlNode::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kMostNodes) {
      complain(mark, fmt::format("more than {} values; this is no configuration", kMostNodes));
      throw Abandon{};
    }
    YamlNode made;
    made.kind = kind;
    made.line = lines_.line(mark);
    made.column = lines_.column(mark);
    return made;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YamlNode::Kind kind) {
    bool refused = refused_tag(mark, tag);
    open_.push_back(Open{node(refused ? YamlNode::Kind::kRefused : kind, mark), kind, std::nullopt, {}});
    if (open_.size() <= kDeepest) return;
    complain(mark, fmt::format("nested deeper than {} levels; configurations have three", kDeepest));
    throw Abandon{};
  }

  void close() {
    YamlNode done = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(done));
  }

  // Puts a finished node where it belongs: the root, a list, or a map's next key or value.
  void add(YamlNode done) {
    if (open_.empty()) {
      root = std::move(done);
    } else if (Open& parent = open_.back(); parent.kind == YamlNode::Kind::kList) {
      parent.node.children.push_back(std::move(done));
    } else if (!parent.key) {
      parent.key = key(std::move(done));
    } else {
      done.key = std::move(parent.key->text);
      done.key_line = parent.key->line;
      done.key_column = parent.key->column;
      bool kept = parent.key->kind == YamlNode::Kind::kScalar;
      parent.key.reset();
      if (kept) parent.node.children.push_back(std::move(done));
    }
  }

  // A map's key, refused with a complaint unless it is plain text and new.
  YamlNode key(YamlNode written) {
    if (written.kind == YamlNode::Kind::kRefused) return written;
    if (written.kind != YamlNode::Kind::kScalar) {
      complain(written.line, written.column, "a key must be a name");
      written.kind = YamlNode::Kind::kRefused;
    } else if (written.text == "<<") {
      complain(written.line, written.column,
               "<< merges another map in, which is not allowed here: write its keys out");
      written.kind = YamlNode::Kind::kRefused;
    } else if (auto [at, is_new] = open_.back().lines_of_keys.try_emplace(written.text, written.line);
               !is_new) {
      complain(written.line, written.column,
               fmt::format("{} is given twice, first on line {}; keep one of them",
                           shown(join_key(path(), written.text)), at->second));
      written.kind = YamlNode::Kind::kRefused;
    }
    return written;
  }

  // The dotted path of the innermost open node.
  std::string path() const {
    std::string path;
    for (size_t i = 0; i + 1 < open_.size(); ++i) {
      const Open& outer = open_[i];
      path = join_key(path, outer.key ? outer.key->text : std::to_string(outer.node.children.size()));
    }
    return path;
  }

  bool refused_tag(const YAML::Mark& mark, const std::string& tag) {
    // yaml-cpp's own marks for "no tag", plain and quoted.
    if (tag.empty() || tag == "?" || tag == "!") return false;
    complain(mark, fmt::format("{} is a tag; tags are not allowed here: write the plain value", shown(tag)));
    return true;
  }

  void complain(const YAML::Mark& mark, std::string what) {
    complain(lines_.line(mark), lines_.column(mark), std::move(what));
  }
  void complain(int line, int column, std::string what) {
    complaints_.push_back(Complaint{"", std::move(what), Place{file_, line, column}});
  }

  const LineTable& lines_;
  std::string file_;
  std::vector<Complaint>& complaints_;
  std::vector<Open> open_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

// Where there are too many brackets and commas, if so. yaml-cpp reads ahead of what it hands on, and keeps
// some 200 bytes for each.
std::optional<size_t> too_many_marks(const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find_first_of("[]{},"); at != std::string::npos;
       at = text.find_first_of("[]{},", at + 1)) {
    if (++count > kMostMarks) return at;
  }
  return std::nullopt;
}

YamlNode refused() {
  YamlNode node;
  node.kind = YamlNode::Kind::kRefused;
  return node;
}

}  // namespace

YamlNode parse_yaml(const std::string& text, const std::string& file, std::vector<Complaint>& complaints) {
  bool marked = text.starts_with(kByteOrderMark);
  std::string body = marked ? text.substr(3) : text;
  LineTable lines(body);
  if (auto bad = bad_character(body)) {
    YAML::Mark mark = lines.mark(bad->offset);
    complaints.push_back(Complaint{"", bad->what, Place{file, lines.line(mark), lines.column(mark)}});
    return refused();
  }
  if (auto at = too_many_marks(body)) {
    YAML::Mark mark = lines.mark(*at);
    complaints.push_back(
        Complaint{"", fmt::format("more than {} brackets and commas; this is no configuration", kMostMarks),
                  Place{file, lines.line(mark), lines.column(mark)}});
    return refused();
  }
  std::istringstream stream(body);
  TreeBuilder builder(lines, file, complaints);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Abandon&) {
    return refused();
  } catch (const YAML::Exception& error) {
    complaints.push_back(Complaint{
        "", fmt::format("this is not YAML: {}; check quotes, brackets and indentation here", error.msg),
        Place{file, lines.line(error.mark), lines.column(error.mark)}});
    return refused();
  }
  return std::move(builder.root);
}

}  // namespace sextant::trainer
