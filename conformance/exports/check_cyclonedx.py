# export: cyclonedx.json --format cyclonedx
"""CycloneDX by its own Python library: the strict schema, and the document as objects."""

import json

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from report import FOLDER, check, end, findings

TEXT = (FOLDER / "cyclonedx.json").read_text()


def the_strict_schema():
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(TEXT)
    return [str(error)[:1000]] if error else []


def a_wrong_file_is_refused():
    document = json.loads(TEXT)
    document["metadata"]["timestamp"] = "yesterday"
    document["vulnerabilities"] = [{"cwes": [0]}]
    if not JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)):
        yield "it is taken"


def the_library_reads_it():
    document = json.loads(TEXT)
    bom = Bom.from_json(document)
    if len(bom.components) != len(document["components"]):
        yield "another number of components"
    if len(bom.vulnerabilities) != len(document["vulnerabilities"]):
        yield "another number of vulnerabilities"


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
check("the library reads it", the_library_reads_it)
check("names are unique and resolved", names_are_unique_and_resolved)
check("package URLs are read and written the same", package_urls_are_read_and_written_the_same)
check("every SCA finding is a vulnerability, unless gone", every_sca_finding_is_a_vulnerability)
end()
