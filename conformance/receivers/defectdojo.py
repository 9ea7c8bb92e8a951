"""A real DefectDojo takes the requests as they were made, and afterwards has open what is open.
Usage: defectdojo.py URL API-KEY FOLDER. Everything in products called "made up: …" is removed.

The test `made_up_bodies` of `crates/deliveries` writes `defectdojo.ndjson` into the folder that
COUNTERSIGN_MADE_UP names. `defectdojo-server` beside this file starts a server from its source."""

import json
import pathlib
import sys
import urllib.error
import urllib.request

URL, KEY, FOLDER = sys.argv[1].rstrip("/"), sys.argv[2], pathlib.Path(sys.argv[3])
failed = 0


def ask(method, target, body=None, kind=None, key=KEY):
    headers = {"authorization": f"Token {key}", **({"content-type": kind} if kind else {})}
    request = urllib.request.Request(f"{URL}{target}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def check(what, problems):
    global failed
    problems = list(problems)
    if not problems:
        print(f"pass defectdojo {what}")
    for problem in problems[:10]:
        print(f"fail defectdojo {what}: {problem}")
    failed += len(problems)


def findings(test):
    status, page = ask("GET", f"/api/v2/findings/?test={test}&limit=10000")
    assert status == 200, page
    return page["results"]


def standing(finding):
    if finding["false_p"]:
        return "false positive"
    return "open" if finding["active"] else "mitigated" if finding["is_mitigated"] else "not open"


# By test. What once was a false positive stays one there: an import leaves such findings alone.
denied = {}


def wrong(test, document):
    """What is open there and not here, or here and not there; each finding once."""
    there, ours = {}, denied.setdefault(test, set())
    for finding in findings(test):
        if finding["unique_id_from_tool"] in there:
            yield f"{finding['unique_id_from_tool']} is there twice"
        there[finding["unique_id_from_tool"]] = standing(finding)
    here = {finding["unique_id_from_tool"]: standing(finding) for finding in document["findings"]}
    ours.update(name for name, state in here.items() if state == "false positive")
    for name, state in here.items():
        if there.get(name) != ("false positive" if name in ours else state):
            yield f"{name} is {state} and there {there.get(name)}"
    for name in set(there) - set(here):
        if there[name] == "open":
            yield f"{name} is no longer here and open there"


for product in ask("GET", "/api/v2/products/?limit=1000")[1]["results"]:
    if product["name"].startswith("made up: "):
        ask("DELETE", f"/api/v2/products/{product['id']}/")

status, body = ask("GET", "/api/v2/user_profile/", key="wrong")
check("another key is refused", [] if status in (401, 403) else [f"{status} {body}"])

tests = {}
with open(FOLDER / "defectdojo.ndjson", encoding="utf-8", newline="\n") as text:
    requests = [json.loads(line) for line in text]
for at, request in enumerate(requests):
    document = json.loads(request["file"])
    counts = {}
    for finding in document["findings"]:
        counts[standing(finding)] = counts.get(standing(finding), 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
    status, body = ask("POST", request["target"], request["body"].encode(), request["content_type"])
    if status not in (200, 201):
        check(f"request {at + 1} ({said})", [f"{status} {body[:500]}"])
        continue
    name, test = request["name"], body["test_id"]
    check(f"request {at + 1} goes into one test", [] if tests.setdefault(name, test) == test else [test])
    check(f"request {at + 1} ({said})", wrong(test, document))

conflict = requests[0]["body"].replace("Research and Development", "Another")
status, body = ask("POST", requests[0]["target"], conflict.encode(), requests[0]["content_type"])
is_known = status == 400 and "conflict with the supplied product type" in body
check("another product type is refused in the words that are known", [] if is_known else [f"{status} {body}"])
sys.exit(bool(failed))
