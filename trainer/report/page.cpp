#include "trainer/report/page.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <string_view>

#include "parallel/base/error.h"
#include "trainer/report/assets.h"

namespace sextant::trainer {
namespace {

// A script's digest as a policy names it (Content Security Policy level 2, "hash-source").
std::string digest_source(std::string_view script) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  expect(EVP_Digest(script.data(), script.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1,
         "SHA-256 of a text");
  std::array<unsigned char, 64> text{};
  int length = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
  return fmt::format("'sha256-{}'", std::string_view(reinterpret_cast<const char*>(text.data()),
                                                     static_cast<size_t>(length)));
}

std::string escaped(std::string_view text) {
  std::string html;
  for (char c : text) c == '<' ? html += "&lt;" : c == '&' ? html += "&amp;" : html += c;
  return html;
}

void put(std::string& page, std::string_view mark, std::string_view text) {
  size_t at = page.find(mark);
  expect(at != std::string::npos, "page.html has each mark once");
  page.replace(at, mark.size(), text);
}

}  // namespace

std::string json_in_html(const nlohmann::ordered_json& json) {
  std::string text =
      json.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  // "<" stands in JSON's strings alone. Without it no comment begins and no script ends.
  for (char c : text) c == '<' ? safe += "\\u003c" : safe += c;
  return safe;
}

std::string page_of(const nlohmann::ordered_json& report) {
  std::string page(assets::kPage),
      policy =
          "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; script-src";
  for (std::string_view script :
       {assets::kDygraphsScript, assets::kCharts, assets::kFindings, assets::kScript}) {
    expect(script.find("</script") == std::string_view::npos && script.find("<!--") == std::string_view::npos,
           "a script that can stand within HTML");
    policy += " " + digest_source(script);
  }
  put(page, "{policy}", policy);
  put(page, "{style}", assets::kStyle);
  put(page, "{dygraphs_style}", assets::kDygraphsStyle);
  put(page, "{dygraphs_licence}", escaped(assets::kDygraphsLicence));
  put(page, "{dygraphs_script}", assets::kDygraphsScript);
  put(page, "{charts}", assets::kCharts);
  put(page, "{findings}", assets::kFindings);
  put(page, "{script}", assets::kScript);
  put(page, "{report}", json_in_html(report));  // last: its text may hold any mark
  return page;
}

}  // namespace sextant::trainer
