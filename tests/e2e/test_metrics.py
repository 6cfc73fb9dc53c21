"""A real Prometheus scrapes a real cluster: the metrics are there, well formed, and the shipped rules
ask only for metrics that exist."""
import json
import re
import shutil
import socket
import subprocess
import unittest
import urllib.parse
import urllib.request

from cluster import SOURCE, Cluster, tiny_configuration, wait_until, write_tokenized

RULES = SOURCE / "deploy/prometheus/alerts.yml"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


class MetricsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.cluster.start_worker("worker-1")
        dataset = write_tokenized(cls.cluster.folder / "train.jsonl")
        job = cls.cluster.submit(tiny_configuration(20), dataset)
        assert cls.cluster.wait_for_end(job) == "succeeded", cls.cluster.job(job)
        cls.targets = [cls.cluster.metrics_address(name) for name in ("coordinator", "worker-1")]

    def exposition(self, target: str) -> str:
        return fetch(f"http://{target}/metrics")

    def test_expositions_are_well_formed(self):
        for target in self.targets:
            checked = subprocess.run(["promtool", "check", "metrics"], text=True,
                                     input=self.exposition(target), capture_output=True, check=False)
            # 3: style advice only (the client library's own metrics among it).
            self.assertIn(checked.returncode, (0, 3), checked.stderr)
            self.assertNotIn("error while linting", checked.stdout + checked.stderr)

    def test_prometheus_answers_about_the_job(self):
        folder = self.cluster.folder / "prometheus"
        folder.mkdir()
        shutil.copy(RULES, folder / "alerts.yml")
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yml"],
            "scrape_configs": [{"job_name": "lathe", "static_configs": [{"targets": self.targets}]}],
        }))
        port = free_port()
        self.cluster.start("prometheus", [
            "prometheus", f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"])

        def value(expression: str) -> float | None:
            query = urllib.parse.urlencode({"query": expression})
            try:
                answer = json.loads(fetch(f"http://127.0.0.1:{port}/api/v1/query?{query}"))
            except OSError:
                return None
            found = answer["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        expectations = {
            'lathe_jobs{state="succeeded"}': 1,
            'lathe_attempts_total{outcome="succeeded"}': 1,
            "lathe_queue_wait_seconds_count": 1,
            "lathe_dispatch_latency_seconds_count": 1,
            'lathe_cpu_slots{state="free"}': 1,
            'lathe_nodes{state="ready"}': 1,
            "lathe_worker_connected": 1,
            "lathe_store_available": 1,
            "count(lathe_build_info)": 2,
        }
        for expression, expected in expectations.items():
            wait_until(lambda e=expression, x=expected: value(e) == x, 20,
                       f"{expression} is {expected}")
        self.assertGreater(value('sum(lathe_rpc_duration_seconds_count{method=~".*CreateJob"})'), 0)
        self.assertGreater(value("sum(lathe_redis_duration_seconds_count)"), 0)

    def test_shipped_rules_are_sound(self):
        for kind, file in (("rules", RULES), ("config", RULES.with_name("prometheus.yml"))):
            checked = subprocess.run(["promtool", "check", kind, str(file)], capture_output=True,
                                     text=True, check=False)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        served = "".join(self.exposition(target) for target in self.targets)
        for name in set(re.findall(r"lathe_\w+", re.sub(r"^\s+summary:.*$", "", RULES.read_text(),
                                                        flags=re.MULTILINE))):
            self.assertIn(name, served, f"{RULES.name} asks for {name}, which nobody serves")


if __name__ == "__main__":
    unittest.main(verbosity=2)
