# export: defectdojo.json --format defectdojo
# export: sarif.sarif --format sarif
# export: cyclonedx.json --format cyclonedx
# export: gitlab-sast.json --format gitlab-sast
# export: gitlab-dependency-scanning.json --format gitlab-dependency-scanning
"""DefectDojo's own parsers, as `norm-findings` carries them. That of GitLab's DAST reports
wants the request, which is in no record."""

import io
import json
import logging

from norm_findings.parsers.cyclonedx.json_parser import CycloneDXJSONParser
from norm_findings.parsers.generic import json_parser
from norm_findings.parsers.gitlab_dep_scan.parser import GitlabDepScanParser
from norm_findings.parsers.gitlab_sast.parser import GitlabSastParser
from norm_findings.parsers.sarif.parser import SarifParser
from report import FOLDER, check, end, findings, in_json, reads

FILE = FOLDER / "defectdojo.json"


class ParserTest:
    """The one that `norm-findings` brings along takes fewer arguments than its caller gives."""

    def __init__(self, **members):
        self.__dict__.update(members)


json_parser.ParserTest = ParserTest


class Refusals(logging.Handler):
    """The parser only logs what it refuses."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def parse(document):
    refusals = Refusals()
    json_parser.logger.addHandler(refusals)
    json_parser.logger.propagate = False
    read = json_parser.GenericJSONParser()._get_test_json(document).findings
    json_parser.logger.removeHandler(refusals)
    return read, refusals.texts


def a_member_that_it_does_not_know_is_refused():
    document = json.loads(FILE.read_text())
    document["findings"] = document["findings"][:1]
    document["findings"][0]["colour"] = "red"
    read, refusals = parse(document)
    if read or not refusals:
        yield "it is taken"


def generic(files):
    read, refusals = parse(json.loads(files[0].read_text()))
    assert not refusals, refusals[:3]
    for finding in read:
        yield finding.unique_id_from_tool, finding.severity, finding.active


def hashes_are_of_one_finding():
    """What DefectDojo compares by unless it is told otherwise, in all of a product."""
    read, _ = parse(json.loads(FILE.read_text()))
    known = set()
    for finding in read:
        fields = (finding.title, finding.cwe, finding.line, finding.file_path, finding.description)
        text = "|".join(map(str, fields)).casefold()
        if text in known:
            yield f"{finding.unique_id_from_tool} has the hash of another"
        known.add(text)


def mitigated_is_mitigated():
    read, _ = parse(json.loads(FILE.read_text()))
    truth = {finding["id"]: finding for finding in findings().values()}
    for finding in read:
        state = truth[finding.unique_id_from_tool]["state"]
        if finding.false_p != (state == "false_positive"):
            yield f"{finding.unique_id_from_tool}: false_p is {finding.false_p}"
        if state == "fixed" and not finding.is_mitigated:
            yield f"{finding.unique_id_from_tool} is fixed and not mitigated"


def sarif(files):
    for file in files:
        for finding in SarifParser().get_findings(io.StringIO(file.read_text()), None):
            yield finding.unique_id_from_tool, finding.severity, finding.active and not finding.false_p


def cyclonedx(files):
    for finding in CycloneDXJSONParser()._get_findings_json(io.StringIO(files[0].read_text()), None):
        closed = finding.active is False or finding.is_mitigated or finding.false_p
        yield None, finding.severity, not closed


def gitlab(parser):
    def read(files):
        for finding in parser.get_findings(io.StringIO(files[0].read_text()), None):
            digits = finding.unique_id_from_tool.replace("-", "")
            # A UUID of the id: without the version and the variant. What is there is open.
            yield digits[:12] + digits[13:16] + digits[17:22], finding.severity, True

    return read


def held(*scan_types):
    return [f for f in findings().values() if f["scan_type"] in scan_types and not f["gone"]]


def still_open(found):
    has_version = lambda f: "component" not in f or f["component"].get("version", "").strip()
    return [f for f in found if f["state"] == "open" and has_version(f)]


def less(document):
    document[next(name for name in ("findings", "vulnerabilities") if name in document)].pop()


def another_severity(document):
    one = document[next(name for name in ("findings", "vulnerabilities") if name in document)][0]
    for rating in one.get("ratings", []):
        rating["severity"] = "high" if rating["severity"] == "low" else "low"
    one["severity"] = "High" if one.get("severity") == "Low" else "Low"


def less_of_a_run(document):
    next(run for run in document["runs"] if run["results"])["results"].pop()


def a_suppression(document):
    results = (result for run in document["runs"] for result in run["results"])
    next(r for r in results if "suppressions" not in r)["suppressions"] = [{"kind": "external"}]


def another_state(document):
    one = next(one for one in document["findings"] if one["active"])
    one["active"] = False


def another_analysis(document):
    one = next(v for v in document["vulnerabilities"] if v["analysis"]["state"] == "in_triage")
    one["analysis"]["state"] = "resolved"


def texts_fit_into_the_columns():
    columns = {
        "title": 511, "file_path": 4000, "component_name": 500, "component_version": 100,
        "unique_id_from_tool": 500, "vuln_id_from_tool": 500, "service": 200,
        "sast_source_object": 500,
    }
    for finding in json.loads(FILE.read_text())["findings"]:
        for name, most in columns.items():
            if len(finding.get(name, "")) > most:
                yield f"{finding['unique_id_from_tool']}: {name}"
        if "\0" in json.dumps(finding, ensure_ascii=False):
            yield f"{finding['unique_id_from_tool']}: PostgreSQL refuses it"


check("a member that it does not know is refused", a_member_that_it_does_not_know_is_refused)
SPOILS = [in_json("less", less), in_json("another severity", another_severity)]
reads(
    "DefectDojo", "Generic Findings Import", "defectdojo.json", generic, findings().values(),
    [*SPOILS, in_json("another state", another_state)],
)
reads(
    "DefectDojo", "SARIF", "sarif*.sarif", sarif,
    [f for f in findings().values() if not f["gone"] and f["state"] != "fixed"],
    [in_json("less", less_of_a_run), in_json("a suppression", a_suppression)],
)
reads(
    "DefectDojo", "CycloneDX", "cyclonedx.json", cyclonedx, held("SCA"),
    [*SPOILS, in_json("another analysis", another_analysis)],
)
reads(
    "DefectDojo", "GitLab SAST", "gitlab-sast.json", gitlab(GitlabSastParser()),
    still_open(held("STATIC", "MANUAL")), SPOILS,
)
reads(
    "DefectDojo", "GitLab dependency scanning", "gitlab-dependency-scanning.json",
    gitlab(GitlabDepScanParser()), still_open(held("SCA")), SPOILS,
)
check("no two findings have one hash", hashes_are_of_one_finding)
check("what is fixed or none is so", mitigated_is_mitigated)
check("texts fit into the columns", texts_fit_into_the_columns)
end()
