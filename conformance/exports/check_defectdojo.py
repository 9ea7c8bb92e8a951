# export: defectdojo.json --format defectdojo
"""DefectDojo's own parser for generic findings, as `norm-findings` carries it."""

import json
import logging

from norm_findings.parsers.generic import json_parser
from report import FOLDER, check, end, findings

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


def every_finding_is_read():
    read, refusals = parse(json.loads(FILE.read_text()))
    yield from refusals
    expected = {finding["id"]: finding for finding in findings().values()}
    severities = ["Info", "Low", "Low", "Medium", "High", "Critical"]
    for finding in read:
        own = expected.pop(finding.unique_id_from_tool, None)
        if own is None:
            yield f"{finding.unique_id_from_tool} should not be there"
            continue
        truth = {
            "severity": severities[own["severity"]],
            "active": own["state"] == "open" and not own["gone"],
            "false_p": own["state"] == "false_positive",
        }
        for name, value in truth.items():
            if getattr(finding, name) != value:
                yield f"{own['id']}: {name} is {getattr(finding, name)}"
        if own["state"] == "fixed" and not finding.is_mitigated:
            yield f"{own['id']} is fixed and not mitigated"
    yield from (f"{name} is missing" for name in expected)


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
check("every finding is read as it stands", every_finding_is_read)
check("texts fit into the columns", texts_fit_into_the_columns)
end()
