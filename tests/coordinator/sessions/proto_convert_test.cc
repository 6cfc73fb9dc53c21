#include "coordinator/sessions/proto_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lathe::sessions {
namespace {

TEST(ProtoConvert, NodesAreChecked) {
  v1::Registration registration;
  registration.set_node_id("node-1.example_x");
  registration.add_models("b");
  registration.add_models("a");
  registration.add_models("b");
  EXPECT_THAT(ToDescription(registration).value().models, testing::ElementsAre("a", "b"));
  for (const std::string& id : {std::string(), std::string("a b"), std::string("../x"),
                                std::string(129, 'a'), std::string("a\n")}) {
    registration.set_node_id(id);
    EXPECT_EQ(ToDescription(registration).error().code, ErrorCode::kInvalidArgument) << id;
  }
}

TEST(ProtoConvert, ReportsAreChecked) {
  v1::AttemptReport report;
  report.set_job_id("job-1");
  EXPECT_FALSE(ToReport(report)) << "no phase";
  report.set_phase(v1::ATTEMPT_PHASE_FAILED);
  EXPECT_EQ(ToReport(report).value().failure_class, domain::FailureClass::kFault);
  report.set_failure_class(v1::FAILURE_CLASS_USER);
  EXPECT_EQ(ToReport(report).value().failure_class, domain::FailureClass::kUser);
  auto* file = report.mutable_checkpoint()->add_files();
  file->set_path("../escape");
  file->mutable_blob()->set_sha256(std::string(64, 'a'));
  EXPECT_EQ(ToReport(report).error().code, ErrorCode::kInvalidArgument);
}

TEST(ProtoConvert, AStartIsFullyResolved) {
  runtime::StartOrder order;
  order.start.spec.id = domain::JobId("job-1");
  order.start.spec.base_model = "tiny";
  order.start.spec.resources.cpu_slots = 1;
  order.start.attempt = domain::AttemptNumber(3);
  order.start.gpus = {};
  order.configuration = R"({"model":{"baseModel":"tiny"}})";
  order.reported_step = 17;
  domain::NodeResources node;
  node.cpu_slots = 2;
  node.cpu_cores = 8;
  const auto start = ToMessage(order, node).value().start_attempt();
  EXPECT_EQ(start.attempt(), 3U);
  EXPECT_EQ(start.cpu_threads(), 4U);
  EXPECT_EQ(start.reported_step(), 17U);
  EXPECT_FALSE(start.has_validation());
  EXPECT_THAT(start.configuration_json(), testing::HasSubstr("\"epochs\":3"));
  order.configuration =
      R"({"integrations":{"wandb":{"apiKey":"lathe-sealed:v1:k:x","project":"p"}}})";
  const auto bare = ToMessage(order, node).value().start_attempt().configuration_json();
  EXPECT_THAT(bare, testing::HasSubstr("\"project\":\"p\""));
  EXPECT_THAT(bare, testing::Not(testing::HasSubstr("apiKey")));
  order.configuration = "{";
  EXPECT_EQ(ToMessage(order, node).error().code, ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace lathe::sessions
