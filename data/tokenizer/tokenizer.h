#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::data {

// What the text of a special token means where it stands in a document.
enum class SpecialText {
  kOrdinary,    // nothing: it is text like any other
  kRecognised,  // the special token itself, as in rendered chat templates
};

// Some of a tokenizer's special tokens.
struct SpecialChoice {
  enum class Which { kNone, kAll, kListed };
  Which which = Which::kNone;
  std::vector<std::string> listed;
};

// What ids are decoded to.
enum class Decoded {
  kPart,   // a part of a text: the tokens' bytes and nothing else
  kWhole,  // a text from its start: without the space that some tokenizers put in front when encoding
};

// Text <-> ids, byte-level BPE (Sennrich et al. 2016; bytes as in GPT-2). decode(encode(x)) == x for any
// bytes, valid UTF-8 or not (unless missing_bytes(), or a normaliser or prefix space of the file, say
// otherwise); also SentencePiece's BPE as Llama 2 has it. Thread-safe: any number of threads may call the
// const methods at once.
class Tokenizer {
 public:
  // Loads Hugging Face's tokenizer.json, a folder that holds one, or a .tiktoken file. That one needs the
  // name of its split pattern, unless the file has its published name (cl100k_base.tiktoken); others take
  // none. Throws Error(kInput) naming the file and what is wrong in it.
  static Tokenizer load(const std::filesystem::path& path, std::string_view pattern = "");
  // The same from the file's text; `origin` names it in messages.
  static Tokenizer from_json(std::string_view json, const std::string& origin);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Ordinary text: special tokens written out in it are not recognised.
  std::vector<int32_t> encode(std::string_view text) const;
  // The same, appended to `ids`.
  void encode(std::string_view text, std::vector<int32_t>& ids,
              SpecialText special_text = SpecialText::kOrdinary) const;
  // The same with special tokens as tiktoken has them: those `allowed` become their ids, and text that holds
  // one of `refused` throws Error(kInput), which says where. All refused are those that are not allowed.
  // Throws for names that are no special tokens.
  void encode(std::string_view text, std::vector<int32_t>& ids, const SpecialChoice& allowed,
              const SpecialChoice& refused) const;
  // Bytes of the tokens; special tokens appear as their text. Throws Error(kInput) for an id outside.
  std::string decode(std::span<const int32_t> ids, Decoded what = Decoded::kPart) const;
  // Bytes of one token; none for an id that the vocabulary leaves out.
  std::string_view token_bytes(int32_t id) const;

  // Ids run from 0 to vocabulary() - 1. Some may stand for nothing.
  int32_t vocabulary() const;
  // The id of <|endoftext|> (or what the file says ends a document), if there is one.
  std::optional<int32_t> end_of_text() const;
  // The id of a special token by its text.
  std::optional<int32_t> special(std::string_view text) const;
  // The ids that stand before every text which a model of this tokenizer reads: <s> of Llama 2,
  // <|begin_of_text|> of Llama 3, as the file's post_processor says; empty for most. encode() leaves them to
  // the caller.
  const std::vector<int32_t>& opening() const;
  // The ids of all special tokens, in order.
  std::vector<int32_t> special_tokens() const;
  // Bytes that no token stands for: encoding leaves them out, as Hugging Face does. Empty for most
  // vocabularies, and for all that we train.
  std::vector<uint8_t> missing_bytes() const;
  // Stable over machines: differs when any id would.
  uint64_t fingerprint() const;
  // The tokenizer.json that it was made from, or one with the same ids, ready to be saved.
  std::string to_json() const;

 private:
  struct Cuts;
  struct Parts;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace sextant::data
