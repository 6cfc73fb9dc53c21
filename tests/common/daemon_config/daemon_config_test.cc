#include "common/daemon_config/daemon_config.h"

#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::daemon_config {
namespace {

const Description& Table() {
  static const Description table{
      "lathe-test",
      "A daemon.",
      "LATHE_TEST",
      "1.2.3",
      {{"listen", Kind::kAddress, "127.0.0.1:1", "Address"},
       {"tls.cert", Kind::kPath, "", "Certificate"},
       {"lease", Kind::kSeconds, "10", "Lease", 0.1, 3600},
       {"max_attempts", Kind::kInteger, "3", "Attempts", 1, 100},
       {"log_level", Kind::kText, "info", "Level", 0, 0, {"debug", "info"}}}};
  return table;
}

class DaemonConfigTest : public testing::Test {
 protected:
  std::string File(const std::string& text) {
    const auto path = dir_.path() / "config.yaml";
    EXPECT_TRUE(WriteFileAtomically(path, text));
    return path.string();
  }
  TempDir dir_ = TempDir::Create().value();
};

TEST_F(DaemonConfigTest, DefaultsHold) {
  const Values values = Load(Table(), {}, {}).value().values;
  EXPECT_EQ(values.Text("listen"), "127.0.0.1:1");
  EXPECT_EQ(values.Integer("max_attempts"), 3);
  EXPECT_EQ(values.Seconds("lease"), std::chrono::seconds(10));
  EXPECT_EQ(values.Text("tls.cert"), "");
}

TEST_F(DaemonConfigTest, FlagsWinOverEnvironmentOverFile) {
  const std::string file =
      File("listen: f:1\nlease: 0.5\nmax_attempts: 4\ntls:\n  cert: certs/a.crt\n");
  const Environment environment = {{"LATHE_TEST_LISTEN", "e:1"},
                                   {"LATHE_TEST_LEASE", "2.5"},
                                   {"LATHE_TEST_SERVICE_HOST", "ignored"}};
  const Values values =
      Load(Table(), {"--config", file, "--listen=flag:1"}, environment).value().values;
  EXPECT_EQ(values.Text("listen"), "flag:1");
  EXPECT_EQ(values.Seconds("lease"), std::chrono::milliseconds(2500));
  EXPECT_EQ(values.Integer("max_attempts"), 4);
  EXPECT_EQ(values.Path("tls.cert"), dir_.path() / "certs/a.crt");
}

TEST_F(DaemonConfigTest, EveryErrorAtOnceWithItsPlace) {
  const std::string file = File("lisen: a\nlease: soon\nmax_attempts: 0\nlog_level: loud\n");
  const Error error = Load(Table(), {"--config", file}, {}).error();
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  ASSERT_EQ(error.findings.size(), 4U);
  EXPECT_EQ(error.findings[0].expected, "listen");
  EXPECT_NE(error.findings[0].message.find("config.yaml:1"), std::string::npos);
  EXPECT_NE(error.findings[0].message.find("Did you mean listen?"), std::string::npos);
  EXPECT_EQ(error.findings[1].path, "lease");
  EXPECT_EQ(error.findings[2].expected, "a whole number from 1 to 100");
  EXPECT_EQ(error.findings[3].expected, "one of debug, info");
}

TEST_F(DaemonConfigTest, AddressesHaveAPort) {
  for (const char* right : {"127.0.0.1:0", "[::1]:7420", "a.example:65535", "unix:/run/x.sock"}) {
    EXPECT_TRUE(Load(Table(), {"--listen", right}, {})) << right;
  }
  for (const char* wrong : {"127.0.0.1", "::1", "::1:7420", "a:", ":1", "a:65536", "a:-1", "a:b"}) {
    EXPECT_FALSE(Load(Table(), {"--listen", wrong}, {})) << wrong;
  }
}

TEST_F(DaemonConfigTest, BadFilesNameTheLine) {
  for (const char* text : {"a: [", "- a\n- b\n", "listen: a\nlisten: b\n", "listen: [a]\n"}) {
    const Error error = Load(Table(), {"--config", File(text)}, {}).error();
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(error.message.find("config.yaml:"), std::string::npos) << error.message;
  }
  EXPECT_EQ(Load(Table(), {"--config", "/none"}, {}).error().code, ErrorCode::kNotFound);
}

TEST_F(DaemonConfigTest, ActionsOfTheCommandLine) {
  EXPECT_EQ(Load(Table(), {"--check-config"}, {})->action, Outcome::Action::kCheckOnly);
  EXPECT_EQ(Load(Table(), {"--version"}, {})->text, "lathe-test 1.2.3\n");
  const std::string help = Load(Table(), {"--help"}, {})->text;
  EXPECT_NE(help.find("--tls-cert"), std::string::npos);
  EXPECT_NE(help.find("LATHE_TEST_MAX_ATTEMPTS"), std::string::npos);
  EXPECT_FALSE(Load(Table(), {"--nonsense"}, {}));
}

}  // namespace
}  // namespace lathe::daemon_config
