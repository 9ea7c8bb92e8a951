# export: csv.csv --format csv
"""CSV by Python's own csv: every finding once, nothing that a spreadsheet would run,
and the cells of the listing."""

import csv
import re

from report import FOLDER, check, end, findings

# What spreadsheets run, perhaps behind blanks and what cannot be seen.
FORMULA = re.compile(r"^[\s\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*[=+\-@＝＋－＠]")
NUMBERS = {"severity", "cwe", "line", "exploitability", "cvss", "cvss2", "epss_score", "epss_percentile", "build_id"}


def rows():
    with open(FOLDER / "csv.csv", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text, strict=True)


def plain(cell):
    return cell[1:] if cell.startswith("'") and (FORMULA.match(cell[1:]) or cell[1:2] in "\t\r\n") else cell


def cells(finding):
    """What of the listing is a cell, as text."""
    component = finding.get("component", {})
    known = finding.get("vulnerability", {})
    location = finding.get("location", {})
    truth = lambda value: "" if value is None else str(value).lower()
    return {
        "application_name": finding["application_name"],
        "context": finding["context"],
        "key": finding["key"],
        "scan_type": finding["scan_type"],
        "severity": str(finding["severity"]),
        "state": finding["state"],
        "violates_policy": truth(finding.get("violates_policy")),
        "gone": truth(finding["gone"]),
        "cwe": str(finding.get("cwe", {}).get("id", "")),
        "title": finding["title"],
        "description": re.sub("[\r\n]", " ", finding["description"]),
        "file": location.get("file", ""),
        "line": str(location.get("line", "")),
        "module": location.get("module", ""),
        "url": location.get("url", ""),
        "component": component.get("name", ""),
        "version": component.get("version", ""),
        "licenses": "; ".join(one["id"] for one in component.get("licenses", [])),
        "component_paths": "; ".join(component.get("paths", [])),
        "references": "; ".join(finding.get("references", [])),
        "cve": known.get("name", ""),
        "first_found": finding.get("first_found", ""),
        "last_seen": finding.get("last_seen", ""),
    }


def every_finding_once():
    truth = findings()
    for row in rows():
        key = row["integration"], row["id"]
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


check("every finding once, with the cells of the listing", every_finding_once)
check("nothing that a spreadsheet would run", nothing_runs)
end()
