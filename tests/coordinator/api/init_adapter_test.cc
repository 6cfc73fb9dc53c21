#include "coordinator/api/init_adapter.h"

#include <gtest/gtest.h>

#include <map>

#include "common/artifacts/manifest.h"
#include "common/base/temp_dir.h"
#include "common/schema/configuration.h"

namespace lathe::api {
namespace {

constexpr char kConfig[] = R"({"peft_type":"LORA","r":8,"lora_alpha":16,"bias":"none"})";

class InitAdapterTest : public testing::Test {
 protected:
  /// An adapter's files as a job keeps them.
  domain::Manifest Files(const std::string& config) {
    const auto put = [&](const std::string& path, const std::string& bytes) {
      const v1::Blob blob = blobs_.PutBytes(bytes).value();
      return domain::Manifest::File{path, {blob.sha256(), blob.size_bytes()}};
    };
    return {{put("adapter_config.json", config), put("adapter_model.safetensors", "weights")}};
  }
  std::string Upload(const domain::Manifest& files) {
    v1::Manifest manifest;
    for (const auto& file : files.files) {
      auto* added = manifest.add_files();
      added->set_path(file.path);
      added->mutable_blob()->set_sha256(file.blob.sha256);
      added->mutable_blob()->set_size_bytes(file.blob.size_bytes);
    }
    return "sha256:" + blobs_.PutBytes(artifacts::ManifestText(manifest)).value().sha256();
  }
  void AddJob(const std::string& id, const std::string& model, domain::Manifest adapter) {
    auto job = std::make_shared<domain::Job>();
    job->spec.id = domain::JobId(id);
    job->spec.base_model = model;
    job->adapter = std::move(adapter);
    jobs_[id] = std::move(job);
  }
  InitAdapter Find(const std::string& from, const std::string& lora = "{}") {
    auto configuration =
        schema::FromJson(R"({"model":{"baseModel":"tiny"},"method":{"loraConfig":)" + lora + "}}")
            .configuration;
    configuration.mutable_method()->mutable_lora_config()->set_init_from(from);
    return FindInitAdapter(
        configuration,
        [&](const domain::JobId& id) {
          const auto found = jobs_.find(id.value());
          return found == jobs_.end() ? nullptr : found->second;
        },
        blobs_);
  }
  /// Path and code of the only finding.
  std::string Only(const InitAdapter& found) {
    EXPECT_TRUE(found.files.files.empty());
    EXPECT_EQ(found.findings.size(), 1U);
    if (found.findings.empty()) return "";
    EXPECT_EQ(found.findings[0].severity, Severity::kError);
    return found.findings[0].path + " " + found.findings[0].code;
  }

  TempDir dir_ = TempDir::Create().value();
  artifacts::BlobStore blobs_ = artifacts::BlobStore::Open(dir_.path()).value();
  std::map<std::string, runtime::JobPtr> jobs_;
};

TEST_F(InitAdapterTest, IsThatOfAJobOrAnUploadedOne) {
  const domain::Manifest files = Files(kConfig);
  AddJob("job-aaaaaaaaaaaa", "tiny", files);
  const auto of_job = Find("job-aaaaaaaaaaaa");
  EXPECT_TRUE(of_job.findings.empty());
  EXPECT_EQ(of_job.files, files);
  const auto uploaded = Find(Upload(files));
  EXPECT_TRUE(uploaded.findings.empty());
  EXPECT_EQ(uploaded.files, files);
  EXPECT_TRUE(Find("").files.files.empty());
}

TEST_F(InitAdapterTest, WhatIsNotThereIsNotFound) {
  AddJob("job-bbbbbbbbbbbb", "tiny", {});
  EXPECT_EQ(Only(Find("job-aaaaaaaaaaaa")), "method.loraConfig.initFrom not_found");
  EXPECT_EQ(Only(Find("job-bbbbbbbbbbbb")), "method.loraConfig.initFrom no_adapter");
  EXPECT_EQ(Only(Find("sha256:" + std::string(64, 'a'))), "method.loraConfig.initFrom not_found");
  EXPECT_EQ(Only(Find("sha256:../x")), "method.loraConfig.initFrom not_found");
  EXPECT_EQ(Only(Find("demo/3")), "method.loraConfig.initFrom invalid_value");
  domain::Manifest partly = Files(kConfig);
  partly.files[1].blob.sha256 = std::string(64, 'b');
  EXPECT_EQ(Only(Find(Upload(partly))), "method.loraConfig.initFrom not_found");
}

TEST_F(InitAdapterTest, WhatIsNoAdapterIsSaid) {
  const std::string no_manifest = "sha256:" + blobs_.PutBytes("{\"files\":7}").value().sha256();
  EXPECT_EQ(Only(Find(no_manifest)), "method.loraConfig.initFrom no_adapter");
  domain::Manifest without_weights = Files(kConfig);
  without_weights.files.pop_back();
  EXPECT_EQ(Only(Find(Upload(without_weights))), "method.loraConfig.initFrom no_adapter");
  EXPECT_EQ(Only(Find(Upload(Files("no json")))), "method.loraConfig.initFrom no_adapter");
  EXPECT_EQ(Only(Find(Upload(Files(R"({"peft_type":"PREFIX_TUNING"})")))),
            "method.loraConfig.initFrom other_form");
}

TEST_F(InitAdapterTest, AnotherFormIsAFindingOnTheParameter) {
  AddJob("job-aaaaaaaaaaaa", "tiny", Files(kConfig));
  AddJob("job-cccccccccccc", "other", Files(kConfig));
  EXPECT_EQ(Only(Find("job-cccccccccccc")), "method.loraConfig.initFrom other_model");
  EXPECT_EQ(Only(Find("job-aaaaaaaaaaaa", R"({"rank":4})")), "method.loraConfig.rank other_form");
  EXPECT_EQ(Only(Find("job-aaaaaaaaaaaa", R"({"useDora":true})")),
            "method.loraConfig.useDora other_form");
  EXPECT_EQ(Only(Find("job-aaaaaaaaaaaa", R"({"bias":"all"})")),
            "method.loraConfig.bias other_form");
  EXPECT_EQ(Find("job-aaaaaaaaaaaa", R"({"rank":4,"alpha":8})").findings.size(), 2U);
  // Whether the patterns come to the same, only the trainer can tell.
  EXPECT_TRUE(
      Find("job-aaaaaaaaaaaa", R"({"rank":4,"rankPattern":{"q_proj":8}})").findings.empty());
}

}  // namespace
}  // namespace lathe::api
