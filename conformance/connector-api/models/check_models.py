"""Events of the connector API by the models of the package `synqly`, validated strictly.

Usage: check_models.py FILE [--self-test]

Each line of FILE is `{"kind": "application" | "finding" | "scan", "event": {…}}`, or an
event alone, whose kind its `class_uid` says. `--self-test` breaks events of FILE instead,
each in one way, and fails when one of those passes.

The package's own models check nothing: a member that is missing or of another type passes.
So each model gets a twin with the same fields that pydantic validates in strict mode, which
refuses members that the model does not have and takes no text for a number, nor a fraction
for an integer. The package is asked too what it reads. What neither checks and readers in
Go, or OCSF, ask for is in `rules`. Prints `pass` and `fail` lines; the exit code is 1 when
anything failed.
"""

import copy
import datetime
import enum
import json
import re
import sys
import typing

import pydantic
from synqly.engine.appsec.types.app_sec_get_application_finding_details_response import (
    AppSecGetApplicationFindingDetailsResponse,
)
from synqly.engine.appsec.types.app_sec_query_application_scans_response import AppSecQueryApplicationScansResponse
from synqly.engine.appsec.types.app_sec_query_applications_response import AppSecQueryApplicationsResponse
from synqly.engine.core.unchecked_base_model import construct_type
from synqly.engine.ocsf.latest.events.types.application_inventory_info import ApplicationInventoryInfo
from synqly.engine.ocsf.latest.events.types.application_security_posture_finding import (
    ApplicationSecurityPostureFinding,
)
from synqly.engine.ocsf.latest.events.types.scan_activity import ScanActivity

# Members that the models do not have and that are there on purpose.
ADDED = {
    "ApplicationInventoryInfo": {"class_name": str, "id": str},
    "ApplicationSecurityPostureFinding": {"class_name": str},
    "ScanActivity": {"class_name": str},
    # Where another server than that of a region is, and whether its applications are read
    # from it before they are answered.
    "ProviderConfig_AppsecVeracode": {
        "url": typing.Optional[str],
        "ca_pem": typing.Optional[str],
        "mode": typing.Literal["stored", "live"],
    },
    "Permission": {"restrict_to_connector_operations": typing.Optional[list[str]]},
    "Status": {"name": typing.Optional[str]},
    "StatusEvent": {"operation": typing.Optional[str]},
    "ProviderCapabilitiesBase": {"connector": typing.Optional[str]},
}


