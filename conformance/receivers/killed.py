"""The real program, killed again and again while it delivers to a real Redmine.

    killed.py COUNTERSIGN READY-FILE-OF-REDMINE [KILLS]

Each kill is SIGKILL, at a moment that nobody chose. At the end every open finding has one open
issue and no group has two; after some months at the service, what is fixed is closed. Its clock
goes twenty times as fast, and is behind each kill as much later as a dead process keeps a
destination.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

COUNTERSIGN = os.path.realpath(sys.argv[1])
REDMINE = json.load(open(sys.argv[2]))
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 12
SPEED = 20
CLAIM_S = 16 * 60
LIBRARY = subprocess.check_output(["faketime", "-f", "+0", "printenv", "LD_PRELOAD"], text=True).strip()
random.seed(22)
offset_s = 0.0
failed = 0


def check(what, problem):
    global failed
    failed += bool(problem)
    print(f"fail redmine {what}: {problem}" if problem else f"pass redmine {what}")


def run(home, *arguments, **more):
    done = subprocess.run([COUNTERSIGN, "--home", home, *arguments], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments}: {done.stderr}")
    return done.stdout


def said(home, *arguments):
    return json.loads(run(home, *arguments, "--json"))


def later():
    """An environment whose clock is where the last one was left, and later."""
    return {**os.environ, "LD_PRELOAD": LIBRARY, "FAKETIME": f"+{offset_s:.0f}s x{SPEED}"}


def deliver(home, kills):
    """Delivers until nothing is due. Returns how many kills were in the middle of a send."""
    global offset_s
    middle = 0
    since = time.monotonic()
    said(home, "deliver", "list")
    start_s = time.monotonic() - since
    for kill in range(kills + 1):
        since = time.monotonic()
        process = subprocess.Popen(
            [COUNTERSIGN, "--home", home, "deliver", "run", "redmine"], env=later(),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if kill < kills:
            time.sleep(random.uniform(start_s, start_s + 1.2))
            process.send_signal(signal.SIGKILL)
        _, words = process.communicate(timeout=900)
        offset_s += (time.monotonic() - since) * SPEED + CLAIM_S
        if kill < kills:
            middle += process.returncode == -signal.SIGKILL and bool(
                said(home, "deliver", "list", "redmine", "--state", "sending"))
        elif process.returncode not in (0, 6):  # 6: something is held.
            raise RuntimeError(words)
    return middle


def issues():
    """All that Redmine holds, by the group that is on each."""
    found, held = [], []
    while True:
        url = (f"{REDMINE['url']}issues.json?project_id={REDMINE['project']}&status_id=*"
               f"&limit=100&offset={len(found)}&sort=id")
        request = urllib.request.Request(url, headers={"X-Redmine-API-Key": REDMINE["person_key"]})
        page = json.load(urllib.request.urlopen(request))["issues"]
        found += page
        if not page:
            break
    for issue in found:
        group = re.search(r"countersign-([0-9a-f]{20})", issue["description"] or "")
        if group:
            held.append((group[1], issue["id"], issue["status"].get("is_closed", False)))
    return held


def problems(home, before):
    held = [one for one in issues() if one[1] not in before]
    groups = [group for group, _, _ in held]
    links = {link["group"]: link for link in said(home, "deliver", "links", "redmine")}
    opened = [line for line in run(home, "findings", "--state", "open", "--json").splitlines()
              if json.loads(line)["context"] == "policy"]
    twice = {group for group in groups if groups.count(group) > 1}
    if twice:
        return f"{len(twice)} groups have two issues"
    if set(groups) != set(links):
        return f"{len(set(groups) ^ set(links))} groups are known at one end only"
    if any(str(number) != links[group]["reference"] for group, number, _ in held):
        return "a link leads to another issue"
    if any(is_closed == (links[group]["state"] == "open") for group, _, is_closed in held):
        return "an issue stands otherwise than its link"
    if len(opened) != sum(not is_closed for _, _, is_closed in held):
        return f"{len(opened)} findings are open, and {sum(not one[2] for one in held)} issues"
    return None


def main(scratch):
    tenant, home, ready_file = f"{scratch}/platform", f"{scratch}/home", f"{scratch}/ready.json"
    before = {number for _, number, _ in issues()}
    platform = subprocess.Popen(
        [COUNTERSIGN, "--home", tenant, "platform", "serve", "--listen", "127.0.0.1:0", "--seed",
         "apps=6,findings=8", "--rate-limit", "off", "--ready-file", ready_file],
        stderr=subprocess.DEVNULL)
    try:
        while not os.path.exists(ready_file):
            assert platform.poll() is None, "the platform ended"
            time.sleep(0.05)
        ready = json.load(open(ready_file))
        run(tenant, "platform", "clock", "--signatures", "real")
        pair = said(tenant, "platform", "mint", "--user", "killed", "--role", "resultsapi",
                    "--role", "noteamrestrictionapi")
        os.makedirs(home, mode=0o700)
        with open(f"{home}/config.toml", "w") as config:
            config.write(
                '[[destinations]]\nname = "redmine"\nmode = "live"\ngroup_by = "finding"\n'
                'allow_networks = ["127.0.0.1"]\nallow_http_loopback = true\n'
                f'[destinations.redmine]\nurl = "{REDMINE["url"]}"\nproject = "{REDMINE["project"]}"\n')
        run(home, "integration", "add", "killed", "--client-id", pair["api_id"], "--client-secret-stdin",
            "--url", ready["rest_url"], "--ca-file", ready["ca_file"], input=pair["api_secret"])
        run(home, "sync")
        run(home, "deliver", "secret", "redmine", "--secret-stdin", input=REDMINE["key"])
        run(home, "deliver", "test", "redmine")
        run(home, "deliver", "backfill", "redmine")
        run(home, "deliver", "approve", "redmine")
        middle = deliver(home, KILLS)
        check(f"each open finding has one issue after {KILLS} kills", problems(home, before))
        run(tenant, "platform", "mutate", "--days", "30", "--seed", "7")
        run(home, "sync", "--accept-closures")
        middle += deliver(home, 0 if KILLS == 0 else 2)
        run(home, "deliver", "approve", "redmine")
        middle += deliver(home, KILLS)
        check(f"what was fixed is closed after {KILLS + 2} kills more", problems(home, before))
        closed = [one for one in issues() if one[1] not in before and one[2]]
        check("something was fixed", None if closed else "nothing was")
        check(f"{middle} kills were in the middle of a send", None if middle or not KILLS else "none was")
    finally:
        platform.kill()
        platform.wait()


with tempfile.TemporaryDirectory() as folder:
    main(folder)
sys.exit(bool(failed))
