#include "tests/worker/trainer/tokenizer/golden.h"

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "common/base/check.h"
#include "common/base/file_io.h"

namespace lathe::trainer::tokenizer {
namespace {

std::filesystem::path Folder(const std::string& name) {
  const char* source = std::getenv("LATHE_SOURCE_DIR");
  LATHE_CHECK(source != nullptr, "run by ctest, which sets LATHE_SOURCE_DIR");
  return std::filesystem::path(source) / "tests/golden/tokenizers" / name;
}

std::string Unzipped(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  LATHE_CHECK(file != nullptr, "the golden tokenizer is there");
  std::string text;
  char buffer[1 << 16];
  for (int read = 0; (read = gzread(file, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(read));
  }
  gzclose(file);
  return text;
}

}  // namespace

std::string GoldenTokenizerJson(const std::string& name) {
  const auto parts = ReadFile(Folder(name) / "parts.json");
  if (!parts) return Unzipped(Folder(name) / "tokenizer.json.gz");
  auto whole = nlohmann::json::parse(Unzipped(Folder("mistral_v1") / "tokenizer.json.gz"));
  whole.update(nlohmann::json::parse(*parts));
  return whole.dump();
}

std::string GoldenSentencePiece(const std::string& name) {
  return Unzipped(Folder(name) / "tokenizer.model.gz");
}

Tokenizer LoadGoldenTokenizer(const std::string& name) {
  return Tokenizer::FromJson(GoldenTokenizerJson(name), name).value();
}

const Tokenizer& GoldenTokenizer(const std::string& name) {
  static std::map<std::string, Tokenizer> read;
  const auto found = read.find(name);
  if (found != read.end()) return found->second;
  return read.emplace(name, LoadGoldenTokenizer(name)).first->second;
}

nlohmann::json GoldenVectors(const std::string& name) {
  return nlohmann::json::parse(ReadFile(Folder(name) / "vectors.json").value());
}

nlohmann::ordered_json GoldenChats(const std::string& name) {
  return nlohmann::ordered_json::parse(ReadFile(Folder(name) / "chat.json").value());
}

}  // namespace lathe::trainer::tokenizer
