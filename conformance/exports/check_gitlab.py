# export: gitlab-sast.json --format gitlab-sast
# export: gitlab-dast.json --format gitlab-dast
# export: gitlab-dependency-scanning.json --format gitlab-dependency-scanning
"""GitLab's reports. Its schemas are in no registry, so what they ask for (15.2.1) is
written down here; with GITLAB_SCHEMAS, a folder of `*-report-format.json`, they are
asked as well."""

import json
import os
import pathlib

import jsonschema
from report import FOLDER, check, end, findings, in_json, reads

REPORTS = {
    "sast": "gitlab-sast.json",
    "dast": "gitlab-dast.json",
    "dependency_scanning": "gitlab-dependency-scanning.json",
}


def text(least=0, most=None, pattern=None):
    schema = {"type": "string", "minLength": least}
    if most:
        schema["maxLength"] = most
    if pattern:
        schema["pattern"] = pattern
    return schema


def thing(required=(), **members):
    return {"type": "object", "required": list(required), "properties": members}


def several(of, least=0, most=None):
    schema = {"type": "array", "items": of, "minItems": least}
    if most:
        schema["maxItems"] = most
    return schema


METRICS = (
    "AV:[NALP]|AC:[LH]|PR:[NLH]|UI:[NR]|S:[UC]|[CIA]:[NLH]|E:[XUPFH]|RL:[XOTWU]|RC:[XURC]"
)
METRICS_2 = "AV:[NAL]|AC:[LMH]|Au:[MSN]|[CIA]:[NPC]"
URL = text(pattern="^(https?|ftp)://.+")
TIME = text(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$")
LINE = {"type": "number", "minimum": 1}
PROGRAM = thing(
    ["id", "name", "version", "vendor"],
    id=text(1), name=text(1), version=text(1), vendor=thing(["name"], name=text(1)),
)
LOCATIONS = {
    "sast": thing(file=text(), start_line=LINE, end_line=LINE, method=text()),
    "dast": thing(
        hostname=text(pattern="^https?://[^/]+$"), path=text(pattern="^/"), param=text(),
        method=text(),
    ),
    "dependency_scanning": thing(
        ["file", "dependency"],
        file=text(1),
        dependency=thing(
            ["package", "version"],
            package=thing(["name"], name=text()), version=text(), direct={"type": "boolean"},
        ),
    ),
}


def schema(kind):
    scan = thing(
        ["analyzer", "end_time", "scanner", "start_time", "status", "type"],
        analyzer=PROGRAM, scanner=PROGRAM, start_time=TIME, end_time=TIME,
        status={"enum": ["success", "failure"]}, type={"const": kind},
    )
    if kind == "dast":
        scan["required"].append("scanned_resources")
    vector = f"^CVSS:3[.][01]/(({METRICS})/)*({METRICS})$|^(({METRICS_2})/)*({METRICS_2})$"
    vulnerability = thing(
        ["id", "identifiers", "location"],
        id=text(1),
        name=text(most=255),
        description=text(most=1_048_576),
        severity={"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
        identifiers=several(
            thing(["type", "name", "value"], type=text(1), name=text(1), value=text(1), url=URL),
            least=1, most=20,
        ),
        cvss_vectors=several(
            thing(["vendor", "vector"], vendor=text(1), vector=text(16, 128, vector)), 1, 10
        ),
        links=several(thing(["url"], url=URL)),
        details={
            "type": "object",
            "additionalProperties": thing(
                ["type", "name", "value"], type={"const": "text"}, name=text(1), value=text()
            ),
        },
        flags=several(
            thing(
                ["type", "origin", "description"],
                type={"const": "flagged-as-likely-false-positive"},
                origin=text(1), description=text(1),
            )
        ),
        location=LOCATIONS[kind],
    )
    return thing(
        ["scan", "version", "vulnerabilities"],
        scan=scan, version={"const": "15.2.1"}, vulnerabilities=several(vulnerability),
    )


def report(kind):
    return json.loads((FOLDER / REPORTS[kind]).read_text())


def problems(document, by):
    validator = jsonschema.validators.validator_for(by)(by)
    for error in validator.iter_errors(document):
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"


def the_schema(kind):
    yield from problems(report(kind), schema(kind))
    folder = os.environ.get("GITLAB_SCHEMAS")
    if folder:
        name = f"{kind.replace('_', '-')}-report-format.json"
        yield from problems(report(kind), json.loads((pathlib.Path(folder) / name).read_text()))


def a_wrong_report_is_refused(kind):
    document = report(kind)
    document["scan"]["end_time"] = "2026-06-01T00:00:00Z"
    if not list(problems(document, schema(kind))):
        yield "it is taken"


# Of what GitLab makes the fingerprint of a place.
PLACE = {
    "sast": lambda place: (place.get("file"), place.get("start_line"), place.get("end_line")),
    "dast": lambda place: tuple(place.get(part) for part in ("hostname", "path", "param", "method")),
    "dependency_scanning": lambda place: (place["file"], place["dependency"]["package"]["name"]),
}
KINDS = {"sast": ("STATIC", "MANUAL"), "dast": ("DYNAMIC",), "dependency_scanning": ("SCA",)}


def as_gitlab_compares(kind):
    """One vulnerability for each first identifier and place; what is there is open."""

    def read(files):
        known = set()
        for one in json.loads(files[0].read_text())["vulnerabilities"]:
            first = one["identifiers"][0]
            place = first["type"], first["value"].lower(), PLACE[kind](one["location"])
            if place not in known:
                known.add(place)
                digits = one["id"].replace("-", "")
                yield digits[:12] + digits[13:16] + digits[17:22], one["severity"], True

    return read


def held(kind):
    for finding in findings().values():
        has_version = "component" not in finding or finding["component"].get("version", "").strip()
        is_open = finding["state"] == "open" and not finding["gone"]
        if finding["scan_type"] in KINDS[kind] and is_open and has_version:
            yield finding


def less(document):
    document["vulnerabilities"].pop()


def another_severity(document):
    one = document["vulnerabilities"][0]
    one["severity"] = "High" if one["severity"] == "Low" else "Low"


def a_twin(document):
    first, second, *_ = document["vulnerabilities"]
    second["identifiers"], second["location"] = first["identifiers"], first["location"]


for kind in REPORTS:
    check(f"what the {kind} schema asks for", lambda: the_schema(kind))
    check(f"a wrong {kind} report is refused", lambda: a_wrong_report_is_refused(kind))
    reads(
        "GitLab's rules",
        f"GitLab {kind.replace('_', ' ').replace('sast', 'SAST').replace('dast', 'DAST')}",
        REPORTS[kind],
        as_gitlab_compares(kind),
        list(held(kind)),
        [in_json("less", less), in_json("another severity", another_severity), in_json("a twin", a_twin)],
    )
end()
