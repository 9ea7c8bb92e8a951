# export: spreadsheet.csv --format csv --bom
"""CSV in LibreOffice: opened, and written as its cells are shown."""

import csv
import pathlib
import subprocess
import tempfile

from cells import cells, plain
from report import FOLDER, check, end, findings, reads

NAMES = ["Informational", "Very Low", "Low", "Medium", "High", "Very High"]
NUMBERS = {"severity", "cwe", "line"}
# Separator, quote, UTF-8, from line 1; then: as shown.
IN = "Text - txt - csv (StarCalc):44,34,76,1"
OUT = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true"


def opened(file):
    """By row, what people see in the cells."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile",
            f"--infilter={IN}", "--convert-to", OUT, "--outdir", f"{folder}/out", str(file),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        shown = pathlib.Path(folder) / "out" / file.name
        if not shown.exists():
            raise RuntimeError(done.stdout + done.stderr)
        with open(shown, encoding="utf-8-sig", newline="") as text:
            yield from csv.DictReader(text, strict=True)


def rows(files):
    for row in opened(files[0]):
        is_open = row["state"] == "open" and row["gone"].lower() == "false"
        yield plain(row["id"]), row["severity_name"], is_open


def differences(file):
    truth = {finding["id"]: finding for finding in findings().values()}
    for row in opened(file):
        for name, text in cells(truth[plain(row["id"])]).items():
            shown = row[name]
            if name in NUMBERS and text:
                same = float(shown) == float(text)
            elif text in ("true", "false"):
                same = shown.lower() in (text, f"'{text}")
            else:
                same = plain(shown) == plain(text)
            if not same:
                yield f"{row['id']} {name}: {shown!r} instead of {text!r}"


def cells_are_those_of_the_store():
    yield from differences(FOLDER / "spreadsheet.csv")


def rewritten(change):
    def spoil(file):
        with open(file, encoding="utf-8-sig", newline="") as text:
            table = list(csv.reader(text))
        change(table)
        with open(file, "w", encoding="utf-8-sig", newline="") as text:
            csv.writer(text).writerows(table)

    spoil.__name__ = change.__name__
    return spoil


def less(table):
    table.pop()


def another_severity(table):
    at = table[0].index("severity_name")
    table[1][at] = "High" if table[1][at] == "Low" else "Low"


def a_number_for_a_text(table):
    table[1][table[0].index("application_name")] = "007"


def a_number_instead_of_a_text_is_seen():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "spreadsheet.csv"
        file.write_bytes((FOLDER / "spreadsheet.csv").read_bytes())
        rewritten(a_number_for_a_text)(file)
        if not any("'7'" in problem for problem in differences(file)):
            yield "007 is shown as it is"


reads(
    "LibreOffice Calc", "CSV", "spreadsheet.csv", rows, findings().values(),
    [rewritten(less), rewritten(another_severity)], NAMES,
)
check("cells are those of the store", cells_are_those_of_the_store)
check("a number instead of a text is seen", a_number_instead_of_a_text_is_seen)
end()
