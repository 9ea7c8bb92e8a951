"""Schemathesis against the connector API: with tokens that may do it, half of all ids real,
and no secret in any answer but the one that makes it."""

import atexit
import collections
import json
import os
import pathlib
import random
import re
import time

import requests
import schemathesis
from requests.auth import AuthBase

WHERE = json.loads(pathlib.Path(os.environ["WHERE"]).read_text())
URL = WHERE["api_url"]
# The only answers that hold a secret.
CREATORS = {
    "create_account", "create_integration", "create_token", "create_mcp_token", "create_integration_token",
    "refresh_token", "rotate_token", "reset_token",
}  # fmt: skip
# For everybody, or with less than is asked for here.
OPEN = {"get_version", "get_engine_openapi"}
SECRET = re.compile(r"csa_[A-Za-z0-9_-]{43}")

# The same seed, the same requests.
chance = random.Random(int(os.environ.get("SEED", "1")))


def call(method, path, body=None, token=WHERE["token"]):
    for _ in range(100):
        answer = requests.request(
            method, f"{URL}/v1{path}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        if answer.status_code not in (429, 503):
            break
        time.sleep(int(answer.headers["retry-after"]))
    answer.raise_for_status()
    return answer.json()["result"]


class Bearer(AuthBase):
    def __init__(self, token):
        self.token = token

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def access(token):
    return token["primary"]["access"]["secret"]


demo = next(one for one in call("GET", "/integrations") if one["name"] == "demo")
everything = {"resources": {}, "permission_set": "administrator", "token_ttl": "24h"}
# One token may ask for twenty things a second.
managers = [call("POST", "/tokens", everything) for _ in range(25)]
path = f"/tokens/{demo['account_id']}/{demo['id']}"
readers = [call("POST", path, {"token_ttl": "24h"})["secret"] for _ in range(25)]
account = call("POST", "/accounts", {})["account"]["id"]
imported = call("POST", f"/integrations/{account}", {"provider_config": {"type": "appsec_imported"}})
writer = call("POST", f"/tokens/{account}/{imported['integration']['id']}", {"token_ttl": "24h"})["secret"]
credential = {"type": "o_auth_client", "client_id": WHERE["api_id"], "client_secret": WHERE["api_secret"]}
veracode = {
    "type": "appsec_veracode", "region": "us", "url": WHERE["rest_url"], "ca_pem": WHERE["ca_pem"],
    "credential": credential,
}  # fmt: skip
findings = call("GET", "/app-sec/findings?limit=200", token=readers[0])
# What must stay as it is: it is asked with, or read.
OWN = {demo["account_id"], demo["id"], demo["refresh_token_id"], account, imported["integration"]["id"]}
OWN |= {one["id"] for one in managers} | {imported["integration"]["refresh_token_id"]}
OWN |= {one["id"] for one in call("GET", "/tokens?limit=5000")}


def disposable_account():
    return call("POST", "/accounts", {})["account"]["id"]


def disposable_integration():
    made = call("POST", f"/integrations/{account}", {"provider_config": {"type": "appsec_imported"}})
    return account, made["integration"]["id"]


def disposable_credential():
    return account, call("POST", f"/credentials/{account}", {"config": credential})["id"]


def disposable_token():
    made = call("POST", "/tokens", {"resources": {}, "permission_set": "viewer"})
    return made["owner_id"], made["id"]


def real(operation, method, names):
    """Ids that are there, for what an operation names in its path."""
    is_reading = method == "GET"
    if "applicationId" in names:
        event = chance.choice(findings)
        return {"applicationId": event["application"]["uid"], "findingId": event["finding_info"]["uid"]}
    if "providerId" in names:
        return {"providerId": "appsec_veracode"}
    if "credentialId" in names:
        owner, one = disposable_credential()
        return {"ownerId": owner, "credentialId": one}
    if "tokenId" in names:
        owner, one = disposable_token()
        return {"ownerId": owner, "tokenId": one}
    if "integrationId" in names:
        of, one = (demo["account_id"], demo["id"]) if is_reading else disposable_integration()
        return {"accountId": of, "integrationId": one}
    if operation in ("create_integration", "verify_integration", "create_credential"):
        return {"accountId": account, "ownerId": account}
    one = demo["account_id"] if is_reading else disposable_account()
    return {"accountId": one, "ownerId": one}


def sound_bodies():
    """Bodies that do something: few random ones get so far."""
    name = f"made-up-{chance.getrandbits(48):x}"
    config = chance.choice([veracode, {"type": "appsec_imported"}])
    change = [{"op": "replace", "path": "/fullname", "value": name}]
    finding = {
        "class_uid": 2007, "category_uid": 2, "activity_id": 1, "type_uid": 200701, "severity_id": 4,
        "time": 1767323045000, "metadata": {"version": "1.8.0", "product": {"name": "made up"}},
        "finding_info": {"uid": name, "title": name}, "application": {"uid": "a-1", "name": "A"},
    }  # fmt: skip
    return {
        "create_account": {"name": name},
        "patch_account": change,
        "create_credential": {"name": name, "config": credential},
        "patch_credential": change,
        "create_integration": {"name": name, "provider_config": config},
        "verify_integration": {"integration": {"name": name, "provider_config": config}},
        "patch_integration": change,
        "create_token": {"resources": {}, "permission_set": "viewer", "token_ttl": "1m"},
        "create_mcp_token": {"scope": {"type": "developer", "account_id": account}, "token_ttl": "1m"},
        "create_integration_token": {"token_ttl": "1m"},
        "appsec_create_findings": [finding],
    }


@schemathesis.hook
def before_call(context, case, kwargs):
    raw = context.operation.definition.raw
    operation = raw.get("operationId")
    names = dict(case.path_parameters or {})
    is_own = OWN & {str(value).lower() for value in names.values()} and case.method.upper() != "GET"
    if names and (is_own or chance.random() < 0.5):
        ids = real(operation, case.method.upper(), names)
        case.path_parameters = {name: ids.get(name, value) for name, value in names.items()}
    if chance.random() < 0.3 and operation in (sound := sound_bodies()):
        case.body, case.media_type, case.query = sound[operation], "application/json", {}
    if operation == "appsec_create_findings":
        token = writer
    elif case.path.startswith("/v1/app-sec/"):
        token = chance.choice(readers)
    else:
        token = access(chance.choice(managers))
    kwargs["auth"] = Bearer(token)


answered = collections.defaultdict(collections.Counter)


@atexit.register
def tell():
    """Nothing is proven by requests that are all refused."""
    total = sum(sum(statuses.values()) for statuses in answered.values())
    good = sum(statuses[200] for statuses in answered.values())
    print(f"{total} requests, {good} of them answered with success")
    for operation, statuses in sorted(answered.items()):
        if not statuses[200]:
            print(f"  {operation} never succeeded: {dict(statuses)}")


@schemathesis.check
def tokens_hold(context, response, case):
    operation = case.operation.definition.raw.get("operationId")
    answered[operation][response.status_code] += 1
    assert response.status_code != 401 or operation in OPEN, "a good token, and refused"


@schemathesis.check
def problems(context, response, case):
    if response.status_code >= 400:
        body = response.json()
        assert body["status"] == response.status_code and type(body["status"]) is int, "another status"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body["occurred_at"]), "no time"
        assert body["message"] and body["instance"].startswith("/"), "a problem without a text or a request"


@schemathesis.check
def no_secret(context, response, case):
    operation = case.operation.definition.raw.get("operationId")
    text = response.content.decode("utf-8", "replace") + repr(response.headers)
    assert WHERE["api_secret"] not in text, "a secret was told"
    assert operation in CREATORS or not SECRET.search(text), "the secret of a token was told again"
