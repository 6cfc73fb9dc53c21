#pragma once
// Stored bytes by their hash. Values only; the bytes live in common/artifacts.

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::domain {

struct Blob {
  std::string sha256;  ///< 64 lower-case hexadecimal digits
  std::uint64_t size_bytes = 0;
  friend bool operator==(const Blob&, const Blob&) = default;
};

/// A folder of files by hash: an adapter, a checkpoint. Empty: there is none.
struct Manifest {
  struct File {
    std::string path;  ///< relative, forward slashes, never leaving the folder
    Blob blob;
    friend bool operator==(const File&, const File&) = default;
  };
  std::vector<File> files;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// Where an attempt can go on: the state after `step` steps. Step 0 with no files: from the start.
struct Checkpoint {
  std::uint64_t step = 0;
  Manifest files;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

}  // namespace lathe::domain
