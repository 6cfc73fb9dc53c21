#include "common/artifacts/blob_store.h"

#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::artifacts {
namespace {

// FIPS 180-4, the one-block example.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

class BlobStoreTest : public testing::Test {
 protected:
  std::size_t Files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path())) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  TempDir dir_ = TempDir::Create().value();
  BlobStore store_ = BlobStore::Open(dir_.path() / "blobs").value();
};

TEST_F(BlobStoreTest, StoresUnderTheHash) {
  const v1::Blob blob = store_.PutBytes("abc").value();
  EXPECT_EQ(blob.sha256(), kAbc);
  EXPECT_EQ(blob.size_bytes(), 3U);
  EXPECT_EQ(ReadFile(store_.PathOf(kAbc).value()).value(), "abc");
  EXPECT_EQ(store_.Describe(kAbc)->size_bytes(), 3U);
  EXPECT_TRUE(store_.PutBytes("abc")) << "a known blob again is a no-op";
  EXPECT_EQ(Files(), 1U);
}

TEST_F(BlobStoreTest, UnfinishedBlobsNeverShow) {
  {
    BlobWriter writer = store_.Write().value();
    ASSERT_TRUE(writer.Append("abc"));
    EXPECT_FALSE(store_.Has(kAbc));
  }
  EXPECT_EQ(Files(), 0U);
}

TEST_F(BlobStoreTest, RefusesOtherBytesThanExpected) {
  v1::Blob expected;
  expected.set_sha256(kAbc);
  expected.set_size_bytes(3);
  {
    BlobWriter writer = store_.Write().value();
    ASSERT_TRUE(writer.Append("abd"));
    EXPECT_EQ(writer.Commit(expected).error().code, ErrorCode::kDataLoss);
  }
  EXPECT_FALSE(store_.Has(kAbc));
  EXPECT_EQ(Files(), 0U);
}

TEST_F(BlobStoreTest, NamesThatAreNoHashAreUnknown) {
  for (const std::string& name : {std::string("../../etc/passwd"), std::string(64, 'A'),
                                  std::string(63, 'a'), std::string(64, '/')}) {
    EXPECT_EQ(store_.PathOf(name).error().code, ErrorCode::kNotFound) << name;
  }
}

TEST_F(BlobStoreTest, ListsWhatIsMissing) {
  ASSERT_TRUE(store_.PutBytes("abc"));
  const std::string other(64, 'a');
  EXPECT_EQ(store_.Missing(std::vector<std::string>{kAbc, other, other}),
            std::vector<std::string>{other});
}

TEST_F(BlobStoreTest, PutsFiles) {
  const std::string bytes(700'000, 'z');
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "file", bytes));
  const v1::Blob blob = store_.PutFile(dir_.path() / "file").value();
  EXPECT_EQ(blob.SerializeAsString(),
            DescribeFile(dir_.path() / "file").value().SerializeAsString());
  EXPECT_EQ(ReadFile(store_.PathOf(blob.sha256()).value()).value(), bytes);
}

}  // namespace
}  // namespace lathe::artifacts
