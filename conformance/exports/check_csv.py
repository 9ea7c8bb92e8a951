# export: csv.csv --format csv
"""CSV by Python's own csv: every finding once, nothing that a spreadsheet would run,
and the cells of the listing."""

import csv

from cells import FORMULA, cells, plain
from report import FOLDER, check, end, findings

NUMBERS = {"severity", "cwe", "line", "exploitability", "cvss", "cvss2", "epss_score", "epss_percentile", "build_id"}


def rows():
    with open(FOLDER / "csv.csv", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text, strict=True)


def every_finding_once():
    truth = findings()
    for row in rows():
        key = row["integration"], plain(row["id"])
        finding = truth.pop(key, None)
        if finding is None:
            yield f"{key} is no finding, or is there twice"
            continue
        if None in row or None in row.values():
            yield f"{key} has another number of cells"
            continue
        for name, expected in cells(finding).items():
            if plain(row[name]) != plain(expected):
                yield f"{key} {name}: {row[name]!r} instead of {expected!r}"
    yield from (f"{key} is missing" for key in truth)


def nothing_runs():
    for row in rows():
        for name, cell in row.items():
            if name in NUMBERS:
                try:
                    float(cell or 0)
                    continue
                except ValueError:
                    pass  # The score of a finding without a CVE is words.
            if FORMULA.match(cell) or cell[:1] in ("\t", "\r", "\n"):
                yield f"{row['id']} {name}: {cell!r}"


def one_line_a_row():
    with open(FOLDER / "csv.csv", encoding="utf-8", newline="") as text:
        lines = len(text.read().splitlines())
    if lines != len(findings()) + 1:
        yield f"{lines} lines"


check("every finding once, with the cells of the listing", every_finding_once)
check("one line a row", one_line_a_row)
check("nothing that a spreadsheet would run", nothing_runs)
end()
