# export: gitlab-sast.json --format gitlab-sast
# export: gitlab-dast.json --format gitlab-dast
# export: gitlab-dependency-scanning.json --format gitlab-dependency-scanning
"""GitLab's reports. Its schemas are in no registry, so what they ask for (15.2.1) is
written down here; with GITLAB_SCHEMAS, a folder of `*-report-format.json`, they are
asked as well. And DefectDojo's parsers of two of the reports, as `norm-findings`
carries them; that of DAST reports wants the request, which is in no record."""

import io
import json
import os
import pathlib

import jsonschema
from norm_findings.parsers.gitlab_dep_scan.parser import GitlabDepScanParser
from norm_findings.parsers.gitlab_sast.parser import GitlabSastParser
from report import FOLDER, check, end, findings

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


def every_open_finding_is_in_one_report():
    kinds = {"STATIC": "sast", "MANUAL": "sast", "DYNAMIC": "dast", "SCA": "dependency_scanning"}
    expected = {kind: 0 for kind in REPORTS}
    for finding in findings().values():
        has_version = finding.get("component", {}).get("version", "").strip()
        is_open = finding["state"] == "open" and not finding["gone"]
        if is_open and (finding["scan_type"] != "SCA" or has_version):
            expected[kinds[finding["scan_type"]]] += 1
    ids = set()
    for kind, count in expected.items():
        vulnerabilities = report(kind)["vulnerabilities"]
        ids.update(vulnerability["id"] for vulnerability in vulnerabilities)
        if len(vulnerabilities) != count:
            yield f"{kind}: {len(vulnerabilities)} instead of {count}"
    if len(ids) != sum(expected.values()):
        yield "an id is there twice"


def defectdojo_reads(kind, parser):
    def act():
        read = parser.get_findings(io.StringIO(json.dumps(report(kind))), None)
        found = {finding.unique_id_from_tool: finding for finding in read}
        for vulnerability in report(kind)["vulnerabilities"]:
            finding = found.pop(vulnerability["id"], None)
            if finding is None:
                yield f"{vulnerability['id']} is missing"
            elif finding.severity != vulnerability["severity"]:
                yield f"{vulnerability['id']} is {finding.severity}"
        yield from found

    return act


for kind in REPORTS:
    check(f"what the {kind} schema asks for", lambda: the_schema(kind))
    check(f"a wrong {kind} report is refused", lambda: a_wrong_report_is_refused(kind))
check("every open finding is in one report", every_open_finding_is_in_one_report)
check("DefectDojo reads the SAST report", defectdojo_reads("sast", GitlabSastParser()))
check(
    "DefectDojo reads the dependency scanning report",
    defectdojo_reads("dependency_scanning", GitlabDepScanParser()),
)
end()
