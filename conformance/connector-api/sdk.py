"""The public Python package `synqly`, unmodified, against the connector API: management and
all six operations, with every answer held to strict twins of its own models.

Usage: sdk.py WHERE, where WHERE is what `run` wrote of what it started, as JSON."""

import asyncio
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import reads
from answers import Answers, Report, require
from broken import notice
from synqly.engine.client import AsyncSynqlyEngine, SynqlyEngine
from synqly.engine.ocsf.latest.events.types.application_security_posture_finding import (
    ApplicationSecurityPostureFinding,
)
from synqly.management.client import SynqlyManagement
from synqly.management.common.types.patch_operation import PatchOperation
from truth import Truth

WHERE = json.loads(pathlib.Path(sys.argv[1]).read_text())
report = Report("synqly")
check = report.check
truth = Truth(WHERE["database"])
ask = Answers(WHERE["api_url"])
management = ask.client(SynqlyManagement, WHERE["token"], max_retries=2)
SECRET, API_ID = WHERE["api_secret"], WHERE["api_id"]


def veracode(secret=SECRET, **more):
    """The built-in platform as a provider. Members that the package does not know travel in a
    plain object."""
    credential = {"type": "o_auth_client", "client_id": API_ID, "client_secret": secret}
    config = {"type": "appsec_veracode", "region": "us", "credential": credential}
    return {**config, "url": WHERE["rest_url"], "ca_pem": WHERE["ca_pem"], **more}


def patch(path, value):
    return [PatchOperation(op="replace", path=path, value=value)]


def engine(token, **more):
    return ask.client(SynqlyEngine, token, **more).appsec


# -- accounts --------------------------------------------------------------------------------

made = {}


def accounts():
    to, environment = management.accounts, "test"
    account = ask(to.create, name="conformance", fullname="Conformance", environment=environment,
                  labels=["blue"]).result.account
    made["account"] = account.id
    require((account.name, account.environment, account.labels) == ("conformance", "test", ["blue"]), account)
    error = ask.refused(400, to.create, name="Conformance")
    require(error.body.context.parameter.id == "/name", error.body)
    require(ask(to.get, account.id).result == account, "another account")
    named = ask(to.list, filter="name[eq]conformance", total=True)
    require([one.id for one in named.result] == [account.id] and named.total == 1, named)
    names = [one.name for one in ask(to.list, order="name[desc]", limit=5000).result]
    require(names == sorted(names, reverse=True) and len(names) > 1, names)
    first = ask(to.list, limit=1).result
    rest = ask(to.list, start_after=first[0].name).result
    require(sorted(one.name for one in first + rest) == sorted(names), "a page repeats or loses an account")
    whole = {name: getattr(account, name) for name in type(account).model_fields}
    updated = ask(to.update, account.id, **{**whole, "fullname": "Conformance of clients"}).result
    require(updated.fullname == "Conformance of clients" and updated.created_at == account.created_at, updated)
    patched = ask(to.patch, account.id, request=patch("/labels", ["red", "green"])).result
    require(patched.labels == ["red", "green"] and patched.fullname == updated.fullname, patched)
    error = ask.refused(400, to.patch, account.id, request=patch("/organization_id", "x"))
    require(error.body.context.parameter.id == "/organization_id", error.body)
    ask.refused(404, to.get, "00000000-0000-4000-8000-00000000ffff")
    second = ask(to.create, name="second", token={"permission_set": "connect-ui"}).result
    made["second"], made["connect_ui"] = second.account.id, second.token.primary.access.secret
    sole = ask.client(SynqlyManagement, made["connect_ui"])
    require([one.id for one in ask(sole.accounts.list).result] == [second.account.id], "accounts of others")
    ask.refused(403, sole.accounts.create, name="third")
    ask.refused(404, sole.accounts.get, account.id)


# -- credentials -----------------------------------------------------------------------------


