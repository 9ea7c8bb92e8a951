# export: parquet.parquet --format parquet
# export: parquet-raw.parquet --format parquet --raw
"""Parquet by pyarrow: every finding once, typed, and the values of the listing. And what
DuckDB, pandas and Polars read."""

import datetime
import json

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.parquet

from report import FOLDER, check, end, findings, reads

TYPES = {
    "id": pyarrow.string(),
    "severity": pyarrow.int64(),
    "gone": pyarrow.bool_(),
    "violates_policy": pyarrow.bool_(),
    "cwe": pyarrow.int64(),
    "line": pyarrow.int64(),
    "cvss": pyarrow.float64(),
    "epss_score": pyarrow.float64(),
    "first_found": pyarrow.timestamp("ms", tz="UTC"),
    "changed": pyarrow.timestamp("ms", tz="UTC"),
    "description": pyarrow.string(),
}
LISTS = ["component_paths", "licenses", "references", "teams", "tags"]
# The most rows of a row group.
GROUP_ROWS = 128 * 1024


def at(finding, *names):
    for name in names:
        finding = finding.get(name) if finding is not None else None
    return finding


def time(finding, name):
    text = finding.get(name)
    return text and datetime.datetime.fromisoformat(text)


def values(finding):
    """What of the listing is a value, in its type."""
    return {
        "application": finding["application"],
        "application_name": finding["application_name"],
        "context": finding["context"],
        "key": finding["key"],
        "scan_type": finding["scan_type"],
        "severity": finding["severity"],
        "state": finding["state"],
        "gone": finding["gone"],
        "new": at(finding, "status", "new"),
        "violates_policy": finding.get("violates_policy"),
        "title": finding["title"],
        "description": finding["description"],
        "cwe": at(finding, "cwe", "id"),
        "category": at(finding, "category", "name"),
        "file": at(finding, "location", "file"),
        "line": at(finding, "location", "line"),
        "url": at(finding, "location", "url"),
        "component_id": at(finding, "component", "id"),
        "component_paths": at(finding, "component", "paths") or [],
        "licenses": [one["id"] for one in at(finding, "component", "licenses") or []],
        "cve": at(finding, "vulnerability", "name"),
        "cvss": at(finding, "vulnerability", "cvss3"),
        "cvss2": at(finding, "vulnerability", "cvss2"),
        "epss_score": at(finding, "vulnerability", "epss_score"),
        "exploit_observed": at(finding, "vulnerability", "exploit_observed"),
        "first_found": time(finding, "first_found"),
        "last_seen": time(finding, "last_seen"),
        "references": finding.get("references", []),
        "annotations": finding.get("annotations"),
    }


def table(file):
    return pyarrow.parquet.read_table(FOLDER / file)


def columns_are_typed():
    schema = pyarrow.parquet.read_schema(FOLDER / "parquet.parquet")
    for name, expected in TYPES.items():
        if schema.field(name).type != expected:
            yield f"{name} is {schema.field(name).type}"
    for name in LISTS:
        if not pyarrow.types.is_list(schema.field(name).type):
            yield f"{name} is no list"
    if schema.field("id").nullable or not schema.field("cwe").nullable:
        yield "what is required and what is not"


def every_finding_once():
    truth = findings()
    for row in table("parquet.parquet").to_pylist():
        key = row["integration"], row["id"]
        finding = truth.pop(key, None)
        if finding is None:
            yield f"{key} is no finding, or is there twice"
            continue
        if row["annotations"] is not None:
            row["annotations"] = json.loads(row["annotations"])
        for name, expected in values(finding).items():
            if row[name] != expected:
                yield f"{key} {name}: {row[name]!r} instead of {expected!r}"
    yield from (f"{key} is missing" for key in truth)


def texts_are_dictionaries():
    file = pyarrow.parquet.ParquetFile(FOLDER / "parquet.parquet").metadata
    for number in range(file.num_row_groups):
        group = file.row_group(number)
        if group.num_rows > GROUP_ROWS:
            yield f"{group.num_rows} rows in a group"
        chunks = [group.column(column) for column in range(group.num_columns)]
        for chunk in chunks:
            if chunk.compression != "ZSTD":
                yield f"{chunk.path_in_schema} is {chunk.compression}"
            if chunk.path_in_schema in ("state", "application_name", "category"):
                if "RLE_DICTIONARY" not in chunk.encodings:
                    yield f"{chunk.path_in_schema} is {chunk.encodings}"


def records_are_there():
    for row in table("parquet-raw.parquet").select(["id", "raw"]).to_pylist():
        if "finding_status" not in json.loads(row["raw"]):
            yield f"{row['id']}: {row['raw']!r}"
    if "raw" in pyarrow.parquet.read_schema(FOLDER / "parquet.parquet").names:
        yield "the record is there without being asked for"


COLUMNS = ["id", "severity_name", "state", "gone"]
NAMES = ["Informational", "Very Low", "Low", "Medium", "High", "Very High"]


def found(rows):
    for own, severity, state, gone in rows:
        yield own, severity, state == "open" and not gone


def by_duckdb(files):
    return found(duckdb.sql(f"select {', '.join(COLUMNS)} from '{files[0]}'").fetchall())


def by_pandas(files):
    return found(pandas.read_parquet(files[0])[COLUMNS].itertuples(index=False))


def by_polars(files):
    return found(polars.read_parquet(files[0]).select(COLUMNS).iter_rows())


def rewritten(name, change):
    def spoil(file):
        pyarrow.parquet.write_table(change(pyarrow.parquet.read_table(file)), file)

    spoil.__name__ = name
    return spoil


def all_fixed(table):
    at = table.schema.get_field_index("state")
    return table.set_column(at, "state", pyarrow.array(["fixed"] * len(table)))


def all_medium(table):
    at = table.schema.get_field_index("severity_name")
    return table.set_column(at, "severity_name", pyarrow.array(["Medium"] * len(table)))


for reader, read in [("DuckDB", by_duckdb), ("pandas", by_pandas), ("Polars", by_polars)]:
    reads(
        reader, "Parquet", "parquet.parquet", read, findings().values(),
        [
            rewritten("less", lambda table: table.slice(1)),
            rewritten("all fixed", all_fixed),
            rewritten("all medium", all_medium),
        ],
        NAMES,
    )
check("columns are typed", columns_are_typed)
check("every finding once, with the values of the listing", every_finding_once)
check("repeated texts are dictionaries, groups are bounded", texts_are_dictionaries)
check("records are there when asked for", records_are_there)
end()
