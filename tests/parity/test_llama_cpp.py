"""Merged GGUF files elsewhere: gguf reads their metadata, llama.cpp gives the same likeliest tokens and
reads the tokenizers as they were."""
import gzip
import json
import math
import pathlib
import shutil
import struct
import tempfile
import unittest

from programs import DEMO, GOLDEN, peer, trainer

READ_GGUF = """
    import sys, gguf
    reader = gguf.GGUFReader(sys.argv[1])
    print(reader.get_field("general.architecture").contents())
    print(reader.get_field("tokenizer.ggml.pre").contents())
    print(len(reader.get_field("tokenizer.ggml.tokens").contents()))
    print(sorted({tensor.tensor_type.name for tensor in reader.tensors}))
"""

LLAMA = """
    import json, sys, urllib.request, xllamacpp
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.n_ctx = 512
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.port = 0
    server = xllamacpp.Server(parameters)
"""

GENERATE = LLAMA + """
    answers = []
    for prompt in json.loads(sys.argv[2]):
        answer = server.handle_completions({"prompt": prompt, "n_predict": 1, "temperature": 0,
                                            "n_probs": 5, "cache_prompt": False})
        first = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        answers.append([[entry["id"], entry["logprob"]] for entry in first])
    print("\\nANSWER " + json.dumps(answers))
"""

TOKENIZE = LLAMA + """
    answers = []
    for text in json.load(open(sys.argv[2])):
        body = json.dumps({"content": text, "add_special": False, "parse_special": True})
        request = urllib.request.Request(server.listening_address + "/tokenize", body.encode(),
                                         {"Content-Type": "application/json"})
        answers.append(json.load(urllib.request.urlopen(request, timeout=60))["tokens"])
    print("\\nANSWER " + json.dumps(answers))
"""

# The five likeliest tokens at each of the positions.
READ_LOGITS = """
    import json, sys, numpy
    from safetensors.numpy import load_file
    ids = load_file(sys.argv[1])["input_ids"][0].tolist()
    top = []
    for logits in load_file(sys.argv[2])["logits"][0][json.loads(sys.argv[3])].astype("float64"):
        values = logits - numpy.logaddexp.reduce(logits)
        top.append([[int(token), values[token]] for token in numpy.argsort(-values)[:5]])
    print(json.dumps({"ids": ids, "top": top}))
"""

# What llama.cpp does otherwise is taken out of the tiny models: Phi's window, which it ignores, and
# a scale of Gemma's scores that no real model has.
FAMILIES = {"gemma2": {"query_pre_attn_scalar": 32}, "gemma3": {}, "phi3": {"sliding_window": None},
            "smollm3": {}, "qwen3": {}}


def write_pieces(folder, size):
    """A SentencePiece vocabulary of characters; with one, llama.cpp can name the tokens it gives."""
    words = ["<unk>", "<s>", "</s>", "<|endoftext|>"]
    words += [*(f"<0x{byte:02X}>" for byte in range(10, 14)), "\u2581"]
    words += [chr(0x4E00 + i) for i in range(size - len(words))]
    pieces = {word: i for i, word in enumerate(words)}
    mark = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    (folder / "tokenizer.json").write_text(json.dumps({
        "added_tokens": [{"id": i, "content": words[i], "special": True} for i in range(4)],
        "normalizer": mark, "pre_tokenizer": None, "post_processor": None,
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                  "vocab": pieces, "merges": []}}))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}))


def write_safetensors(path, shapes):
    """Tensors of zeros."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


def write_empty_model(folder, vocabulary):
    """A Llama of zeros and an adapter that adds nothing, for a look at the tokenizer alone."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary,
        "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "rms_norm_eps": 1e-5,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "tie_word_embeddings": True}))
    layer = "model.layers.0."
    square = [f"{layer}self_attn.{name}_proj.weight" for name in "qkvo"]
    square += [f"{layer}mlp.{name}_proj.weight" for name in ("gate", "up", "down")]
    norms = ["model.norm.weight", f"{layer}input_layernorm.weight",
             f"{layer}post_attention_layernorm.weight"]
    write_safetensors(folder / "model.safetensors",
                      {"model.embed_tokens.weight": [vocabulary, 32],
                       **{name: [32, 32] for name in square}, **{name: [32] for name in norms}})
    adapter = folder / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["down_proj"]}))
    name = "base_model.model.model.layers.0.mlp.down_proj.lora_"
    write_safetensors(adapter / "adapter_model.safetensors",
                      {name + "A.weight": [1, 32], name + "B.weight": [32, 1]})


