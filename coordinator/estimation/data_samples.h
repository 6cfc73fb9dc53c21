#pragma once
// How many examples a data set has and how long they are, from a look at the beginning of its file.
// What has been looked at is remembered by its hash. Thread-safe.

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/artifacts/blob_store.h"
#include "common/base/result.h"

namespace lathe::estimation {

struct DataSample {
  double examples = 0;
  bool exact = false;  ///< the whole file was looked at
  // Of one sequence; a preference pair has two.
  double mean_bytes = 0;  ///< of text, without the JSON around it
  double longest_bytes = 0;
  double mean_messages = 0;                ///< of conversations
  double answer_share = 0;                 ///< of the text: what is to be learnt; 0: not told
  std::optional<double> mean_tokens = {};  ///< where rows are tokens already
  double longest_tokens = 0;
};

class DataSamples {
 public:
  explicit DataSamples(const artifacts::BlobStore& blobs) : blobs_(blobs) {}
  /// kNotFound for an unknown blob.
  Result<DataSample> Of(const std::string& sha256);

 private:
  const artifacts::BlobStore& blobs_;
  std::mutex mutex_;  ///< guards known_
  std::map<std::string, DataSample> known_;
};

/// Lines that are not blank, in the beginning of a file of `size` bytes.
DataSample SampleLines(std::string_view beginning, std::uint64_t size);

}  // namespace lathe::estimation
