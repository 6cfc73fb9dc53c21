#include "worker/trainer/tokenizer/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>

namespace lathe::trainer::tokenizer {
namespace {

bool IsAscii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

utf8proc_option_t OptionsOf(NormalForm form) {
  int options = UTF8PROC_STABLE;
  const bool composes = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  options |= composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNfkc || form == NormalForm::kNfkd) options |= UTF8PROC_COMPAT;
  return static_cast<utf8proc_option_t>(options);
}

Result<std::string> Map(NormalForm form, std::string_view text) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &mapped, OptionsOf(form));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0) {
    return Failure(ErrorCode::kInvalidArgument,
                   std::string("normalise text: ") + utf8proc_errmsg(size));
  }
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
}

/// An ASCII character never combines with what stands before it, so the text may be cut before
/// each one and the parts normalised alone. That keeps the way back exact where nothing changes
/// and, where something does, within a part.
std::size_t EndOfPart(std::string_view text, std::size_t begin) {
  std::size_t end = begin + 1;
  while (end < text.size() && !IsAscii(text[end])) ++end;
  return end;
}

Result<Normalized> Apply(NormalForm form, Normalized input) {
  const std::string_view text = input.text;
  if (std::all_of(text.begin(), text.end(), IsAscii)) return input;
  Normalized output;
  output.text.reserve(text.size());
  output.origin.reserve(text.size() + 1);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = EndOfPart(text, begin);
    const std::string_view part = text.substr(begin, end - begin);
    std::string mapped(part);
    if (end - begin > 1) {
      LATHE_ASSIGN_OR_RETURN(mapped, Map(form, part));
    }
    const bool same = mapped == part;
    for (std::size_t i = 0; i < mapped.size(); ++i) {
      output.origin.push_back(input.OriginOf(same ? begin + i : begin));
    }
    output.text += mapped;
    begin = end;
  }
  output.origin.push_back(input.OriginOf(text.size()));
  return output;
}

Result<Normalized> Apply(const Prepend& step, Normalized input) {
  if (input.text.empty()) return input;
  Normalized output;
  output.text = step.content + input.text;
  output.origin.assign(step.content.size(), input.OriginOf(0));
  for (std::size_t i = 0; i <= input.text.size(); ++i) output.origin.push_back(input.OriginOf(i));
  return output;
}

Result<Normalized> Apply(const Replace& step, Normalized input) {
  LATHE_ASSIGN_OR_RETURN(const auto matches, step.pattern.FindAll(input.text));
  if (matches.empty()) return input;
  Normalized output;
  std::size_t at = 0;
  const auto keep_until = [&](std::size_t end) {
    output.text.append(input.text, at, end - at);
    for (; at < end; ++at) output.origin.push_back(input.OriginOf(at));
  };
  for (const ByteRange match : matches) {
    keep_until(match.begin);
    output.text += step.content;
    output.origin.resize(output.text.size(), input.OriginOf(match.begin));
    at = match.end;
  }
  keep_until(input.text.size());
  output.origin.push_back(input.OriginOf(input.text.size()));
  return output;
}

}  // namespace

Result<Normalized> Normalize(const std::vector<NormalizerStep>& steps, std::string_view text) {
  Normalized result{std::string(text), {}};
  for (const NormalizerStep& step : steps) {
    auto applied =
        std::visit([&](const auto& kind) { return Apply(kind, std::move(result)); }, step);
    LATHE_ASSIGN_OR_RETURN(result, std::move(applied));
  }
  return result;
}

}  // namespace lathe::trainer::tokenizer
