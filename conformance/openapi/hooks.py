"""Schemathesis against the platform: every request signed by the official library,
half of all ids real, and no secret in any answer but the one that creates it."""

import atexit
import collections
import os
import random
import re
import time

import requests
import schemathesis
from requests.auth import AuthBase
from veracode_api_signing.veracode_hmac_auth import generate_veracode_hmac_header

URL = os.environ["PLATFORM_URL"]
CA = os.environ["PLATFORM_CA"]
HOST = URL.split("://")[1].split(":")[0]
IDENTITY = "/api/authn/v2"

# The only answers that hold a secret.
CREATORS = {
    "mint_own_credentials",
    "mint_user_credentials",
    "create_own_client",
    "create_user_client",
    "rotate_client",
    "clone_client",
    "issue_token",
    "create_user",
}
# What an account can only do to itself: done by accounts that nobody needs.
TO_ITSELF = {"mint_own_credentials", "revoke_own_credentials", "update_own_user"}
SECRETS = ("api_secret", "client_secret", "access_token")


class Signed(AuthBase):
    def __init__(self, api_id, secret):
        self.api_id, self.secret = api_id, secret

    def __call__(self, request):
        header = generate_veracode_hmac_header(
            HOST, request.path_url, request.method, self.api_id, self.secret
        )
        request.headers["Authorization"] = header
        return request


operator = Signed(os.environ["VERACODE_API_KEY_ID"], os.environ["VERACODE_API_KEY_SECRET"])
session = requests.Session()
session.verify = CA
known_secrets = {operator.secret}
# The same seed, the same requests.
chance = random.Random(int(os.environ.get("SEED", "1")))


def call(method, path, body=None):
    answer = session.request(method, URL + path, json=body, auth=operator)
    answer.raise_for_status()
    return answer.json()


def disposable():
    name = f"disposable-{time.time_ns()}"
    body = {
        "user_name": name,
        "email_address": f"{name}@example.com",
        "first_name": "Some",
        "last_name": "Body",
        "permissions": [{"permission_name": "apiUser"}],
        "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}],
    }
    user = call("POST", f"{IDENTITY}/users?generate_api_creds=true", body)
    pair = user["api_credentials"]
    known_secrets.add(pair["api_secret"])
    return user["user_id"], Signed(pair["api_id"], pair["api_secret"])


def elements(path, member):
    return call("GET", path).get("_embedded", {}).get(member, [])