class LlamaCpp(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def compare(self, merged, given, logits, positions, tolerance):
        """The likeliest tokens after each of the positions, and how likely they are."""
        ours = json.loads(peer(READ_LOGITS, given, logits, json.dumps(positions)))
        prompts = [ours["ids"][:at + 1] for at in positions]
        theirs = json.loads(peer(GENERATE, merged, json.dumps(prompts)).split("ANSWER ")[1])
        self.assertEqual(len(theirs), len(positions))
        for mine, other in zip(ours["top"], theirs):
            self.assertEqual([token for token, _ in mine], [token for token, _ in other])
            for (_, a), (_, b) in zip(mine, other):
                self.assertAlmostEqual(a, b, delta=tolerance)

    def test_computes_the_same(self):
        adapter = GOLDEN / "demo_adapter/adapter"
        given = GOLDEN / "demo_adapter/input.safetensors"
        merged = self.folder / "merged.gguf"
        trainer("merge", DEMO, "--adapter", adapter, "--output", merged, "--format", "gguf",
                "--precision", "fp32")
        described = peer(READ_GGUF, merged).split("\n")
        self.assertEqual(described[:3], ["llama", "smollm", "49152"])
        logits = self.folder / "logits.safetensors"
        trainer("logits", DEMO, given, logits, "--adapter", adapter)
        self.compare(merged, given, logits, [10, 25, 40], 0.01)

    def test_computes_the_same_of_each_family(self):
        for family, changes in FAMILIES.items():
            with self.subTest(family):
                model = self.folder / family
                shutil.copytree(GOLDEN / f"models/{family}_tiny", model)
                config = json.loads((model / "config.json").read_text())
                (model / "config.json").write_text(json.dumps({**config, **changes}))
                write_pieces(model, config["vocab_size"])
                merged = self.folder / f"{family}.gguf"
                trainer("merge", model, "--adapter",
                        GOLDEN / f"runs/{family}_lora_all/initial_adapter", "--output", merged,
                        "--format", "gguf", "--precision", "fp32")
                given = model / "logits.safetensors"
                logits = self.folder / "logits.safetensors"
                trainer("logits", model, given, logits)
                self.compare(merged, given, logits, [14, 18, 23], 0.02)

    def test_reads_sentencepiece_tokenizers_as_they_were(self):
        forms = {"model": ("tokenizer.model", {}),
                 "metaspace": ("tokenizer.json", {"type": "Metaspace", "replacement": "\u2581",
                                                  "prepend_scheme": "first", "split": False})}
        for form, (file, pre_tokenizer) in forms.items():
            with self.subTest(form):
                model = self.folder / form
                write_empty_model(model, 32000)
                packed = GOLDEN / f"tokenizers/mistral_v1/{file}.gz"
                content = gzip.decompress(packed.read_bytes())
                vectors = "mistral_v1"
                if pre_tokenizer:
                    content = json.dumps({**json.loads(content), "normalizer": None,
                                          "pre_tokenizer": pre_tokenizer}).encode()
                    vectors = "mistral_v1_metaspaced"
                (model / file).write_bytes(content)
                (model / "tokenizer_config.json").write_text(
                    json.dumps({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}))
                merged = self.folder / f"{form}.gguf"
                trainer("merge", model, "--adapter", model / "adapter", "--output", merged,
                        "--format", "gguf")
                wanted = [(entry["text"], entry["ids"]) for entry in json.loads(
                    (GOLDEN / f"tokenizers/{vectors}/vectors.json").read_text())]
                if pre_tokenizer:  # What merge has told of.
                    wanted = [(text, ids) for text, ids in wanted
                              if not text.startswith((" ", "\u2581")) and "<s>" not in text
                              and "</s>" not in text]
                self.assertGreater(len(wanted), 100)
                texts = self.folder / "texts.json"
                texts.write_text(json.dumps([text for text, _ in wanted]))
                printed = peer(TOKENIZE, merged, texts)
                for (text, ids), got in zip(wanted, json.loads(printed.split("ANSWER ")[1])):
                    self.assertEqual(got, ids, text)


if __name__ == "__main__":
    unittest.main()
