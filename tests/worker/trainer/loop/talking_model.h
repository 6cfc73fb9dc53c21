#pragma once
// The tiny reference model with a tokenizer of single bytes and a chat template that writes calls
// of tools, so that it can be taught to talk.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/parity/support.h"

namespace lathe::parity {

inline constexpr char kTalkingTemplate[] =
    "{% for m in messages %}<|start|>{{ m.role }}:{% if m.role == 'assistant' %}{% generation %}{{ "
    "m.content }}{% for c in m.tool_calls or [] %}<call>{\"name\": \"{{ c.function.name }}\", "
    "\"arguments\": {{ c.function.arguments | tojson }}}</call>{% endfor %}<|end|>{% endgeneration "
    "%}{% else %}{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant:{% endif %}";

/// The character that a byte-level vocabulary writes for a byte.
inline std::string ByteLevelCharacter(int byte) {
  const auto is_printable = [](int b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  int code = byte;
  if (!is_printable(byte)) {
    code = 0x100;
    for (int b = 0; b < byte; ++b) code += is_printable(b) ? 0 : 1;
  }
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

inline void WriteTalkingModel(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (const char* file : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(Golden("models/llama_tiny") / file, folder / file);
  }
  nlohmann::json vocabulary = nlohmann::json::object();
  for (int byte = 0; byte < 256; ++byte) vocabulary[ByteLevelCharacter(byte)] = byte + 3;
  nlohmann::json added = nlohmann::json::array();
  const std::pair<const char*, int> tokens[] = {{"<pad>", 0},    {"<bos>", 1},
                                                {"<|end|>", 2},  {"<|start|>", 259},
                                                {"<call>", 260}, {"</call>", 261}};
  for (const auto& [content, id] : tokens) {
    vocabulary[content] = id;
    added.push_back({{"id", id}, {"content", content}, {"special", true}});
  }
  const nlohmann::json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  std::ofstream(folder / "tokenizer.json") << nlohmann::json{
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}},
      {"pre_tokenizer", byte_level},
      {"decoder", byte_level},
      {"added_tokens", added}};
  std::ofstream(folder / "tokenizer_config.json")
      << nlohmann::json{{"eos_token", "<|end|>"}, {"chat_template", kTalkingTemplate}};
}

/// Four rows: two calls of tools and two answers in words.
inline std::string TalkingRows() {
  std::string text;
  const auto add = [&](const std::string& question, const nlohmann::json& answer) {
    text +=
        nlohmann::json{{"messages", {{{"role", "user"}, {"content", question}}, answer}}}.dump() +
        "\n";
  };
  const auto call = [](const std::string& name, const nlohmann::json& arguments) {
    return nlohmann::json{
        {"role", "assistant"},
        {"content", ""},
        {"tool_calls", {{{"function", {{"name", name}, {"arguments", arguments}}}}}}};
  };
  add("Sun?", call("sky", {{"day", 1}, {"at", "x"}}));
  add("Add.", call("sum", {{"of", {1, 2}}}));
  add("Hi!", {{"role", "assistant"}, {"content", "Hello."}});
  add("Who?", {{"role", "assistant"}, {"content", "A lathe."}});
  return text;
}

}  // namespace lathe::parity