def credentials():
    to, owner = management.credentials, made["account"]
    config = {"type": "o_auth_client", "client_id": API_ID, "client_secret": SECRET}
    kept = ask(to.create, owner, name="kept", fullname="Kept", config=config).result
    require((kept.config.type, kept.owner_type, kept.account_id) == ("o_auth_client", "account", owner), kept)
    require(ask(to.get, owner, kept.id).result == kept == ask(to.lookup, kept.id).result, "another credential")
    require([one.id for one in ask(to.list, owner).result] == [kept.id], "another list")
    renamed = ask(to.patch, owner, kept.id, request=patch("/fullname", "Kept for conformance")).result
    require(renamed.fullname == "Kept for conformance", renamed)
    ask.refused(404, to.get, made["second"], kept.id)
    ask.refused(404, to.lookup, "00000000-0000-4000-8000-00000000ffff")
    spare = ask(to.create, owner, name="spare", config=config).result
    ask(to.delete, owner, spare.id)
    ask.refused(404, to.get, owner, spare.id)
    made["kept"] = kept.id


# -- integrations ----------------------------------------------------------------------------


def verified():
    to, account = management.integrations, made["account"]
    wrong = {"fullname": "Wrong", "provider_config": veracode(SECRET[::-1])}
    error = ask.refused(400, to.verify, account, integration=wrong)
    require(error.body.context.raw_error, "nothing of what the service answered")
    require(not ask(to.list_account, account).result, "what was only verified is kept")
    ask(to.verify, account, integration={"fullname": "Right", "provider_config": veracode()})
    error = ask.refused(400, to.create, account, name="wrong", provider_config=veracode(SECRET[::-1]))
    require(not ask(to.list_account, account).result, "what was refused is kept")
    odd = veracode() | {"region": "moon", "url": None}
    error = ask.refused(400, to.verify, account, integration={"provider_config": odd})
    require(error.body.context.parameter.location == "body", error.body)


def integrations():
    to, account = management.integrations, made["account"]
    created = ask(to.create, account, name="conformance", fullname="Conformance", provider_config=veracode())
    integration = created.result.integration
    made["integration"], made["access"] = integration.id, created.result.token.access.secret
    require([one.integration_id for one in created.result.credentials_created] == [integration.id], created)
    config = integration.provider_config
    require((config.type, config.credential.type) == ("appsec_veracode", "o_auth_client_id"), config)
    require(config.credential.value == created.result.credentials_created[0].id, config)
    require(config.url.rstrip("/") == WHERE["rest_url"].rstrip("/"), config)
    require(ask(to.get, account, integration.id).result == integration, "another integration")
    listed = ask(to.list_account, account, expand="account", total=True)
    require([one.account.id for one in listed.result] == [account] and listed.total == 1, listed)
    everywhere = {one.id for one in ask(to.list).result}
    require(integration.id in everywhere and len(everywhere) > 1, everywhere)
    patched = ask(to.patch, account, integration.id, request=patch("/fullname", "Patched")).result
    require((patched.fullname, patched.id) == ("Patched", integration.id), patched)
    whole = {name: getattr(patched, name) for name in type(patched).model_fields}
    updated = ask(to.update, account, integration.id, **{**whole, "fullname": "Updated"}).result
    require((updated.fullname, updated.provider_config) == ("Updated", patched.provider_config), updated)
    ask(to.verify_existing, account, integration.id)
    ask.refused(400, to.patch, account, integration.id, request=patch("/provider_config/region", "moon"))
    require(ask(to.get, account, integration.id).result == updated, "a refused change changed something")
    ask.refused(404, to.get, made["second"], integration.id)
    by_id = veracode() | {"credential": {"type": "o_auth_client_id", "value": made["kept"]}}
    other = ask(to.create, account, name="by-id", provider_config=by_id).result.integration
    require(other.provider_config.credential.value == made["kept"], other)
    ask(to.delete, account, other.id)
    ask.refused(404, to.get, account, other.id)


