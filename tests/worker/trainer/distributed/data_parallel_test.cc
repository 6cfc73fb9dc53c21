// Several real processes train one job: as one process does, whatever their number, and together
// to the end of each.

#include "tests/worker/trainer/distributed/several_processes.h"

namespace lathe::parity {
namespace {

using DataParallel = SeveralProcesses;

TEST_F(DataParallel, TheGlobalBatchDecidesHoweverItIsCut) {
  Train("whole", Configuration(16, 1), 1);
  Train("small", Configuration(2, 8), 1);
  ExpectLike("whole", "small");
  Train("two", Configuration(8, 2), 2);
  ExpectLike("whole", "two");
  Train("four", Configuration(16, 1), 4);  // One micro-batch, cut among four.
  ExpectLike("whole", "four");
  // One process writes, and each step once.
  EXPECT_EQ(Events("four", "started").size(), 1U);
  EXPECT_EQ(Events("four", "started")[0]["processes"], 4);
  EXPECT_EQ(Events("four", "succeeded").size(), 1U);
}

TEST_F(DataParallel, DropoutIsDrawnByMicroBatch) {
  Json configuration = Configuration(4, 4);
  configuration["method"]["loraConfig"]["dropout"] = 0.2;
  Train("one", configuration, 1);
  Train("two", configuration, 2);
  ExpectLike("one", "two");
}

TEST_F(DataParallel, PreferencesAreTheSameToo) {
  std::ofstream out(root() / "train.jsonl");
  for (int row = 0; row < 20; ++row) {
    Json answer = Json::array();
    for (int i = 0; i < 3 + row % 4; ++i) answer.push_back((row * 17 + i * 3) % 250);
    out << Json{{"prompt_ids", {row, 7, 9}}, {"chosen_ids", answer}, {"rejected_ids", {260, row}}}
               .dump()
        << "\n";
  }
  out.close();
  Json configuration = Configuration(4, 2);
  configuration["datasets"] = {{"trainSplit", 0.8}};
  configuration["objective"] = {{"type", "dpo"}};
  Train("one", configuration, 1);
  Train("two", configuration, 2);
  ExpectLike("one", "two");
  EXPECT_EQ(*ReadFile(root() / "one/reference.safetensors"),
            *ReadFile(root() / "two/reference.safetensors"));
}

TEST_F(DataParallel, ASignalToOneStopsAllAndAnyNumberGoesOn) {
  Json configuration = Configuration(4, 4);
  configuration["schedule"]["maxSteps"] = 30;
  configuration["optimizer"]["learningRate"] = 1e-4;
  Train("whole", configuration, 2);
  const auto stop = [&](const std::string& output) {
    auto children = Start(WritePlan(output, configuration), 2);
    WaitForSteps(output, 5);
    children[1].Signal(SIGTERM);
    ASSERT_EQ(Codes(children), (std::vector<int>{75, 75}));
    EXPECT_EQ(Events(output, "interrupted").size(), 1U);
  };
  stop("again");
  Train("again", configuration, 2);
  EXPECT_EQ(Adapter("again"), Adapter("whole"));  // The same number: the same bits.
  stop("fewer");
  Train("fewer", configuration, 1);
  ExpectLike("whole", "fewer");
}

TEST_F(DataParallel, WhenOneDiesTheOthersLeaveWithAFault) {
  Json configuration = Configuration(2, 2);
  configuration["schedule"]["maxSteps"] = 100000;
  auto children = Start(WritePlan("dead", configuration), 3);
  WaitForSteps("dead", 3);
  children[2].Signal(SIGKILL);
  for (int rank : {0, 1}) {
    const auto status = children[static_cast<std::size_t>(rank)].WaitFor(60s);
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(status->code, 1);
  }
  EXPECT_EQ(children[2].Wait().signal, SIGKILL);
  const auto failed = Events("dead", "failed");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_NE(failed[0]["message"].get<std::string>().find("has lost the others"), std::string::npos);
}

TEST_F(DataParallel, AHangingOneIsGivenUpInTime) {
  Json configuration = Configuration(2, 2);
  configuration["schedule"]["maxSteps"] = 100000;
  auto children = Start(WritePlan("hung", configuration), 2, {.timeout = "10"});
  WaitForSteps("hung", 2);
  children[1].Signal(SIGSTOP);
  const auto status = children[0].WaitFor(120s);
  children[1].Signal(SIGKILL);
  children[1].Wait();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 1);
}

TEST_F(DataParallel, AnEnvironmentThatIsWrongIsRefused) {
  auto child =
      ChildProcess::Start({.program = fs::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-trainer",
                           .arguments = {"run", WritePlan("wrong", Configuration(2, 2))},
                           .environment = {{"WORLD_SIZE", "2"}, {"RANK", "5"}},
                           .working_directory = {}});
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->Wait().code, 6);
}

}  // namespace
}  // namespace lathe::parity
