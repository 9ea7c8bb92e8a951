"""The queries of docs/how-to/analyse-with-duckdb.md, by DuckDB, over a data lake of the program.

    duckdb_how_to.py COUNTERSIGN

The demo tenant is synced and delivered into a folder, then again after a month at the service. Each
query answers, and what it counts is what the program counts.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import duckdb

COUNTERSIGN = os.path.realpath(sys.argv[1])
HOW_TO = pathlib.Path(__file__).parents[2] / "docs/how-to/analyse-with-duckdb.md"
failed = 0


def check(what, problem):
    global failed
    failed += bool(problem)
    print(f"fail duckdb {what}: {problem}" if problem else f"pass duckdb {what}", flush=True)


def run(home, *arguments, **more):
    done = subprocess.run([COUNTERSIGN, "--home", home, *arguments], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments}: {done.stderr}")
    return done.stdout


def fill(tenant, home, lake, ready_file):
    """A lake with two days at least."""
    while not os.path.exists(ready_file):
        time.sleep(0.05)
    ready = json.load(open(ready_file))
    run(tenant, "platform", "clock", "--signatures", "real")
    pair = json.loads(run(tenant, "platform", "mint", "--user", "lake", "--role", "resultsapi",
                          "--role", "noteamrestrictionapi", "--json"))
    os.makedirs(home, mode=0o700)
    with open(f"{home}/config.toml", "w") as config:
        # This service counts no requests.
        config.write('[client]\nrequests_per_minute = 1000000\n'
                     '[[destinations]]\nname = "lake"\nmode = "live"\n[destinations.lake]\n'
                     f'folder = "{lake}"\nformat = "parquet"\n')
    run(home, "integration", "add", "prod", "--client-id", pair["api_id"], "--client-secret-stdin",
        "--url", ready["rest_url"], "--ca-file", ready["ca_file"], input=pair["api_secret"])
    run(home, "sync")
    run(home, "deliver", "backfill", "lake")
    run(home, "deliver", "run", "lake")
    run(tenant, "platform", "mutate", "--days", "60", "--seed", "3")
    run(home, "sync", "--full", "--accept-closures")
    run(home, "deliver", "run", "lake")
    # The same once more: nothing may be counted twice.
    run(home, "deliver", "backfill", "lake")
    run(home, "deliver", "run", "lake")


def main(scratch):
    tenant, home, lake = f"{scratch}/platform", f"{scratch}/home", f"{scratch}/lake"
    platform = subprocess.Popen(
        [COUNTERSIGN, "--home", tenant, "platform", "serve", "--listen", "127.0.0.1:0", "--seed", "demo",
         "--rate-limit", "off", "--ready-file", f"{scratch}/ready.json"], stderr=subprocess.DEVNULL)
    try:
        fill(tenant, home, lake, f"{scratch}/ready.json")
        shown = [json.loads(line) for line in run(home, "findings", "--json").splitlines()]
    finally:
        platform.kill()
        platform.wait()
    blocks = re.findall(r"```sql\n(.*?)```", HOW_TO.read_text(), re.S)
    base = duckdb.connect()
    base.execute(blocks[0].replace("/srv/findings", lake))
    check("there are queries", len(blocks) < 7 and f"only {len(blocks)}")
    answers = []
    for block in blocks[1:]:
        rows = base.execute(block).fetchall()
        answers.append(rows)
        check(f"answers {block.splitlines()[0]} … ({len(rows)} rows)", not rows and "nothing")
    # What is delivered unless a filter says otherwise.
    shown = [one for one in shown if one["context"] == "policy"]
    found = {(one["integration"], one["id"]): one for one in shown}
    rows = base.execute("select integration, id, state, gone, severity from findings").fetchall()
    check(f"{len(rows)} findings are those that are stored", len(rows) != len(found) and len(found))
    wrong = [row for row in rows
             if (row[2], row[3], row[4]) != tuple(found[row[:2]][name] for name in ("state", "gone", "severity"))]
    check("each stands where the program says", wrong[:3])
    twice = base.execute("select seq from events group by seq having count(*) > 1").fetchall()
    check("no change is there twice", twice[:3])
    opened = sum(one["state"] == "open" and not one["gone"] and one["context"] == "policy" for one in shown)
    counted = base.execute(
        "select count(*) from findings where state = 'open' and not gone and context = 'policy'").fetchone()[0]
    check(f"{counted} are open in the policy context", counted != opened and opened)


with tempfile.TemporaryDirectory() as folder:
    main(folder)
sys.exit(bool(failed))