def tokens():
    to, account, integration = management.tokens, made["account"], made["integration"]
    read = lambda secret: ask(engine(secret).query_applications, limit=1)
    short = ask(to.create_integration_token, account, integration, token_ttl="1h").result
    read(short.secret), read(made["access"])
    narrowed = ask(
        to.create_integration_token, account, integration,
        request_options={"additional_body_parameters": {
            "restrict_to_connector_operations": ["appsec_query_applications"]}},
    ).result
    read(narrowed.secret)
    ask.refused(403, engine(narrowed.secret).query_findings)
    viewer = ask(to.create_token, name="viewer", permission_set="viewer",
                 resources={"accounts": {"ids": [account]}}, token_ttl="1h").result
    sees = ask.client(SynqlyManagement, viewer.primary.access.secret)
    require([one.id for one in ask(sees.accounts.list).result] == [account], "a token sees more than its account")
    ask.refused(403, sees.integrations.delete, account, integration)
    info = ask(to.get, viewer.id).result
    require(not info.primary.access.secret and info.name == "viewer", info)
    require(viewer.id in {one.id for one in ask(to.list, limit=5000).result}, "it is not listed")
    # The one before is good as well, until it is dropped.
    old, new = viewer, ask(to.refresh, viewer.id).result
    for one in (old, new):
        ask(ask.client(SynqlyManagement, one.primary.access.secret).accounts.list)
    ask(to.remove_secondary, viewer.id)
    ask.refused(401, ask.client(SynqlyManagement, old.primary.access.secret).accounts.list)
    rotated = ask(to.rotate, viewer.owner_id, viewer.id).result
    require(rotated.secondary is not None, "nothing is left of the one before")
    reset = ask(to.reset, viewer.owner_id, viewer.id).result
    require(reset.secondary is None, "a reset leaves something")
    ask.refused(401, ask.client(SynqlyManagement, rotated.primary.access.secret).accounts.list)
    ask(to.delete, viewer.id)
    ask.refused(401, ask.client(SynqlyManagement, reset.primary.access.secret).accounts.list)
    mcp = ask(to.create_mcp_token, scope={"type": "developer", "account_id": account}).result
    ask.refused(403, engine(mcp.secret).query_findings)


def capabilities():
    to = management.capabilities
    connectors = ask(to.list_connectors, expand="providers").result
    require([one.id for one in connectors] == ["appsec"], connectors)
    providers = {one.id for one in ask(to.list_providers, expand="operations").result}
    require("appsec_veracode" in providers, providers)
    provider = ask(to.get_provider, "appsec_veracode", expand=["operations", "provider_config"]).result
    made["operations"] = {one.id: one for one in provider.operations}
    six = {"appsec_query_applications", "appsec_query_application_findings", "appsec_query_findings",
           "appsec_get_application_finding_details", "appsec_query_application_scans", "appsec_create_findings"}
    require(six <= made["operations"].keys(), made["operations"].keys())
    # The reference has the same list.
    page = pathlib.Path("docs/reference/connector-api.md").read_text()
    rows = page.split("<!-- filters: begin -->")[1].split("<!-- filters: end -->")[0].splitlines()[3:]
    written = [[cell.strip() for cell in row.split(" | ")[:2]] for row in rows]
    published = made["operations"]["appsec_query_findings"].filters
    for_people = [[f"| `{one.name}`", " ".join(f"`{name}`" for name in one.operators)] for one in published]
    require(written == for_people, f"docs/reference/connector-api.md has other filters than {for_people}")
    for document in (management.meta.management_openapi_spec, management.meta.engine_openapi_spec):
        require(document()["openapi"].startswith("3.1"), "no OpenAPI 3.1")


# -- reads -----------------------------------------------------------------------------------


