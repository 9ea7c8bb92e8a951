"""CSV: what of a finding is a cell."""

import re

# What spreadsheets run, perhaps behind blanks and what cannot be seen.
FORMULA = re.compile(
    r"^[\s\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*[=+\-@＝＋－＠]"
)
BREAKS = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def plain(cell):
    """Without the quote in front of what a spreadsheet would take for something else."""
    return cell.removeprefix("'")


def line(text):
    """A text on one line, as cells hold it."""
    return CONTROLS.sub("\ufffd", BREAKS.sub(" ", text))


def cells(finding):
    """What of the listing is a cell, as text."""
    component = finding.get("component", {})
    known = finding.get("vulnerability", {})
    location = finding.get("location", {})
    truth = lambda value: "" if value is None else str(value).lower()
    texts = {
        "id": finding["id"],
        "integration": finding["integration"],
        "application": finding["application"],
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
        "description": finding["description"],
        "file": location.get("file", ""),
        "line": str(location.get("line", "")),
        "module": location.get("module", ""),
        "procedure": location.get("procedure", ""),
        "parameter": location.get("parameter", ""),
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
    return {name: line(text) for name, text in texts.items()}
