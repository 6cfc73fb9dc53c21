"""The request types of the providers' own Python clients, to hold our requests against."""
from __future__ import annotations

import importlib
import pathlib
import sys
import types
import typing

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "environments"))
import environments  # noqa: E402

sys.path.insert(0, str(environments.packages_of("provider_clients")))


def request_type(engine: str, path: str):
    """The client's type of the body of the request that creates a job."""
    module, name = {
        "openai": ("openai.types.fine_tuning.job_create_params", "JobCreateParams"),
        "together": ("together.lib.types.fine_tuning", "FinetuneRequest"),
        "mistral": ("mistralai.models.jobin", "JobIn"),
        "fireworks": (("fireworks.types.dpo_job_create_params", "DpoJobCreateParams")
                      if "dpoJobs" in path else
                      ("fireworks.types.supervised_fine_tuning_job_create_params",
                       "SupervisedFineTuningJobCreateParams")),
    }[engine]
    return getattr(importlib.import_module(module), name)


def problems(value, annotation, where: str = "body") -> list[str]:
    """What of `value` does not fit the type, unknown keys among it: [] when all does."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    plain = {"Required": 0, "NotRequired": 0, "Annotated": 0, "ReadOnly": 0}
    if hasattr(annotation, "__metadata__"):
        return problems(value, annotation.__origin__, where)
    if getattr(origin, "_name", None) in plain or str(origin).split(".")[-1] in plain:
        return problems(value, arguments[0], where)
    if hasattr(origin, "__value__"):  # a named alias of one type
        return problems(value, origin.__value__[arguments], where)
    if hasattr(annotation, "__value__"):  # a named alias
        return problems(value, annotation.__value__, where)
    if annotation in (typing.Any, object):
        return []
    if origin is typing.Literal:
        return [] if value in arguments else [f"{where}: {value!r} is none of {arguments}"]
    if origin in (typing.Union, types.UnionType):
        tries = [problems(value, one, where) for one in arguments]
        return min(tries, key=len)
    if origin is dict:
        return [p for k, v in value.items() for p in problems(v, arguments[1], f"{where}.{k}")]
    if origin is not None and isinstance(value, list) and arguments:
        return [p for i, v in enumerate(value) for p in problems(v, arguments[0], f"{where}[{i}]")]
    if isinstance(value, dict) and isinstance(annotation, type):
        return object_problems(value, annotation, where)
    return scalar_problems(value, annotation, where)


def fields_of(annotation) -> dict[str, tuple[object, bool]]:
    """JSON key → (type, required) of a typed dictionary or a pydantic model."""
    if hasattr(annotation, "model_fields"):
        return {field.alias or name: (field.annotation, field.is_required())
                for name, field in annotation.model_fields.items()}
    extensions = importlib.import_module("typing_extensions")
    hints = extensions.get_type_hints(annotation, include_extras=True)
    found = {}
    for name, hint in hints.items():
        text = str(hint)
        alias = name
        if "alias='" in text and "Annotated" in text.split("[")[0] + text:
            alias = text.split("alias='", 1)[1].split("'", 1)[0]
        # Required[] survives in the hint; __required_keys__ does not see it in deferred annotations.
        found[alias] = (hint, "Required[" in text and "NotRequired[" not in text)
    return found


def has_place(annotation, pointer: str) -> bool:
    """Whether an answer of this type can have something at the JSON pointer. Free-form objects have
    everything."""
    if not pointer or annotation in (typing.Any, object, dict):
        return True
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return has_place(annotation.__origin__, pointer)
    if hasattr(origin, "__value__"):  # a named alias of one type
        return has_place(origin.__value__[arguments], pointer)
    if hasattr(annotation, "__value__"):
        return has_place(annotation.__value__, pointer)
    if origin in (typing.Union, types.UnionType):
        return any(has_place(one, pointer) for one in arguments)
    if origin is dict:
        return True
    key, _, rest = pointer[1:].partition("/")
    if origin is list:
        return key.isdigit() and has_place(arguments[0], rest and "/" + rest)
    if not hasattr(annotation, "__annotations__"):
        return False
    fields = fields_of(annotation)
    return key in fields and has_place(fields[key][0], rest and "/" + rest)


def answer_type(engine: str, what: str):
    """The client's type of an answer, or of an entry of the list in it."""
    module, name = ANSWERS[engine][what]
    return getattr(importlib.import_module(module), name)


ANSWERS = {
    "openai": {"query": ("openai.types.fine_tuning.fine_tuning_job", "FineTuningJob"),
               "find": ("openai.types.fine_tuning.fine_tuning_job", "FineTuningJob"),
               "upload": ("openai.types.file_object", "FileObject"),
               "/data": ("openai.types.fine_tuning.fine_tuning_job_event", "FineTuningJobEvent")},
    "together": {"query": ("together.types.finetune_response", "FinetuneResponse"),
                 "find": ("together.types.fine_tuning_list_response", "Data"),
                 "events": ("together.types.fine_tuning_list_events_response", "FineTuningListEventsResponse"),
                 "metrics": ("together.types.fine_tuning_list_metrics_response", "FineTuningListMetricsResponse"),
                 "/data": ("together.types.finetune_event", "FinetuneEvent")},
    "mistral": {"query": ("mistralai.models.completiondetailedjobout", "CompletionDetailedJobOut"),
                "find": ("mistralai.models.completionjobout", "CompletionJobOut"),
                "upload": ("mistralai.models.uploadfileout", "UploadFileOut"),
                "/events": ("mistralai.models.eventout", "EventOut"),
                "/checkpoints": ("mistralai.models.checkpointout", "CheckpointOut")},
    "fireworks": {"query": ("fireworks.types.supervised_fine_tuning_job", "SupervisedFineTuningJob"),
                  "dpo": ("fireworks.types.dpo_job", "DpoJob")},
}


def object_problems(value: dict, annotation, where: str) -> list[str]:
    if not hasattr(annotation, "__annotations__"):
        return [f"{where}: an object, wanted {annotation}"]
    fields = fields_of(annotation)
    found = [f"{where}.{key} is unknown" for key in value if key not in fields]
    found += [f"{where}.{key} is missing" for key, (_, required) in fields.items()
              if required and key not in value]
    for key, entry in value.items():
        if key in fields:
            found += problems(entry, fields[key][0], f"{where}.{key}")
    return found


def scalar_problems(value, annotation, where: str) -> list[str]:
    if annotation is type(None):
        return [] if value is None else [f"{where}: {value!r}, wanted null"]
    if annotation is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif annotation is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif isinstance(annotation, type):
        fits = isinstance(value, annotation)
    else:
        fits = False
    return [] if fits else [f"{where}: {value!r}, wanted {annotation}"]
