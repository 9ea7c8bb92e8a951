"""Slack's own models, Python's own mail parser, DefectDojo's own parser as `norm-findings`
carries it, and the library of Standard Webhooks, over what is sent to each.
Usage: messages.py FOLDER"""

import base64
import email
import email.policy
import html.parser
import json
import logging
import pathlib
import sys

from norm_findings.parsers.generic import json_parser
from slack_sdk.models.blocks import Block, HeaderBlock, RichTextBlock, SectionBlock
from standardwebhooks import Webhook, WebhookVerificationError

FOLDER = pathlib.Path(sys.argv[1])
failed = 0


def check(who, what, problems):
    global failed
    problems = list(problems)
    if not problems:
        print(f"pass {who} {what}")
    for problem in problems[:10]:
        print(f"fail {who} {what}: {problem}")
    failed += len(problems)


def lines(name):
    with open(FOLDER / name, encoding="utf-8", newline="\n") as text:
        return [line.rstrip("\n") for line in text]


# Slack.


def blocks_that_are_refused(messages):
    for message in messages:
        for block in message["blocks"]:
            parsed = Block.parse(block)
            if not isinstance(parsed, (HeaderBlock, RichTextBlock, SectionBlock)):
                yield f"{block['type']} is read as {type(parsed).__name__}"
                continue
            try:
                again = parsed.to_dict()
            except Exception as error:
                yield f"{type(error).__name__}: {error}"
                continue
            if json.dumps(again, sort_keys=True).count('"text"') != json.dumps(block).count('"text"'):
                yield f"texts are lost: {json.dumps(block)[:200]}"


def limits_that_the_models_do_not_see():
    long = [
        {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11},
    ]
    for block in long:
        try:
            Block.parse(block).to_dict()
        except Exception:
            continue
        yield f"{block['type']} of {len(json.dumps(block))} bytes is taken"


slack = [json.loads(line) for line in lines("slack.ndjson")]
count = sum(len(message["blocks"]) for message in slack)
check("slack", f"each of {count} blocks of {len(slack)} messages is taken", blocks_that_are_refused(slack))
check("slack", "blocks over a limit are refused", limits_that_the_models_do_not_see())


# Mail.

STRICT = email.policy.SMTP.clone(raise_on_defect=True)


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.elements, self.links = set(), []

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.links += [value for name, value in attributes if name == "href"]
        odd = [name for name, _ in attributes if name not in ("href", "align", "charset", "lang")]
        assert not odd, odd


ELEMENTS = set("html head meta title body h1 h2 p table tr th td ul li a".split())
HEADERS = (
    "date from subject message-id in-reply-to references to auto-submitted"
    " x-auto-response-suppress mime-version content-type"
).split()


def wrong_mails(mails):
    for raw in mails:
        try:
            mail = email.message_from_bytes(raw, policy=STRICT)
            assert [name.lower() for name in mail.keys()] == HEADERS, mail.keys()
            assert [str(a.addr_spec) for a in mail["to"].addresses] == ["ops@example.com", "security@example.com"]
            assert "\n" not in mail["subject"] and len(mail["subject"]) < 400
            assert mail["auto-submitted"] == "auto-generated"
            parts = list(mail.iter_parts())
            assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
            page = Page()
            page.feed(parts[1].get_content())
            assert page.elements <= ELEMENTS, page.elements
            assert all(link.startswith(("https://", "http://")) for link in page.links), page.links
            assert parts[0].get_content().strip()
        except Exception as error:
            yield f"{type(error).__name__}: {error}"


mails = [base64.b64decode(line) for line in lines("mails.base64")]
check("mail", f"each of {len(mails)} mails is one of ours and nothing else", wrong_mails(mails))
injected = mails[0].replace(b"Subject: ", b"Subject: x\r\nBcc: somebody@example.com\r\nX: ", 1)
check("mail", "a header more is seen", [] if list(wrong_mails([injected])) else ["it is not"])


# DefectDojo.


class ParserTest:
    """The one that `norm-findings` brings along takes fewer arguments than its caller gives."""

    def __init__(self, **members):
        self.__dict__.update(members)


json_parser.ParserTest = ParserTest


def parsed(document):
    refusals = []
    handler = logging.Handler()
    handler.emit = lambda record: refusals.append(record.getMessage())
    json_parser.logger.addHandler(handler)
    json_parser.logger.propagate = False
    test = json_parser.GenericJSONParser()._get_test_json(document)
    json_parser.logger.removeHandler(handler)
    return test, refusals


def wrong_files(files):
    for file in files:
        truth = json.loads(file)
        test, refusals = parsed(json.loads(file))
        yield from refusals
        if test.parser_type != "countersign":
            yield f"the type is {test.parser_type}"
        read = [(f.unique_id_from_tool, bool(f.active), bool(f.false_p), bool(f.is_mitigated)) for f in test.findings]
        written = [
            (f["unique_id_from_tool"], f["active"], f["false_p"], f["is_mitigated"]) for f in truth["findings"]
        ]
        if read != written:
            yield "another id or standing is read"


files = [json.loads(line)["file"] for line in lines("defectdojo.ndjson")]
check("defectdojo", f"its parser reads {len(files)} files as they are", wrong_files(files))
spoiled = json.loads(files[0])
spoiled["findings"][0]["colour"] = "red"
check("defectdojo", "a member more is refused", [] if parsed(spoiled)[1] else ["it is taken"])

# Webhooks.


def is_verified(key, body, headers):
    try:
        return Webhook(key).verify(body, headers) == json.loads(body)
    except WebhookVerificationError:
        return False


def wrong_signatures(messages):
    for message in messages:
        headers = dict(message["headers"])
        if not all(is_verified(key, message["body"], headers) for key in message["verifies"]):
            yield f"{headers['webhook-id']} is not verified"
        if any(is_verified(key, message["body"], headers) for key in message["refuses"]):
            yield f"{headers['webhook-id']} is verified by a strange key"


def taken_all_the_same(message):
    key, body, headers = message["verifies"][0], message["body"], dict(message["headers"])
    if is_verified(key, body + " ", headers):
        yield "another body"
    others = {"webhook-id": "msg_0", "webhook-signature": f"v1,{'A' * 43}="}
    others["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
    for name, other in others.items():
        if is_verified(key, body, {**headers, name: other}):
            yield f"another {name}"


messages = [json.loads(line) for line in lines("webhooks.ndjson")]
check("webhooks", f"{len(messages)} messages are verified, also while a key changes", wrong_signatures(messages))
check("webhooks", "what is changed is refused", taken_all_the_same(messages[0]))

sys.exit(bool(failed))