def demo():
    """Of the integration that was synced before, for an hour."""
    integration = next(one for one in ask(management.integrations.list).result if one.name == "demo")
    made["demo"] = integration.account_id, integration.id
    create = management.tokens.create_integration_token
    made["token"] = ask(create, *made["demo"], token_ttl="1h").result.secret


def whole():
    """Everything once, strictly; then again by other pages, which have to have the same."""
    events = reads.pages(ask, to.query_findings, limit=1000, include_raw_data=True)
    reads.same(reads.uids(events), truth.findings, "findings")
    reads.same_facts(events, truth)
    require(all(json.loads(event["raw_data"])["scan_type"] for event in events), "a record that is none")
    made["findings"] = events
    ask.is_strict = False
    for limit in (5000, 333):
        again = reads.pages(ask, to.query_findings, limit=limit)
        require(reads.uids(again) == reads.uids(events), f"pages of {limit} have another order or other findings")
        require(all("raw_data" not in event for event in again), "a record that nobody asked for")
    ask.is_strict = True
    counted = ask(to.query_findings, limit=1, meta="stats/count()").meta.stats.count["*"]
    require(counted == len(truth.findings), f"{counted} are counted")
    require(len(ask(to.query_findings).result) == 100, "another limit than 100 where none is given")


def applications():
    events = reads.pages(ask, to.query_applications, limit=1000, include_raw_data=True)
    reads.same([event["uid"] for event in events], truth.applications, "applications")
    for limit in (1, 7, 60):
        again = reads.pages(ask, to.query_applications, limit=limit)
        require([event["uid"] for event in again] == [event["uid"] for event in events], f"pages of {limit} differ")
    require(ask(to.query_applications).result[0].id == events[0]["uid"], "the published sample reads `.id`")
    made["applications"] = events


def by_application():
    wanted = {}
    for uid, row in truth.findings.items():
        wanted.setdefault(row["application"], []).append(uid)
    ask.is_strict = False
    for guid in truth.applications:
        events = reads.pages(ask, to.query_application_findings, guid, limit=5000)
        reads.same(reads.uids(events), wanted.get(guid, []), f"findings of {guid}")
    ask.is_strict = True
    # One with findings of every kind, a page at a time.
    kinds = lambda guid: len({truth.findings[uid]["type"] for uid in wanted[guid]})
    made["one"] = guid = min(wanted, key=lambda guid: (-kinds(guid), len(wanted[guid])))
    for limit in (1 if len(wanted[guid]) < 100 else 9, 50):
        events = reads.pages(ask, to.query_application_findings, guid, limit=limit)
        reads.same(reads.uids(events), wanted[guid], f"findings of {guid} by {limit}")


def details():
    by_type = {row["type"]: uid for uid, row in truth.findings.items()}
    listed = {event["finding_info"]["uid"]: event for event in made["findings"]}
    for uid in by_type.values():
        guid = truth.findings[uid]["application"]
        ask(to.get_application_finding_details, guid, uid, include_raw_data=True)
        require(json.loads(ask.last[1])["result"] == listed[uid], f"{uid} is another than in the list")
        answer = ask(to.get_application_finding_details, guid, uid)
        require(answer.cursor == "" and answer.result.raw_data is None, "a record that nobody asked for")
    other = next(guid for guid in truth.applications if guid != guid_of(uid))
    ask.refused(404, to.get_application_finding_details, other, uid)
    ask.refused(404, to.get_application_finding_details, guid_of(uid), "0" * 20)


def guid_of(uid):
    return truth.findings[uid]["application"]


def scans():
    found = 0
    for guid in sorted(truth.applications):
        events = reads.pages(ask, to.query_application_scans, guid, limit=1000)
        for limit in (1,) if len(events) > 1 and not found else ():
            again = reads.pages(ask, to.query_application_scans, guid, limit=limit)
            require(again == events, "scans one at a time are others")
        ids = [event["scan"]["uid"] for event in events]
        require(len(ids) == len(set(ids)), f"a scan of {guid} twice")
        types = {row["type"] for row in truth.findings.values() if row["application"] == guid}
        require(types <= {event["scan"].get("type") for event in events}, f"{guid}: no scan of {types}")
        found += len(events)
    require(found > len(truth.applications), f"{found} scans")