class Imported(pydantic.BaseModel):
    """A provider that the package does not know: an integration for findings of other scanners."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    type: typing.Literal["appsec_imported"]



# By kind: the model, an answer that has such events, and what a class always says.
KINDS = {
    "application": (ApplicationInventoryInfo, AppSecQueryApplicationsResponse, 98905001, 5, {2}),
    "finding": (ApplicationSecurityPostureFinding, AppSecGetApplicationFindingDetailsResponse, 2007, 2, {1, 2, 3}),
    "scan": (ScanActivity, AppSecQueryApplicationScansResponse, 6007, 6, {*range(11), 99}),
}

CAPTIONS = {
    "severity": ["Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal"],
    "application.status": ["Unknown", "Success", "Failure"],
    "finding.status": ["Unknown", "New", "In Progress", "Suppressed", "Resolved", "Archived", "Deleted"],
    "scan.status": ["Unknown", "Success", "Failure"],
    "application.activity": ["Unknown", "Log", "Collect"],
    "finding.activity": ["Unknown", "Create", "Update", "Close"],
    "scan.activity": [
        "Unknown", "Started", "Completed", "Cancelled", "Duration Violation", "Pause Violation",
        "Error", "Paused", "Resumed", "Restarted", "Delayed",
    ],
}  # fmt: skip

# Of any shape: the record's own, or the store's.
FREE = {"unmapped", "data"}


class Twins:
    """Validating twins of models that validate nothing."""

    def __init__(self):
        self.models = {}

    def of(self, model):
        if model not in self.models:
            known = set(self.models)
            self.collect(model)
            space = {name: twin for _, (name, twin) in self.models.items()}
            for added in self.models.keys() - known:
                self.models[added][1].model_rebuild(force=True, _types_namespace=space)
        return self.models[model][1]

    def collect(self, model):
        name = f"Twin{len(self.models)}{model.__name__}"
        self.models[model] = name, None
        fields = {}
        for field, info in model.model_fields.items():
            annotation = self.twinned(self.resolved(info.annotation, model))
            annotation = self.told_apart(annotation, info.metadata)
            default = ... if info.is_required() else None
            fields[field] = annotation, pydantic.Field(default=default, alias=info.alias)
        for field, kind in ADDED.get(model.__name__, {}).items():
            fields[field] = kind, None if type(None) in typing.get_args(kind) else ...
        config = pydantic.ConfigDict(extra="forbid", strict=True, protected_namespaces=())
        self.models[model] = name, pydantic.create_model(name, __config__=config, **fields)

    def resolved(self, annotation, model):
        if isinstance(annotation, (str, typing.ForwardRef)):
            text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
            return eval(text, vars(sys.modules[model.__module__]))
        arguments = typing.get_args(annotation)
        if not arguments or typing.get_origin(annotation) is typing.Literal:
            return annotation
        if typing.get_origin(annotation) is typing.Annotated:
            return typing.Annotated[self.resolved(arguments[0], model), *arguments[1:]]
        resolved = tuple(self.resolved(one, model) for one in arguments)
        return annotation if resolved == arguments else annotation.copy_with(resolved)

    def twinned(self, annotation):
        """The annotation with the twins of its models, by name: models hold each other."""
        if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
            if annotation not in self.models:
                self.collect(annotation)
            return typing.ForwardRef(self.models[annotation][0])
        if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            # Theirs take any other word as one that they do not know.
            return typing.Literal[tuple(one.value for name, one in annotation.__members__.items() if name != "_UNKNOWN")]
        arguments = typing.get_args(annotation)
        if not arguments or typing.get_origin(annotation) is typing.Literal:
            return annotation
        if typing.get_origin(annotation) is typing.Annotated:
            return self.told_apart(self.twinned(arguments[0]), arguments[1:])
        return annotation.copy_with(tuple(self.twinned(one) for one in arguments))

    def told_apart(self, annotation, notes):
        """Variants that the package tells apart by a member: only the one that it names counts."""
        members = [note.discriminant for note in notes if hasattr(note, "discriminant")]
        if not members:
            return annotation
        if any(str(one).endswith("ProviderConfig_AppsecVeracode')") for one in typing.get_args(annotation)):
            annotation = typing.Union[annotation, Imported]
        return typing.Annotated[annotation, pydantic.Field(discriminator=members[0])]


TWINS = Twins()


def kind_of(event):
    return next((kind for kind, facts in KINDS.items() if facts[2] == event.get("class_uid")), None)


def walk(value, path="$", free=False):
    """Each value with its path, and whether its shape is free."""
    yield path, value, free
    if isinstance(value, dict):
        for name, one in value.items():
            yield from walk(one, f"{path}.{name}", free or name in FREE)
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from walk(one, f"{path}[{at}]", free)


def at(event, path):
    """The value at `a.b[0].c`."""
    for name in re.findall(r"[^.\[\]]+", path):
        event = event[int(name)] if isinstance(event, list) else event[name]
    return event


def rules(kind, event):
    """What is wrong by the rules that no model states."""
    _, _, class_uid, category, activities = KINDS[kind]
    if event.get("metadata", {}).get("version") != "1.8.0":
        yield "$.metadata.version: not 1.8.0"
    if (event.get("class_uid"), event.get("category_uid")) != (class_uid, category):
        yield "$: another class or category"
    if event.get("activity_id") not in activities:
        yield f"$.activity_id: {event.get('activity_id')}"
    elif event.get("type_uid") != class_uid * 100 + event["activity_id"]:
        yield "$.type_uid: not that of class and activity"
    for name in ("severity", "status", "activity"):
        words = CAPTIONS.get(f"{kind}.{name}") or CAPTIONS[name]
        number, caption = event.get(f"{name}_id"), event.get("activity_name" if name == "activity" else name)
        if number != 99 and number is not None and caption != words[number]:
            yield f"$.{name}: {caption!r} is not the caption of {number}"
    for path, value, free in walk(event):
        yield from rules_of_value(path, value, free)
    if kind == "finding":
        if not re.fullmatch("[0-9a-f]{20}", event["finding_info"]["uid"]):
            yield "$.finding_info.uid: not an id of the store"
        for vulnerability in event.get("vulnerabilities", []):
            if sum(name in vulnerability for name in ("cve", "cwe", "advisory")) != 1:
                yield "$.vulnerabilities: not one of cve, cwe and advisory"
            if vulnerability.get("fix_available") != vulnerability.get("is_fix_available"):
                yield "$.vulnerabilities: fix_available and is_fix_available differ"
    if kind == "application" and not event["id"] == event["uid"] == event["application"]["uid"]:
        yield "$: id, uid and application.uid differ"
    for observable in event.get("observables", []):
        try:
            value = at(event, observable["name"])
        except (KeyError, IndexError, TypeError):
            yield f"$.observables: there is no {observable['name']}"
            continue
        if isinstance(value, (dict, list)) or observable.get("value") != value:
            yield f"$.observables: {observable['name']} is {value!r}"


def rules_of_value(path, value, free):
    name = path.rsplit(".", 1)[-1]
    if value is None:
        yield f"{path}: null"
    if free:
        return
    if value in ("", [], {}):
        yield f"{path}: empty"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield f"{path}: more than 64 bits"
    if not isinstance(value, dict):
        return
    for member in value.keys() & {"cls", "_fields_set"}:
        yield f"{path}.{member}: readers in Python fail on this name"
    for member, text in value.items():
        if not member.endswith("_dt"):
            continue
        ms = value.get(member.removesuffix("_dt"))
        if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
            yield f"{path}.{member}: {text!r} is not RFC 3339 with Z"
        elif ms != datetime.datetime.fromisoformat(text).timestamp() * 1000:
            yield f"{path}.{member}: {text} is not {ms}"
    weakness = value.get("uid") if re.search(r"cwes?(\[\d+\])?$", name) else None
    if weakness is not None and not re.fullmatch(r"CWE-\d+|NVD-CWE-noinfo", str(weakness)):
        yield f"{path}.uid: {weakness!r} is no weakness"


def problems_of(kind, event):
    """What is wrong with an event."""
    if kind is None:
        yield "$.class_uid: of no kind that there is"
        return
    model, answer, *_ = KINDS[kind]
    text = json.dumps(event)
    try:
        TWINS.of(model).model_validate_json(text)
    except pydantic.ValidationError as error:
        for one in error.errors():
            yield f"$.{'.'.join(map(str, one['loc']))}: {one['msg']}"
        return
    yield from rules(kind, event)
    is_list = kind != "finding"
    body = {"result": [json.loads(text)] if is_list else json.loads(text), "cursor": ""}
    read = construct_type(type_=answer, object_=body).result
    read = read[0] if is_list else read
    if type(read) is not model:
        yield f"$: the package reads a {type(read).__name__}"
    else:
        yield from (f"$.{name}: the package reads {getattr(read, name, None)!r}" for name in misread(read, event))


def misread(read, event):
    """The members that the package reads as something else."""
    for name, value in event.items():
        known = getattr(read, name, None)
        is_same = known == value if isinstance(value, (str, int)) and not name.endswith("_dt") else known is not None
        if not is_same:
            yield name


def broken(good):
    """Events that must be refused, each for one reason."""
    finding, application, scan = (good[kind] for kind in ("finding", "application", "scan"))

    def of(event, act):
        event = copy.deepcopy(event)
        act(event)
        return event

    def put(path, value):
        way, _, name = path.rpartition(".")
        return lambda event: (at(event, way) if way else event).__setitem__(name, value)

    def drop(path):
        way, _, name = path.rpartition(".")
        return lambda event: (at(event, way) if way else event).pop(name)

    yield "finding", "a member that is not in the model", of(finding, put("novel", 1))
    yield "finding", "a nested member that is not in the model", of(finding, put("finding_info.novel", "x"))
    yield "finding", "no finding_info.uid", of(finding, drop("finding_info.uid"))
    yield "finding", "another id than the store's", of(finding, put("finding_info.uid", "f-1"))
    yield "finding", "a time with a fraction", of(finding, put("time", finding["time"] + 0.5))
    yield "finding", "a time as a float", of(finding, put("time", float(finding["time"])))
    yield "finding", "a time as a text", of(finding, put("time", finding["time_dt"]))
    yield "finding", "a text of another time", of(finding, put("time_dt", "2001-01-01T00:00:00Z"))
    yield "finding", "a text without a zone", of(finding, put("time_dt", finding["time_dt"].rstrip("Z")))
    yield "finding", "a record as an object", of(finding, put("raw_data", {"issue_id": 7}))
    yield "finding", "a weakness as a number", of(finding, put("vulnerabilities[0].cwe.uid", 79))
    yield "finding", "a weakness without its form", of(finding, put("vulnerabilities[0].cwe.uid", "79"))
    yield "finding", "two of cve and cwe", of(finding, put("vulnerabilities[0].cve", {"uid": "CVE-2026-0001"}))
    yield "finding", "a null", of(finding, put("status_code", None))
    yield "finding", "a null in unmapped", of(finding, put("unmapped.novel", None))
    yield "finding", "an empty text", of(finding, put("status_code", ""))
    yield "finding", "tags that are texts", of(finding, put("application.tags", ["web"]))
    yield "finding", "unmapped as a list", of(finding, put("unmapped", [1]))
    yield "finding", "a word that is not the caption", of(finding, put("severity", "Very High"))
    yield "finding", "another version", of(finding, put("metadata.version", "1.6.0"))
    yield "finding", "an observable of an object", of(
        finding, put("observables", [{"name": "application", "type_id": 99, "value": "x"}])
    )
    yield "finding", "fixes that differ", of(finding, put("vulnerabilities[0].fix_available", True))
    yield "application", "no application", of(application, drop("application"))
    yield "application", "another class", of(application, put("class_uid", 5023))
    yield "application", "an id that is not its uid", of(application, put("id", "x"))
    yield "application", "an owner that is a text", of(application, put("owner", "nobody"))
    yield "scan", "no type of the scan", of(scan, drop("scan.type_id"))
    yield "scan", "detections that are no integer", of(scan, put("num_detections", 1.5))
    yield "scan", "another type", of(scan, put("type_uid", 600799))
    yield "scan", "a name that readers fail on", of(scan, put("cls", 1))


def self_test(lines):
    good = {}
    for kind, event in lines:
        if not list(problems_of(kind, event)) and (kind != "finding" or "cwe" in event["vulnerabilities"][0]):
            good.setdefault(kind, event)
    missing = KINDS.keys() - good.keys()
    yield from (f"there is no good {kind} to break" for kind in sorted(missing))
    if not missing:
        yield from (f"{what} passes" for kind, what, event in broken(good) if not list(problems_of(kind, event)))


def read(file):
    with open(file, encoding="utf-8", newline="\n") as text:
        for line in text:
            value = json.loads(line)
            event = value.get("event", value)
            yield value.get("kind") or kind_of(event), event


def main():
    file, is_test = sys.argv[1], "--self-test" in sys.argv[2:]
    lines = list(read(file))
    if is_test:
        problems, what = list(self_test(lines)), "what is broken is refused"
    else:
        checked = ((at, problem) for at, one in enumerate(lines, 1) for problem in problems_of(*one))
        problems = [f"line {at}: {problem}" for at, problem in checked]
        counts = [f"{sum(one[0] == kind for one in lines)} {kind}s" for kind in KINDS]
        what = f"{', '.join(counts)} are what the models ask for"
        problems += [f"there is no {kind}" for kind in KINDS if all(one[0] != kind for one in lines)]
    for problem in problems[:20]:
        print(f"fail models {what}: {problem}")
    if len(problems) > 20:
        print(f"fail models {what}: and {len(problems) - 20} more")
    if not problems:
        print(f"pass models {what}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
