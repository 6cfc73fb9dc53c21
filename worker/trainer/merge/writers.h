#pragma once
// The two forms of an export. Private to this room.

#include "worker/trainer/formats/gguf_writer.h"
#include "worker/trainer/merge/tensors.h"

namespace lathe::trainer::merge {

/// A Hugging Face folder: safetensors in shards, config.json, and the tokenizer's files, unchanged
/// or made from a GGUF file's metadata.
Status WriteFolder(const MergeOptions& options, const model::ModelFile& source,
                   const adapters::MergedWeights& merged);

/// One GGUF file.
Result<Notes> WriteGguf(const MergeOptions& options, const model::ModelFile& source,
                        const adapters::MergedWeights& merged);

/// What a GGUF file says of a Hugging Face folder's model, the tokenizer included; kInvalidArgument
/// for an architecture or a tokenizer that has no spelling there.
struct FolderMetadata {
  formats::GgufMetadata metadata;
  Notes notes;
};
Result<FolderMetadata> MetadataOfFolder(const std::filesystem::path& folder,
                                        const model::ModelDescription& description);

/// Adds the tokenizer's part: byte-level BPE or SentencePiece's BPE, from tokenizer.json, else from
/// tokenizer.model. A folder without either gets a vocabulary without words.
Result<Notes> AddTokenizer(const std::filesystem::path& folder,
                           const model::ModelDescription& description,
                           formats::GgufMetadata& metadata);

}  // namespace lathe::trainer::merge
