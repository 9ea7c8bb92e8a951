"""What every check needs: the findings to answer for, and its lines."""

import json
import pathlib
import sys
import traceback

NAME = pathlib.Path(sys.argv[0]).stem.removeprefix("check_")
FOLDER = pathlib.Path(sys.argv[1])
_failed = 0


def lines(file):
    """The JSON objects of a file that has one a line."""
    with open(FOLDER / file, encoding="utf-8", newline="\n") as text:
        return [json.loads(line) for line in text]


def findings():
    """By id and integration: the findings that a format has to answer for."""
    found = {}
    for finding in lines("findings.ndjson"):
        key = finding["integration"], finding["id"]
        assert key not in found, f"{key} is there twice"
        found[key] = finding
    return found


def check(what, act):
    """Calls `act`, which returns problems or raises, and says how it went."""
    global _failed
    try:
        problems = list(act() or [])
    except Exception:
        problems = [traceback.format_exc().strip()]
    where = f"{what} ({FOLDER.name})"
    if not problems:
        print(f"pass {NAME} {where}")
        return
    _failed += 1
    for problem in problems[:10]:
        print(f"fail {NAME} {where}: {problem}")
    if len(problems) > 10:
        print(f"fail {NAME} {where}: and {len(problems) - 10} more")


def end():
    """Exit code 1 when anything failed."""
    sys.exit(bool(_failed))
