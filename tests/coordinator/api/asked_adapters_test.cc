#include "coordinator/api/asked_adapters.h"

#include <gmock/gmock.h>

#include <map>

namespace lathe::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AskedAdaptersTest : public testing::Test {
 protected:
  void SetUp() override {
    AddJob("job-a", "tiny", v1::METHOD_TYPE_LORA);
    AddJob("job-b", "tiny", v1::METHOD_TYPE_QLORA);
    AddJob("job-full", "tiny", v1::METHOD_TYPE_FULL);
    AddJob("job-prefix", "tiny", v1::METHOD_TYPE_PREFIX);
    AddJob("job-other", "large", v1::METHOD_TYPE_LORA);
    AddJob("job-running", "tiny", v1::METHOD_TYPE_LORA).adapter = {};
    composition().set_method(v1::COMPOSITION_METHOD_ADDITIVE);
  }
  domain::Job& AddJob(const std::string& id, const std::string& model, v1::MethodType method) {
    auto job = std::make_shared<domain::Job>();
    job->spec.id = domain::JobId(id);
    job->spec.base_model = model;
    job->state = domain::JobState::kRunning;
    job->adapter.files = {{"weights-of-" + id, {"hash", 1}}};
    methods_[id] = method;
    domain::Job& added = *job;
    jobs_[id] = std::move(job);
    return added;
  }
  v1::Composition& composition() { return *request_.mutable_composition(); }
  v1::ComposedAdapter& Add(const std::string& job) {
    v1::ComposedAdapter& adapter = *composition().add_adapters();
    adapter.set_job_id(job);
    return adapter;
  }
  /// "path code", one a finding.
  std::vector<std::string> Findings() {
    Refusals refusals;
    const auto found = FindAdapters(request_, facts_, refusals);
    EXPECT_TRUE(found);
    found_ = found.value_or(AskedAdapters{});
    error_ = {};
    if (refusals.empty()) return {};
    error_ = std::move(refusals).Take();
    std::vector<std::string> brief;
    for (const Finding& finding : error_.findings)
      brief.push_back(finding.path + " " + finding.code);
    return brief;
  }

  v1::GenerateRequest request_;
  std::map<std::string, runtime::JobPtr> jobs_;
  std::map<std::string, v1::MethodType> methods_;
  JobFacts facts_{.find =
                      [this](const domain::JobId& id) {
                        const auto found = jobs_.find(id.value());
                        return found == jobs_.end() ? nullptr : found->second;
                      },
                  .method_of = [this](const domain::Job& job) -> Result<v1::MethodType> {
                    return methods_.at(job.id().value());
                  },
                  .layers_of = [](const std::string& model) -> std::optional<std::int64_t> {
                    return model == "tiny" ? std::optional<std::int64_t>(2) : std::nullopt;
                  }};
  AskedAdapters found_;
  Error error_;
};

TEST_F(AskedAdaptersTest, FilesComeInTheOrderOfTheComposition) {
  Add("job-b").set_weight(0.5);
  Add("job-a");
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_EQ(found_.base_model, "tiny");
  ASSERT_EQ(found_.files.size(), 2U);
  EXPECT_EQ(found_.files[0].files(0).path(), "weights-of-job-b");
  EXPECT_EQ(found_.files[1].files(0).path(), "weights-of-job-a");
}

