#include "worker/cache/blob_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <thread>

#include "common/artifacts/sha256.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::worker::cache {
namespace {

class BlobCacheTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(BlobCache::Prepare(root_)); }

  // A blob that the far side has.
  v1::Blob Far(const std::string& text) {
    artifacts::Sha256 hash;
    hash.Update(text);
    v1::Blob blob;
    blob.set_sha256(hash.Finish());
    blob.set_size_bytes(text.size());
    far_[blob.sha256()] = text;
    return blob;
  }
  BlobCache::Download Download() {
    return [this](const v1::Blob& blob, const std::filesystem::path& target) -> Status {
      ++downloads_;
      std::this_thread::sleep_for(delay_);
      if (!far_.contains(blob.sha256())) return Failure(ErrorCode::kNotFound, "unknown blob");
      return WriteFileAtomically(target, far_.at(blob.sha256()));
    };
  }
  std::filesystem::path Target(const std::string& name) const { return folder_.path() / name; }

  TempDir folder_ = TempDir::Create().value();
  const std::filesystem::path root_ = folder_.path() / "cache";
  std::map<std::string, std::string> far_;
  std::atomic<int> downloads_ = 0;
  std::chrono::milliseconds delay_{0};
};

TEST_F(BlobCacheTest, DownloadsOnceAndLinks) {
  const v1::Blob blob = Far("data");
  BlobCache cache(root_, 1000, Download());
  ASSERT_TRUE(cache.Fetch(blob, Target("a")));
  ASSERT_TRUE(cache.Fetch(blob, Target("b")));
  EXPECT_EQ(ReadFile(Target("b")).value(), "data");
  EXPECT_EQ(downloads_, 1);
  BlobCache restarted(root_, 1000, Download());
  ASSERT_TRUE(restarted.Fetch(blob, Target("a"))) << "replaces what is there";
  EXPECT_EQ(downloads_, 1);
}

TEST_F(BlobCacheTest, ConcurrentRequestsShareADownload) {
  const v1::Blob blob = Far("data");
  delay_ = std::chrono::milliseconds(50);
  BlobCache cache(root_, 1000, Download());
  std::atomic<int> fetched = 0;
  {
    std::latch start(8);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        if (cache.Fetch(blob, Target(std::to_string(i)))) ++fetched;
      });
    }
  }
  EXPECT_EQ(fetched, 8);
  EXPECT_EQ(downloads_, 1);
}

TEST_F(BlobCacheTest, RemovesTheLeastRecentlyUsedButNoUsersLink) {
  const v1::Blob first = Far("first.....");
  const v1::Blob second = Far("second....");
  const v1::Blob third = Far("third.....");
  BlobCache cache(root_, 25, Download());
  ASSERT_TRUE(cache.Fetch(first, Target("1")));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_TRUE(cache.Fetch(second, Target("2")));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_TRUE(cache.Fetch(first, Target("1")));
  ASSERT_TRUE(cache.Fetch(third, Target("3")));
  EXPECT_EQ(cache.SizeBytes(), 20u);
  EXPECT_TRUE(std::filesystem::exists(root_ / first.sha256()));
  EXPECT_FALSE(std::filesystem::exists(root_ / second.sha256()));
  EXPECT_EQ(ReadFile(Target("2")).value(), "second....");
}

TEST_F(BlobCacheTest, ADamagedFileIsFetchedAgain) {
  const v1::Blob blob = Far("data");
  BlobCache cache(root_, 1000, Download());
  ASSERT_TRUE(cache.Fetch(blob, Target("a")));
  std::ofstream(root_ / blob.sha256()) << "da";
  ASSERT_TRUE(cache.Fetch(blob, Target("b")));
  EXPECT_EQ(ReadFile(Target("b")).value(), "data");
}

TEST_F(BlobCacheTest, AFailedDownloadIsTriedAgainWithTheNextRequest) {
  v1::Blob blob = Far("data");
  far_.clear();
  BlobCache cache(root_, 1000, Download());
  EXPECT_EQ(cache.Fetch(blob, Target("a")).error().code, ErrorCode::kNotFound);
  Far("data");
  EXPECT_TRUE(cache.Fetch(blob, Target("a")));
  blob.set_sha256("../../etc/passwd");
  EXPECT_EQ(cache.Fetch(blob, Target("a")).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(BlobCacheTest, AFolderAppearsWhole) {
  v1::Manifest manifest;
  for (const char* name : {"adapter_config.json", "sub/weights"}) {
    auto& file = *manifest.add_files();
    file.set_path(name);
    *file.mutable_blob() = Far(name);
  }
  BlobCache cache(root_, 1000, Download());
  ASSERT_TRUE(cache.FetchFolder(manifest, Target("adapter")));
  EXPECT_EQ(ReadFile(Target("adapter") / "sub/weights").value(), "sub/weights");
  far_.clear();
  EXPECT_TRUE(cache.FetchFolder(manifest, Target("adapter"))) << "it is there";
  manifest.mutable_files(0)->mutable_blob()->set_sha256(std::string(64, '0'));
  EXPECT_FALSE(cache.FetchFolder(manifest, Target("other")));
  EXPECT_FALSE(std::filesystem::exists(Target("other")));
}

}  // namespace
}  // namespace lathe::worker::cache
