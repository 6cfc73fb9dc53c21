#include "common/artifacts/manifest.h"

#include <gtest/gtest.h>

#include "common/artifacts/blob_store.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::artifacts {
namespace {

namespace fs = std::filesystem;

void AddFile(v1::Manifest& manifest, const std::string& path) {
  auto* file = manifest.add_files();
  file->set_path(path);
  file->mutable_blob()->set_sha256(std::string(64, 'a'));
}

TEST(Manifest, PathsStayInTheirFolder) {
  for (const char* good : {"a", "a/b.c", "..a/b..", "a b/ü"}) {
    EXPECT_TRUE(CheckRelativePath(good)) << good;
  }
  for (const char* bad : {"", "/a", "a/", "a//b", "../a", "a/../b", ".", "a/.", "a\\b"}) {
    EXPECT_FALSE(CheckRelativePath(bad)) << bad;
  }
  EXPECT_FALSE(CheckRelativePath(std::string_view("a\0b", 3)));
  EXPECT_FALSE(CheckRelativePath(std::string(1025, 'a')));
}

TEST(Manifest, RefusesPathsTwiceAndFilesThatAreFolders) {
  v1::Manifest twice;
  AddFile(twice, "a");
  AddFile(twice, "a");
  EXPECT_FALSE(CheckManifest(twice));
  v1::Manifest nested;
  AddFile(nested, "a");
  AddFile(nested, "a-b");
  AddFile(nested, "a/b");
  EXPECT_FALSE(CheckManifest(nested));
}

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(source_ / "sub");
    ASSERT_TRUE(WriteFileAtomically(source_ / "one", "1"));
    ASSERT_TRUE(WriteFileAtomically(source_ / "sub" / "two", "22"));
    for (const char* path : {"one", "sub/two"}) ASSERT_TRUE(store_.PutFile(source_ / path));
  }
  Status Fetch(const v1::Blob& blob, const fs::path& target) const {
    LATHE_ASSIGN_OR_RETURN(const fs::path path, store_.PathOf(blob.sha256()));
    fs::copy_file(path, target);
    return {};
  }
  TempDir dir_ = TempDir::Create().value();
  fs::path source_ = dir_.path() / "source";
  BlobStore store_ = BlobStore::Open(dir_.path() / "blobs").value();
};

TEST_F(FolderTest, RoundTrip) {
  const v1::Manifest manifest = DescribeFolder(source_).value();
  ASSERT_EQ(manifest.files_size(), 2);
  EXPECT_EQ(manifest.files(1).path(), "sub/two");
  const fs::path copy = dir_.path() / "copy";
  const auto fetch = [this](const auto& blob, const auto& to) { return Fetch(blob, to); };
  ASSERT_TRUE(Materialise(manifest, copy, fetch));
  EXPECT_EQ(DescribeFolder(copy).value().SerializeAsString(), manifest.SerializeAsString());
  EXPECT_EQ(Materialise(manifest, copy, fetch).error().code, ErrorCode::kAlreadyExists);
}

TEST_F(FolderTest, NothingIsLeftWhenABlobIsMissing) {
  v1::Manifest manifest = DescribeFolder(source_).value();
  AddFile(manifest, "three");
  const fs::path copy = dir_.path() / "copy";
  const auto fetch = [this](const auto& blob, const auto& to) { return Fetch(blob, to); };
  EXPECT_EQ(Materialise(manifest, copy, fetch).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(copy));
  EXPECT_FALSE(fs::exists(copy.string() + ".partial"));
}

TEST_F(FolderTest, RefusesLinks) {
  fs::create_symlink("/etc/passwd", source_ / "link");
  EXPECT_EQ(DescribeFolder(source_).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::artifacts
