#include "worker/trainer/merge/gguf_vocabulary.h"

namespace lathe::trainer::merge {

using Json = nlohmann::json;

Vocabulary::Vocabulary(std::int64_t size) {
  for (std::int64_t id = 0; id < size; ++id) {
    tokens.push_back("[PAD" + std::to_string(id) + "]");
    types.push_back(static_cast<std::int32_t>(PieceType::kUnused));
  }
}

Status Vocabulary::Set(std::int64_t id, std::string token, PieceType type) {
  if (id < 0 || static_cast<std::uint64_t>(id) >= tokens.size()) {
    return Failure(ErrorCode::kInvalidArgument, "the tokenizer's token " + std::to_string(id) +
                                                    " is outside the model's vocabulary of " +
                                                    std::to_string(tokens.size()));
  }
  tokens[static_cast<std::size_t>(id)] = std::move(token);
  types[static_cast<std::size_t>(id)] = static_cast<std::int32_t>(type);
  return {};
}

/// Either spelling of merges: "a b", or a list of two.
std::vector<std::string> ReadMerges(const Json& merges) {
  std::vector<std::string> list;
  for (const Json& merge : merges) {
    list.push_back(merge.is_array()
                       ? merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>()
                       : merge.get<std::string>());
  }
  return list;
}

}  // namespace lathe::trainer::merge
