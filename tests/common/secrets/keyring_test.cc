#include "common/secrets/keyring.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"

namespace lathe::secrets {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kOnes(64, '1');
const std::string kTwos(64, '2');

TEST(KeyringTest, FirstKeySealsAndAllAreFound) {
  const auto keyring = Keyring::Parse("# rotated in May\n\nk2 " + kTwos + "\n  k1\t" + kOnes);
  ASSERT_TRUE(keyring) << ToString(keyring.error());
  EXPECT_EQ(keyring->first().id, "k2");
  EXPECT_EQ(keyring->first().bytes[0], 0x22);
  ASSERT_NE(keyring->Find("k1"), nullptr);
  EXPECT_EQ(keyring->Find("k1")->bytes[31], 0x11);
  EXPECT_EQ(keyring->Find("k3"), nullptr);
}

TEST(KeyringTest, SaysWhichLineIsWrongAndNeverWhatStandsInIt) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no key"},
      {"# only words\n", "no key"},
      {"k1 " + kOnes + "\nk2 abcd", "line 2"},
      {"k1 " + kOnes + "0", "64 hexadecimal"},
      {"k1 " + std::string(64, 'g'), "64 hexadecimal"},
      {"k1 " + kOnes + " more", "64 hexadecimal"},
      {kOnes, "id of a key"},
      {"K:1 " + kOnes, "id of a key"},
      {"k1 " + kOnes + "\nk1 " + kTwos, "twice"},
  };
  for (const auto& [text, expected] : cases) {
    const auto keyring = Keyring::Parse(text);
    ASSERT_FALSE(keyring) << text;
    EXPECT_EQ(keyring.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(keyring.error().message, HasSubstr(expected));
    EXPECT_THAT(ToString(keyring.error()), Not(HasSubstr("1111")));
  }
}

class KeyFileTest : public testing::Test {
 protected:
  TempDir folder_ = *TempDir::Create("keyring");
  std::filesystem::path file_ = folder_.path() / "secrets.key";
};

TEST_F(KeyFileTest, CreatedFileIsReadBackAndKept) {
  ASSERT_TRUE(CreateKeyFileIfAbsent(file_));
  const auto first = Keyring::Read(file_);
  ASSERT_TRUE(first) << ToString(first.error());
  struct stat info {};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  ASSERT_TRUE(CreateKeyFileIfAbsent(file_));
  EXPECT_EQ(Keyring::Read(file_)->first().bytes, first->first().bytes) << "never replaced";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);

  const auto other = folder_.path() / "other.key";
  ASSERT_TRUE(CreateKeyFileIfAbsent(other));
  EXPECT_NE(Keyring::Read(other)->first().bytes, first->first().bytes);
}

TEST_F(KeyFileTest, RefusesAFileThatOthersMayRead) {
  ASSERT_TRUE(WriteFileAtomically(file_, "k1 " + kOnes));
  for (const mode_t mode : {0640, 0604, 0620, 0644, 0666}) {
    ASSERT_EQ(::chmod(file_.c_str(), mode), 0);
    const auto keyring = Keyring::Read(file_);
    ASSERT_FALSE(keyring) << mode;
    EXPECT_EQ(keyring.error().code, ErrorCode::kFailedPrecondition);
    EXPECT_THAT(keyring.error().hint, HasSubstr("chmod 600 " + file_.string()));
  }
  ASSERT_EQ(::chmod(file_.c_str(), 0400), 0);
  EXPECT_TRUE(Keyring::Read(file_)) << "as a mounted secret is";
}

TEST_F(KeyFileTest, NamesTheFileInErrors) {
  EXPECT_EQ(Keyring::Read(file_).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(file_, "k1"));
  ASSERT_EQ(::chmod(file_.c_str(), 0600), 0);
  EXPECT_THAT(Keyring::Read(file_).error().message, HasSubstr(file_.string()));
  EXPECT_FALSE(CreateKeyFileIfAbsent(folder_.path() / "none" / "secrets.key"));
}

}  // namespace
}  // namespace lathe::secrets
