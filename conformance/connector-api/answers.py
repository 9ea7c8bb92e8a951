"""Calls of a package against the API, with a strict look at every answer.

The package reads almost anything without a complaint, and readers in Go fail on a single
wrong type. So `Answers` keeps what was sent as it was sent, and holds each answer to a strict
twin of the model that the package reads it as, each event to the rules of OCSF, and the text
of all of them to what readers in Go ask for."""

import importlib
import json
import pathlib
import re
import sys
import traceback

import httpx
import pydantic

sys.path.insert(0, str(pathlib.Path(__file__).parent / "models"))
import check_models

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
# Their values are times, in all models of the package that have them.
TIMES = re.compile(r"created_at|updated_at|occurred_at|expires|start_time|end_time|\w+_dt")
# Of any shape and with any names: the record's own, and schemas.
FREE = {"unmapped", "data", "raw_data", "schema", "extra"}


class Wrong(AssertionError):
    """An answer that is not what it has to be."""


class Answers(httpx.BaseTransport):
    """What goes over the wire. `change` may break an answer on its way, as a proxy could."""

    def __init__(self, url, change=None):
        self.url, self.change = url, change
        self.inner = httpx.HTTPTransport()
        self.texts = []
        self.last = self.headers = None
        # Whether answers are held to their models: it takes a millisecond for each event.
        self.is_strict = True
        self.method = None

    def handle_request(self, request):
        request.method = self.method or request.method
        answer = self.inner.handle_request(request)
        text = answer.read().decode()
        if self.change:
            text = self.change(request, text)
        self.texts.append(text)
        self.last, self.headers = (answer.status_code, text), answer.headers
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, headers=headers, content=text.encode())

    def client(self, kind, token, **more):
        """A client of the package, `SynqlyEngine` or `SynqlyManagement`, that asks here."""
        return kind(
            base_url=self.url, token=token, httpx_client=httpx.Client(transport=self, timeout=60), **more
        )

    def __call__(self, method, *values, **named):
        """Calls a method of the package; what it answers."""
        answer = method(*values, **named)
        status, text = self.last
        if answer is None:
            require(200 <= status < 300, f"the status is {status}")
        elif isinstance(answer, pydantic.BaseModel) and self.is_strict:
            hold(type(answer), text)
        else:
            hold_text(text)
        return answer

    def refused(self, status, method, *values, **named):
        """The `Problem` of a call that has to fail with this status, by the package's own error."""
        package = method.__self__.__module__.split(".")[0]
        side = "management" if ".management." in method.__self__.__module__ else "engine"
        errors = importlib.import_module(f"{package}.{side}.common.errors")
        names = {
            400: "BadRequestError", 401: "UnauthorizedError", 403: "ForbiddenError", 404: "NotFoundError",
            405: "MethodNotAllowedError", 409: "ConflictError", 415: "UnsupportedMediaTypeError",
            429: "TooManyRequestsError",
        }  # fmt: skip
        kind = getattr(errors, names[status])
        try:
            method(*values, **named)
        except kind as error:
            require(error.status_code == status, f"the status is {error.status_code}")
            hold(type(error.body), self.last[1])
            require(error.body.status == status, "the problem has another status than the answer")
            return error
        raise Wrong(f"nothing was refused: {self.last}")


def require(condition, what):
    if not condition:
        raise Wrong(what)


def hold(model, text):
    """Holds an answer to the model that the package reads it as."""
    hold_text(text)
    try:
        check_models.TWINS.of(model).model_validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Wrong(f"{model.__name__} {where}: {first['msg']}: {first['input']!r:.200}") from None
    result = json.loads(text).get("result")
    for event in result if isinstance(result, list) else [result]:
        if isinstance(event, dict) and "class_uid" in event:
            problems = list(check_models.problems_of(check_models.kind_of(event), event))
            require(not problems, problems[:3])


def hold_text(text):
    """Holds an answer to what readers in Go, which read types, ask for."""
    body = json.loads(text)
    require(isinstance(body, dict), "the answer is no object")
    if "cursor" in body:
        require(isinstance(body["cursor"], str), f"the cursor is {body['cursor']!r}")
    hold_members("$", body)


def hold_members(path, value):
    if isinstance(value, list):
        for at, one in enumerate(value):
            hold_members(f"{path}[{at}]", one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in FREE:
                require(name != "raw_data" or isinstance(one, str), f"{path}.raw_data is no text")
                continue
            require(one is not None, f"{path}.{name} is null")
            if TIMES.fullmatch(name) and isinstance(one, str):
                require(RFC3339.fullmatch(one), f"{path}.{name} is no time: {one}")
            hold_members(f"{path}.{name}", one)


class Report:
    """Lines of what passed and what did not."""

    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, 0

    def check(self, what, act):
        """Calls `act` and prints whether it passed."""
        try:
            act()
        except Exception as error:
            self.failed += 1
            why = error if isinstance(error, Wrong) else traceback.format_exc(limit=-2).strip()
            print(f"fail {self.name} {what}: {why}", flush=True)
        else:
            self.passed += 1
            print(f"pass {self.name} {what}", flush=True)

    def end(self):
        """Exit code 1 when anything failed."""
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(bool(self.failed))
