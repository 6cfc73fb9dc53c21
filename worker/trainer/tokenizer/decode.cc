// From ids back to text: whole lists at once, and streams.

#include "worker/trainer/tokenizer/tokenizer.h"
#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::tokenizer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of neighbouring fall-back tokens are text together or not at all.
std::string TextOfRun(const std::string& run) {
  if (IsValidUtf8(run)) return run;
  std::string text;
  for (std::size_t i = 0; i < run.size(); ++i) text += kReplacement;
  return text;
}

/// The text of a first token without what encoding put before it.
std::string_view WithoutLeading(DecodeRules::Leading leading, std::string_view text) {
  if (leading == DecodeRules::Leading::kDropSpace && text.starts_with(' ')) text.remove_prefix(1);
  if (leading == DecodeRules::Leading::kDropMarksOfFirstToken) {
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
  return text;
}

}  // namespace

std::string Tokenizer::Decode(std::span<const std::int32_t> ids, ControlTokens control) const {
  std::string text;
  std::string run;
  bool first = true;
  for (const std::int32_t id : ids) {
    if (control == ControlTokens::kSkip && IsControl(id)) continue;
    if (IsFallbackByte(id)) {
      run += BytesOf(id);
    } else {
      text += TextOfRun(run);
      run.clear();
      text += first ? WithoutLeading(decode_.leading, BytesOf(id)) : BytesOf(id);
    }
    first = false;
  }
  return ReplaceInvalid(text + TextOfRun(run));
}

std::string StreamDecoder::Push(std::int32_t id) {
  if (control_ == ControlTokens::kSkip && tokenizer_.IsControl(id)) return {};
  const std::string_view bytes = tokenizer_.BytesOf(id);
  pending_ += first_ ? WithoutLeading(tokenizer_.decode_.leading, bytes) : bytes;
  first_ = false;
  const std::size_t whole = CompletePrefix(pending_);
  std::string text = ReplaceInvalid(std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return text;
}

std::string StreamDecoder::Finish() {
  std::string text = ReplaceInvalid(pending_);
  pending_.clear();
  return text;
}

}  // namespace lathe::trainer::tokenizer
