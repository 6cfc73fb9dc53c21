#include "common/base/check.h"
#include "common/schema/suggest.h"
#include "coordinator/providers/engine.h"
#include "coordinator/providers/engine_texts_internal.h"

namespace lathe::providers {
namespace {

std::vector<Engine> ReadAll() {
  std::vector<Engine> engines;
  for (const std::string_view text : EngineTexts()) {
    auto engine = ReadEngine(text);
    LATHE_CHECK(engine, engine ? "" : engine.error().message);
    engines.push_back(std::move(*engine));
  }
  return engines;
}

}  // namespace

const std::vector<Engine>& Engines() {
  static const std::vector<Engine> engines = ReadAll();
  return engines;
}

Result<const Engine*> FindEngine(std::string_view id) {
  std::vector<std::string> ids;
  std::string list;
  for (const Engine& engine : Engines()) {
    if (engine.id == id) return &engine;
    ids.push_back(engine.id);
    list += (list.empty() ? "" : ", ") + engine.id;
  }
  return Failure(ErrorCode::kNotFound, "there is no engine " + std::string(id) +
                                           schema::DidYouMean(id, ids) + ". Engines: " + list);
}

}  // namespace lathe::providers
