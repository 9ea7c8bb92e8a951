# export: ndjson.ndjson --format ndjson
"""NDJSON by Python's own json: the same objects as `findings --json`."""

import collections
import json

from report import FOLDER, check, end, findings, lines


def same_as_the_listing():
    truth = findings()
    for line in lines("ndjson.ndjson"):
        key = line["integration"], line["id"]
        expected = truth.pop(key, None)
        if line != expected:
            yield f"{key} is another than in the listing"
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