def filters():
    """Each published filter with each of its operators, against a plain look at all findings."""
    everything = reads.findings(made["findings"], truth)
    inside = [event for event in made["findings"] if event["application"]["uid"] == made["one"]]
    inside = reads.findings(inside, truth)
    published = made["operations"]["appsec_query_findings"].filters
    require(len(published) >= 20, f"{len(published)} filters")
    ask.is_strict = False
    for one in published:
        some = everything.some(one.name)
        for operator in one.operators:
            values = reads.values_for(operator, some)
            text = reads.written(one.name, operator, values)
            wanted = everything.wanted(one.name, operator, values)
            count = ask(to.query_findings, filter=text, limit=1, meta="stats/count()").meta.stats.count["*"]
            require(count == len(wanted), f"{text}: {count}, not {len(wanted)}")
            found = reads.pages(ask, to.query_application_findings, made["one"], filter=text, limit=5000)
            reads.same(reads.uids(found), inside.wanted(one.name, operator, values), f"findings of {text}")
    of_applications = reads.applications(made["applications"])
    for one in made["operations"]["appsec_query_applications"].filters:
        some = of_applications.some(one.name)
        for operator in one.operators:
            values = reads.values_for(operator, some)
            text = reads.written(one.name, operator, values)
            found = reads.pages(ask, to.query_applications, filter=text, limit=1000)
            ids = [event["uid"] for event in found]
            reads.same(ids, of_applications.wanted(one.name, operator, values), f"applications of {text}")
    ask.is_strict = True


def spellings():
    """The same filter as different clients write it, and several of them."""
    count = lambda filter: ask(to.query_findings, filter=filter, limit=1, meta="stats/count()").meta.stats.count["*"]
    rows = truth.findings.values()
    serious = sum(row["severity"] >= 4 for row in rows)
    for text in ("severity[in]Critical,High", "severity[in]critical, high", 'severity[in]"Critical","High"',
                 "severity[gte]High", "severity_id[gt]3", "severity[not in]Medium,Low,Informational"):
        require(count(text) == serious, f"{text}: {count(text)}, not {serious}")
    both = sum(row["severity"] >= 4 and row["type"] == "SCA" for row in rows)
    require(count(["severity[gte]High", "finding_info.types[eq]SCA"]) == both, "filters do not all hold")
    require(count("finding.types[eq]SCA") == count("finding_info.types[eq]SCA"), "`finding.` is another field")
    require(count("severity[ne]High") == count("severity[neq]High"), "`neq` is not `ne`")
    require(count("finding_info.title[like]*Script%") == count("finding_info.title[like]%Script*") > 0, "wildcards")
    error = ask.refused(400, to.query_findings, filter="colour[eq]red")
    parameter = error.body.context.parameter
    require((parameter.id, parameter.location, parameter.value) == ("filter", "query", "colour[eq]red"), parameter)
    ask.refused(400, to.query_findings, filter="severity[is]High")
    ask.refused(400, to.query_applications, filter="severity[eq]High")


def refusals():
    """One of each class, without retries."""
    once = lambda token: engine(token, max_retries=0)
    one = once(made["token"])
    ask.refused(400, one.query_findings, limit=-1)
    cursor = ask(one.query_findings, limit=1).cursor
    error = ask.refused(400, one.query_findings, limit=1, cursor=cursor, filter="severity[eq]High")
    require(error.body.context.parameter.id == "cursor", error.body)
    for token in ("x", made["token"][:-1]):
        ask.refused(401, once(token).query_applications)
    ask.refused(403, once(WHERE["token"]).query_applications)
    manage = ask.client(SynqlyManagement, made["token"], max_retries=0)
    ask.refused(403, manage.accounts.list)
    ask.refused(403, one.create_findings, request=[])
    ask.refused(404, one.query_application_findings, "00000000-0000-4000-8000-00000000ffff")
    ask.refused(404, one.query_application_scans, "no-application")
    # `/findings` is no place to write to, and the package has no call for that.
    ask.method = "PATCH"
    ask.refused(405, one.query_findings)
    ask.method = None


