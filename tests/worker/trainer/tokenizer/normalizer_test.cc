#include "worker/trainer/tokenizer/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lathe::trainer::tokenizer {
namespace {

TEST(Normalizer, ComposesAndKnowsTheWayBack) {
  const auto normalized = Normalize({NormalForm::kNfc}, "xe\xCC\x81y").value();
  EXPECT_EQ(normalized.text, "x\xC3\xA9y");
  EXPECT_THAT(normalized.origin, testing::ElementsAre(0, 1, 1, 4, 5));
}

TEST(Normalizer, FormsDifferOnCompatibilityCharacters) {
  const std::string ligature = "\xEF\xAC\x81";  // fi
  EXPECT_EQ(Normalize({NormalForm::kNfc}, ligature).value().text, ligature);
  EXPECT_EQ(Normalize({NormalForm::kNfkc}, ligature).value().text, "fi");
  EXPECT_EQ(Normalize({NormalForm::kNfd}, "\xC3\xA9").value().text, "e\xCC\x81");
  EXPECT_EQ(Normalize({NormalForm::kNfkd, NormalForm::kNfc}, "e\xCC\x81").value().text, "\xC3\xA9");
}

TEST(Normalizer, AsciiAndNoFormsLeaveTextAlone) {
  EXPECT_TRUE(Normalize({NormalForm::kNfc}, "abc").value().origin.empty());
  EXPECT_EQ(Normalize({}, "e\xCC\x81").value().text, "e\xCC\x81");
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
