// Reads SentencePiece's tokenizer.model: a protobuf message of which few fields matter here
// (sentencepiece_model.proto), so that its wire format is read by hand, with every length checked.

#include <cstring>

#include "worker/trainer/tokenizer/sentencepiece.h"
#include "worker/trainer/tokenizer/utf8.h"

namespace lathe::trainer::tokenizer {
namespace {

tl::unexpected<Error> MalformedModel(const std::string& what) {
  return Failure(ErrorCode::kDataLoss, "tokenizer.model: " + what);
}
tl::unexpected<Error> UnsupportedModel(const std::string& what) {
  return Failure(ErrorCode::kInvalidArgument, what + " is not supported");
}

/// One field of a message; numbers and floats in `number`, everything with a length in `bytes`.
struct Field {
  std::uint64_t tag = 0;
  std::uint64_t number = 0;
  std::string_view bytes;
};

class MessageReader {
 public:
  explicit MessageReader(std::string_view rest) : rest_(rest) {}

  bool AtEnd() const { return rest_.empty(); }

  Result<Field> Next() {
    LATHE_ASSIGN_OR_RETURN(const std::uint64_t key, Varint());
    Field field{.tag = key >> 3, .number = 0, .bytes = {}};
    switch (key & 7) {
      case 0: {
        LATHE_ASSIGN_OR_RETURN(field.number, Varint());
        return field;
      }
      case 1:
        return Fixed(field, 8);
      case 2: {
        LATHE_ASSIGN_OR_RETURN(const std::uint64_t size, Varint());
        if (size > rest_.size()) return MalformedModel("a field is longer than the file");
        field.bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return field;
      }
      case 5:
        return Fixed(field, 4);
      default:
        return MalformedModel("a field of an unknown kind");
    }
  }

 private:
  Result<std::uint64_t> Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return MalformedModel("it ends within a number");
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return MalformedModel("a number has more than 64 bits");
  }
  Result<Field> Fixed(Field field, std::size_t size) {
    if (size > rest_.size()) return MalformedModel("it ends within a number");
    std::memcpy(&field.number, rest_.data(), size);  // Little-endian, as the machine.
    rest_.remove_prefix(size);
    return field;
  }

  std::string_view rest_;
};

Result<Piece> ReadPiece(std::string_view message) {
  Piece piece;
  for (MessageReader reader(message); !reader.AtEnd();) {
    LATHE_ASSIGN_OR_RETURN(const Field field, reader.Next());
    if (field.tag == 1) piece.text = std::string(field.bytes);
    if (field.tag == 2) std::memcpy(&piece.score, &field.number, sizeof piece.score);
    if (field.tag == 3) piece.type = static_cast<PieceType>(field.number);
  }
  if (piece.text.empty() || !IsValidUtf8(piece.text)) {
    return MalformedModel("a piece that is empty or not UTF-8");
  }
  if (piece.type < PieceType::kNormal || piece.type > PieceType::kByte) {
    return MalformedModel("piece \"" + piece.text + "\" is of an unknown type");
  }
  return piece;
}

std::optional<std::int32_t> IdOrNone(std::uint64_t number) {
  const auto id = static_cast<std::int64_t>(number);
  if (id < 0 || id > (1 << 24)) return std::nullopt;
  return static_cast<std::int32_t>(id);
}

Status ReadTrainerSpec(std::string_view message, SentencePieceModel& model) {
  std::uint64_t type = 1;
  model.bos = 1;  // The message's defaults.
  model.eos = 2;
  for (MessageReader reader(message); !reader.AtEnd();) {
    LATHE_ASSIGN_OR_RETURN(const Field field, reader.Next());
    if (field.tag == 3) type = field.number;
    if (field.tag == 24 && field.number != 0) return UnsupportedModel("treat_whitespace_as_suffix");
    if (field.tag == 41) model.bos = IdOrNone(field.number);
    if (field.tag == 42) model.eos = IdOrNone(field.number);
    if (field.tag == 43) model.pad = IdOrNone(field.number);
  }
  if (type != 2) return UnsupportedModel("a SentencePiece model other than BPE");
  return {};
}

Status ReadNormalizerSpec(std::string_view message, SentencePieceModel& model) {
  bool removes_extra_spaces = true;
  bool escapes = true;
  for (MessageReader reader(message); !reader.AtEnd();) {
    LATHE_ASSIGN_OR_RETURN(const Field field, reader.Next());
    if (field.tag == 2 && !field.bytes.empty()) return UnsupportedModel("precompiled_charsmap");
    if (field.tag == 3) model.add_space_prefix = field.number != 0;
    if (field.tag == 4) removes_extra_spaces = field.number != 0;
    if (field.tag == 5) escapes = field.number != 0;
  }
  if (removes_extra_spaces) return UnsupportedModel("remove_extra_whitespaces");
  if (!escapes) return UnsupportedModel("a model that does not escape white space");
  return {};
}

Result<Tokenizer> Make(std::string_view bytes, const SentencePieceAdditions& additions) {
  LATHE_ASSIGN_OR_RETURN(const SentencePieceModel model, ReadSentencePieceModel(bytes));
  LATHE_ASSIGN_OR_RETURN(TokenizerParts parts, PartsOf(model));
  for (const AddedToken& added : additions.added_tokens) {
    std::erase_if(parts.added_tokens, [&](const AddedToken& t) { return t.id == added.id; });
    parts.added_tokens.push_back(added);
  }
  if (additions.add_bos && model.bos) parts.prefix.push_back(*model.bos);
  if (additions.add_eos && model.eos) parts.suffix.push_back(*model.eos);
  return Tokenizer::Create(std::move(parts));
}

}  // namespace

Result<SentencePieceModel> ReadSentencePieceModel(std::string_view bytes) {
  SentencePieceModel model;
  bool described = false;
  for (MessageReader reader(bytes); !reader.AtEnd();) {
    LATHE_ASSIGN_OR_RETURN(const Field field, reader.Next());
    if (field.tag == 1) {
      LATHE_ASSIGN_OR_RETURN(Piece piece, ReadPiece(field.bytes));
      model.pieces.push_back(std::move(piece));
    } else if (field.tag == 2) {
      described = true;
      LATHE_RETURN_IF_ERROR(ReadTrainerSpec(field.bytes, model));
    } else if (field.tag == 3) {
      LATHE_RETURN_IF_ERROR(ReadNormalizerSpec(field.bytes, model));
    }
  }
  if (!described) return MalformedModel("it does not say what kind of model it is");
  return model;
}

Result<Tokenizer> Tokenizer::FromSentencePiece(std::string_view bytes, std::string_view origin,
                                               const SentencePieceAdditions& additions) {
  auto made = Make(bytes, additions);
  if (!made) return Failure(made.error().WithContext(origin));
  return made;
}

}  // namespace lathe::trainer::tokenizer
