#include "common/rpc/credentials.h"

#include <gtest/gtest.h>

#include "common/base/child_process.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::rpc {
namespace {

/// A self-signed pair NAME.crt, NAME.key.
void MakePair(const std::filesystem::path& folder, const std::string& name,
              const std::string& subject = "/CN=localhost") {
  auto openssl = ChildProcess::Start(
      {.program = "openssl",
       .arguments = {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                     "-nodes", "-utf8", "-subj", subject, "-days", "1", "-keyout",
                     (folder / (name + ".key")).string(), "-out",
                     (folder / (name + ".crt")).string()}});
  ASSERT_TRUE(openssl);
  ASSERT_TRUE(openssl->Wait().Succeeded());
}

TEST(Credentials, LocalAddresses) {
  for (const char* local :
       {"127.0.0.1:7420", "localhost:1", "[::1]:7420", "unix:/run/x.sock", "127.8.9.1:5"}) {
    EXPECT_TRUE(IsLocalAddress(local)) << local;
  }
  for (const char* other : {"0.0.0.0:7420", "[::]:7420", "10.0.0.1:1", "127.evil.example:1",
                            "example.org:7420", ":7420", ""}) {
    EXPECT_FALSE(IsLocalAddress(other)) << other;
  }
}

TEST(Credentials, WithoutTlsOnlyThisMachine) {
  EXPECT_TRUE(ServerCredentials({}, "127.0.0.1:0"));
  EXPECT_EQ(ServerCredentials({}, "0.0.0.0:7420").error().code, ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(ChannelCredentials({}, "localhost:7420"));
  EXPECT_EQ(ChannelCredentials({}, "10.0.0.1:7420").error().code, ErrorCode::kFailedPrecondition);
}

TEST(Credentials, PairsMustBelongTogether) {
  const TempDir dir = TempDir::Create().value();
  MakePair(dir.path(), "a");
  MakePair(dir.path(), "b");
  const auto a_crt = dir.path() / "a.crt";
  EXPECT_TRUE(ServerCredentials({a_crt, dir.path() / "a.key", a_crt}, "0.0.0.0:1"));
  const Error mismatch = ServerCredentials({a_crt, dir.path() / "b.key", {}}, "0.0.0.0:1").error();
  EXPECT_EQ(mismatch.code, ErrorCode::kInvalidArgument);
  EXPECT_NE(mismatch.message.find("b.key"), std::string::npos) << mismatch.message;
}

TEST(Credentials, ErrorsNameKeyAndFile) {
  const TempDir dir = TempDir::Create().value();
  MakePair(dir.path(), "a");
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "text", "no certificate"));
  const auto a_key = dir.path() / "a.key";
  const Error missing = ServerCredentials({dir.path() / "none", a_key, {}}, "[::]:1").error();
  EXPECT_EQ(missing.code, ErrorCode::kNotFound);
  EXPECT_NE(missing.message.find("tls.cert"), std::string::npos) << missing.message;
  const Error text = ServerCredentials({dir.path() / "text", a_key, {}}, "[::]:1").error();
  EXPECT_EQ(text.code, ErrorCode::kInvalidArgument);
  const Error half = ServerCredentials({dir.path() / "a.crt", {}, {}}, "[::]:1").error();
  EXPECT_NE(half.message.find("tls.key is not set"), std::string::npos) << half.message;
  const Error no_authority = ChannelCredentials({dir.path() / "a.crt", a_key, {}}, "x:1").error();
  EXPECT_NE(no_authority.message.find("tls.ca"), std::string::npos);
}

TEST(Credentials, ACertificatesCommonName) {
  const TempDir dir = TempDir::Create().value();
  MakePair(dir.path(), "worker", "/O=example/CN=worker:gpu-1");
  MakePair(dir.path(), "other", "/CN=Zoë");
  MakePair(dir.path(), "none", "/O=example");
  EXPECT_EQ(CommonNameOf(dir.path() / "worker.crt").value(), "worker:gpu-1");
  EXPECT_EQ(CommonNameOf(dir.path() / "other.crt").value(), "Zoë");
  EXPECT_EQ(CommonNameOf(dir.path() / "none.crt").value(), "");
  EXPECT_EQ(CommonNameOf(dir.path() / "missing.crt").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(CommonNameOf(dir.path() / "none.key").error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::rpc
