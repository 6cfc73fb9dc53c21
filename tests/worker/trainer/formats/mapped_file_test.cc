#include "worker/trainer/formats/mapped_file.h"

#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::trainer::formats {
namespace {

TEST(MappedFile, ShowsTheBytesAndSurvivesMoves) {
  const TempDir dir = TempDir::Create().value();
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "f", "abc"));
  MappedFile first = MappedFile::Open(dir.path() / "f").value();
  MappedFile second = std::move(first);
  MappedFile third = MappedFile::Open(dir.path() / "f").value();
  third = std::move(second);
  ASSERT_EQ(third.bytes().size(), 3U);
  EXPECT_EQ(third.bytes()[2], std::byte{'c'});
}

TEST(MappedFile, EmptyFileMissingFileAndFolder) {
  const TempDir dir = TempDir::Create().value();
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "empty", ""));
  EXPECT_TRUE(MappedFile::Open(dir.path() / "empty").value().bytes().empty());
  EXPECT_EQ(MappedFile::Open(dir.path() / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(dir.path()).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::trainer::formats
