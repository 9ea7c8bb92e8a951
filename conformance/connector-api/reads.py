"""What a list of the API has to be: whole, each event once, and what a filter leaves of it."""

import collections
import json
import re

from answers import require

CAPTIONS = ["Unknown", "Informational", "Low", "Medium", "High", "Critical"]


def pages(ask, method, *values, **named):
    """The events of all pages, as they were sent."""
    events, limit = [], named.get("limit", 100)
    while True:
        cursor = ask(method, *values, **named).cursor
        page = json.loads(ask.last[1])["result"]
        require(len(page) <= limit, f"{len(page)} on a page of {limit}")
        events += page
        if not cursor:
            return events
        require(page, "a page with nothing on it is not the last")
        named["cursor"] = cursor


def same(found, wanted, what):
    """All of them, and each once."""
    found, wanted = collections.Counter(list(found)), collections.Counter(list(wanted))
    extra, missing = list((found - wanted).elements()), list((wanted - found).elements())
    require(not extra, f"{len(extra)} {what} too many: {extra[:3]}")
    require(not missing, f"{len(missing)} {what} missing: {missing[:3]}")


def uids(events):
    return [event["finding_info"]["uid"] for event in events]


def same_facts(events, truth):
    """What the platform's database has of each finding."""
    for event in events:
        info, vulnerability = event["finding_info"], event["vulnerabilities"][0]
        named = vulnerability.get("cve") or vulnerability.get("advisory") or {}
        weakness, *_ = named.get("related_cwes") or [vulnerability.get("cwe") or {}]
        row = truth.findings[info["uid"]]
        found = {
            "application": event["application"]["uid"],
            "type": info["types"][0],
            "severity": event["severity_id"],
            "status": event["status_id"],
            "violates": event["compliance"]["status"] == "Fail",
            "first": info["first_seen_time"],
            "last": info["last_seen_time"],
            "cwe": weakness.get("uid"),
            "cve": named.get("uid"),
        }
        status = {"open": 1, "fixed": 4}.get(row["state"], 3)
        wanted = {**row, "status": status, "cwe": row["cwe"] and f"CWE-{row['cwe']}"}
        for what, value in found.items():
            require(value == wanted[what], f"{what} of {info['uid']}: {value}, not {wanted[what]}")


class Kind:
    """Events that can be filtered: what each has under the names of filters."""

    def __init__(self, events, uid, value):
        self.events, self.uid, self.value = events, uid, value

    def some(self, name):
        """Two values that events have, the first of them in the middle."""
        values = {one for event in self.events for one in listed(self.value(name, event))}
        require(values, f"there is nothing to filter by {name}")
        values = sorted(values, key=lambda value: rank(name, value))
        return values[len(values) // 2], values[-1]

    def wanted(self, name, operator, values):
        """The ids of what a filter has to leave."""
        fits = lambda event: is_left(name, operator, values, listed(self.value(name, event)))
        return [self.uid(event) for event in self.events if fits(event)]


def findings(events, truth):
    def value(name, event):
        info, row = event["finding_info"], truth.findings[event["finding_info"]["uid"]]
        last = name.rsplit(".", 1)[-1]
        if last.endswith("_time"):
            return info[last]
        return {
            "severity": lambda: event["severity"],
            "severity_id": lambda: event["severity_id"],
            "status": lambda: event["status"],
            "status_id": lambda: event["status_id"],
            "compliance.status": lambda: event["compliance"]["status"],
            "application.uid": lambda: event["application"]["uid"],
            "application.name": lambda: event["application"]["name"],
            "finding_info.uid": lambda: info["uid"],
            "finding_info.title": lambda: info["title"],
            "finding_info.types": lambda: info["types"],
            "vulnerabilities.cwe.uid": lambda: row["cwe"] and f"CWE-{row['cwe']}",
            "vulnerabilities.cve.uid": lambda: row["cve"],
            "vulnerabilities.cve.cvss.base_score": lambda: row["cvss"],
            "vulnerabilities.affected_code.file.path": lambda: row["file"],
            "vulnerabilities.affected_packages.name": lambda: row["component"],
            "resources.uid": lambda: row["url"],
        }[name]()

    return Kind(events, lambda event: event["finding_info"]["uid"], value)


def applications(events):
    def value(name, event):
        inner = event["application"]
        if name == "modified_time":
            return inner.get("modified_time")
        return inner.get("labels") if name == "tags" else event.get(name)

    return Kind(events, lambda event: event["uid"], value)


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def rank(name, value):
    return CAPTIONS.index(value) if name == "severity" else value


def is_left(name, operator, values, held):
    """Whether a filter leaves what has these values; what has none fits only a negation."""
    if operator in ("ne", "not in", "not like"):
        return not is_left(name, {"ne": "eq"}.get(operator, operator.removeprefix("not ")), values, held)
    first, *_ = ranks = [rank(name, value) for value in values]
    ordered = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
    for one in (rank(name, value) for value in held):
        if operator in ("eq", "in"):
            fits = any(same_text(one, value) for value in ranks)
        elif operator == "like":
            fits = re.fullmatch(".*".join(map(re.escape, first.split("*"))), one, re.I | re.S)
        else:
            fits = getattr(float(one), ordered[operator])(float(first))
        if fits:
            return True
    return False


def same_text(one, other):
    return one.casefold() == other.casefold() if isinstance(one, str) else one == other


def written(name, operator, values):
    """A filter as it is sent."""
    if operator.endswith("in"):
        # Values may have commas in them.
        quoted = ",".join(f'"{value}"' for value in values)
        return f"{name}[{operator}]{quoted}"
    return f"{name}[{operator}]{values[0]}"


def values_for(operator, some):
    if operator.endswith("in"):
        return some
    if operator.endswith("like"):
        return [f"*{some[0][2:-1]}*"]
    return some[:1]