def real_ids():
    applications = elements("/appsec/v1/applications?size=500", "applications")
    application = applications[len(applications) // 2]["guid"]
    base = f"/appsec/v2/applications/{application}/findings"
    findings = elements(f"{base}?size=50", "findings")
    findings += elements(f"{base}?size=50&scan_type=DYNAMIC", "findings")
    components = elements(f"{base}?size=50&scan_type=SCA", "findings")
    users = [disposable()[0] for _ in range(5)]
    pair = call("POST", f"{IDENTITY}/api_credentials/user_id/{users[0]}")
    client = call("POST", f"{IDENTITY}/oauth_clients", {"name": "first"})
    known_secrets.update([pair["api_secret"], client["client_secret"]])
    sandboxes = [
        (a["guid"], s["guid"])
        for a in applications[:40]
        for s in elements(f"/appsec/v1/applications/{a['guid']}/sandboxes", "sandboxes")
    ]
    return {
        "application": [application] * 60 + [a["guid"] for a in applications],
        "policy": [p["guid"] for p in elements("/appsec/v1/policies", "policy_versions")],
        "issue_id": [finding["issue_id"] for finding in findings],
        "id": [80, 89, 78, 20, 18],
        "version": [1],
        "user_id": users,
        "user_legacy_id": [call("GET", f"{IDENTITY}/users/{user}")["user_legacy_id"] for user in users],
        "team_id": [t["team_id"] for t in elements(f"{IDENTITY}/teams?all_for_org=true", "teams")],
        "bu_id": [b["bu_id"] for b in elements(f"{IDENTITY}/business_units", "business_units")],
        "role_id": [r["role_id"] for r in elements(f"{IDENTITY}/roles", "roles")],
        "api_id": [pair["api_id"]],
        "client_id": [client["client_id"]],
        "client": [(client["client_id"], client["client_secret"])],
        "component": [
            (c["finding_details"]["component_id"], c["finding_details"]["cve"]["name"])
            for c in components
        ],
        "sandbox": sandboxes,
    }


ids = real_ids()
# Ids are learned from answers: nothing may be done to the one that asks.
OWN = {operator.api_id, call("GET", f"{IDENTITY}/users/self")["user_id"]}


def sound_bodies():
    """Bodies that do something: few random ones get so far."""
    name = f"made-up {chance.getrandbits(48):x}"
    profile = {"name": name, "business_criticality": chance.choice(["HIGH", "LOW"])}
    user = {
        "user_name": name,
        "email_address": "made-up@example.com",
        "first_name": "Made",
        "last_name": "Up",
        "permissions": [{"permission_name": "apiUser"}],
        "roles": [{"role_name": "resultsapi"}, {"role_name": "noteamrestrictionapi"}],
    }
    annotation = {
        "issue_list": str(chance.choice(ids["issue_id"])),
        "comment": name,
        "action": chance.choice(["COMMENT", "FP", "ACCEPTED", "REJECTED"]),
    }
    component, cve = chance.choice(ids["component"])
    component_annotation = {
        "annotation_type": "VULNERABILITY",
        "action": chance.choice(["COMMENT", "FP", "APPROVE", "REJECT"]),
        "comment": name,
        "annotations": [{"component_id": component, "cve_name": cve}],
    }
    client = {"name": name, "expires_in_days": chance.randint(1, 365)}
    return {
        "create_application": {"profile": profile},
        "update_application": {"profile": profile},
        "create_sandbox": {"name": name},
        "update_sandbox": {"name": name},
        "create_team": {"team_name": name},
        "update_team": {"team_name": name},
        "create_business_unit": {"bu_name": name},
        "update_business_unit": {"bu_name": name},
        "create_user": user,
        "update_user": user,
        "create_own_client": client,
        "create_user_client": client,
        "clone_client": client,
        "annotate_findings": annotation,
        "annotate_components": component_annotation,
    }


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = context.operation.definition.raw.get("operationId")
    is_own = OWN & {str(value).lower() for value in (case.path_parameters or {}).values()}
    if case.path_parameters and (is_own or chance.random() < 0.5):
        parameters = dict(case.path_parameters)
        for name in parameters:
            if name == "guid":
                kind = "policy" if "/policies/" in case.path else "application"
                parameters[name] = chance.choice(ids[kind])
            elif name == "sandbox" and ids["sandbox"]:
                parameters["guid"], parameters[name] = chance.choice(ids["sandbox"])
            elif ids.get(name):
                parameters[name] = chance.choice(ids[name])
        case.path_parameters = parameters
    if operation == "issue_token":
        if chance.random() < 0.5:
            kwargs["auth"] = chance.choice(ids["client"])
            case.body = {"grant_type": "client_credentials"}
        return
    if chance.random() < 0.3 and operation in (sound := sound_bodies()):
        case.body, case.media_type, case.query = sound[operation], "application/json", {}
        if operation.startswith("annotate_"):
            case.path_parameters = {"guid": ids["application"][0]}
    kwargs["auth"] = disposable()[1] if operation in TO_ITSELF else operator


def secrets_of(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in SECRETS and isinstance(inner, str):
                yield inner
            else:
                yield from secrets_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_of(inner)


answered = collections.defaultdict(collections.Counter)


@atexit.register
def tell():
    """Nothing is proven by requests that are all refused."""
    total = sum(sum(statuses.values()) for statuses in answered.values())
    good = sum(statuses[s] for statuses in answered.values() for s in (200, 201, 204))
    print(f"{total} requests, {good} of them answered with success")
    for operation, statuses in sorted(answered.items()):
        if not any(statuses[status] for status in (200, 201, 204)):
            print(f"  {operation} never succeeded: {dict(statuses)}")


@schemathesis.check
def signatures_hold(context, response, case):
    operation = case.operation.definition.raw.get("operationId")
    answered[operation][response.status_code] += 1
    assert response.status_code != 401 or operation == "issue_token", "signed, and refused"


@schemathesis.check
def no_secret(context, response, case):
    operation = case.operation.definition.raw.get("operationId")
    text = response.content.decode("utf-8", "replace") + repr(response.headers)
    if operation in CREATORS and response.status_code in (200, 201):
        known_secrets.update(secrets_of(response.json()))
        return
    assert not any(secret in text for secret in known_secrets), "a secret was told again"
    assert not re.search(r"\b[0-9a-f]{128}\b", text), "this looks like a secret"
