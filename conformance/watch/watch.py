"""The watch's calendar, metrics, mail, webhook and manifest, each read by a library
that is not ours: icalendar, prometheus_client, email, standardwebhooks, PyYAML."""

import base64
import datetime
import email
import email.policy
import http.server
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import icalendar
import yaml
from aiosmtpd.controller import Controller
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks import Webhook

COUNTERSIGN = sys.argv[1]
# The same key, as the specification writes it and as older files have it.
OLD_SECRET = "a secret that both ends have"
SECRET = "whsec_" + base64.b64encode(OLD_SECRET.encode()).decode()
passed = failed = 0


def check(capability, act):
    global passed, failed
    try:
        act()
    except Exception as error:
        failed += 1
        print(f"fail watch {capability}: {type(error).__name__}: {error}")
    else:
        passed += 1
        print(f"pass watch {capability}")


class Server:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return "250 taken"


class Receiver(http.server.BaseHTTPRequestHandler):
    received = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            verified = Webhook(SECRET).verify(body, dict(self.headers.items()))
        except Exception:
            verified = None
        told = json.loads(body)
        is_verified = verified == told and told["id"] == self.headers["webhook-id"]
        Receiver.received.append((is_verified, told))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": 1}')

    def log_message(self, *_):
        pass


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
receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()

