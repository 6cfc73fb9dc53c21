#pragma once
// What holds for every text that was read as a universal configuration.

#include "common/schema/configuration.h"
#include "tests/fuzz/expect.h"

namespace lathe::fuzz {

inline void CheckParsed(const schema::Parsed& parsed) {
  for (const Finding& finding : schema::AllFindings(parsed)) {
    LATHE_FUZZ_EXPECT(!finding.code.empty() && !finding.message.empty());
  }
  const std::string text = schema::ToJson(parsed.configuration);
  const schema::Parsed again = schema::FromJson(text);
  if (parsed.findings.empty()) {
    LATHE_FUZZ_EXPECT(again.findings.empty());
    LATHE_FUZZ_EXPECT(schema::ToJson(again.configuration) == text);
  }
  // What is filled in is filled in once, and is itself legal wherever the rest is.
  const v1::JobConfiguration resolved = schema::Resolve(parsed.configuration);
  LATHE_FUZZ_EXPECT(schema::ToJson(schema::Resolve(resolved)) == schema::ToJson(resolved));
  for (const schema::ResolvedValue& value : schema::Explain(parsed.configuration)) {
    LATHE_FUZZ_EXPECT(!value.path.empty() && !value.value.empty());
  }
}

}  // namespace lathe::fuzz
