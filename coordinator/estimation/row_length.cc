#include "coordinator/estimation/row_length.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace lathe::estimation {
namespace {

using nlohmann::json;

bool IsOneOf(const std::string& key, std::initializer_list<const char*> keys) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// A message's speaker: `role`, or `from` in the ShareGPT form.
std::string SpeakerOf(const json& message) {
  for (const char* key : {"role", "from"}) {
    if (const auto found = message.find(key); found != message.end() && found->is_string()) {
      return found->get<std::string>();
    }
  }
  return "";
}

class Walker {
 public:
  /// `answer`: what stands here is what the model is to say. `share`: of one sequence.
  void Walk(const json& value, bool answer, double share) {
    if (value.is_string()) {
      const double bytes = share * static_cast<double>(value.get_ref<const std::string&>().size());
      length.text_bytes += bytes;
      if (answer) length.answer_bytes += bytes;
    } else if (value.is_array()) {
      for (const json& item : value) Walk(item, answer, share);
    } else if (value.is_object()) {
      WalkObject(value, answer, share);
    }
  }

  RowLength length;

 private:
  void WalkObject(const json& object, bool answer, double share) {
    const std::string speaker = SpeakerOf(object);
    const bool theirs = answer || IsOneOf(speaker, {"assistant", "gpt", "model"});
    if (!speaker.empty()) length.messages += share;
    for (const auto& [key, value] : object.items()) {
      if (IsOneOf(key, {"role", "from", "id"})) continue;
      // Both answers of a pair share the prompt: each sequence has one of them.
      const double part = IsOneOf(key, {"chosen", "rejected"}) ? share / 2 : share;
      const bool said = IsOneOf(key, {"completion", "output", "response"}) ||
                        (IsOneOf(key, {"chosen", "rejected"}) && value.is_string());
      Walk(value, theirs || said, part);
    }
  }
};

}  // namespace

RowLength MeasureRow(std::string_view line) {
  const json row = json::parse(line, nullptr, false);
  Walker walker;
  if (row.is_object()) {
    const auto ids = row.find("input_ids");
    if (ids != row.end() && ids->is_array()) {
      walker.length.tokens = static_cast<double>(ids->size());
    }
    walker.Walk(row, false, 1);
  }
  if (walker.length.text_bytes == 0) walker.length.text_bytes = static_cast<double>(line.size());
  return walker.length;
}

}  // namespace lathe::estimation
