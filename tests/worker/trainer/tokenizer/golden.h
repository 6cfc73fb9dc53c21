#pragma once
// The recorded tokenizers of tests/golden/tokenizers: the reference's own file, test strings with
// its ids, and conversations with its renderings.

#include <nlohmann/json.hpp>
#include <string>

#include "worker/trainer/tokenizer/tokenizer.h"

namespace lathe::trainer::tokenizer {

/// The content of tokenizer.json; `name` is a folder of tests/golden/tokenizers. A folder with a
/// parts.json is mistral_v1 with these parts instead of its own.
std::string GoldenTokenizerJson(const std::string& name);
/// The content of tokenizer.model; `name` is mistral_v1 or mistral_v3.
std::string GoldenSentencePiece(const std::string& name);
Tokenizer LoadGoldenTokenizer(const std::string& name);
/// The same, read once a process; not thread-safe.
const Tokenizer& GoldenTokenizer(const std::string& name);
/// [{i, text, ids, ids_special, decoded}].
nlohmann::json GoldenVectors(const std::string& name);
/// {chat_template, training_template, cases: [...]}, keys in the file's order.
nlohmann::ordered_json GoldenChats(const std::string& name);

}  // namespace lathe::trainer::tokenizer
