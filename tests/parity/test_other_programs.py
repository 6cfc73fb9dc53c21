"""What Lathe writes, in the programs that it is written for.

- adapters with DoRA, on a plain and on a quantised base, and with trained biases: PEFT's logits;
- a weighted sum of adapters: the logits of PEFT's add_weighted_adapter; adapters in sequence: those of
  PEFT's merge_and_unload, one after the other;
- a merged folder: transformers' logits, and the answers that its generate() gives;
- a merged GGUF file: gguf reads its metadata, llama.cpp gives the same likeliest tokens.

Skipped, with the reason, where the Python environments are absent:
  python3 -m venv ~/.cache/lathe/peft  && ~/.cache/lathe/peft/bin/pip install torch==2.13.0 \\
      transformers==5.23.0 peft==0.21.2 gguf==0.19.0
  python3 -m venv ~/.cache/lathe/llama && ~/.cache/lathe/llama/bin/pip install --no-deps \\
      xllamacpp==2026.10.11549
"""
import gzip
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import textwrap
import unittest

SOURCE = pathlib.Path(os.environ["LATHE_SOURCE_DIR"])
TRAINER = pathlib.Path(os.environ["LATHE_BINARY_DIR"]) / "lathe-trainer"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "lathe"
GOLDEN = SOURCE / "tests/golden"
DEMO = CACHE / "models/smollm2-135m-instruct.gguf"

COMPARE = """
    import json, sys, torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)
    for job in json.load(open(sys.argv[1])):
        model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
        if job.get("adapter"):
            from peft import PeftModel
            model = PeftModel.from_pretrained(model, job["adapter"])
        if job.get("sum"):
            from peft import PeftModel
            names = [f"a{i}" for i in range(len(job["sum"]))]
            for name, (folder, _) in zip(names, job["sum"]):
                if name == "a0":
                    model = PeftModel.from_pretrained(model, folder, adapter_name=name)
                else:
                    model.load_adapter(folder, adapter_name=name)
            weights = [weight for _, weight in job["sum"]]
            model.add_weighted_adapter(names, weights, "sum", combination_type="cat")
            model.set_adapter("sum")
        for folder in job.get("chain", []):
            from peft import PeftModel
            model = PeftModel.from_pretrained(model, folder).merge_and_unload()
        given = load_file(job["input"])
        mask = given["attention_mask"].long()
        with torch.no_grad():
            logits = model(input_ids=given["input_ids"].long(), attention_mask=mask).logits
        distance = (logits - load_file(job["logits"])["logits"]).abs()[mask.bool()].max()
        print(job["name"], float(distance))
"""

ANSWER = """
    import json, sys, torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    given = tokenizer.apply_chat_template([{"role": "user", "content": sys.argv[2]}],
                                          add_generation_prompt=True, return_tensors="pt",
                                          return_dict=True)
    said = model.generate(**given, max_new_tokens=40, do_sample=False,
                          repetition_penalty=float(sys.argv[3]))
    print(tokenizer.decode(said[0, given["input_ids"].shape[1]:], skip_special_tokens=True))
"""

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

