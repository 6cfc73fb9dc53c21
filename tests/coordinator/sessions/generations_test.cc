#include "coordinator/sessions/generations.h"

#include <gtest/gtest.h>

namespace lathe::sessions {
namespace {

using std::chrono::milliseconds;

v1::GenerateChunk Chunk(const std::string& id, const std::string& text) {
  v1::GenerateChunk chunk;
  chunk.set_generation_id(id);
  chunk.set_text(text);
  return chunk;
}

TEST(Generations, DeliverOnlyFromTheirSession) {
  Generations generations;
  const GenerationPtr one = generations.Begin(domain::SessionId(1));
  generations.Deliver(domain::SessionId(2), Chunk(one->id(), "forged"));
  generations.Deliver(domain::SessionId(1), Chunk("generation-99", "unknown"));
  generations.Deliver(domain::SessionId(1), Chunk(one->id(), "own"));
  v1::GenerateChunk chunk;
  ASSERT_TRUE(one->Take(chunk, milliseconds(0)));
  EXPECT_EQ(chunk.text(), "own");
  EXPECT_FALSE(one->Take(chunk, milliseconds(0)));
  EXPECT_EQ(generations.Count(domain::SessionId(1)), 1U);
  generations.End(one);
  EXPECT_EQ(generations.Count(domain::SessionId(1)), 0U);
}

TEST(Generations, ALostSessionFailsItsOwn) {
  Generations generations;
  const GenerationPtr lost = generations.Begin(domain::SessionId(1));
  const GenerationPtr kept = generations.Begin(domain::SessionId(2));
  generations.FailAll(domain::SessionId(1));
  v1::GenerateChunk chunk;
  ASSERT_TRUE(lost->Take(chunk, milliseconds(0)));
  EXPECT_EQ(chunk.error().code(), "unavailable");
  EXPECT_TRUE(chunk.done());
  EXPECT_FALSE(kept->Take(chunk, milliseconds(0)));
}

}  // namespace
}  // namespace lathe::sessions
