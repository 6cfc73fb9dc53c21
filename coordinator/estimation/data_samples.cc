#include "coordinator/estimation/data_samples.h"

#include <algorithm>
#include <fstream>

#include "coordinator/estimation/row_length.h"

namespace lathe::estimation {
namespace {

constexpr std::size_t kLookedAt = 1 << 20;
constexpr std::size_t kMostKnown = 4096;

Result<std::string> ReadBeginning(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kLookedAt, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) {
    return Failure(ErrorCode::kInternal, "cannot read " + path.string());
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace

DataSample SampleLines(std::string_view beginning, std::uint64_t size) {
  DataSample sample{.exact = beginning.size() == size};
  double bytes = 0;
  double answers = 0;
  double messages = 0;
  double tokens = 0;
  std::size_t consumed = 0;
  while (consumed < beginning.size()) {
    const std::size_t end = beginning.find('\n', consumed);
    const bool cut = end == std::string_view::npos;
    if (cut && !sample.exact && sample.examples > 0) break;
    const auto line = beginning.substr(consumed, cut ? std::string_view::npos : end - consumed);
    consumed = cut ? beginning.size() : end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    ++sample.examples;
    const RowLength row = MeasureRow(line);
    bytes += row.text_bytes;
    answers += row.answer_bytes;
    messages += row.messages;
    tokens += row.tokens.value_or(0);
    sample.longest_bytes = std::max(sample.longest_bytes, row.text_bytes);
    sample.longest_tokens = std::max(sample.longest_tokens, row.tokens.value_or(0));
  }
  if (sample.examples == 0) return sample;
  sample.mean_bytes = bytes / sample.examples;
  sample.mean_messages = messages / sample.examples;
  sample.answer_share = answers / bytes;
  if (tokens > 0) sample.mean_tokens = tokens / sample.examples;
  if (!sample.exact) sample.examples *= static_cast<double>(size) / static_cast<double>(consumed);
  return sample;
}

Result<DataSample> DataSamples::Of(const std::string& sha256) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = known_.find(sha256); found != known_.end()) return found->second;
  }
  LATHE_ASSIGN_OR_RETURN(const v1::Blob blob, blobs_.Describe(sha256));
  LATHE_ASSIGN_OR_RETURN(const auto path, blobs_.PathOf(sha256));
  LATHE_ASSIGN_OR_RETURN(const std::string beginning, ReadBeginning(path));
  const DataSample sample = SampleLines(beginning, blob.size_bytes());
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_.emplace(sha256, sample);
  return sample;
}

}  // namespace lathe::estimation
