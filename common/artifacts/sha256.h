#pragma once
// SHA-256 of a stream of bytes, as lower-case hexadecimal. Not thread-safe.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "lathe/v1/artifact.pb.h"

struct evp_md_ctx_st;

namespace lathe::artifacts {

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void Update(std::string_view bytes);
  /// 64 hexadecimal digits. Ends the stream: call it once, last.
  std::string Finish();

 private:
  struct Deleter {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Deleter> context_;
};

/// Whether the text is a blob's name: 64 lower-case hexadecimal digits.
bool IsSha256(std::string_view text);

/// Hash and size of a file's bytes, read once. Errors name the file.
Result<v1::Blob> DescribeFile(const std::filesystem::path& path);

}  // namespace lathe::artifacts
