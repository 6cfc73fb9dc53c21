#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "common/base/temp_dir.h"
#include "worker/devices/host.h"
#include "worker/devices/model_scan.h"
#include "worker/devices/nvml.h"

namespace lathe::worker::devices {
namespace {

TEST(Nvml, ANodeWithoutADriverHasNoGpus) {
  EXPECT_TRUE(ListGpus("libno-such-driver.so.1").value().empty());
}

TEST(Nvml, ListsTheGpusOfTheDriver) {
  const auto gpus = ListGpus(std::getenv("LATHE_FAKE_NVML")).value();
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[1], (GpuDevice{1, "GPU-2", "NVIDIA Test", 80ULL << 30}));
}

TEST(Nvml, ADriverThatRefusesIsAnErrorWithARemedy) {
  ::setenv("FAKE_NVML_BROKEN", "1", 1);
  const auto gpus = ListGpus(std::getenv("LATHE_FAKE_NVML"));
  ::unsetenv("FAKE_NVML_BROKEN");
  ASSERT_FALSE(gpus);
  EXPECT_EQ(gpus.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(gpus.error().message.find("nvidia-smi"), std::string::npos);
}

TEST(Host, HasCoresMemoryAndAName) {
  EXPECT_GE(CpuCores(), 1u);
  EXPECT_GT(MemoryBytes(), 64ULL << 20);
  EXPECT_FALSE(HostName().empty());
}

TEST(ModelScan, FindsFilesAndFolders) {
  const TempDir folder = TempDir::Create().value();
  std::ofstream(folder.path() / "small.q8.gguf") << "x";
  std::ofstream(folder.path() / "notes.txt") << "x";
  std::ofstream(folder.path() / "two words.gguf") << "x";
  std::ofstream(folder.path() / "\xff.gguf") << "x";
  std::filesystem::create_directories(folder.path() / "llama");
  std::filesystem::create_directories(folder.path() / "empty");
  std::ofstream(folder.path() / "llama/config.json") << "{}";
  std::ofstream(folder.path() / "llama.gguf") << "x";
  const auto models = ScanModels(folder.path()).value();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models.at("small.q8"), folder.path() / "small.q8.gguf");
  EXPECT_EQ(models.at("llama"), folder.path() / "llama");
}

TEST(ModelScan, AMissingFolderNamesTheKey) {
  const auto models = ScanModels("/no/such/models");
  ASSERT_FALSE(models);
  EXPECT_NE(models.error().message.find("models_dir"), std::string::npos);
  EXPECT_NE(models.error().message.find("/no/such/models"), std::string::npos);
}

}  // namespace
}  // namespace lathe::worker::devices
