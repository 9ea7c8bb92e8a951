# export: ocsf.ndjson --format ocsf
# export: ocsf-raw.ndjson --format ocsf --raw
# export: ocsf-2002.ndjson --format ocsf --ocsf-class 2002
# export: ocsf-2002-1.3.ndjson --format ocsf --ocsf-class 2002 --ocsf-version 1.3.0
# export: ocsf-applications.ndjson --format ocsf-applications
"""OCSF by the models and the schema data of pydantic-ocsf.

The models check required attributes, types, numbers and captions. What they let pass is
checked here by the schema's own data: attributes that are unknown, deprecated or of a
profile that is not named, constraints, nulls; and two attributes that they get wrong:
the depth of a CVSS score, which they hold for a number, and the status of a finding,
for which they have the numbers of another object. Their data of 1.3.0 leaves out what all classes have in common, so an
event of 1.3.0 goes to the models of 1.4.0, and to the data of 1.3.0 with what is left
out taken from 1.4.0.
"""

import copy
import functools
import hashlib
import importlib
import json
import pathlib

import ocsf
import pydantic

from report import check, end, findings, lines

CLASSES = {
    2007: "application_security_posture_finding",
    2002: "vulnerability_finding",
    5023: "cloud_resources_inventory_info",
}
NEXT = {"1.3.0": "1.4.0"}
KINDS = {
    "boolean_t": bool,
    "float_t": (int, float),
    "integer_t": int,
    "long_t": int,
    "timestamp_t": int,
    "port_t": int,
    "json_t": object,
}


class Schema:
    """The data of one version, with what is inherited put together."""

    def __init__(self, version):
        name = f"v{version.replace('.', '_')}.json"
        path = pathlib.Path(ocsf.__file__).parent / "schemas" / name
        self.data = json.loads(path.read_text(encoding="utf-8"))
        self.dictionary = self.data["dictionary"]["attributes"]

    def lineage(self, table, name):
        while name:
            entry = self.data[table].get(name)
            if entry is None:
                return
            yield entry
            name = entry.get("extends")

    @functools.cache
    def attributes(self, table, name):
        """Attributes, each with what its ancestors and the dictionary say of it."""
        merged = {}
        for entry in reversed(list(self.lineage(table, name))):
            for key, value in entry.get("attributes", {}).items():
                if key.startswith("$") or not isinstance(value, dict):
                    continue
                known = merged.setdefault(key, copy.deepcopy(self.dictionary.get(key, {})))
                numbers = {**known.get("enum", {}), **value.get("enum", {})}
                known.update(value)
                if numbers:
                    known["enum"] = numbers
        return merged

    @functools.cache
    def constraints(self, table, name):
        return [entry["constraints"] for entry in self.lineage(table, name) if entry.get("constraints")]


@functools.cache
def schema(version):
    made = Schema(version)
    if version in NEXT:
        common = schema(NEXT[version]).data["events"]["base_event"]["attributes"]
        base = made.data["events"]["base_event"]["attributes"]
        for key in common.keys() - base.keys():
            if key in made.dictionary:
                base[key] = common[key]
    return made


def problems_of(schema, table, name, value, path):
    """What is wrong with an object, and with those in it."""
    attributes = schema.attributes(table, name)
    if not attributes:
        # An object of any shape.
        return
    for constraint in schema.constraints(table, name):
        for rule, names in constraint.items():
            there = [key for key in names if key in value]
            if (rule == "at_least_one" and not there) or (rule == "just_one" and len(there) != 1):
                yield f"{path}: {rule} of {names}, and there are {there}"
    for key, attribute in attributes.items():
        if attribute.get("requirement") == "required" and key not in value:
            yield f"{path}.{key}: required"
    for key, one in value.items():
        at = f"{path}.{key}"
        attribute = attributes.get(key)
        if attribute is None:
            yield f"{at}: unknown attribute"
            continue
        if attribute.get("@deprecated"):
            yield f"{at}: deprecated"
        if attribute.get("profile"):
            yield f"{at}: only with the profile {attribute['profile']}"
        if isinstance(one, list) != bool(attribute.get("is_array")):
            yield f"{at}: a list or not a list"
            continue
        for index, element in enumerate(one if isinstance(one, list) else [one]):
            yield from problems_of_value(schema, attribute, element, f"{at}[{index}]", value)


def problems_of_value(schema, attribute, value, path, around):
    kind = attribute.get("type", "string_t")
    if kind.endswith("_t"):
        expected = KINDS.get(kind, str)
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            yield f"{path}: {value!r} is no {kind}"
    elif kind == "object":
        return
    elif not isinstance(value, dict):
        yield f"{path}: {value!r} is no {kind}"
    else:
        yield from problems_of(schema, "objects", kind, value, path)
    numbers = attribute.get("enum")
    # The numbers of categories and classes are no part of the data of a class.
    if not numbers or attribute.get("sibling") in ("category_name", "class_name"):
        return
    if str(value) not in numbers:
        yield f"{path}: {value!r} is none of {sorted(numbers)}"
        return
    caption = around.get(attribute.get("sibling"))
    if caption is not None and value != 99 and caption != numbers[str(value)]["caption"]:
        yield f"{path}: {value} is not {caption!r}"


