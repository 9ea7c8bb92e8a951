# export: sarif.sarif --format sarif
"""Microsoft's SARIF Multitool: its rules for GitHub's code scanning, and what its queries
count."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

from report import FOLDER, LEVELS, check, end, findings, in_json, reads

TOOL = pathlib.Path(
    ".tools/exports/sarif_multitool/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
)
FILES = sorted(FOLDER.glob("sarif*.sarif"))


# It ends before what .NET measures of it for faster code is of use.
SHORT_LIVED = os.environ | {"DOTNET_TieredPGO": "0"}


def run(*arguments):
    done = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True, env=SHORT_LIVED)
    if done.returncode != 0:
        raise RuntimeError((done.stdout + done.stderr)[-2000:])
    return done.stdout


def problems(files):
    # Of its other rules one asks the network for every address in the file.
    with tempfile.TemporaryDirectory() as folder:
        told = pathlib.Path(folder) / "told.sarif"
        run(
            "validate", *files, "--rule-kind", "Ghas", "--level", "Error;Warning",
            "--output", told, "--quiet",
        )
        for result in json.loads(told.read_text())["runs"][0]["results"]:
            place = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            yield f"{result['ruleId']} {place} {result['message']}"


def its_rules():
    yield from problems(FILES)


def its_rules_on_what_deliveries_upload():
    files = sorted(FOLDER.glob("code-scanning-*.sarif"))
    if not any(run_["results"] for file in files for run_ in json.loads(file.read_text())["runs"]):
        yield "there is no file with results"
    yield from problems(files)


def a_file_against_its_rules_is_refused():
    document = json.loads(FILES[0].read_text())
    run_ = next(run for run in document["runs"] if run["results"])
    del run_["tool"]["driver"]["rules"][0]["help"]
    document["runs"], run_["results"] = [run_], run_["results"][:2]
    run_["results"][0]["locations"] = []
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "wrong.sarif"
        file.write_text(json.dumps(document))
        told = " ".join(problems([file]))
    for rule in ["GH2012", "GH1015"]:
        if rule not in told:
            yield f"{rule} is silent"


def counted(files):
    # In one file: most of a query is the start of the program.
    whole = json.loads(files[0].read_text())
    whole["runs"] = [run for file in files for run in json.loads(file.read_text())["runs"]]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "whole.sarif"
        file.write_text(json.dumps(whole))
        for level in dict.fromkeys(LEVELS):
            for suppressed in ["True", "False"]:
                asked = f"Level == '{level.capitalize()}' && IsSuppressed == '{suppressed}'"
                told = run("query", file, "--expression", asked)
                count = int(re.sub("[,.]", "", re.search(r"Found ([\d,.]+) of", told)[1]))
                yield from [(None, level, suppressed == "False")] * count


def less(document):
    next(run for run in document["runs"] if run["results"])["results"].pop()


def a_suppression(document):
    results = (result for run in document["runs"] for result in run["results"])
    next(r for r in results if "suppressions" not in r)["suppressions"] = [{"kind": "external"}]


check("its rules for GitHub", its_rules)
# Deliveries have no exports of the demo tenant.
if not (FOLDER / "platform.json").exists():
    check("its rules for GitHub on what deliveries upload", its_rules_on_what_deliveries_upload)
check("a file against its rules is refused", a_file_against_its_rules_is_refused)
reads(
    "SARIF Multitool",
    "SARIF",
    "sarif*.sarif",
    counted,
    [f for f in findings().values() if not f["gone"] and f["state"] != "fixed"],
    [in_json("less", less), in_json("a suppression", a_suppression)],
    LEVELS,
)
end()
