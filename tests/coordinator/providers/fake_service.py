"""A service that fine-tunes, on loopback: answers as the engines' public references say, and holds each
request that creates a job against the type of the engine's own Python client.

    fake_service.py ADDRESS_FILE LOG_FILE [STEERING_FOLDER]

A base URL is http://127.0.0.1:PORT/SCENARIO/ENGINE. The scenario says what goes wrong; each has jobs of its
own. Every request is a line of JSON in the log.

A scenario that begins with `steered` does what stands in the file of its name in the steering folder at the
time, a JSON object: `state` of all jobs, in OpenAI's words; `steps` that they have done; `error`; `down`:
nobody answers; `upload`, `create` and `discard`: `hold` answers nothing until it stands there no more (a
created job is there meanwhile), `drop` loses the request on the way, `refuse` is a 400.
"""
from __future__ import annotations

import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse

import client_types

KEY = "test-key"


class World:
    """What the service knows, by scenario and engine."""

    def __init__(self):
        self.lock = threading.Lock()
        self.jobs: dict[tuple[str, str], list[dict]] = {}
        self.files: dict[str, str] = {}
        self.seen: dict[tuple, int] = {}

    def count(self, *key) -> int:
        """How often this was asked before."""
        with self.lock:
            self.seen[key] = self.seen.get(key, 0) + 1
            return self.seen[key] - 1


WORLD = World()
STATES = {"openai": ("running", "succeeded", "cancelled"), "together": ("running", "completed", "cancelled"),
          "mistral": ("RUNNING", "SUCCESS", "CANCELLED"),
          "fireworks": ("JOB_STATE_RUNNING", "JOB_STATE_COMPLETED", "JOB_STATE_CANCELLED")}
#: A state in OpenAI's words, for each.
WORDS = {"openai": {},
         "together": {"succeeded": "completed", "failed": "error"},
         "mistral": {"queued": "QUEUED", "running": "RUNNING", "succeeded": "SUCCESS", "failed": "FAILED",
                     "cancelled": "CANCELLED"},
         "fireworks": {"queued": "JOB_STATE_PENDING", "running": "JOB_STATE_RUNNING",
                       "succeeded": "JOB_STATE_COMPLETED", "failed": "JOB_STATE_FAILED",
                       "cancelled": "JOB_STATE_CANCELLED"}}
PROBLEM_STATUS = 422
#: Jobs of somebody else that a list has before ours, in the scenario `paged`.
OTHERS = 250


