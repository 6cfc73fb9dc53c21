"""Mutual TLS: a job runs through it, and whoever lacks the right certificate is told so."""
import json
import shutil
import subprocess
import unittest

from certificates import Authority
from cluster import (BINARIES, Cluster, run_lathe, tiny_configuration, tls_options, wait_until,
                     write_tokenized)

DENIED, UNAVAILABLE = 4, 5


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(tls=True)
        cls.addClassCleanup(lambda: cls.cluster.close())
        cls.foreign = Authority(cls.cluster.folder / "foreign")

    def refused(self, *options: str) -> str:
        """What `lathe list` says on standard error when the coordinator does not let it in."""
        answer = run_lathe("--address", self.cluster.address, *options, "list")
        self.assertIn(answer.returncode, (DENIED, UNAVAILABLE), answer.stderr)
        self.assertEqual(answer.stdout, "")
        return answer.stderr

    def test_a_job_runs(self):
        self.cluster.start_worker("worker-1")
        job = self.cluster.submit(tiny_configuration(20),
                                  write_tokenized(self.cluster.folder / "train.jsonl"))
        self.assertEqual(self.cluster.wait_for_end(job), "succeeded", self.cluster.job(job))
        self.assertEqual(len(self.cluster.metrics(job)), 20)
        self.assertTrue(self.cluster.adapter_bytes(job))

    def test_a_client_without_certificate_is_refused(self):
        told = self.refused("--ca", str(self.cluster.authority.certificate))
        self.assertIn("--cert", told)

    def test_a_client_without_tls_is_refused(self):
        self.assertIn("TLS", self.refused())

    def test_a_client_of_another_authority_is_refused(self):
        stranger = self.foreign.issue("stranger")
        options = tls_options(stranger._replace(authority=self.cluster.authority.certificate))
        self.assertIn("certificate", self.refused(*options))

    def test_a_client_does_not_trust_a_coordinator_of_another_authority(self):
        options = tls_options(self.cluster.identity("client")._replace(
            authority=self.foreign.certificate))
        self.assertIn("certificate", self.refused(*options))

    def test_a_worker_of_another_authority_is_refused(self):
        stranger = self.foreign.issue("worker-9")
        self.cluster.identities["worker-9"] = stranger._replace(
            authority=self.cluster.authority.certificate)
        worker = self.cluster.launch_worker("worker-9")
        wait_until(lambda: "tls.cert" in self.cluster.log("worker-9"), 20,
                   "the worker's log tells of its certificate")
        self.assertIsNone(worker.poll(), "it goes on trying: the certificate may be renewed")
        self.assertNotIn("worker-9", self.node_names())

    def node_names(self) -> list[str]:
        return [node["id"] for node in self.cluster.nodes()]

    def test_a_person_is_no_worker_until_given_a_workers_certificate(self):
        persons = self.cluster.authority.issue("ann")
        self.cluster.identities["worker-8"] = persons
        worker = self.cluster.launch_worker("worker-8", settings="node_id: worker-8\n")
        wait_until(lambda: self.cluster.log("coordinator").count("call_refused caller=ann") >= 3, 30,
                   "the worker has tried several times")
        log = self.cluster.log("worker-8")
        self.assertEqual(log.count("session_refused"), 1, log)
        for word in ("error session_refused", "permission_denied", "worker:NODE", "this one's is", "ann",
                     "deploy/docs/certificates.md"):
            self.assertIn(word, log)
        self.assertIsNone(worker.poll(), "it goes on trying")
        self.assertNotIn("worker-8", self.node_names())
        workers = self.cluster.authority.issue("worker:worker-8")
        shutil.copy(workers.certificate, persons.certificate)
        shutil.copy(workers.key, persons.key)
        wait_until(lambda: "worker-8" in self.node_names(), 30, "the worker joins without a restart")

    def test_a_workers_certificate_is_for_its_own_node_alone(self):
        self.cluster.start_worker("worker-2")
        other = self.cluster.launch_worker("worker-3", settings="node_id: worker-2\n")
        wait_until(lambda: "session_refused" in self.cluster.log("worker-3"), 30, "it is told")
        for word in ("worker:worker-3", "alone, not", "set node_id to worker-3", "worker:worker-2"):
            self.assertIn(word, self.cluster.log("worker-3"))
        self.assertIsNone(other.poll())
        self.assertNotIn("session_closed", self.cluster.log("worker-2"), "its session goes on")

    def test_a_workers_certificate_is_not_for_what_people_do(self):
        options = tls_options(self.cluster.identity("worker-4", "worker:"))
        configuration = self.cluster.folder / "job.json"
        configuration.write_text(json.dumps(tiny_configuration(5)))
        dataset = str(write_tokenized(self.cluster.folder / "train.jsonl"))
        for call, arguments in (("JobService/ListJobs", ["list"]), ("NodeService/ListNodes", ["node", "list"]),
                                ("JobService/CreateJob", ["submit", "-f", str(configuration), "--dataset", dataset])):
            with self.subTest(call):
                answer = run_lathe("--address", self.cluster.address, *options, *arguments)
                self.assertEqual(answer.returncode, DENIED, answer.stderr)
                for word in (f"a worker may not call {call}", '"worker:worker-4"',
                             "deploy/docs/certificates.md"):
                    self.assertIn(word, answer.stderr)


class WithoutTlsTest(unittest.TestCase):
    def test_a_coordinator_listens_on_loopback_only(self):
        answer = subprocess.run([str(BINARIES / "lathe-coordinator"), "--listen", "0.0.0.0:0",
                                 "--data-dir", "/nonexistent"],
                                capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(answer.returncode, 6, answer.stderr)
        for word in ("0.0.0.0:0", "tls.cert", "loopback"):
            self.assertIn(word, answer.stderr)

    def test_a_client_calls_only_this_machine(self):
        answer = run_lathe("--address", "coordinator.example.org:7420", "list")
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("--ca", answer.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
