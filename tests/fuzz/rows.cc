#include "tests/fuzz/rows.h"

#include <nlohmann/json.hpp>
#include <string>

#include "tests/fuzz/memory_file.h"

namespace lathe::fuzz {
namespace {

using trainer::data::Content;
using trainer::data::Dataset;
using trainer::data::DatasetSettings;
using trainer::data::Example;
using trainer::data::TextModel;
using Json = nlohmann::json;

constexpr std::int64_t kLongest = 48;

/// ChatML, with tools in front.
constexpr char kTemplate[] =
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Every byte by its fall-back token, a few pieces, and ChatML's marks.
std::string TokenizerJson() {
  Json vocabulary = {{"<unk>", 0}};
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">"] = byte + 1;
  }
  int id = 257;
  for (const char* piece : {"a", "b", "e", "s", "t", " ", "as", "at"}) vocabulary[piece] = id++;
  Json added = Json::array();
  for (const char* mark : {"<|im_start|>", "<|im_end|>"}) {
    added.push_back({{"id", id++}, {"content", mark}, {"special", true}, {"normalized", false}});
  }
  return Json{{"added_tokens", added},
              {"normalizer", nullptr},
              {"pre_tokenizer", nullptr},
              {"post_processor", nullptr},
              {"decoder",
               {{"type", "Sequence"},
                {"decoders", Json::array({{{"type", "ByteFallback"}}, {{"type", "Fuse"}}})}}},
              {"model",
               {{"type", "BPE"},
                {"unk_token", "<unk>"},
                {"fuse_unk", true},
                {"byte_fallback", true},
                {"vocab", vocabulary},
                {"merges", {"a s", "a t"}}}}}
      .dump();
}

TextModel MakeModel() {
  auto tokenizer = trainer::tokenizer::Tokenizer::FromJson(TokenizerJson(), "tokenizer.json");
  LATHE_FUZZ_EXPECT(tokenizer);
  auto ids = tokenizer->special_ids();
  ids.eos = tokenizer->IdOf("<|im_end|>");
  tokenizer->SetSpecialIds(ids);
  auto model = TextModel::Create({std::move(*tokenizer), kTemplate, "", "<|im_end|>"}, {});
  LATHE_FUZZ_EXPECT(model);
  return std::move(*model);
}

void ExpectSound(const Dataset& dataset, const DatasetSettings& settings) {
  LATHE_FUZZ_EXPECT(!dataset.examples.empty());
  LATHE_FUZZ_EXPECT(dataset.group == (settings.content == Content::kPairs ? 2U : 1U));
  LATHE_FUZZ_EXPECT(dataset.examples.size() % dataset.group == 0);
  for (const Example& example : dataset.examples) {
    LATHE_FUZZ_EXPECT(example.tokens.size() == example.labels.size());
    LATHE_FUZZ_EXPECT(static_cast<std::int64_t>(example.tokens.size()) <= kLongest);
    LATHE_FUZZ_EXPECT(CountTargets(example) > 0);
    for (std::size_t i = 0; i < example.tokens.size(); ++i) {
      const std::int64_t label = example.labels[i];
      LATHE_FUZZ_EXPECT(example.tokens[i] >= 0 && example.tokens[i] < settings.vocabulary);
      LATHE_FUZZ_EXPECT(label < settings.vocabulary);
      LATHE_FUZZ_EXPECT(label >= 0 || label == trainer::data::kIgnoredLabel);
    }
  }
}

}  // namespace

void ReadRows(Content content, const std::uint8_t* data, std::size_t size) {
  static const TextModel model = MakeModel();
  if (size == 0) return;
  using trainer::data::LongRows;
  using trainer::data::LossOn;
  constexpr LossOn kLossOn[] = {LossOn::kFormatDefault, LossOn::kEverything, LossOn::kCompletions};
  constexpr LongRows kLongRows[] = {LongRows::kTruncate, LongRows::kDrop, LongRows::kError};
  const DatasetSettings settings{.content = content,
                                 .loss_on = kLossOn[data[0] % 3],
                                 .vocabulary = model.tokenizer().vocabulary_size(),
                                 .sequence_length = kLongest,
                                 .long_rows = kLongRows[data[0] / 3 % 3]};
  const MemoryFile file(data + 1, size - 1);
  const auto read = ReadDataset(file.path(), settings, [] { return &model; });
  if (read) {
    ExpectSound(*read, settings);
  } else {
    LATHE_FUZZ_EXPECT(!read.error().message.empty());
  }
}

}  // namespace lathe::fuzz
