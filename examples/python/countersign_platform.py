"""A Veracode-compatible platform for tests: `with Platform() as platform: …`."""

import json
import os
import pathlib
import subprocess
import tempfile
import time

PROGRAM = os.environ.get("COUNTERSIGN_PROGRAM", "countersign")


class Platform:
    def __init__(self, seed="demo", roles=("resultsapi", "noteamrestrictionapi")):
        self.seed, self.roles = seed, roles

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.home = str(pathlib.Path(self.folder.name, "home"))
        ready = pathlib.Path(self.folder.name, "ready.json")
        words = ["platform", "serve", "--listen", "127.0.0.1:0", "--console", "off", "--seed", self.seed]
        self.process = subprocess.Popen(
            [PROGRAM, "--home", self.home, "--quiet", *words, "--ready-file", ready]
        )
        try:
            until = time.monotonic() + 60
            while not ready.exists():
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the platform did not start")
                time.sleep(0.05)
            about = json.loads(ready.read_text())
            self.url, self.ca_file = about["rest_url"], about["ca_file"]
            pair = self.mint("test", *self.roles)
            self.api_id, self.api_secret = pair["api_id"], pair["api_secret"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.folder.cleanup()

    def mint(self, user, *roles):
        """Another API account with its credentials."""
        options = [word for role in roles for word in ("--role", role)]
        command = [PROGRAM, "--home", self.home, "platform", "mint", "--json", "--user", user, *options]
        return json.loads(subprocess.check_output(command))

    def environment(self):
        """What the Python libraries of Veracode read."""
        return {
            "VERACODE_API_KEY_ID": self.api_id,
            "VERACODE_API_KEY_SECRET": self.api_secret,
            "VERACODE_OVERRIDE_API_BASE_URL": self.url,
            "REQUESTS_CA_BUNDLE": self.ca_file,
            "SSL_CERT_FILE": self.ca_file,
        }
