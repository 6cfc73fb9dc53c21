#include "tests/worker/trainer/tokenizer/golden.h"

#include <zlib.h>

#include <cstdlib>
#include <filesystem>

#include "common/base/check.h"
#include "common/base/file_io.h"

namespace lathe::trainer::tokenizer {
namespace {

std::filesystem::path Folder(const std::string& name) {
  const char* source = std::getenv("LATHE_SOURCE_DIR");
  LATHE_CHECK(source != nullptr, "run by ctest, which sets LATHE_SOURCE_DIR");
  return std::filesystem::path(source) / "tests/golden/tokenizers" / name;
}

}  // namespace

std::string GoldenTokenizerJson(const std::string& name) {
  gzFile file = gzopen((Folder(name) / "tokenizer.json.gz").c_str(), "rb");
  LATHE_CHECK(file != nullptr, "the golden tokenizer is there");
  std::string text;
  char buffer[1 << 16];
  for (int read = 0; (read = gzread(file, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(read));
  }
  gzclose(file);
  return text;
}

Tokenizer GoldenTokenizer(const std::string& name) {
  return Tokenizer::FromJson(GoldenTokenizerJson(name), name).value();
}

nlohmann::json GoldenVectors(const std::string& name) {
  return nlohmann::json::parse(ReadFile(Folder(name) / "vectors.json").value());
}

nlohmann::ordered_json GoldenChats(const std::string& name) {
  return nlohmann::ordered_json::parse(ReadFile(Folder(name) / "chat.json").value());
}

}  // namespace lathe::trainer::tokenizer
