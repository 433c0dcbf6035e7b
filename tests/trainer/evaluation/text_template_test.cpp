#include "trainer/evaluation/text_template.h"

#include <gtest/gtest.h>

#include "parallel/base/error.h"

namespace sextant::trainer::text_template_test {
namespace {

const ItemObject kItem = ItemObject::parse(
    R"({"q": "  why is it so? ", "n": 7, "right": true, "x": {"texts": ["one", "two"]}, "none": null,
        "sentence": "Ann saw _ there. _", "subject": "abstract_algebra"})");

std::string rendered(const std::string& text) {
  return TextTemplate(text).render(kItem);
}

template <class Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TextTemplate, FieldsAndFilters) {
  EXPECT_EQ(rendered("Q: {{q|trim}}\nA:"), "Q: why is it so?\nA:");
  EXPECT_EQ(rendered("{{n}}{{ right }}{{x.texts.1}}"), "7truetwo");
  EXPECT_EQ(rendered("{{q | trim | capitalize}}{{subject|replace(\"_\", \" \")}}"),
            "Why is it so?abstract algebra");
  EXPECT_EQ(rendered("{{sentence|before(\"_\")}}Bob / {{sentence|after(\"_\")|trim}}"),
            "Ann saw Bob / there. _");
  EXPECT_EQ(rendered("{{sentence|but_last_word}}|{{sentence|last_word}}"), "Ann saw _ there.|_");
  EXPECT_EQ(rendered("{{n|last_word}}|{{n|but_last_word}}|"), "7||");
  EXPECT_EQ(rendered("no { field } } here"), "no { field } } here");
  EXPECT_TRUE(TextTemplate("").empty());
}

TEST(TextTemplate, SaysWhatIsMissing) {
  EXPECT_EQ(refusal([] { rendered("{{who}}"); }),
            "the field 'who' is missing: there is no 'who' in \"q\", \"n\", \"right\", \"x\", \"none\", "
            "\"sentence\", \"subject\"");
  EXPECT_NE(refusal([] { rendered("{{x.texts.2}}"); }).find("there is no '2' in a list of 2"),
            std::string::npos);
  EXPECT_NE(refusal([] { rendered("{{none}}"); }).find("is JSON's null"), std::string::npos);
  EXPECT_NE(refusal([] { rendered("{{x}}"); }).find("an object"), std::string::npos);
  EXPECT_NE(refusal([] { rendered("{{n|before(\"_\")}}"); }).find("'_' is not in the text"),
            std::string::npos);
  EXPECT_NE(refusal([] { TextTemplate("{{q"); }).find("close it with }}"), std::string::npos);
  EXPECT_NE(refusal([] { TextTemplate("{{}}"); }).find("names no field"), std::string::npos);
  EXPECT_NE(refusal([] { TextTemplate("{{q|strip}}"); }).find("there is no filter 'strip'; there are trim"),
            std::string::npos);
  EXPECT_NE(refusal([] { TextTemplate("{{q|replace(\"a\")}}"); }).find("takes 2 arguments, not 1"),
            std::string::npos);
  EXPECT_NE(refusal([] { TextTemplate("{{q|before(a)}}"); }).find("must be \"quoted\""), std::string::npos);
}

}  // namespace
}  // namespace sextant::trainer::text_template_test
