"""Mail over SMTP, to a server that first refuses, parsed by Python's own library."""

import email
import email.policy
import html.parser
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

from aiosmtpd.controller import Controller

COUNTERSIGN = sys.argv[1]
passed = failed = 0


def check(capability, act):
    global passed, failed
    try:
        act()
    except Exception as error:
        failed += 1
        print(f"fail SMTP {capability}: {type(error).__name__}: {error}")
    else:
        passed += 1
        print(f"pass SMTP {capability}")


READER = "reader@example.com"


class Server:
    """Refuses the first delivery to the reader, then takes it; takes what is for others."""

    def __init__(self):
        self.refused = 0
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos != [READER]:
            # The operator is told of their new credentials.
            return "250 taken"
        if self.refused == 0:
            self.refused += 1
            return "451 try again later"
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.links.append(dict(attributes)["href"])


def until(condition, what):
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come")


server = Server()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
controller = Controller(server, hostname="127.0.0.1", port=port)
controller.start()

with tempfile.TemporaryDirectory() as scratch:
    home, ready_file = f"{scratch}/home", f"{scratch}/ready.json"
    platform = subprocess.Popen(
        [COUNTERSIGN, "--home", home, "platform", "serve", "--listen", "127.0.0.1:0", "--seed", "empty",
         "--rate-limit", "off", "--smtp", f"smtp://127.0.0.1:{port}", "--mail-from", "platform@example.com",
         "--ready-file", ready_file],
        stderr=subprocess.PIPE, text=True,
    )
    try:
        until(lambda: os.path.exists(ready_file) or platform.poll() is not None, "the platform")
        ready = json.load(open(ready_file))
        minted = json.loads(subprocess.check_output(
            [COUNTERSIGN, "--home", home, "platform", "mint", "--user", "operator", "--role", "adminapi", "--json"],
            stderr=subprocess.DEVNULL,
        ))
        from veracode_api_signing.plugin_requests import RequestsAuthPluginVeracodeHMAC
        import requests

        body = {
            "user_name": "reader", "email_address": "reader@example.com", "first_name": "Zoë",
            "last_name": "Reader", "permissions": [{"permission_name": "apiUser"}],
            "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}],
        }
        auth = RequestsAuthPluginVeracodeHMAC(minted["api_id"], minted["api_secret"])
        answer = requests.post(
            f"{ready['rest_url']}/api/authn/v2/users", json=body, auth=auth, verify=f"{home}/ca.pem", timeout=30
        )
        answer.raise_for_status()
        until(lambda: server.refused == 1, "the first try")
        # The second one comes a minute later by the platform's clock.
        subprocess.check_call(
            [COUNTERSIGN, "--home", home, "platform", "clock", "--advance", "2m"], stdout=subprocess.DEVNULL
        )
        until(lambda: server.mails, "the mail")
        sender, recipients, content = server.mails[0]
        mail = email.message_from_bytes(content, policy=email.policy.default)
        text = mail.get_body(("plain",)).get_content()
        page = mail.get_body(("html",)).get_content()

        def envelope():
            assert (sender, recipients) == ("platform@example.com", [READER])
            assert mail["subject"] == "Welcome to Veracode", mail["subject"]
            assert mail["message-id"] and mail["date"], mail.items()
            assert mail.get_content_type() == "multipart/alternative"
            assert not mail.defects, mail.defects

        def both_say_the_same():
            links = Links()
            links.feed(page)
            assert "Zoë" in text and "Zoë" in page and "Activate Account" in page
            assert links.links == re.findall(r"https://\S+", text), (links.links, text)
            trust = ssl.create_default_context(cafile=f"{home}/ca.pem")
            with urllib.request.urlopen(links.links[0], context=trust, timeout=30) as answer:
                assert "Activate your account" in answer.read().decode()

        def once():
            time.sleep(1.5)  # two more looks into the outbox
            assert len(server.mails) == 1, len(server.mails)
            assert ready["mailbox_url"] is None

        def refused_and_taken():
            assert (server.refused, len(server.mails)) == (1, 1)

        check("a mail that was refused goes out again", refused_and_taken)
        check("sender, recipient, subject, both parts", envelope)
        check("text and HTML lead to the same page", both_say_the_same)
        check("a mail that was taken goes out once", once)
    except Exception as error:
        failed += 1
        print(f"fail SMTP the mail comes: {type(error).__name__}: {error}")
    finally:
        platform.terminate()
        platform.wait()
controller.stop()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
