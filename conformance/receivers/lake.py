#!/usr/bin/env python3
"""The receiver `lake` against a store that is not ours.

Usage: lake.py TEST-BINARY-OF-CRATES-DELIVERIES
Needs the packages of lake.requirements.txt.

Starts moto's S3, and before it a relay that keeps every request. The tests of the crate send
bundles there, some of them twice. Then:

- botocore signs every request anew, which has to give the signature that was sent: moto
  accepts any;
- a request that is not what was signed has another signature;
- the bucket has every object once, under the digest of what is in it;
- the second put of an object was answered 412;
- pyarrow reads the partitions, and each change is in one row.
"""

import datetime
import hashlib
import http.client
import http.server
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading

import boto3
import pyarrow.dataset
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "session+token/="
BUNDLES, CHANGES = 40, 3
REQUESTS = []


class Relay(http.server.BaseHTTPRequestHandler):
    """Keeps what is asked and what is answered."""

    protocol_version = "HTTP/1.1"
    port = None

    def relay(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        store = http.client.HTTPConnection("127.0.0.1", self.port)
        store.request(self.command, self.path, body, dict(self.headers))
        answer = store.getresponse()
        content = answer.read()
        REQUESTS.append((self.command, self.path, dict(self.headers), body, answer.status))
        self.send_response(answer.status)
        self.send_header("content-length", str(len(content)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    do_GET = do_PUT = relay

    def log_message(self, *_):
        pass


def signature(method, path, headers, body):
    """What botocore's signer says of a request as it arrived."""
    headers = {name.lower(): value for name, value in headers.items()}
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    kept = {name: headers[name] for name in signed if name != "host"}
    url = f"http://{headers['host']}{path}"
    request = AWSRequest(method=method, url=url, headers=kept, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    request.context["payload_signing_enabled"] = True
    # The digest is of what arrived and not of what was said.
    request.headers.replace_header("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
    signer = S3SigV4Auth(Credentials(ID, SECRET, TOKEN), "s3", "us-east-1")
    canonical = signer.canonical_request(request)
    return signer.signature(signer.string_to_sign(request, canonical), request)


def sent_signature(headers):
    return {k.lower(): v for k, v in headers.items()}["authorization"].rsplit("Signature=", 1)[1]


def judge_signatures():
    assert len(REQUESTS) > 4 * BUNDLES, len(REQUESTS)
    for method, path, headers, body, _ in REQUESTS:
        assert signature(method, path, headers, body) == sent_signature(headers), path
    method, path, headers, body, _ = next(r for r in REQUESTS if r[0] == "PUT")
    sent = sent_signature(headers)
    later = {**headers, "x-amz-date": "20260601T000001Z"}
    for changed in [
        (method, path + "x", headers, body),
        (method, path, headers, body + b"x"),
        (method, path, later, body),
        ("GET", path, headers, body),
    ]:
        assert signature(*changed) != sent, changed[:2]
    print(f"ok: botocore signs all {len(REQUESTS)} requests alike, and 4 changed ones otherwise")


def judge_objects(s3):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="shop")
    names = [one["Key"] for page in pages for one in page.get("Contents", [])]
    for name in names:
        content = s3.get_object(Bucket="shop", Key=name)["Body"].read()
        digest = name.rsplit("-", 1)[1].split(".")[0]
        assert hashlib.sha256(content).hexdigest().startswith(digest), name
    puts = [(path, status) for method, path, _, _, status in REQUESTS if method == "PUT"]
    first = {}
    again = 0
    for path, status in puts:
        expected = 412 if path in first else 200
        again += path in first
        first[path] = True
        assert status == expected, (path, status)
    assert len(first) == len(names) and again > 0, (len(first), len(names), again)
    print(f"ok: {len(names)} objects, each once; {again} second puts were answered 412")
    return names


def judge_ndjson(s3, names):
    sequences = []
    for name in (name for name in names if name.endswith(".ndjson")):
        content = s3.get_object(Bucket="shop", Key=name)["Body"].read()
        events = [json.loads(line) for line in content.splitlines()]
        held = [event["metadata"]["sequence"] for event in events]
        low, high = name.rsplit("/", 1)[1].split("-")[:2]
        assert held == sorted(held) and (held[0], held[-1]) == (int(low), int(high)), name
        assert {event["class_uid"] for event in events} == {2002}
        for event in events:
            at = datetime.datetime.fromtimestamp(
                event["metadata"]["logged_time"] / 1000, datetime.timezone.utc
            )
            assert f"/eventDay={at:%Y%m%d}/" in name, name
        sequences += held
    judge_sequences(sequences)
    print(f"ok: {len(sequences)} events of class 2002, in the partitions of their days")


def judge_sequences(sequences):
    start = min(sequences)
    assert sorted(sequences) == list(range(start, start + BUNDLES * CHANGES)), sequences


def judge_parquet(s3, names):
    names = [name for name in names if name.endswith(".parquet")]
    if not names:
        print("not run: the test binary was built without Parquet")
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            s3.download_file("shop", name, path)
        lake = pyarrow.dataset.dataset(
            os.path.join(folder, "ext/parquet"), partitioning="hive", format="parquet"
        )
        table = lake.to_table()
        rows = table.select(["seq", "changed", "last_change", "eventDay", "accountId"]).to_pylist()
        for row in rows:
            assert f"{row['changed']:%Y%m%d}" == str(row["eventDay"]), row
            assert str(row["accountId"]) == "123456789012", row
            assert row["last_change"] in ("new", "closed", "reopened"), row
        judge_sequences([row["seq"] for row in rows])
        day = lake.to_table(filter=pyarrow.dataset.field("eventDay") == 20260601)
        assert 0 < day.num_rows < table.num_rows
        for fragment in lake.get_fragments():
            codecs = {
                fragment.metadata.row_group(0).column(at).compression
                for at in range(fragment.metadata.num_columns)
            }
            assert codecs == {"ZSTD"}, codecs
        print(f"ok: pyarrow reads {table.num_rows} rows of {len(names)} files by partition, all zstd")


def main(tests):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    Relay.port = store.get_host_and_port()[1]
    relay = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{relay.server_address[1]}"
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{Relay.port}",
        region_name="us-east-1",
        aws_access_key_id=ID,
        aws_secret_access_key=SECRET,
    )
    s3.create_bucket(Bucket="shop")
    name = "lake::a_store_has_each_object_once"
    run = subprocess.run(
        [tests, "--ignored", "--exact", name],
        env={**os.environ, "COUNTERSIGN_S3": address},
        check=False,
        text=True,
        capture_output=True,
    )
    assert run.returncode == 0 and "1 passed" in run.stdout, run.stdout + run.stderr
    judge_signatures()
    names = judge_objects(s3)
    judge_ndjson(s3, names)
    judge_parquet(s3, names)
    relay.shutdown()
    store.stop()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