READ_LOGITS = """
    import json, sys
    from safetensors.torch import load_file
    ids = load_file(sys.argv[1])["input_ids"][0].tolist()
    values = load_file(sys.argv[2])["logits"][0].log_softmax(-1)
    positions = json.loads(sys.argv[3])
    top = [values[at].topk(5) for at in positions]
    print(json.dumps({"ids": ids, "top": [list(zip(t.indices.tolist(), t.values.tolist()))
                                          for t in top]}))
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


def trainer(*arguments):
    subprocess.run([str(TRAINER), *map(str, arguments)], check=True, timeout=300)


class OtherPrograms(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def python(self, environment, script, *arguments):
        program = CACHE / environment / "bin/python"
        if not program.exists():
            self.skipTest(f"there is no Python at {program}")
        answer = subprocess.run([str(program), "-c", textwrap.dedent(script), *map(str, arguments)],
                                capture_output=True, text=True, timeout=400, check=False,
                                env={**os.environ, "HF_HUB_OFFLINE": "1"})
        self.assertEqual(answer.returncode, 0, answer.stderr[-2000:])
        return answer.stdout

    def train(self, name, model, method):
        """A short run on token ids; the folder of its adapter."""
        folder = self.folder / name
        folder.mkdir()
        rows = [{"input_ids": ids, "labels": ids}
                for ids in ([(row * 31 + i * 7) % 500 + 5 for i in range(20)] for row in range(8))]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "plan.json").write_text(json.dumps({
            "planVersion": 1, "jobId": name, "attempt": 1, "device": "cpu",
            "configuration": {
                "model": {"baseModel": model.name, "precision": "fp32"},
                "datasets": {"format": "tokenized", "shuffle": False, "trainSplit": 1.0},
                "method": method,
                "schedule": {"maxSteps": 6, "batchSize": 2, "evaluations": 0},
                "optimizer": {"name": "adamw", "learningRate": 0.02}},
            "paths": {"baseModel": str(model), "train": str(folder / "rows.jsonl"),
                      "validation": None, "output": str(folder / "out"), "initAdapter": None},
            "distributed": {"worldSize": 1}}))
        trainer("run", folder / "plan.json")
        return folder / "out/adapter"

    def compare(self, jobs):
        """PEFT's logits, or those of transformers, with ours."""
        (self.folder / "jobs.json").write_text(json.dumps(jobs))
        lines = self.python("peft", COMPARE, self.folder / "jobs.json").splitlines()
        self.assertEqual(len(lines), len(jobs))
        for line in lines:
            self.assertLess(float(line.split()[1]), 1e-4, line)

    def test_peft_and_transformers_compute_the_same(self):
        if not (CACHE / "peft/bin/python").exists():
            self.skipTest("there is no Python with PEFT")
        jobs = []
        for name, base, lora in [
                ("dora", "llama_tiny", {"useDora": True}),
                ("dora_rslora", "qwen2_tiny", {"useDora": True, "useRslora": True}),
                ("bias_all", "qwen2_tiny", {"bias": "all", "trainableModules": "q_proj,o_proj"}),
                ("bias_only", "qwen2_tiny", {"bias": "lora_only"})]:
            model = GOLDEN / "models" / base
            adapter = self.train(name, model, {
                "type": "lora", "loraConfig": {"rank": 4, "alpha": 8, **lora}})
            logits = self.folder / f"{name}.safetensors"
            given = model / "logits.safetensors"
            trainer("logits", model, given, logits, "--adapter", adapter)
            jobs.append({"name": name, "model": str(model), "adapter": str(adapter),
                         "input": str(given), "logits": str(logits)})
            merged = self.folder / f"{name}_merged"
            trainer("merge", model, "--adapter", adapter, "--output", merged)
            jobs.append({**jobs[-1], "name": name + "_merged", "model": str(merged),
                         "adapter": None})
        self.compare(jobs)

    def test_peft_adds_up_the_same(self):
        if not (CACHE / "peft/bin/python").exists():
            self.skipTest("there is no Python with PEFT")
        jobs = []
        for base in ("llama_tiny", "qwen2_tiny"):
            model = GOLDEN / "models" / base
            first = self.train(f"{base}_first", model, {
                "type": "lora", "loraConfig": {"rank": 4, "alpha": 8}})
            second = self.train(f"{base}_second", model, {
                "type": "lora", "loraConfig": {"rank": 2, "alpha": 6, "useRslora": True,
                                               "trainableModules": "q_proj,down_proj"}})
            given = model / "logits.safetensors"
            for weights in ((1, 1), (0.5, -0.75)):
                name = f"{base}_{len(jobs)}"
                logits = self.folder / f"{name}.safetensors"
                trainer("logits", model, given, logits, "--compose",
                        f"additive:{first}={weights[0]},{second}={weights[1]}")
                jobs.append({"name": name, "model": str(model), "input": str(given),
                             "sum": [[str(first), weights[0]], [str(second), weights[1]]],
                             "logits": str(logits)})
        self.compare(jobs)

    def test_peft_merges_one_after_the_other_the_same(self):
        if not (CACHE / "peft/bin/python").exists():
            self.skipTest("there is no Python with PEFT")
        model = GOLDEN / "models/qwen2_tiny"
        given = model / "logits.safetensors"
        plain = self.train("plain", model, {"type": "lora", "loraConfig": {"rank": 4, "alpha": 8}})
        dora = self.train("dora", model, {
            "type": "lora", "loraConfig": {"rank": 2, "alpha": 6, "useDora": True}})
        biases = self.train("biases", model, {
            "type": "lora", "loraConfig": {"rank": 2, "alpha": 4, "bias": "lora_only",
                                           "useDora": True, "trainableModules": "q_proj,v_proj"}})
        jobs = []
        for chain in ([plain, dora, biases], [biases, dora, plain]):
            logits = self.folder / f"chain{len(jobs)}.safetensors"
            trainer("logits", model, given, logits, "--compose",
                    "sequential:" + ",".join(map(str, chain)))
            jobs.append({"name": f"chain{len(jobs)}", "model": str(model), "input": str(given),
                         "chain": list(map(str, chain)), "logits": str(logits)})
        self.compare(jobs)

    def test_transformers_gives_the_same_answers(self):
        if not DEMO.exists():
            self.skipTest(f"the demo model is not at {DEMO}")
        if not (CACHE / "peft/bin/python").exists():
            self.skipTest("there is no Python with PEFT")
        merged = self.folder / "merged"
        trainer("merge", DEMO, "--adapter", GOLDEN / "demo_adapter/adapter", "--output", merged,
                "--precision", "fp32")
        question = "Tell me about the moon and the sun, and the moon again."
        answers = set()
        for penalty in ("1", "1.3"):
            ours = subprocess.run(
                [str(TRAINER), "generate", str(merged), "--max-tokens", "40",
                 "--repetition-penalty", penalty], input=question, capture_output=True, text=True,
                check=True, timeout=300).stdout.strip()
            self.assertEqual(self.python("peft", ANSWER, merged, question, penalty).strip(), ours)
            answers.add(ours)
        self.assertEqual(len(answers), 2, "the penalty changes nothing here")

    def test_llama_cpp_computes_the_same(self):
        if not DEMO.exists():
            self.skipTest(f"the demo model is not at {DEMO}")
        for environment in ("peft", "llama"):
            if not (CACHE / environment / "bin/python").exists():
                self.skipTest(f"there is no Python at {CACHE / environment}")
        adapter = GOLDEN / "demo_adapter/adapter"
        given = GOLDEN / "demo_adapter/input.safetensors"
        merged = self.folder / "merged.gguf"
        trainer("merge", DEMO, "--adapter", adapter, "--output", merged, "--format", "gguf",
                "--precision", "fp32")
        described = self.python("peft", READ_GGUF, merged).split("\n")
        self.assertEqual(described[:3], ["llama", "smollm", "49152"])
        logits = self.folder / "logits.safetensors"
        trainer("logits", DEMO, given, logits, "--adapter", adapter)
        self.compare_with_llama_cpp(merged, given, logits, [10, 25, 40], 0.01)

    def test_llama_cpp_computes_the_same_of_each_family(self):
        for environment in ("peft", "llama"):
            if not (CACHE / environment / "bin/python").exists():
                self.skipTest(f"there is no Python at {CACHE / environment}")
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
                self.compare_with_llama_cpp(merged, given, logits, [14, 18, 23], 0.02)

    def test_llama_cpp_reads_sentencepiece_tokenizers_as_they_were(self):
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
                printed = self.python("llama", TOKENIZE, merged, texts)
                for (text, ids), got in zip(wanted, json.loads(printed.split("ANSWER ")[1])):
                    self.assertEqual(got, ids, text)

    def compare_with_llama_cpp(self, merged, given, logits, positions, tolerance):
        ours = json.loads(self.python("peft", READ_LOGITS, given, logits, json.dumps(positions)))
        prompts = [ours["ids"][:at + 1] for at in positions]
        printed = self.python("llama", GENERATE, merged, json.dumps(prompts))
        theirs = json.loads(printed.split("ANSWER ")[1])
        for mine, other in zip(ours["top"], theirs):
            self.assertEqual([token for token, _ in mine], [token for token, _ in other])
            for (_, a), (_, b) in zip(mine, other):
                self.assertAlmostEqual(a, b, delta=tolerance)


if __name__ == "__main__":
    unittest.main()
