"""A certificate authority for tests, by the openssl program as an operator would use it."""
from __future__ import annotations

import pathlib
import subprocess
from typing import NamedTuple


class Identity(NamedTuple):
    """What a program needs for mutual TLS: whom to trust, and who it is."""
    authority: pathlib.Path
    certificate: pathlib.Path
    key: pathlib.Path


class Authority:
    def __init__(self, folder: pathlib.Path):
        folder.mkdir()
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                      "-nodes", "-days", "2", "-subj", "/CN=lathe test authority",
                      "-keyout", self._key, "-out", self.certificate)

    def issue(self, name: str, field: str = "CN") -> Identity:
        """A certificate for a program on this machine, valid as server and as client; its subject has the name in
        this field."""
        stem = name.replace(":", "-")
        request, certificate, key = (self.folder / f"{stem}.{end}" for end in ("csr", "crt", "key"))
        extensions = self.folder / f"{stem}.ext"
        extensions.write_text("subjectAltName = IP:127.0.0.1, DNS:localhost\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-subj", f"/{field}={name}", "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-days", "2", "-in", request, "-CA", self.certificate,
                      "-CAkey", self._key, "-CAcreateserial", "-extfile", extensions,
                      "-out", certificate)
        return Identity(self.certificate, certificate, key)

    @staticmethod
    def _openssl(*arguments) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
