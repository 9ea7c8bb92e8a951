"""The public Python package `synqly-typeless`, unmodified: the variant whose events are plain
objects, from an account to the last page.

Usage: typeless.py WHERE, where WHERE is what `run` wrote of what it started, as JSON."""

import json
import pathlib
import sys

import reads
from answers import Answers, Report, require
from synqly_typeless.engine.client import SynqlyEngine
from synqly_typeless.management.client import SynqlyManagement
from truth import Truth

WHERE = json.loads(pathlib.Path(sys.argv[1]).read_text())
report = Report("synqly-typeless")
truth = Truth(WHERE["database"])
ask = Answers(WHERE["api_url"])
management = ask.client(SynqlyManagement, WHERE["token"])
made = {}


def managed():
    made["account"] = ask(management.accounts.create, name="typeless").result.account.id
    created = ask(
        management.integrations.create, made["account"], name="typeless-imported",
        provider_config={"type": "appsec_imported"},
    ).result
    made["imported"] = created.integration.id, created.token.access.secret
    demo = next(one for one in ask(management.integrations.list).result if one.name == "demo")
    secret = ask(management.tokens.create_integration_token, demo.account_id, demo.id).result.secret
    made["to"] = ask.client(SynqlyEngine, secret, max_retries=3).appsec


def read():
    to = made["to"]
    found, answer = [], None
    while answer is None or answer.cursor:
        cursor = answer and answer.cursor
        answer = ask(to.query_findings, limit=1500, cursor=cursor)
        require(all(type(event) is dict for event in answer.result), "events are no plain objects")
        found += answer.result
    reads.same(reads.uids(found), truth.findings, "findings")
    reads.same_facts(found, truth)
    made["findings"] = found
    listed = reads.pages(ask, to.query_applications, limit=1000)
    reads.same([event["uid"] for event in listed], truth.applications, "applications")
    some = found[len(found) // 2]
    guid, uid = some["application"]["uid"], some["finding_info"]["uid"]
    require(ask(to.get_application_finding_details, guid, uid).result == some, "another finding")
    inside = reads.pages(ask, to.query_application_findings, guid, limit=11)
    wanted = [uid for uid, row in truth.findings.items() if row["application"] == guid]
    reads.same(reads.uids(inside), wanted, f"findings of {guid}")
    require(ask(to.query_application_scans, guid).result[0]["scan"]["uid"], "a scan without an id")


def refused():
    error = ask.refused(400, made["to"].query_findings, filter="colour[eq]red")
    require(error.body.context.parameter.id == "filter", error.body)
    ask.refused(404, made["to"].query_application_findings, "00000000-0000-4000-8000-00000000ffff")
    ask.refused(401, ask.client(SynqlyEngine, "x", max_retries=0).appsec.query_findings)


def bulk():
    own = ask.client(SynqlyEngine, made["imported"][1]).appsec
    sample = made["findings"][:25]
    first = ask(own.create_findings, request=sample).result
    require(len({event["finding_info"]["uid"] for event in first}) == len(sample), "not all were created")
    require(ask(own.create_findings, request=sample).result == first, "the same body has another answer")
    reads.same(reads.uids(reads.pages(ask, own.query_findings, limit=10)), reads.uids(first), "findings")


def removed():
    ask(management.integrations.delete, made["account"], made["imported"][0])
    ask(management.accounts.delete, made["account"])
    ask.refused(404, management.accounts.get, made["account"])


report.check("management (account, integration, token)", managed)
report.check("reads as plain objects (all pages)", read)
report.check("errors by class (400, 401, 404)", refused)
report.check("findings in bulk as plain objects, twice", bulk)
report.check("what is removed is gone", removed)
report.end()
