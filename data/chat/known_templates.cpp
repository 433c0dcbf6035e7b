#include "data/chat/known_templates.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// Where the text of a default system message stands in a known form.
constexpr char kHole = '\x01';
constexpr size_t kMostBytes = size_t{1} << 20;

constexpr std::string_view kJinjaSpace = " \t\r\n";

// Brings a template to a form in which those that do the same, as Hugging Face runs them (trim_blocks and
// lstrip_blocks on), mostly have the same text: white space inside of tags is gone, and outside where Jinja
// drops it; one kind of quotes; a['b'] for a.b.
class Canonical {
 public:
  explicit Canonical(std::string_view jinja) : jinja_(jinja) {}

  std::string operator()() {
    while (at_ < jinja_.size()) {
      literal();
      tag();
    }
    for (const char* key : {"role", "content"}) {
      std::string dotted = fmt::format("message.{}", key);
      for (size_t at = out_.find(dotted); at != std::string::npos; at = out_.find(dotted))
        out_.replace(at, dotted.size(), fmt::format("message['{}']", key));
    }
    return out_;
  }

 private:
  std::string_view jinja_;
  std::string out_;
  size_t at_ = 0;
  bool block_before_ = true;  // the start counts as one: spaces after it begin a line
  bool trims_before_ = false;

  // Text up to the next tag, which stays as it is but for what Jinja drops of it.
  void literal() {
    size_t end = std::min(jinja_.find("{%", at_), jinja_.find("{{", at_));
    std::string text(jinja_.substr(at_, end == std::string_view::npos ? end : end - at_));
    at_ = end == std::string_view::npos ? jinja_.size() : end;
    if (trims_before_) text.erase(0, text.find_first_not_of(kJinjaSpace));
    bool line_begins = block_before_ && (at_ == 0 || out_.empty() || text.starts_with('\n'));
    if (block_before_ && text.starts_with('\n')) text.erase(0, 1);
    size_t last = text.find_last_not_of(" \t");
    bool indents = last == std::string::npos ? line_begins : text[last] == '\n';
    std::string_view tag = jinja_.substr(at_);
    if (tag.starts_with("{%") && indents) text.resize(last == std::string::npos ? 0 : last + 1);
    if (tag.starts_with("{%-") || tag.starts_with("{{-")) {
      last = text.find_last_not_of(kJinjaSpace);
      text.resize(last == std::string::npos ? 0 : last + 1);
    }
    out_ += text;
  }

  void tag() {
    if (at_ >= jinja_.size()) return;
    const char close = jinja_[at_ + 1] == '%' ? '%' : '}';
    out_ += jinja_.substr(at_, 2);
    at_ += 2;
    if (at_ < jinja_.size() && jinja_[at_] == '-') ++at_;
    char quote = 0;
    for (; at_ < jinja_.size(); ++at_) {
      char c = jinja_[at_];
      std::string_view rest = jinja_.substr(at_ + 1);
      if (quote == 0 && c == close && rest.starts_with('}')) break;
      if (quote == 0 && c == '-' && rest.size() > 1 && rest[0] == close && rest[1] == '}') continue;
      if (quote == 0 && kJinjaSpace.find(c) != std::string_view::npos) continue;
      if (c == '\'' || c == '"') {
        if (quote == 0 || quote == c) quote = quote == 0 ? c : '\0';
        c = '\'';
      }
      c == '\n' ? out_ += "\\n" : out_ += c;
    }
    trims_before_ = at_ > 0 && at_ < jinja_.size() && jinja_[at_ - 1] == '-';
    block_before_ = close == '%';
    out_ += {close, '}'};
    at_ = std::min(at_ + 2, jinja_.size());
  }
};

std::string canonical(std::string_view jinja) {
  return Canonical(jinja)();
}

struct KnownForm {
  std::string text;  // canonical
  ChatSettings::Template form;
};

std::vector<KnownForm> known_forms() {
  const std::string loop = "{% for message in messages %}";
  const std::string system = fmt::format(
      "{{% if loop.first and messages[0]['role'] != 'system' %}}{{{{ '<|im_start|>system\\n{}<|im_end|>\\n' "
      "}}}}{{% endif %}}",
      kHole);
  const std::string turns =
      "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  const std::string llama3 =
      "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
      "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + "
      "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content "
      "}}"
      "{% endfor %}";
  const std::string llama3_prompt = "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}";
  return {{canonical(loop + turns), ChatSettings::chatml},
          {canonical(loop + system + turns), ChatSettings::chatml},
          {canonical(llama3 + "{% if add_generation_prompt %}" + llama3_prompt + "{% endif %}"),
           ChatSettings::llama3},
          {canonical(llama3 + llama3_prompt), ChatSettings::llama3}};
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return "";
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMostBytes)
    fail_input(fmt::format("{}: longer than {} bytes; this is no such file", path.string(), kMostBytes));
  return text;
}

}  // namespace

KnownTemplate known_template(std::string_view jinja) {
  const std::string given = canonical(jinja);
  for (const auto& [text, form] : known_forms()) {
    size_t hole = text.find(kHole);
    if (hole == std::string::npos) {
      if (given == text) return {form, ""};
      continue;
    }
    std::string_view before = std::string_view(text).substr(0, hole), after(text.c_str() + hole + 1);
    if (given.size() < before.size() + after.size() || !given.starts_with(before) || !given.ends_with(after))
      continue;
    std::string system = given.substr(hole, given.size() - before.size() - after.size());
    if (system.find_first_of("'\\{}") == std::string::npos) return {form, system};
  }
  fail_input(
      "the tokenizer brings a chat template that is none of those we know; choose one of chatml, llama3 and "
      "plain with chat.template");
}

std::string template_of_config(std::string_view tokenizer_config, const std::string& origin) {
  nlohmann::json config = nlohmann::json::parse(tokenizer_config, nullptr, false);
  if (!config.is_object()) fail_input(fmt::format("{}: this is no JSON object", origin));
  auto found = config.find("chat_template");
  return found != config.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string brought_template(const std::filesystem::path& tokenizer) {
  std::error_code ignored;
  std::filesystem::path folder =
      std::filesystem::is_directory(tokenizer, ignored) ? tokenizer : tokenizer.parent_path();
  if (std::string jinja = file_text(folder / "chat_template.jinja"); !jinja.empty()) return jinja;
  std::filesystem::path config = folder / "tokenizer_config.json";
  std::string text = file_text(config);
  return text.empty() ? "" : template_of_config(text, config.string());
}

}  // namespace sextant::data