def too_often():
    """At a server whose tokens may ask ten times a minute, and once in a burst."""
    slow = Answers(WHERE["slow"]["api_url"])
    manage = slow.client(SynqlyManagement, WHERE["slow"]["token"], max_retries=5)
    account = slow(manage.accounts.list).result[0].id
    created = slow(manage.integrations.create, account, provider_config={"type": "appsec_imported"}).result
    once, patient = (
        slow.client(SynqlyEngine, created.token.access.secret, max_retries=retries).appsec for retries in (0, 5)
    )
    slow(once.query_findings)
    error = slow.refused(429, once.query_findings)
    require(1 <= int(error.headers["retry-after"]) <= 10, error.headers)
    sent = len(slow.texts)
    slow(patient.query_findings)
    require(len(slow.texts) > sent + 1, "nothing was sent again")


def others():
    """Any but a loopback address needs TLS, or the tokens cross the network in the clear."""
    for address in ("0.0.0.0:0", "[::]:0"):
        with tempfile.TemporaryDirectory() as folder:
            program = [WHERE["command"][0], "--home", folder, "serve", "--listen", "127.0.0.1:0", "--api", address]
            done = subprocess.run(program, capture_output=True, text=True, timeout=60)
            require(done.returncode == 2 and "--tls-cert" in done.stderr, done)


def asynchronous():
    async def read():
        client = AsyncSynqlyEngine(base_url=WHERE["api_url"], token=made["token"])
        found, cursor = [], None
        while cursor != "":
            page = await client.appsec.query_findings(limit=2000, cursor=cursor)
            found += [finding.finding_info.uid for finding in page.result]
            cursor = page.cursor
        return found

    reads.same(asyncio.run(read()), truth.findings, "findings")


def first_sync():
    """`serve` syncs an integration that was added by the API; its token then reads all of it."""
    subprocess.run([*WHERE["command"], "schedule", "run", "conformance"], check=True, capture_output=True)
    own = engine(made["access"])
    for _ in range(300):
        if ask(own.query_findings, limit=1, meta="stats/count()").meta.stats.count["*"] == len(truth.findings):
            break
        time.sleep(1)
    ask.is_strict = False
    reads.same(reads.uids(reads.pages(ask, own.query_findings, limit=5000)), truth.findings, "findings")
    ask.is_strict = True


def live():
    """An application that is read from the service before it is answered."""
    account, integration = made["account"], made["integration"]
    to = management.integrations
    own = engine(made["access"])
    reading = lambda: ask(own.query_application_findings, made["one"], limit=5000)
    require(reading().messages is None and ask.headers["x-countersign-source"] == "stored", ask.headers)
    mode = [PatchOperation(op="add", path="/provider_config/mode", value="live")]
    patched = ask(to.patch, account, integration, request=mode).result
    require(patched.provider_config.mode == "live", patched.provider_config)
    found = reading()
    require(found.messages is None and ask.headers["x-countersign-source"] == "live", found.messages)
    wanted = [uid for uid, row in truth.findings.items() if row["application"] == made["one"]]
    reads.same([one.finding_info.uid for one in found.result], wanted, "findings")


# -- findings of other scanners --------------------------------------------------------------