TEST_F(AskedAdaptersTest, OneJobIsAskedForAsItWas) {
  request_.Clear();
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_THAT(found_.files, IsEmpty());
  request_.set_job_id("job-full");
  EXPECT_THAT(Findings(), IsEmpty()) << "a whole model answers alone";
  EXPECT_EQ(found_.files.size(), 1U);
  request_.set_job_id("job-none");
  EXPECT_THAT(Findings(), ElementsAre("jobId not_found"));
  EXPECT_EQ(error_.code, ErrorCode::kNotFound);
  EXPECT_EQ(error_.message, "there is no job job-none.");
  request_.set_job_id("job-running");
  EXPECT_THAT(Findings(), ElementsAre("jobId no_adapter"));
  EXPECT_EQ(error_.code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(error_.message, "job job-running has no adapter: it is running.");
}

TEST_F(AskedAdaptersTest, AllThatIsWrongIsToldWithTheCodeOfTheWorst) {
  Add("job-running");
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].jobId no_adapter"));
  EXPECT_EQ(error_.code, ErrorCode::kFailedPrecondition);
  Add("job-none");
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].jobId no_adapter",
                                      "composition.adapters[1].jobId not_found"));
  EXPECT_EQ(error_.code, ErrorCode::kNotFound);
  Add("job-a");
  Add("job-other");
  Add("job-a");
  composition().clear_method();
  request_.set_job_id("job-b");
  EXPECT_THAT(Findings(), ElementsAre("composition conflict", "composition.method required",
                                      "composition.adapters[0].jobId no_adapter",
                                      "composition.adapters[1].jobId not_found",
                                      "composition.adapters[3].jobId other_model",
                                      "composition.adapters[4].jobId duplicate_value"));
  EXPECT_EQ(error_.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error_.findings[4].message, HasSubstr("base model large"));
}

TEST_F(AskedAdaptersTest, AWholeModelIsNoPartOfAnything) {
  Add("job-full");
  EXPECT_THAT(Findings(), IsEmpty()) << "alone and whole it is what the job trained";
  composition().mutable_adapters(0)->set_weight(0.5);
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].jobId whole_model"));
  composition().mutable_adapters(0)->clear_weight();
  Add("job-a");
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].jobId whole_model"));
}

TEST_F(AskedAdaptersTest, APrefixTakesPartOrNot) {
  composition().set_method(v1::COMPOSITION_METHOD_GATED);
  v1::ComposedAdapter& prefix = Add("job-prefix");
  Add("job-a").set_weight(0.3);
  EXPECT_THAT(Findings(), IsEmpty());
  for (const double whole : {0.0, 1.0}) {
    prefix.set_weight(whole);
    EXPECT_THAT(Findings(), IsEmpty());
  }
  prefix.set_weight(0.5);
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].weight prefix_weight"));
  prefix.clear_weight();
  prefix.add_weights(1);
  prefix.add_weights(1);
  EXPECT_THAT(Findings(), IsEmpty());
  prefix.set_weights(1, 0);
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].weights prefix_weight"));
}

TEST_F(AskedAdaptersTest, WeightsOfLayersAreForAGateAndAsManyAsThereAreLayers) {
  v1::ComposedAdapter& gated = Add("job-a");
  gated.add_weights(0.5);
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].weights conflict"));
  composition().set_method(v1::COMPOSITION_METHOD_GATED);
  EXPECT_THAT(Findings(), IsEmpty()) << "one for all layers";
  gated.add_weights(0.5);
  EXPECT_THAT(Findings(), IsEmpty());
  gated.add_weights(0.5);
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].weights wrong_count"));
  EXPECT_THAT(error_.findings[0].expected, HasSubstr("2 weights, one for each layer of tiny"));
  request_.set_model("never seen");
  EXPECT_THAT(Findings(), IsEmpty()) << "nobody knows how many it has";
  gated.set_weight(1);
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0] conflict"));
  gated.Clear();
  gated.set_job_id("job-a");
  gated.set_head_weight(0);
  EXPECT_THAT(Findings(), IsEmpty());
  composition().set_method(v1::COMPOSITION_METHOD_SEQUENTIAL);
  EXPECT_THAT(Findings(), ElementsAre("composition.adapters[0].headWeight conflict"));
}

TEST_F(AskedAdaptersTest, OfTooManyNoneIsLookedAt) {
  for (int i = 0; i < 33; ++i) Add("job-none");
  EXPECT_THAT(Findings(), IsEmpty()) << "that there are too many, their description says";
  composition().mutable_adapters()->RemoveLast();
  EXPECT_EQ(Findings().size(), 32U);
}

TEST_F(AskedAdaptersTest, AStoreThatIsAwayIsAnErrorOfItsOwn) {
  facts_.method_of = [](const domain::Job&) -> Result<v1::MethodType> {
    return Failure(ErrorCode::kUnavailable, "the store is away");
  };
  Add("job-a");
  Refusals refusals;
  EXPECT_EQ(FindAdapters(request_, facts_, refusals).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace lathe::api
