import json
import os
import ssl
import subprocess
import unittest
import urllib.error
import urllib.request

from countersign_platform import PROGRAM, Platform


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.platform = cls.enterClassContext(Platform())

    def get(self, path, signer=None):
        """The client under test; put yours here."""
        url = self.platform.url + path
        request = urllib.request.Request(url)
        if signer:
            command = [PROGRAM, "--home", self.platform.home, "sign", "--url", url]
            header = subprocess.check_output(command, env={**os.environ, **signer}, text=True)
            request.add_header("Authorization", header.strip().removeprefix("Authorization: "))
        trust = ssl.create_default_context(cafile=self.platform.ca_file)
        with urllib.request.urlopen(request, context=trust) as answer:
            return json.load(answer)

    def test_a_request_without_a_signature_is_refused(self):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.get("/appsec/v1/applications")
        self.assertEqual(refused.exception.code, 401)
        refused.exception.close()

    def test_applications_are_listed(self):
        answer = self.get("/appsec/v1/applications?size=5", self.platform.environment())
        self.assertEqual(answer["page"]["total_elements"], 60)
        self.assertEqual(len(answer["_embedded"]["applications"]), 5)


if __name__ == "__main__":
    unittest.main()
