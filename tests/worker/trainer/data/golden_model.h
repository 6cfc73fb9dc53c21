#pragma once
// A text model of the recorded tokenizers and templates.

#include <string>

#include "tests/worker/trainer/tokenizer/golden.h"
#include "worker/trainer/data/text_model.h"

namespace lathe::trainer::data {

/// `which` is "chat_template", "training_template", or empty for a model without a template.
inline TextModel GoldenModel(const std::string& name, const std::string& which) {
  tokenizer::ModelTokenizer model{tokenizer::LoadGoldenTokenizer(name), std::nullopt, "",
                                  "<|im_end|>"};
  if (!which.empty()) {
    model.chat_template = tokenizer::GoldenChats(name)[which].get<std::string>();
  }
  tokenizer::SpecialIds ids;
  ids.eos = model.tokenizer.IdOf("<|im_end|>");
  model.tokenizer.SetSpecialIds(ids);
  return TextModel::Create(std::move(model), {}).value();
}

}  // namespace lathe::trainer::data