def nulls(value, path="$"):
    if value is None:
        yield f"{path}: null"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from nulls(one, f"{path}.{key}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from nulls(one, f"{path}[{index}]")


@functools.cache
def model(version, name):
    module = importlib.import_module(f"ocsf.v{version.replace('.', '_')}.events")
    return getattr(module, "".join(part.capitalize() for part in name.split("_")))


def problems_of_event(event):
    version, number = event["metadata"]["version"], event["class_uid"]
    name = CLASSES[number]
    if event["type_uid"] != number * 100 + event["activity_id"]:
        yield "$.type_uid: not that of class and activity"
    if event["category_uid"] != number // 1000:
        yield "$.category_uid: not that of the class"
    yield from nulls(event)
    yield from problems_of(schema(version), "events", name, event, "$")
    known = copy.deepcopy(event)
    for vulnerability in known.get("vulnerabilities", []):
        for score in vulnerability.get("cve", {}).get("cvss", []):
            score.pop("depth", None)
    known.pop("status_id", None)
    known.pop("status", None)
    known["metadata"]["version"] = version = NEXT.get(version, version)
    try:
        model(version, name).model_validate_json(json.dumps(known))
    except pydantic.ValidationError as error:
        for one in error.errors():
            yield f"$.{'.'.join(map(str, one['loc']))}: {one['msg']}"


def valid(file, number, version):
    def act():
        for at, event in enumerate(lines(file), 1):
            if (event["class_uid"], event["metadata"]["version"]) != (number, version):
                yield f"line {at}: another class or version"
            yield from (f"line {at}: {problem}" for problem in problems_of_event(event))

    check(f"{file} is valid", act)


def same_findings(file):
    """Every finding once, under its id, in its state."""

    def act():
        truth = findings()
        events = set()
        for event in lines(file):
            key = event["metadata"]["tenant_uid"], event["finding_info"]["uid"]
            finding = truth.pop(key, None)
            if finding is None:
                yield f"{key} is no finding, or is there twice"
                continue
            events.add(event["metadata"]["uid"])
            severity = [1, 2, 2, 3, 4, 5][finding["severity"]]
            if event["severity_id"] != severity:
                yield f"{key}: severity {event['severity_id']} for {finding['severity']}"
            is_open = event["status_id"] in (1, 2)
            if not finding["gone"] and is_open != (finding["state"] == "open"):
                yield f"{key}: status {event['status']} for {finding['state']}"
            if event["finding_info"]["types"] != [finding["scan_type"]]:
                yield f"{key}: types {event['finding_info']['types']}"
        yield from (f"{key} is missing" for key in truth)
        if len(events) != len(findings()):
            yield "two events have one uid"

    check(f"{file} has every finding once", act)


def records_are_whole():
    for event in lines("ocsf-raw.ndjson"):
        raw = event["raw_data"].encode()
        if event["raw_data_size"] != len(raw):
            yield f"{event['finding_info']['uid']}: size"
        if event["raw_data_hash"]["value"] != hashlib.sha256(raw).hexdigest():
            yield f"{event['finding_info']['uid']}: hash"


def same_applications():
    uids = [event["resources"][0]["uid"] for event in lines("ocsf-applications.ndjson")]
    if len(set(uids)) != len(uids):
        yield "an application is there twice"
    missing = {finding["application"] for finding in findings().values()} - set(uids)
    yield from (f"{uid} is missing" for uid in missing)


def broken():
    """Events that must be refused, each for one reason."""
    good = next(event for event in lines("ocsf.ndjson") if "cwe" in event["vulnerabilities"][0])
    scored = next(
        event for event in lines("ocsf.ndjson") if event["vulnerabilities"][0].get("cve", {}).get("cvss")
    )
    old = lines("ocsf-2002-1.3.ndjson")[0]

    def of(event, act):
        event = copy.deepcopy(event)
        act(event)
        return event

    vulnerability = lambda event: event["vulnerabilities"][0]
    yield "two of cve and cwe", of(good, lambda e: vulnerability(e).update(cve={"uid": "CVE-1"}))
    yield "none of them", of(good, lambda e: vulnerability(e).pop("cwe"))
    yield "an unknown attribute", of(good, lambda e: vulnerability(e)["cwe"].update(novel=1))
    yield "an attribute of a profile", of(good, lambda e: e.update(verdict_id=1))
    yield "a deprecated attribute", of(good, lambda e: vulnerability(e).update(fix_available=True))
    yield "a word that is not the caption", of(good, lambda e: e.update(severity="Very High"))
    yield "a number that there is not", of(good, lambda e: e.update(status_id=7))
    yield "a product without a name", of(good, lambda e: e["metadata"]["product"].pop("name"))
    yield "a null", of(good, lambda e: e["unmapped"].update(novel=None))
    yield "a time that is text", of(good, lambda e: e.update(time="2026-01-02"))
    yield "another type", of(good, lambda e: e.update(type_uid=200799))
    yield "no finding", of(good, lambda e: e.pop("finding_info"))
    yield "a depth that there is not", of(
        scored, lambda e: vulnerability(e)["cve"]["cvss"][0].update(depth="Deep")
    )
    yield "an application in 1.3.0", of(old, lambda e: e.update(application={"uid": "x"}))
    yield "no title in 1.3.0", of(old, lambda e: e["finding_info"].pop("title"))
    yield "no vulnerability in 1.3.0", of(old, lambda e: e.pop("vulnerabilities"))


def broken_are_refused():
    return [f"{why} passes" for why, event in broken() if not list(problems_of_event(event))]


check("what is broken is refused", broken_are_refused)
valid("ocsf.ndjson", 2007, "1.6.0")
valid("ocsf-raw.ndjson", 2007, "1.6.0")
valid("ocsf-2002.ndjson", 2002, "1.6.0")
valid("ocsf-2002-1.3.ndjson", 2002, "1.3.0")
valid("ocsf-applications.ndjson", 5023, "1.6.0")
for file in ["ocsf.ndjson", "ocsf-raw.ndjson", "ocsf-2002.ndjson", "ocsf-2002-1.3.ndjson"]:
    same_findings(file)
check("records are whole", records_are_whole)
check("ocsf-applications.ndjson has every application", same_applications)
end()
