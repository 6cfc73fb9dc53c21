// Blobs through a real coordinator.

#include <gtest/gtest.h>

#include "common/artifacts/client.h"
#include "common/base/file_io.h"
#include "tests/integration/coordinator/coordinator_process.h"
#include "tests/support/redis_server.h"

namespace lathe::testing {
namespace {

namespace fs = std::filesystem;

class ArtifactTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(coordinator_.WaitUntilServing()) << coordinator_.Log();
    client_ = std::make_unique<artifacts::Client>(coordinator_.Connect());
  }
  std::unique_ptr<RedisServer> redis_ = RedisServer::Start().value();
  CoordinatorProcess coordinator_{redis_->url()};
  TempDir dir_ = TempDir::Create().value();
  std::unique_ptr<artifacts::Client> client_;
};

TEST_F(ArtifactTest, FoldersRoundTrip) {
  fs::create_directories(dir_.path() / "in/sub");
  std::string large;
  for (int i = 0; i < 100'000; ++i) large += std::to_string(i);
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "in/large", large));
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "in/sub/small", "small"));
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "in/sub/empty", ""));
  const auto manifest = client_->UploadFolder(dir_.path() / "in").value();
  ASSERT_TRUE(client_->DownloadFolder(manifest, dir_.path() / "out"));
  EXPECT_EQ(ReadFile(dir_.path() / "out/large").value(), large);
  EXPECT_EQ(artifacts::DescribeFolder(dir_.path() / "out").value().SerializeAsString(),
            manifest.SerializeAsString());
}

TEST_F(ArtifactTest, InterruptedDownloadsGoOn) {
  const std::string bytes(600'000, 'q');
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "file", bytes));
  const auto blob = client_->UploadFile(dir_.path() / "file").value();
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "copy.part", bytes.substr(0, 500'000)));
  ASSERT_TRUE(client_->Download(blob, dir_.path() / "copy"));
  EXPECT_EQ(ReadFile(dir_.path() / "copy").value(), bytes);
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / "bad.part", "not a beginning of it"));
  EXPECT_EQ(client_->Download(blob, dir_.path() / "bad").error().code, ErrorCode::kDataLoss);
  EXPECT_TRUE(client_->Download(blob, dir_.path() / "bad")) << "the second try begins anew";
}

TEST_F(ArtifactTest, UnknownBlobsAreNotFound) {
  v1::Blob blob;
  blob.set_sha256(std::string(64, 'a'));
  EXPECT_EQ(client_->Download(blob, dir_.path() / "x").error().code, ErrorCode::kNotFound);
  blob.set_sha256("../../../etc/passwd");
  EXPECT_EQ(client_->Download(blob, dir_.path() / "x").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace lathe::testing