def bulk():
    created = ask(management.integrations.create, made["account"], name="imported",
                  provider_config={"type": "appsec_imported"}).result
    own = engine(created.token.access.secret)
    sample = made["findings"][:: len(made["findings"]) // 40]
    request = [ApplicationSecurityPostureFinding.model_construct(**event) for event in sample]
    answer = ask(own.create_findings, request=request)
    require(answer.messages is None, answer.messages)
    first = [finding.finding_info.uid for finding in answer.result]
    require(len(set(first)) == len(sample), f"{len(set(first))} of {len(sample)} were created")
    listed = lambda: reads.pages(ask, own.query_findings, limit=7, include_raw_data=True)
    once = listed()
    reads.same(reads.uids(once), first, "findings")
    again = ask(own.create_findings, request=request)
    require([finding.finding_info.uid for finding in again.result] == first, "the same body has other findings")
    require(listed() == once, "the same body again changed something")
    broken = [dict(sample[0]) | {"class_uid": 2002}, dict(sample[1])]
    answer = ask(own.create_findings, request=broken)
    require(len(answer.result) == 1, answer.result)
    pointers = [problem.context.parameter.id for problem in answer.messages.problems]
    require(pointers == ["/0/class_uid"], pointers)
    require(ask(own.create_findings, request=[]).result == [], "findings out of nothing")
    made["imported"] = created.integration.id


# -- status, and the end ---------------------------------------------------------------------


def status():
    to, (account, integration) = management.status, made["demo"]
    for _ in range(60):
        one = ask(to.get, account, integration).result
        if one.requests > 100 and one.failed > 0:
            break
        time.sleep(1)
    require(one.requests > 100 and one.failed > 0 and one.out_bytes > 1_000_000, one)
    require(integration in {each.integration_id for each in ask(to.list, expand="all").result}, "it is not listed")
    events = ask(to.list_events, account, integration).result
    require(events and all(event.status for event in events), "no request that failed")
    series = ask(to.get_integration_timeseries, account, integration, interval="hour").result.series
    require(sum(each.succeeded + each.failed for each in series) == one.requests, "the series has other sums")
    require(ask(to.get_timeseries).result.series, "nothing of all integrations")
    ask(to.reset, account, integration)
    require(ask(to.get, account, integration).result.requests < one.requests, "a reset changed nothing")


def no_secret():
    """In nothing that was answered is a secret that was given."""
    for text in ask.texts:
        require(SECRET not in text, "a secret was answered")


def removed():
    to, account = management.integrations, made["account"]
    for name in ("integration", "imported"):
        ask(to.delete, account, made[name])
        ask.refused(404, to.get, account, made[name])
    ask.refused(401, engine(made["access"]).query_applications)
    left = ask(management.credentials.list, account).result
    for one in left:
        ask(management.credentials.delete, account, one.id)
    for each in (account, made["second"]):
        ask(management.accounts.delete, each)
        ask.refused(404, management.accounts.get, each)


check("accounts (create, list, get, update, patch, token)", accounts)
check("credentials (create, list, get, lookup, patch, delete)", credentials)
check("integrations are verified before they are kept", verified)
check("integrations (create, get, list, patch, verify, delete)", integrations)
check("tokens (narrowed, refresh, rotate, reset, drop, delete)", tokens)
check("capabilities and OpenAPI documents", capabilities)
check("a token of an integration", demo)
to = engine(made.get("token", ""))
check("applications (all pages, raw data)", applications)
check("findings (all pages, raw data, count)", whole)
check("findings of each application", by_application)
check("finding details", details)
check("scans", scans)
check("every published filter with every operator", filters)
check("spellings of filters, several at once", spellings)
check("asynchronous client", asynchronous)
check("errors by class (400, 401, 403, 404, 405)", refusals)
check("too many requests (429)", too_often)
check("another address than a loopback one needs TLS", others)
check("an integration of the API is synced and read", first_sync)
check("an application read from the service at once", live)
check("findings in bulk, twice", bulk)
check("status, time series, events, reset", status)
check("what is removed is gone", removed)
check("no secret in any answer", no_secret)
check("broken answers are noticed", lambda: notice(WHERE["api_url"], SynqlyEngine, made["token"], truth))
report.end()
