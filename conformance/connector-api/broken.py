"""Answers that are broken on their way, each in one manner: each has to be noticed."""

import json

import reads
from answers import Answers, Wrong, require


def of_findings(act):
    """Breaks what a list of findings answers: `act` gets the answer."""

    def change(request, text):
        if not request.url.path.endswith("/findings") or '"result"' not in text:
            return text
        body = json.loads(text)
        act(body)
        return json.dumps(body)

    return change


def of_problems(act):
    def change(request, text):
        body = json.loads(text)
        if "occurred_at" in body:
            act(body)
        return json.dumps(body)

    return change


def first(act):
    return of_findings(lambda body: act(body["result"][0]))


def repeated():
    """The first page again, in the place of each later one."""
    pages = []

    def act(body):
        pages.append(body["result"])
        body["result"] = pages[0][: len(body["result"])]

    return of_findings(act)


FAULTS = {
    "a page is repeated": repeated,
    "a finding is lost": lambda: of_findings(lambda body: body["result"].pop()),
    "a finding is there twice": lambda: of_findings(lambda body: body["result"].append(body["result"][0])),
    "the pages end early": lambda: of_findings(lambda body: body.update(cursor="")),
    "the cursor is null": lambda: of_findings(lambda body: body.update(cursor=body["cursor"] or None)),
    "the cursor is a number": lambda: of_findings(lambda body: body.update(cursor=0)),
    "a member is dropped": lambda: first(lambda event: event["finding_info"].pop("uid")),
    "an object is dropped": lambda: first(lambda event: event.pop("metadata")),
    "a member that no model has": lambda: first(lambda event: event["finding_info"].update(novel=1)),
    "an optional member is null": lambda: first(lambda event: event.update(status_code=None)),
    "a time has a fraction": lambda: first(lambda event: event.update(time=event["time"] + 0.5)),
    "a time is a float": lambda: first(lambda event: event.update(time=float(event["time"]))),
    "a number is a text": lambda: first(lambda event: event.update(severity_id=str(event["severity_id"]))),
    "a record is an object": lambda: first(lambda event: event.update(raw_data={"issue_id": 1})),
    "another severity": lambda: first(lambda event: event.update(severity_id=0, severity="Unknown")),
    "another application": lambda: first(lambda event: event["application"].update(uid="x")),
    "a status that is a text": lambda: of_problems(lambda body: body.update(status="400")),
    "a time without a zone": lambda: of_problems(lambda body: body.update(occurred_at="2026-01-02T03:04:05")),
    "a problem without its time": lambda: of_problems(lambda body: body.pop("occurred_at")),
}


def sample(ask, kind, token, guid, truth):
    to = ask.client(kind, token).appsec
    wanted = [uid for uid, row in truth.findings.items() if row["application"] == guid]
    limit = len(wanted) // 3
    events = reads.pages(ask, to.query_application_findings, guid, limit=limit, include_raw_data=True)
    reads.same(reads.uids(events), wanted, "findings")
    reads.same_facts(events, truth)
    ask.refused(400, to.query_findings, limit=-1)


def notice(url, kind, token, truth):
    """Fails if one of the faults makes no difference, or if there is one without any."""
    sizes = {}
    for row in truth.findings.values():
        sizes[row["application"]] = sizes.get(row["application"], 0) + 1
    guid = min((size, guid) for guid, size in sizes.items() if size >= 9)[1]
    sample(Answers(url), kind, token, guid, truth)
    unnoticed = []
    for name, change in FAULTS.items():
        try:
            sample(Answers(url, change()), kind, token, guid, truth)
        except (Wrong, KeyError, TypeError, AttributeError):
            continue
        unnoticed.append(name)
    require(not unnoticed, f"not noticed: {unnoticed}")
