"""What there is to know about a parameter is written in its proto option and nowhere else."""

import re

from source_tree import Violation, line_of

# Where parameters are described, and what is generated from that and compared by a test.
SCHEMA = re.compile(r"^proto/lathe/v1/\w+_configuration\.proto$")
GENERATED = {"worker/trainer/plan/parameter_table.inc", "worker/trainer/plan/generation_table.inc",
             "deploy/docs/reference/job_configuration.md", "deploy/docs/reference/generation.md"}
# What other engines accept is theirs, not a parameter's range.
FOREIGN = ("coordinator/providers/",)
# Generating text has settings of its own, some of them with a name that a parameter has too.
UNRELATED = re.compile(r"/generate\.h$")
PRODUCT = (".cc", ".h", ".cu", ".cuh", ".inc", ".md", ".lua", ".py", ".ts", ".json")

# As many characters of a help text in a row are no accident.
SAME_WORDS = 48
# Numbers that stand beside any name by chance.
COMMON_NUMBERS = {"0", "1", "2", "3", "4", "8", "10", "16", "20", "64"}
# Between a name and a number: a comparison, a clamp, an assignment, or words of a range.
COMPARED = r"\W{0,12}(?:[<>]=?|==|=|\bto\b|\bat most\b|\bat least\b|\bmax\b|\bmin\b)\s*"
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
OPTION = re.compile(r"(\w+)\s*=\s*\d+\s*\[([^;]*?\(parameter\)\s*=\s*\{.*?\n\s*\})\];", re.DOTALL)


class Described:
    """One parameter as its option says: name, texts, bounds, default."""

    def __init__(self, name, option):
        self.name = name
        self.texts = [text for key in ("help", "warning", "default_rule")
                      for text in [_joined(option, key)] if len(text) >= SAME_WORDS]
        self.numbers = {match.group(2) for match in
                        re.finditer(r"\b(min|max|warn_above|warn_below): ([\d.e+-]+)", option)}
        default = re.search(r'default_value: "([\d.e+-]+)"', option)
        if default:
            self.numbers.add(default.group(1))
        self.numbers = {number for number in self.numbers if number not in COMMON_NUMBERS}


def _joined(option, key):
    """A text that is written as several literals."""
    match = re.search(rf'\b{key}:((?:\s*"(?:[^"\\]|\\.)*")+)', option)
    return "".join(STRING.findall(match.group(1))) if match else ""


def described_parameters(tree):
    found = []
    for path in tree.files:
        if SCHEMA.match(path):
            found += [Described(name, option) for name, option in OPTION.findall(tree.read(path))]
    return found


def schema_strays(tree):
    """Ranges, defaults and help texts come from the schema; a second copy would grow stale."""
    parameters = described_parameters(tree)
    shingles = {text[start:start + SAME_WORDS]: parameter.name
                for parameter in parameters for text in parameter.texts
                for start in range(0, len(text) - SAME_WORDS + 1)}
    for path in tree.with_suffix(*PRODUCT):
        if path.startswith(("tests/",) + FOREIGN) or path in GENERATED:
            continue
        text = tree.read(path)
        yield from _copied_words(path, text, shingles)
        if not path.endswith(".md"):
            yield from _copied_numbers(path, text, parameters)


def _copied_words(path, text, shingles):
    """Every run of words of a help text, also where it is split over several literals."""
    flat = re.sub(r'"\s*\n\s*"|\s*\n\s*(?://+|#)?\s*',
                  lambda match: "" if '"' in match.group() else " ", text)
    for start in range(0, len(flat) - SAME_WORDS + 1):
        name = shingles.get(flat[start:start + SAME_WORDS])
        if name:
            line = line_of(text, max(0, text.find(flat[start:start + 12])))
            yield Violation(path, line, f"repeats what the schema says of {name}",
                            "read it from the parameter's option")
            return


def _spellings(name):
    """min_lr_ratio, minLrRatio, MinLrRatio, kMinLrRatio."""
    words = name.split("_")
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    return {name, camel, camel[0].upper() + camel[1:]}


def _copied_numbers(path, text, parameters):
    for parameter in parameters:
        for number in parameter.numbers:
            if number not in text:
                continue
            spelled = "|".join(re.escape(each) for each in _spellings(parameter.name))
            pattern = (rf"(?<![A-Za-z])k?(?:\w+\.)*(?:{spelled})(?:\(\))?{COMPARED}"
                       rf"{re.escape(number)}(?![\w.])")
            for match in [] if UNRELATED.search(path) else re.finditer(pattern, text):
                yield Violation(path, line_of(text, match.start()),
                                f"has a bound or default of {parameter.name}: {match.group()}",
                                "read it from the parameter's option")


RULES = {"schema_strays": schema_strays}
