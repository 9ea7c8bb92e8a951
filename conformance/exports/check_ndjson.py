# export: ndjson.ndjson --format ndjson
"""NDJSON by Python's own json: all that `findings --json` says, and what the store and
the application add."""

import collections
import json

from report import FOLDER, check, end, findings, lines


ADDED = {
    "added",
    "changed",
    "last_change",
    "business_unit",
    "business_criticality",
    "teams",
    "tags",
    "policy",
    "policy_compliance",
    "data_paths",
}


def without_added(line):
    return {name: value for name, value in line.items() if name not in ADDED}


def same_as_the_listing():
    truth = findings()
    for line in lines("ndjson.ndjson"):
        key = line["integration"], line["id"]
        expected = truth.pop(key, None)
        if expected is None or without_added(line) != without_added(expected):
            yield f"{key} is another than in the listing"
        if not {"added", "changed", "last_change"} <= line.keys():
            yield f"{key} has no history"
    yield from (f"{key} is missing" for key in truth)


def as_many_as_the_platform_has():
    platform = json.loads((FOLDER / "platform.json").read_text())
    found = collections.Counter((f["application"], f["scan_type"]) for f in findings().values())
    expected = {
        (application, scan_type): count
        for application, counts in platform["findings"].items()
        for scan_type, count in counts.items()
    }
    yield from (
        f"{key}: {found.get(key, 0)} instead of {expected.get(key, 0)}"
        for key in found.keys() | expected.keys()
        if found.get(key, 0) != expected.get(key, 0)
    )


check("the same objects as the listing", same_as_the_listing)
if (FOLDER / "platform.json").exists():
    check("as many findings as the platform has", as_many_as_the_platform_has)
end()