def form_of(headers, body: bytes) -> dict[str, bytes]:
    boundary = re.search("boundary=(\\S+)", headers["Content-Type"]).group(1).strip('"').encode()
    parts = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, data = part.strip(b"\r\n").partition(b"\r\n\r\n")
        parts[re.search(b'name="([^"]*)"', head).group(1).decode()] = data
    return parts


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status: int, document=None, headers: dict | None = None) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drop(self) -> None:
        """The answer is lost."""
        self.close_connection = True
        self.connection.shutdown(2)

    def steering(self) -> dict:
        if not self.scenario.startswith("steered"):
            return {}
        with open(os.path.join(sys.argv[3], self.scenario), encoding="utf-8") as file:
            return json.load(file)

    def hold(self, what: str) -> None:
        """Keeps the caller waiting; whatever it hears then, it has gone or gives up."""
        while self.steering().get(what) == "hold":
            time.sleep(0.02)
        self.drop()

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        url = urllib.parse.urlsplit(self.path)
        _, self.scenario, self.engine, *rest = url.path.split("/", 3)
        self.place = "/" + "/".join(rest)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        with WORLD.lock, open(sys.argv[2], "a", encoding="utf-8") as log:
            log.write(json.dumps({"scenario": self.scenario, "engine": self.engine, "method": self.command,
                                  "path": self.place, "key": self.headers.get("Authorization", ""),
                                  "idempotency": self.headers.get("Idempotency-Key", "")}) + "\n")
        if self.steering().get("down"):
            return self.drop()
        if self.place.startswith("/storage/"):
            if self.steering().get("upload") == "hold":
                return self.hold("upload")
            WORLD.files[self.place] = self.body.decode()
            return self.answer(200)
        if self.headers.get("Authorization") != "Bearer " + KEY or self.scenario == "unauthorized":
            return self.answer(401, {"error": {"message": "Incorrect API key provided."}})
        if self.command == "DELETE":
            return self.discard()
        if self.command == "POST" and self.is_create():
            return self.create()
        if self.command == "POST" and ("files" in self.place or "datasets" in self.place):
            return self.upload()
        if self.place.endswith("cancel"):
            return self.cancel()
        return self.read()

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def jobs(self) -> list[dict]:
        return WORLD.jobs.setdefault((self.scenario, self.engine), [])

    def is_create(self) -> bool:
        return bool(re.fullmatch(r"/v1/(fine_tuning/jobs|fine-tunes|accounts/acme/(supervisedFineTuningJobs|dpoJobs))",
                                 self.place))

    def upload(self) -> None:
        if self.engine == "fireworks":
            if not self.place.endswith(":upload"):
                known = WORLD.count("dataset", json.loads(self.body)["datasetId"]) > 0
                return self.answer(409 if known else 200, {})
            if self.steering().get("upload") == "hold":
                return self.hold("upload")
            WORLD.files[self.place] = form_of(self.headers, self.body)["file"].decode()
            return self.answer(200, {})
        if self.place.endswith("/preprocess"):
            return self.answer(200, {"id": self.place.split("/")[3]})
        if self.steering().get("upload") == "hold" and self.engine != "together":  # there, in the storage
            return self.hold("upload")
        form = form_of(self.headers, self.body)
        if form["purpose"] != b"fine-tune":
            return self.answer(400, {"error": {"message": "purpose"}})
        name = f"file-{WORLD.count('file')}"
        if self.engine == "together":
            if self.scenario == "same-file":
                return self.answer(409, {"file_id": "file-known"})
            host = "http://192.0.2.1" if self.scenario == "elsewhere" else f"http://{self.headers['Host']}"
            return self.answer(302, None, {"Location": f"{host}/{self.scenario}/together/storage/{name}?signed=1",
                                           "X-Together-File-Id": name})
        WORLD.files[name] = form["file"].decode()
        return self.answer(200, {"id": name, "object": "file"})

    def discard(self) -> None:
        if self.steering().get("discard") == "refuse":
            return self.answer(400, {"error": {"message": "File is in use."}})
        return self.answer(200, {})

    def create(self) -> None:
        earlier = WORLD.count(self.scenario, self.engine, "create")
        if self.scenario == "busy" and earlier == 0:
            return self.answer(429, {"error": {"message": "Rate limit"}}, {"Retry-After": "0.05"})
        if self.scenario == "busy-for-long":
            return self.answer(429, {"error": {"message": "Quota"}}, {"Retry-After": "3600"})
        body = json.loads(self.body)
        found = client_types.problems(body, client_types.request_type(self.engine, self.place))
        if found:
            return self.answer(PROBLEM_STATUS, {"error": {"message": "; ".join(found)}})
        if self.steering().get("create") == "drop":
            return self.drop()
        if self.scenario == "refused" or self.steering().get("create") == "refuse":
            return self.answer(400, {"error": {"message": "Model some-model is not available."}})
        job = self.new_job(body)
        if job is None:
            return self.answer(409, {"message": "already exists"})
        if self.steering().get("create") == "hold":
            return self.hold("create")
        if self.scenario == "lost" and earlier == 0:
            return self.drop()
        if self.scenario == "broken" and earlier == 0:
            return self.answer(500, {"error": {"message": "internal"}})
        return self.answer(200, job)

    def new_job(self, body: dict) -> dict | None:
        with WORLD.lock:
            jobs = self.jobs()
            number = len(jobs)
            job = {"number": number}
            if self.engine == "openai":
                job.update(id=f"ftjob-{number}", object="fine_tuning.job", metadata=body["metadata"], error=None)
            elif self.engine == "together":
                job.update(id=f"ft-{number}", model_output_name=f"acme/some-model-{body['suffix']}-0a1b")
            elif self.engine == "mistral":
                job.update(id=f"00000000-0000-4000-8000-{number:012}", suffix=body["suffix"])
            else:
                name = self.place[4:] + "/" + next(v for k, v in self.query.items() if k.endswith("JobId"))
                if any(j["name"] == name for j in jobs):
                    return None
                job.update(name=name)
            self.set_state(job, 0)
            jobs.append(job)
            return job

    def set_state(self, job: dict, which: int) -> None:
        job["state" if self.engine == "fireworks" else "status"] = STATES[self.engine][which]

    def find(self) -> dict | None:
        for job in self.jobs():
            if "/" + (job.get("id") or job["name"]) in self.place:
                return job
        return None

    def cancel(self) -> None:
        job = self.find()
        if job is None:
            return self.answer(404, {"error": {"message": "no such job"}})
        if STATES[self.engine][1] in job.values():
            return self.answer(400, {"error": {"message": "Job has already completed."}})
        self.set_state(job, 2)
        job["cancelled"] = True
        return self.answer(200, self.steered(job))

    def steered(self, job: dict) -> dict:
        """As the steering file has it, where it has a say."""
        steering = self.steering()
        if not steering:
            return job
        state = "cancelled" if job.get("cancelled") else steering["state"]
        words = WORDS[self.engine].get(state, state)
        error = steering.get("error", "") if state == "failed" else ""
        model = f"ft:some-model:{job.get('id', 'fireworks')}"
        if self.engine == "openai":
            return {**job, "status": words, "fine_tuned_model": model if state == "succeeded" else None,
                    "error": {"message": error} if error else None}
        if self.engine == "together":  # which names the model from the start
            return {**job, "status": words, "model_output_name": model}
        if self.engine == "mistral":
            events = [{"name": "status-updated", "created_at": 1700000000, "data": {"status": words}}]
            if error:
                events.insert(0, {"name": "status-updated", "created_at": 1700000001,
                                  "data": {"status": words, "error": error}})
            checkpoints = [{"metrics": {"train_loss": 2.0 / n}, "step_number": n, "created_at": 1700000000 + n}
                           for n in range(steering.get("steps", 0), 0, -1)]
            return {**job, "status": words, "fine_tuned_model": model if state == "succeeded" else None,
                    "events": events, "checkpoints": checkpoints}
        return {**job, "state": words, "outputModel": model, "status": {"code": "OK", "message": error},
                "jobProgress": {"percent": steering.get("steps", 0)}}

    def read(self) -> None:
        if self.is_create():
            return self.list()
        job = self.find()
        if job is None:
            return self.answer(404, {"error": {"message": "no such job"}})
        if self.place.endswith("/events"):
            return self.events()
        if self.place.endswith("/metrics"):
            return self.metrics()
        return self.read_job(job)

    def list(self) -> None:
        if self.scenario != "paged":
            wanted = self.query.get("metadata[lathe_attempt]")
            jobs = [j for j in self.jobs() if wanted in (None, j.get("metadata", {}).get("lathe_attempt"))]
            return self.answer(200, {"data": jobs, "has_more": False})
        # Newest first; nothing is left out, as behind a gateway that knows no filters.
        jobs = [{"id": f"other-{n}"} for n in range(OTHERS)] + self.jobs()
        if self.engine == "openai":
            after = self.query.get("after")
            first = next((n + 1 for n, j in enumerate(jobs) if j["id"] == after), 0)
            last = first + int(self.query.get("limit", 20))
            return self.answer(200, {"data": jobs[first:last], "has_more": last < len(jobs)})
        if self.engine == "mistral":
            size = int(self.query["page_size"])
            first = int(self.query.get("page", 0)) * size
            return self.answer(200, {"data": jobs[first:first + size], "total": len(jobs)})
        return self.answer(200, {"data": jobs})

    def events(self) -> None:
        steering = self.steering()
        if steering and self.engine == "openai":
            after = self.query.get("after", "").removeprefix("ftevent-")
            newest = int(after) - 1 if after else steering.get("steps", 0)
            page = [self.step(n) for n in range(newest, max(newest - 100, 0), -1)]
            return self.answer(200, {"data": page, "has_more": newest > 100})
        if steering:
            entries = [{"created_at": "2026-01-01T00:00:00Z", "message": "Job started", "type": "job_start",
                        "object": "fine-tune-event"}]
            if steering["state"] == "failed":
                entries.append({"created_at": "2026-01-01T00:01:00Z", "message": steering["error"],
                                "type": "job_error", "object": "fine-tune-event"})
        elif self.engine == "openai":
            entries = [{"id": f"e{n}", "created_at": 1700000000 + n, "level": "info", "message": f"Step {n}/2",
                        "object": "fine_tuning.job.event", "type": "metrics",
                        "data": {"step": n, "total_steps": 2, "train_loss": 2.0 / n}} for n in (2, 1)]
        else:
            entries = [{"created_at": f"2026-01-01T00:00:0{n}.5Z", "message": f"Epoch {n}", "type": "epoch_complete",
                        "object": "fine-tune-event", "step": n, "total_steps": 2} for n in (1, 2)]
        self.answer(200, {"data": entries})

    def metrics(self) -> None:
        steering = self.steering()
        if not steering:  # as before there were any
            return self.answer(404, {"error": {"message": "no such page"}})
        first = int(self.query.get("global_step_from", 1))
        self.answer(200, {"metrics": [{"train/global_step": n, "train/loss": 2.0 / n, "train/learning_rate": 1e-5}
                                      for n in range(first, steering.get("steps", 0) + 1)]})

    def step(self, number: int) -> dict:
        return {"id": f"ftevent-{number}", "created_at": 1700000000 + number, "level": "info",
                "message": f"Step {number}", "object": "fine_tuning.job.event", "type": "metrics",
                "data": {"step": number, "total_steps": 400, "train_loss": 2.0 / number}}

    def read_job(self, job: dict) -> None:
        earlier = WORLD.count(self.scenario, self.engine, "query", job["number"])
        if self.scenario == "flaky" and earlier == 0:
            return self.answer(500, {"error": {"message": "try again"}})
        if self.scenario == "slow":
            time.sleep(1.5)
        if self.scenario == "garbage":
            body = b'{"status": "runn'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return self.wfile.write(body)
        if self.scenario == "huge":
            return self.answer(200, {"status": "x" * (3 << 20)})
        if self.scenario == "moved":
            return self.answer(302, None, {"Location": "http://127.0.0.1:1/"})
        if self.scenario == "new-state":
            job = {**job, "status": "paused_for_review"}
        if self.scenario == "done":
            self.set_state(job, 1)
            model = "ft:some-model:acme"
            job.update({"trainingConfig": {"outputModel": model}} if "dpoJobs" in self.place
                       else {"fine_tuned_model": model, "outputModel": model})
        if self.engine == "mistral":
            job["checkpoints"] = [{"metrics": {"train_loss": 1.5, "valid_loss": 1.75}, "step_number": 10,
                                   "created_at": 1700000000}]
        if self.engine == "fireworks":
            job["jobProgress"] = {"percent": 40}
        return self.answer(200, self.steered(job))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # connections that are dropped on purpose


def main() -> None:
    # Importing the clients takes seconds: before anybody waits for an answer.
    for engine in STATES:
        client_types.request_type(engine, "")
    client_types.request_type("fireworks", "dpoJobs")
    server = Server(("127.0.0.1", 0), Handler)
    with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
        file.write(f"http://127.0.0.1:{server.server_port}")

    os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
