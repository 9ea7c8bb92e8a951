# export: cyclonedx.json --format cyclonedx
"""CycloneDX by its own Python library: the strict schema, and the document as objects."""

import functools
import json

import rfc3987_syntax

# What the schema's `iri-reference` is checked with takes some 20 ms for an address, and each is
# there many times.
rfc3987_syntax.is_valid_syntax = functools.cache(rfc3987_syntax.is_valid_syntax)

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from report import FOLDER, WORDS, check, end, findings, in_json, reads

TEXT = (FOLDER / "cyclonedx.json").read_text()


def the_strict_schema():
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(TEXT)
    return [str(error)[:1000]] if error else []


def a_wrong_file_is_refused():
    document = json.loads(TEXT)
    document["metadata"]["timestamp"] = "yesterday"
    document["vulnerabilities"] = [{"cwes": [0]}]
    # It takes long over all of them, and these are right.
    del document["components"][1:]
    if not JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)):
        yield "it is taken"


def the_library(files):
    bom = Bom.from_json(json.loads(files[0].read_text()))
    for vulnerability in bom.vulnerabilities:
        ratings = [rating for rating in vulnerability.ratings if rating.source is not None]
        analysis = vulnerability.analysis
        accepted = any(response.value == "will_not_fix" for response in analysis.responses)
        is_open = analysis.state.value in ("in_triage", "exploitable") and not accepted
        own = vulnerability.bom_ref.value.removeprefix("finding:")
        yield own, ratings[0].severity.value, is_open


def less(document):
    document["vulnerabilities"].pop()


def another_severity(document):
    for rating in document["vulnerabilities"][0]["ratings"]:
        rating["severity"] = "high" if rating["severity"] == "low" else "low"


def another_state(document):
    one = next(v for v in document["vulnerabilities"] if v["analysis"]["state"] == "in_triage")
    one["analysis"]["state"] = "resolved"


def names_are_unique_and_resolved():
    document = json.loads(TEXT)
    components = {component["bom-ref"] for component in document["components"]}
    all_names = [x["bom-ref"] for x in document["components"] + document["vulnerabilities"]]
    if len(set(all_names)) != len(all_names):
        yield "a name is there twice"
    for vulnerability in document["vulnerabilities"]:
        for affected in vulnerability["affects"]:
            if affected["ref"] not in components:
                yield f"{affected['ref']} is missing"


def package_urls_are_read_and_written_the_same():
    for component in json.loads(TEXT)["components"]:
        if "purl" in component:
            purl = component["purl"]
            if PackageURL.from_string(purl).to_string() != purl:
                yield purl


def every_sca_finding_is_a_vulnerability():
    expected = {
        key: finding
        for key, finding in findings().items()
        if finding["scan_type"] == "SCA" and not finding["gone"]
    }
    states = {
        "open": {"in_triage", "exploitable"},
        "fixed": {"resolved"},
        "mitigated": {"not_affected", "exploitable", "resolved"},
        "false_positive": {"false_positive"},
    }
    for vulnerability in json.loads(TEXT)["vulnerabilities"]:
        own = {p["name"]: p["value"] for p in vulnerability["properties"]}
        key = own["countersign:integration"], own["countersign:id"]
        finding = expected.pop(key, None)
        if finding is None:
            yield f"{key} should not be there"
        elif vulnerability["analysis"]["state"] not in states[finding["state"]]:
            yield f"{key} is {finding['state']} and {vulnerability['analysis']}"
    yield from (f"{key} is missing" for key in expected)


check("the strict schema of 1.6", the_strict_schema)
check("a wrong file is refused", a_wrong_file_is_refused)
reads(
    "cyclonedx-python-lib",
    "CycloneDX",
    "cyclonedx.json",
    the_library,
    [f for f in findings().values() if f["scan_type"] == "SCA" and not f["gone"]],
    [in_json("less", less), in_json("another severity", another_severity), in_json("another state", another_state)],
    [word.lower() for word in WORDS],
)
check("names are unique and resolved", names_are_unique_and_resolved)
check("package URLs are read and written the same", package_urls_are_read_and_written_the_same)
check("every SCA finding is a vulnerability, unless gone", every_sca_finding_is_a_vulnerability)
end()
