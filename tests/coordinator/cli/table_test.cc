#include "coordinator/cli/output/table.h"

#include <gtest/gtest.h>

namespace lathe::cli {
namespace {

TEST(Table, AlignsColumnsAndNeverPadsTheLast) {
  Table table({{"ID"}, {"STEPS", Align::kRight}, {"REASON"}});
  table.AddRow({"job-1", "7", "waiting"});
  table.AddRow({"job-größer", "1200", ""});
  EXPECT_EQ(table.Render(),
            "ID          STEPS  REASON\n"
            "job-1           7  waiting\n"
            "job-größer   1200  -\n");
}

TEST(Table, CutsToTheTerminal) {
  Table table({{"ID"}, {"REASON"}});
  table.AddRow({"job-1", "a rather long reason"});
  EXPECT_EQ(table.Render(14), "ID     REASON\njob-1  a rath…\n");
}

TEST(Table, ALineBreakInAValueStaysInItsRow) {
  Table table({{"MESSAGE"}});
  table.AddRow({"one\ntwo"});
  EXPECT_EQ(table.Render(), "MESSAGE\none two\n");
}

}  // namespace
}  // namespace lathe::cli