with tempfile.TemporaryDirectory() as scratch:
    tenant, home, ready_file = f"{scratch}/platform", f"{scratch}/home", f"{scratch}/ready.json"
    platform = subprocess.Popen(
        [COUNTERSIGN, "--home", tenant, "platform", "serve", "--listen", "127.0.0.1:0",
         "--seed", "apps=1,findings=3", "--rate-limit", "off", "--ready-file", ready_file],
        stderr=subprocess.DEVNULL,
    )

    def run(*args, **more):
        return subprocess.run([COUNTERSIGN, "--home", home, *args], capture_output=True, text=True, **more)

    def expire_in(api_id, days):
        """The platform's own clock stays: only the pair's end moves."""
        at_ms = int(time.time() + days * 86_400) * 1000
        with sqlite3.connect(f"{tenant}/platform.sqlite", timeout=10) as database:
            database.execute("update credentials set expires_ms = ? where api_id = ?", (at_ms, api_id))
        return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.timezone.utc)

    try:
        until(lambda: os.path.exists(ready_file) or platform.poll() is not None, "the platform")
        ready = json.load(open(ready_file))
        minted = json.loads(subprocess.check_output(
            [COUNTERSIGN, "--home", tenant, "platform", "mint", "--user", "reader, \"the; first\\", "--json"],
            stderr=subprocess.DEVNULL,
        ))
        secret = minted["api_secret"]
        first = expire_in(minted["api_id"], 20)
        os.makedirs(f"{scratch}/out", mode=0o700)
        os.makedirs(home, mode=0o700)
        for name, secret_of_hook in (("hook", SECRET), ("old-hook", OLD_SECRET)):
            open(f"{scratch}/{name}", "w").write(secret_of_hook)
            os.chmod(f"{scratch}/{name}", 0o600)
        hook = (f'name = "hook"\nurl = "http://127.0.0.1:{receiver.server_port}/"\n'
                f'secret_file = "{scratch}/hook"\nallow_http_loopback = true\n')
        open(f"{home}/config.toml", "w").write(
            f'[watch]\ncalendar = "{scratch}/feed.ics"\nmetrics = "{scratch}/feed.prom"\n'
            f'[[watch.webhooks]]\n{hook}'
            f'[[watch.mails]]\nname = "mail"\nserver = "smtp://127.0.0.1:{port}"\n'
            f'from = "watch@example.com"\nto = ["ops@example.com"]\n'
            f'[[consumers]]\ncredential = "a-rather-long.name/for_reading"\nkind = "webhook"\n{hook.replace("hook", "teller", 1).replace("/hook", "/old-hook")}'
            f'[[consumers]]\nname = "pods"\ncredential = "a-rather-long.name/for_reading"\nkind = "kubernetes"\n'
            f'path = "{scratch}/out/secret.yaml"\nmanifest_name = "veracode"\nnamespace = "build"\n'
        )
        added = run("integration", "add", "a-rather-long.name/for_reading", "--client-id", minted["api_id"],
                    "--client-secret-stdin", "--url", ready["rest_url"], "--ca-file", ready["ca_file"],
                    input=secret)
        assert added.returncode == 0, added.stderr
        watched = run("credentials", "watch", "--once")
        assert watched.returncode == 0, watched.stderr
        calendar_before = open(f"{scratch}/feed.ics", "rb").read()
        second = expire_in(minted["api_id"], 5)
        until(lambda: '"days_left":4' in run("credentials", "list", "--refresh", "--json").stdout, "the new expiry")
        watched_again = run("credentials", "watch", "--once")
        delivered = run("credentials", "consumers", "--deliver")
        calendar = open(f"{scratch}/feed.ics", "rb").read()
        metrics = open(f"{scratch}/feed.prom").read()

        def events(text):
            assert all(len(line) <= 75 for line in text.split(b"\r\n")) and b"\n" not in text.replace(b"\r\n", b"")
            parsed = icalendar.Calendar.from_ical(text)
            assert not parsed.errors, parsed.errors
            return parsed.walk("VEVENT")

        def calendar_is_read():
            before, after = events(calendar_before), events(calendar)
            assert (len(before), len(after)) == (1, 1)
            before, after = before[0], after[0]
            assert (before["DTSTART"].dt, after["DTSTART"].dt) == (first, second)
            assert before["UID"] == after["UID"]
            assert (before["SEQUENCE"], after["SEQUENCE"]) == (0, 1)
            assert before["DTSTAMP"].dt < after["DTSTAMP"].dt or calendar_before != calendar
            assert 'Account: reader, "the; first\\' in after["DESCRIPTION"], after["DESCRIPTION"]
            triggers = [alarm["TRIGGER"].dt.days for alarm in after.walk("VALARM")]
            assert triggers == [-30, -14, -7, -3, -1], triggers

        def metrics_are_read():
            for parse in [text_string_to_metric_families, openmetrics.text_string_to_metric_families]:
                samples = {
                    (sample.name, sample.labels.get("state")): sample
                    for family in parse(metrics) for sample in family.samples
                }
                expires = samples["countersign_credential_expires_seconds", None]
                assert expires.value == second.timestamp(), expires
                assert expires.labels["name"] == "a-rather-long.name/for_reading" and expires.labels["host"].startswith("127.0.0.1:")
                assert samples["countersign_credential_state", "expiring"].value == 1
                assert samples["countersign_credential_state", "lapsed"].value == 0
                assert samples["countersign_watch_undelivered", None].value == 0

        def mail_is_read():
            assert len(server.mails) == 2, len(server.mails)
            recipients, content = server.mails[0]
            mail = email.message_from_bytes(content, policy=email.policy.default)
            assert recipients == ["ops@example.com"] and not mail.defects, mail.defects
            assert re.fullmatch(r"credential `a-rather-long\.name/for_reading` for 127\.0\.0\.1:\d+ expires in 19 days", mail["subject"]), mail["subject"]
            assert mail["message-id"] and mail["date"]
            assert "credentials acknowledge a-rather-long.name/for_reading" in mail.get_content()

        def hooks_are_signed():
            assert all(is_ours for is_ours, _ in Receiver.received), Receiver.received
            bodies = [body for _, body in Receiver.received]
            assert [body.get("threshold_days") for body in bodies] == [30, 7, None], bodies
            assert (bodies[2]["event"], bodies[2]["version"]) == ("credential.published", 1)

        def manifest_is_read():
            assert delivered.returncode == 0, delivered.stderr
            manifest = yaml.safe_load(open(f"{scratch}/out/secret.yaml"))
            assert (manifest["kind"], manifest["metadata"]["namespace"]) == ("Secret", "build")
            assert base64.b64decode(manifest["data"]["VERACODE_API_KEY_SECRET"]).decode() == secret

        def no_secret_is_told():
            told = [json.dumps(body) for _, body in Receiver.received] + [metrics, calendar.decode()]
            told += [content.decode() for _, content in server.mails]
            told += [done.stdout + done.stderr for done in (added, watched, watched_again, delivered)]
            assert all(secret not in text.lower() for text in told)

        check("the calendar is read by icalendar", calendar_is_read)
        check("the metrics are read by prometheus_client", metrics_are_read)
        check("the mail is read by email", mail_is_read)
        check("webhooks are signed", hooks_are_signed)
        check("the manifest is read by PyYAML", manifest_is_read)
        check("no secret is sent", no_secret_is_told)
    except Exception as error:
        failed += 1
        print(f"fail watch it runs: {type(error).__name__}: {error}")
    finally:
        platform.terminate()
        platform.wait()
controller.stop()
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
