#pragma once
// What holds of every tokenizer that was accepted.

#include <string_view>
#include <vector>

#include "tests/fuzz/expect.h"
#include "worker/trainer/tokenizer/tokenizer.h"

namespace lathe::fuzz {

/// Ids are of the vocabulary, their ranges follow each other within the text, and they decode.
inline void ExpectSound(const trainer::tokenizer::Tokenizer& tokenizer, std::string_view text) {
  const auto encoding = tokenizer.EncodeWithRanges(text, trainer::tokenizer::SpecialTokens::kAdd);
  if (!encoding) {
    LATHE_FUZZ_EXPECT(!encoding.error().message.empty());
    return;
  }
  LATHE_FUZZ_EXPECT(encoding->ids.size() == encoding->ranges.size());
  for (std::size_t i = 0; i < encoding->ids.size(); ++i) {
    const auto& range = encoding->ranges[i];
    LATHE_FUZZ_EXPECT(encoding->ids[i] >= 0 && encoding->ids[i] < tokenizer.vocabulary_size());
    LATHE_FUZZ_EXPECT(range.begin <= range.end && range.end <= text.size());
  }
  static_cast<void>(tokenizer.Decode(encoding->ids));
  trainer::tokenizer::StreamDecoder stream(tokenizer, trainer::tokenizer::ControlTokens::kSkip);
  for (const std::int32_t id : encoding->ids) static_cast<void>(stream.Push(id));
  static_cast<void>(stream.Finish());
}

inline void ExpectSound(const trainer::tokenizer::Tokenizer& tokenizer) {
  for (const std::string_view text :
       {"", " a b  ab\n\tabc 123 <s>a</s>", "Ünïcödé \xF0\x9F\x98\x80 e\xCC\x81 \xE2\x96\x81",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "\xFF\xC3"}) {
    ExpectSound(tokenizer, text);
  }
}

}  // namespace lathe::fuzz
