#include "common/base/file_io.h"

#include <gtest/gtest.h>

#include "common/base/temp_dir.h"

namespace lathe {
namespace {

TEST(FileIo, WritesAtomicallyAndReadsBack) {
  const TempDir dir = TempDir::Create().value();
  const auto path = dir.path() / "file";
  ASSERT_TRUE(WriteFileAtomically(path, "one"));
  ASSERT_TRUE(WriteFileAtomically(path, "two"));
  EXPECT_EQ(ReadFile(path).value(), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1)
      << "a temporary file was left behind";
}

TEST(FileIo, ErrorsNameTheFile) {
  const Error missing = ReadFile("/nonexistent/file").error();
  EXPECT_EQ(missing.code, ErrorCode::kNotFound);
  EXPECT_NE(missing.message.find("/nonexistent/file"), std::string::npos);
  EXPECT_EQ(WriteFileAtomically("/nonexistent/file", "x").error().code, ErrorCode::kNotFound);
}

TEST(FileIo, FullDiskIsResourceExhausted) {
  EXPECT_EQ(FileError("write", "/data/x", ENOSPC).code, ErrorCode::kResourceExhausted);
}

TEST(FileIo, RefusesFilesAboveTheLimit) {
  const TempDir dir = TempDir::Create().value();
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "big", std::string(100, 'x')));
  EXPECT_EQ(ReadFile(dir.path() / "big", 99).error().code, ErrorCode::kResourceExhausted);
}

TEST(TempDir, RemovesWhatItHolds) {
  std::filesystem::path path;
  {
    const TempDir dir = TempDir::Create().value();
    path = dir.path();
    ASSERT_TRUE(WriteFileAtomically(path / "file", "x"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace lathe
